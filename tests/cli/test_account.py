"""The commands for accounts and tokens, and what a server is set up with."""

from __future__ import annotations

import contextlib
import io
import re
import sqlite3
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest

from pricewire.cli.main import app
from pricewire.cli.serve import setup_of
from pricewire.cli.signing import keys_of
from pricewire.cli.store import Store
from pricewire.errors import PricewireError
from pricewire.server.auth.jwks import IssuerKeys
from pricewire.server.auth.keys import SigningKey

Run = Callable[..., str]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in an empty directory; returns what it printed."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str, typed: str = "") -> str:
        monkeypatch.setattr("sys.stdin", io.StringIO(typed))
        app(arguments, result_action="return_value")
        return capsys.readouterr().out

    return run


def test_accounts_are_opened_listed_and_changed(run: Run) -> None:
    uuid = run("account", "add", "alice", "--balance", "12.50", typed="correct horse\n").strip()
    assert run("account", "list").splitlines()[1] == f"alice\t{uuid}\treal\tdefault\tactive\t12.50\tUSD"
    run("account", "status", "alice", "suspended")
    assert "\tsuspended\t" in run("account", "list")
    with pytest.raises(PricewireError, match="suspended"):
        run("token", "alice")
    assert run("account", "password", "alice", typed="another horse\n") == ""


def test_an_account_may_have_a_given_uuid(run: Run) -> None:
    uuid = "7D444840-9dc0-11d1-b245-5ffdce74fad2"
    assert run("account", "add", "alice", "--uuid", uuid, typed="correct horse\n") == f"{uuid}\n"
    assert f"alice\t{uuid}\t" in run("account", "list")
    with pytest.raises(PricewireError, match=f"the account 'alice' has the uuid {uuid} already"):
        run("account", "add", "bob", "--uuid", uuid, typed="correct horse\n")
    assert "bob" not in run("account", "list")


