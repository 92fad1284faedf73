"""Who may: what a token is not for, and what ends it, over real sockets against both transports."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import jwt
import pytest

from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.protocol.topics import AccountTopic, QuoteTopic
from pricewire.server.app import create_app
from pricewire.server.auth.passwords import Passwords, hash_password
from pricewire.server.auth.tokens import READ, TRADE
from pricewire.server.services import TradingSetup
from pricewire.store.accounts import Account
from pricewire.trading.desk import Desk
from support.app_server import (
    KEY,
    PASSWORD,
    RULES,
    TOKENS,
    Events,
    Scene,
    add_account,
    bearer,
    log_in,
    refused,
    with_accounts,
)
from support.serving import Serving

DeskTopic = QuoteTopic | AccountTopic

KINDS = ("balance", "contracts", "open_contracts", "closed_contracts")


def token(account: Account, *scopes: str, lifetime: float = 60.0) -> str:
    return TOKENS.issue(account.uuid, frozenset(scopes), lifetime=lifetime)


@pytest.mark.parametrize("scopes", [(), (TRADE,), ("publish",), ("READ",)], ids=str)
def test_without_the_scope_for_reading_an_accounts_topics_are_not_read(scene: Scene, scopes: tuple[str, ...]) -> None:
    blind = token(scene.alice, *scopes)
    for kind in KINDS:
        for path in (f"/sse?topic={kind}:{scene.alice.uuid}", f"/protected/sse?topic=ticks:R_100&topic={kind}:{scene.alice.uuid}"):
            answer = scene.get(path, blind)
            assert "'read'" in refused(answer, 403, "FORBIDDEN")
            assert 'error="insufficient_scope", scope="read"' in answer.headers["www-authenticate"]
    for path in ("/v1/accounting/balance/stream", "/v1/trading/contracts/open/stream", "/v1/trading/contracts/close/stream"):
        refused(scene.get(path, blind), 403, "FORBIDDEN")
    refused(scene.post("/v1/tickets", blind), 403, "FORBIDDEN")


def test_a_stream_is_not_given_an_accounts_topics_without_the_scope_for_reading(scene: Scene) -> None:
    topic = f"balance:{scene.alice.uuid}"
    with Events(scene.server, "/sse?topic=ticks:R_100", token(scene.alice, TRADE)) as stream:
        assert stream.status == 200, "public prices are for everybody"
        refused(scene.change(stream, token(scene.alice, TRADE, lifetime=600), add=[topic]), 403, "FORBIDDEN")
        assert scene.change(stream, token(scene.alice, TRADE, lifetime=600), add=["ticks:R_50"]).status_code == 200


def test_a_stream_of_an_account_is_neither_renewed_nor_changed_without_the_scope_for_reading(scene: Scene) -> None:
    blind = token(scene.alice, TRADE, lifetime=600)
    for path in (f"/sse?topic=balance:{scene.alice.uuid}&topic=ticks:R_100", "/v1/accounting/balance/stream"):
        with Events(scene.server, path, token(scene.alice, READ)) as stream:
            refused(scene.change(stream, blind), 403, "FORBIDDEN")
            if path.startswith("/sse"):
                refused(scene.change(stream, blind, add=["ticks:R_50"]), 403, "FORBIDDEN")
                refused(scene.change(stream, blind, remove=["ticks:R_100"]), 403, "FORBIDDEN")


def test_a_stream_with_an_accounts_topics_lives_by_a_token_for_reading(scene: Scene) -> None:
    """The token for trading lasts longer, but a stream of an account must not outlive its right to read."""
    with Events(scene.server, "/sse?topic=ticks:R_100", token(scene.alice, TRADE, lifetime=600)) as stream:
        reading = token(scene.alice, READ, lifetime=60)
        changed = scene.change(stream, reading, add=[f"balance:{scene.alice.uuid}"])
        assert changed.status_code == 200
        assert scene.post("/v1/logout", reading).status_code == 200
        assert stream.wait_for("error")["error"]["code"] == "TOKEN_REVOKED"


def change_account(scene: Scene, account: Account, how: str) -> None:
    """Change an account as `pricewire account` does, in a database connection of its own."""
    if how == "password":
        with_accounts(scene.database, lambda accounts: accounts.set_password_hash(account.id, hash_password("another horse")))
    else:
        with_accounts(scene.database, lambda accounts: accounts.set_status(account.id, "suspended"))


@pytest.fixture(params=["password", "suspended"])
def changed(request: pytest.FixtureRequest) -> str:
    how: str = request.param
    return how


def test_an_account_that_is_changed_ends_what_was_there_before(scene: Scene, changed: str, tmp_path: Path) -> None:
    name = f"{changed}-{tmp_path.name[:20]}"
    account = add_account(scene.database, name)
    logged_in = log_in(scene.server, name)
    # As another program with the shared secret does: it knows of no generation.
    foreign = KEY.sign(
        {
            "account": account.uuid,
            "scope": "read trade",
            "exp": time.time() + 60,
            "iss": "pricewire",
            "aud": "tests",
            "iat": int(time.time()),
        }
    )
    undated = KEY.sign({"account": account.uuid, "scope": "read trade", "exp": time.time() + 60, "iss": "pricewire", "aud": "tests"})
    old = [logged_in, foreign, undated]
    ticket = scene.post("/v1/tickets", logged_in).json()["data"]["ticket"]
    streams = [Events(scene.server, f"/sse?topic=balance:{account.uuid}", each) for each in old]
    streams.append(Events(scene.server, "/sse?topic=ticks:R_100", logged_in))
    plain = Events(scene.server, "/v1/accounting/balance/stream", logged_in)
    change_account(scene, account, changed)
    with plain:
        # It has no named events, and is just closed.
        assert b"event:" not in plain.read_to_end()
    for stream in streams:
        with stream:
            assert stream.wait_for("error")["error"]["code"] == "TOKEN_REVOKED"
    for each in old:
        refused(scene.get("/v1/accounts", each), 401, "UNAUTHORIZED")
        refused(scene.post("/v1/trading/contracts/buy", each, json={}), 401, "UNAUTHORIZED")
        refused(scene.get(f"/sse?topic=balance:{account.uuid}", each), 401, "UNAUTHORIZED")
    refused(scene.get(f"/sse?topic=balance:{account.uuid}&ticket={ticket}"), 401, "UNAUTHORIZED")
    if changed == "suspended":
        refused(scene.post("/login", json={"account_id": name, "password": PASSWORD}), 403, "FORBIDDEN")
        # Issued afterwards, by another program that has not heard of it.
        later = KEY.sign(
            {"account": account.uuid, "scope": "read", "exp": time.time() + 60, "iss": "pricewire", "aud": "tests", "iat": time.time() + 1}
        )
        refused(scene.get("/v1/accounts", later), 401, "UNAUTHORIZED")
        with_accounts(scene.database, lambda accounts: accounts.set_status(name, "active"))
    password = "another horse" if changed == "password" else PASSWORD
    # In the same second as the change, and before this process has heard of it.
    new = log_in(scene.server, name, password)
    with Events(scene.server, f"/sse?topic=balance:{account.uuid}", new) as stream:
        assert stream.status == 200
        assert stream.next()[0] == "message"
    refused(scene.get("/v1/accounts", logged_in), 401, "UNAUTHORIZED")


def test_a_login_with_the_old_password_that_ends_after_the_change_is_good_for_nothing(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = add_account(scene.database, "slow")
    check = Passwords.check

    async def check_slowly(self: Passwords, password: str, kept: str | None) -> bool:
        is_right = await check(self, password, kept)
        await asyncio.to_thread(change_account, scene, account, "password")
        return is_right

    monkeypatch.setattr(Passwords, "check", check_slowly)
    late = log_in(scene.server, "slow")
    monkeypatch.undo()
    with Events(scene.server, "/sse?topic=ticks:R_100", late) as stream:
        # Let in only while this process has not heard of the change.
        assert stream.status == 401 or stream.wait_for("error")["error"]["code"] == "TOKEN_REVOKED"
    refused(scene.get("/v1/accounts", late), 401, "UNAUTHORIZED")


@pytest.mark.parametrize("way", ["token", "ticket"])
@pytest.mark.parametrize("end", ["logout", "password", "expiry"])
def test_a_stream_whose_token_ends_while_it_is_opened_does_not_begin(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, way: str, end: str
) -> None:
    """The topics of an account are prepared by the database: meanwhile the token may end, and the stream is not known to anybody yet."""
    name = f"racer-{way}-{end}"
    account = add_account(scene.database, name)
    mine = TOKENS.issue(account.uuid, lifetime=2.0 if end == "expiry" else 60.0)
    prepare = Desk.prepare
    begun, go_on = threading.Event(), threading.Event()

    async def prepare_slowly(self: Desk, topic: DeskTopic) -> DeskTopic:
        begun.set()
        await asyncio.to_thread(go_on.wait, 30)
        return await prepare(self, topic)

    path = f"/protected/sse?topic=balance:{account.uuid}"
    ticket = scene.post("/v1/tickets", mine).json()["data"]["ticket"]
    known = Events(scene.server, path, mine)
    monkeypatch.setattr(Desk, "prepare", prepare_slowly)
    with known, ThreadPoolExecutor(1) as threads:
        opening = threads.submit(scene.get, f"{path}&ticket={ticket}" if way == "ticket" else path, None if way == "ticket" else mine)
        assert begun.wait(60)
        if end == "logout":
            assert scene.post("/v1/logout", mine).status_code == 200
        elif end == "password":
            change_account(scene, account, "password")
        # The one that was open has ended, so this process knows.
        assert known.wait_for("error")["error"]["code"] == ("TOKEN_EXPIRED" if end == "expiry" else "TOKEN_REVOKED")
        go_on.set()
        refused(opening.result(60), 401, "UNAUTHORIZED")


@pytest.mark.parametrize("lifetime", [0, -1, 86_401, 1e300, 1.5, "x", True, [60]], ids=str)
def test_a_login_asks_for_a_sensible_lifetime(scene: Scene, lifetime: object) -> None:
    body = {"account_id": "alice", "password": PASSWORD, "lifetime_seconds": lifetime}
    assert "lifetime_seconds" in refused(scene.post("/login", json=body), 400, "INVALID_PARAMETERS")


def test_a_login_says_how_long_its_token_is_good(scene: Scene) -> None:
    body = {"account_id": "alice", "password": PASSWORD, "lifetime_seconds": 86_400}
    claims = jwt.decode(scene.post("/login", json=body).json()["token"], options={"verify_signature": False})
    assert 86_390 < claims["exp"] - claims["iat"] < 86_410


ODD_VALUES: dict[str, list[Any]] = {
    **{name: ["1", "", True, [1], {}, float("nan"), float("inf"), 1e300, 10**400, -1] for name in ("exp", "nbf", "iat")},
    "aud": [[], [1], ["other"], {"tests": 1}, 7, True, ""],
    "account": [7, True, ["x"], {}, "", " ", "a\0b", "\ud800", "x" * 65, "ä"],
    "scope": [7, True, {"read": 1}],
    "pricewire_generation": ["1", True, 1.5, [], {}],
    "jti": [7],
    "sub": [7],
}
ODD = {f"{name} {value!r}"[:40]: {name: value} for name, values in ODD_VALUES.items() for value in values}


@pytest.mark.parametrize("name", ODD)
def test_a_token_with_odd_claims_is_refused(scene: Scene, name: str) -> None:
    said = {"account": scene.alice.uuid, "scope": "read trade", "exp": time.time() + 60, "iss": "pricewire", "aud": "tests", **ODD[name]}
    odd = KEY.sign(said)
    refused(scene.get("/v1/accounts", odd), 401, "UNAUTHORIZED")
    refused(scene.post("/v1/logout", odd), 401, "UNAUTHORIZED")
    refused(scene.get("/sse?topic=ticks:R_100", odd), 401, "UNAUTHORIZED")


def test_the_longest_token_is_logged_out_like_any_other(scene: Scene) -> None:
    claims = {"account": scene.alice.uuid, "scope": "read", "iss": "pricewire", "aud": ["tests", "more"], "exp": 253_402_300_799}
    endless = KEY.sign(claims)
    with Events(scene.server, "/sse?topic=ticks:R_100", endless) as stream:
        answer = scene.change(stream, endless)
        assert answer.json()["data"]["expires_at"] == "9999-12-31T23:59:59.000Z"
        assert scene.post("/v1/logout", endless).status_code == 200
        assert stream.wait_for("error")["error"]["code"] == "TOKEN_REVOKED"
    refused(scene.get("/v1/accounts", endless), 401, "UNAUTHORIZED")


def test_the_demo_account_of_before_is_closed_to_others(tmp_path: Path, http: type[asyncio.Protocol]) -> None:
    database = tmp_path / "pricewire.db"
    with serve_demo(database, http, demo_account=True) as server:
        mine = log_in(server, "demo", "demo")
    with serve_demo(database, http, demo_account=False) as server:
        refused(httpx2.post(f"{server.url}/login", json={"account_id": "demo", "password": "demo"}), 401, "UNAUTHORIZED")
        refused(httpx2.get(f"{server.url}/v1/accounts", headers=bearer(mine)), 401, "UNAUTHORIZED")
    with_accounts(database, lambda accounts: accounts.set_password_hash("demo", hash_password("a password of its own")))
    with serve_demo(database, http, demo_account=False) as server:
        own = log_in(server, "demo", "a password of its own")
    with serve_demo(database, http, demo_account=False) as server:
        assert httpx2.get(f"{server.url}/v1/accounts", headers=bearer(own)).status_code == 200


def serve_demo(database: Path, http: type[asyncio.Protocol], *, demo_account: bool) -> Serving:
    app = create_app(
        [SimulatedFeed(seed=1)], trading=TradingSetup(database, database.with_name("journal"), KEY, RULES, demo_account=demo_account)
    )
    return Serving(app, http=http)