def test_money_is_moved_and_every_act_is_in_the_audit_trail(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "jo")
    run("account", "add", "alice", "--balance", "12.50", typed="correct horse\n")
    run("account", "add", "kenji", "--currency", "JPY", "--author", "bo", "--reason", "form 7", typed="correct horse\n")
    assert run("account", "deposit", "alice", "100", "--reason", "wire 4711") == "112.50\n"
    assert run("account", "withdraw", "alice", "12.5", "--reason", "paid out", "--author", "bo") == "100.00\n"
    assert run("account", "adjust", "alice", "-3.25", "--reason", "booked twice") == "96.75\n"
    assert run("account", "adjust", "alice", "0.25", "--reason", "rounding") == "97.00\n"
    run("account", "password", "alice", "--reason", "forgotten", typed="another horse\n")
    run("account", "status", "alice", "suspended", "--author", "bo", "--reason", "fraud?")
    assert run("account", "withdraw", "alice", "97", "--reason", "closed") == "0.00\n"
    head, *lines = [line.split("\t") for line in run("account", "audit").splitlines()]
    assert head == ["number", "time", "author", "act", "account", "detail", "reason"]
    assert [line[2:] for line in reversed(lines)] == [
        ["jo", "account_added", "alice", "alice in USD", ""],
        ["jo", "deposit", "alice", "+12.50 USD", "opening balance"],
        ["bo", "account_added", "kenji", "kenji in JPY", "form 7"],
        ["jo", "deposit", "alice", "+100.00 USD", "wire 4711"],
        ["bo", "withdrawal", "alice", "-12.50 USD", "paid out"],
        ["jo", "adjustment", "alice", "-3.25 USD", "booked twice"],
        ["jo", "adjustment", "alice", "+0.25 USD", "rounding"],
        ["jo", "password_changed", "alice", "", "forgotten"],
        ["bo", "status_changed", "alice", "active -> suspended", "fraud?"],
        ["jo", "withdrawal", "alice", "-97.00 USD", "closed"],
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", lines[0][1])
    assert len(run("account", "audit", "kenji").splitlines()) == 2
    assert len(run("account", "audit", "--newest", "3").splitlines()) == 4


def test_the_house_has_what_the_accounts_have_not(run: Run) -> None:
    run("account", "add", "alice", "--balance", "12.50", typed="correct horse\n")
    run("account", "add", "kenji", "--currency", "JPY", "--balance", "700", typed="correct horse\n")
    assert run("account", "house").splitlines() == [
        "currency\thouse\taccounts\tsum",
        "JPY\t-700\t700\t0",
        "USD\t-12.50\t12.50\t0.00",
    ]
    with contextlib.closing(sqlite3.connect("pricewire-data/pricewire.db")) as file, file:
        file.execute("UPDATE accounts SET balance = balance + 1 WHERE id = 'alice'")
    with pytest.raises(PricewireError, match="the books of USD do not sum to zero"):
        run("account", "house")


def test_the_author_is_told_where_the_system_has_no_name_for_the_user(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 1234")

    monkeypatch.delenv("SUDO_USER", raising=False)
    monkeypatch.setattr("getpass.getuser", nobody)
    with pytest.raises(PricewireError, match="say who does this: --author NAME"):
        run("account", "add", "alice", typed="correct horse\n")
    assert run("account", "add", "alice", "--author", "bo", typed="correct horse\n")


def test_a_token_is_printed(run: Run) -> None:
    uuid = run("account", "add", "alice", typed="correct horse\n").strip()
    said = jwt.decode(run("token", "alice", "--scope", "read", "--hours", "0.5").strip(), options={"verify_signature": False})
    assert said["account"] == uuid
    assert said["scope"] == "read"
    assert 1790 < said["exp"] - said["iat"] < 1802
    said = jwt.decode(run("token", "alice", "--jwt-issuer", "me", "--jwt-audience", "you").strip(), options={"verify_signature": False})
    assert (said["scope"], said["iss"], said["aud"]) == ("read trade", "me", "you")


@pytest.mark.parametrize(
    ("arguments", "typed", "message"),
    [
        (["account", "add", "alice"], "correct horse\n", "there is an account 'alice' already"),
        (["account", "add", "no blanks"], "correct horse\n", "an id is 1 to 64"),
        (["account", "add", "bob", "--uuid", "a17fa681"], "correct horse\n", "uuid 'a17fa681' is not of the form '7d444840-"),
        (["account", "add", "bob", "--uuid", "{7d444840-9dc0-11d1-b245-5ffdce74fad2}"], "correct horse\n", "is not of the form"),
        (["account", "add", "bob"], "short\n", "a password of 5 characters is too short"),
        (["account", "password", "bob"], "correct horse\n", "there is no account 'bob'"),
        (["account", "status", "bob", "active"], "", "there is no account 'bob'"),
        (["token", "bob"], "", "there is no account 'bob'"),
        (["account", "deposit", "bob", "1", "--reason", "x"], "", "there is no account 'bob'"),
        (["account", "deposit", "alice", "1", "--reason", ""], "", "a deposit has a reason; say why"),
        (["account", "deposit", "alice", "0.001", "--reason", "x"], "", "0.001 has more decimals than USD"),
        (["account", "deposit", "alice", "-1", "--reason", "x"], "", "-1 is no amount of a deposit; give an amount above zero"),
        (["account", "withdraw", "alice", "1", "--reason", "x"], "", "the balance of 0.00 USD is less than the 1.00 to be taken"),
        (["account", "adjust", "alice", "0", "--reason", "x"], "", "give an amount that is not zero"),
        (["account", "status", "alice", "suspended", "--author", ""], "", "there is no author"),
        (["account", "audit", "bob"], "", "there is no account 'bob'"),
        (["account", "audit", "--newest", "0"], "", "--newest 0: give 1 or more"),
        *((["token", "alice", f"--hours={hours}"], "", "a token is valid for") for hours in ("0", "-1", "nan", "inf", "1e9", "8761")),
        (["token", "alice", "--jwks-url", "https://issuer.example/keys"], "", "another issuer"),
        (["account", "list", "--database", "postgresql://me:secret@127.0.0.1:1/x"], "", "cannot be opened"),
    ],
)
def test_a_mistake_is_one_clear_message(run: Run, arguments: list[str], typed: str, message: str) -> None:
    run("account", "add", "alice", typed="correct horse\n")
    with pytest.raises(PricewireError, match=message) as raised:
        run(*arguments, typed=typed)
    assert "secret" not in str(raised.value)


NO_AMOUNTS = ["１０", "1_000", "1e3", " 5", "5 ", "5\n", "+-5", "5.", ".5", "1,000", "", "abc", "[b]5", "NaN", "1" * 13, "0." + "1" * 13]


@pytest.mark.parametrize("text", [*NO_AMOUNTS, *(f"-{text}" for text in NO_AMOUNTS)])
def test_an_amount_is_written_as_requests_have_it(run: Run, capsys: pytest.CaptureFixture[str], text: str) -> None:
    run("account", "add", "alice", "--balance", "12.50", typed="correct horse\n")
    for arguments in (["deposit", "alice", text], ["adjust", "alice", text], ["add", "bob", f"--balance={text}"]):
        with pytest.raises(SystemExit):
            run("account", *arguments, *(["--reason", "x"] if "alice" in arguments else []), typed="correct horse\n")
        # Without the frame, which breaks it into lines.
        said = re.sub(r"[\s│]+", " ", capsys.readouterr().err)
        assert re.sub(r"\s+", " ", f"{text!r} is not an amount; give up to 12 of the digits 0 to 9") in said
    assert [line.split("\t")[5] for line in run("account", "list").splitlines()[1:]] == ["12.50"]


@pytest.mark.parametrize(
    ("database", "host", "asked", "is_there"),
    [
        (None, "127.0.0.1", None, True),
        (None, "::1", None, True),
        (None, "localhost", None, True),
        (None, "0.0.0.0", None, False),
        (None, "::", None, False),
        (None, "pricewire.example", None, False),
        (None, "127.0.0.1", False, False),
        ("own.db", "127.0.0.1", None, False),
        ("own.db", "0.0.0.0", True, True),
    ],
)
def test_the_demo_account_is_for_this_machine_alone(
    tmp_path: Path, database: str | None, host: str, asked: bool | None, is_there: bool
) -> None:
    store = Store(tmp_path, None if database is None else str(tmp_path / database))
    setup = setup_of(store, host, asked, {"touch": 0.02}, 2.0)
    assert setup.demo_account == is_there
    assert setup_of(store, host, asked, is_proxied=True).demo_account == bool(asked), "behind a proxy only where it is asked for"
    assert (setup.products.commissions.of("touch", "R_100", 5, "ticks"), setup.keep_ticks_s) == (0.02, 7200)


async def test_keys_are_of_one_source(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"s" * 40 + b"\n")
    ours = keys_of(Store(tmp_path, jwt_secret_file=secret))
    assert isinstance(ours, SigningKey)
    assert ours.algorithms == ("HS256",)
    theirs = keys_of(Store(tmp_path, jwks_url="https://issuer.example/keys"))
    assert isinstance(theirs, IssuerKeys)
    await theirs.aclose()
    with pytest.raises(PricewireError, match="exclude each other"):
        keys_of(Store(tmp_path, jwt_secret_file=secret, jwks_url="https://issuer.example/keys"))
    with pytest.raises(PricewireError, match="No such file"):
        keys_of(Store(tmp_path, jwt_secret_file=tmp_path / "nothing"))
    assert not (tmp_path / "signing-key.pem").exists()
