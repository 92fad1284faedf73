"""The command line, run as a user runs it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import socket
import stat
import subprocess
import sys
import termios
from pathlib import Path

import httpx2
import pytest
import trustme
from cryptography.hazmat.primitives import serialization

from pricewire.cli.main import main
from pricewire.cli.serve import commissions_of
from pricewire.trading.commissions import Commissions
from support.command import environment, pricewire, served
from support.serving import Reader
from support.tls import Certificate

RECORDINGS = Path(__file__).parents[1] / "support" / "recordings"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, where the data directory is made."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def first_tick(url: str, instrument_id: str, **connection: object) -> dict[str, str]:
    with Reader(url, f"/sse?topic=ticks:{instrument_id}", **connection) as reader:  # type: ignore[arg-type]
        assert reader.read_head()[0] == 200
        line = reader.read_until(b"\n\n").partition(b"data: ")[2]
        tick: dict[str, str] = json.loads(line)["data"]
        return tick


class Here:
    """Runs the command line in this process, as a process of its own takes seconds to begin."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[int, str]:
        """Return the exit status, and what was printed, as one line."""
        status = 0
        try:
            main(arguments)
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        printed = self._capsys.readouterr()
        return status, " ".join((printed.err + printed.out).split())


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    for name in os.environ:
        if name.startswith("PRICEWIRE_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    # A feed's module is looked for in the working directory; and the log is the test runner's.
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr("pricewire.cli.serve.configure_logging", lambda stream, level, form, worker: None)
    return Here(capsys)


@pytest.mark.parametrize("arguments", [[], ["--help"], ["serve", "--help"], ["watch", "--help"]], ids=" ".join)
def test_help_teaches(arguments: list[str], here: Here) -> None:
    status, printed = here(*arguments)
    assert status == 0
    assert "pricewire serve" in printed or "pricewire watch R_100 EURUSD" in printed


def test_the_version_is_told() -> None:
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", pricewire("--version").stdout)


def opened(url: str) -> dict[str, str]:
    """Return the first prices of the whole hours of the last day."""
    body = {"instrument_id": "1HZ100V", "granularity": 3600}
    candles = httpx2.post(f"{url}/v1/market/instruments/candles/history", json=body).json()["data"]["candles"]
    return {candle["open_epoch_ms"]: candle["open"] for candle in candles[1:]}


def agree(one: dict[str, str], other: dict[str, str]) -> bool:
    common = one.keys() & other.keys()
    return len(common) > 20 and all(one[hour] == other[hour] for hour in common)


def predictable(url: str) -> set[bool]:
    return {each["is_predictable"] for each in httpx2.get(f"{url}/v1/market/instruments").json()["data"]["instruments"]}


def test_serve_by_default_simulates_and_the_same_seed_gives_the_same_prices(tmp_path: Path) -> None:
    openings: list[dict[str, str]] = []
    for data in ("one", "other"):
        with served("--port", "0", "--seed", "70707", "--data-dir", str(tmp_path / data)) as (url, said):
            assert "Simulating 10 instruments." in said
            assert "prices can be foreseen" in said
            assert "70707" not in said
            assert predictable(url) == {True}
            openings.append(opened(url))
        assert not (tmp_path / data / "market-secret").exists()
    assert agree(*openings)


def test_after_a_restart_the_simulated_prices_go_on(tmp_path: Path) -> None:
    data = tmp_path / "data"
    openings: list[dict[str, str]] = []
    for _ in range(2):
        with served("--port", "0", "--data-dir", str(data)) as (url, said):
            assert "foreseen" not in said
            assert predictable(url) == {False}
            openings.append(opened(url))
        assert (data / "market-secret").read_text().strip() not in said
    assert agree(*openings)
    assert stat.S_IMODE((data / "market-secret").stat().st_mode) == 0o600
    (data / "market-secret").write_text("x")
    refused = pricewire("serve", "--port", "0", "--data-dir", str(data))
    assert refused.returncode == 1
    assert "holds no secret: remove it" in refused.stderr


def test_a_data_directory_that_another_server_has_is_said(tmp_path: Path) -> None:
    arguments = ("--port", "0", "--data-dir", str(tmp_path))
    with served(*arguments):
        said = pricewire("serve", *arguments)
    assert said.returncode == 1
    assert f"the journal {tmp_path / 'journal'} is in use by another process: give this one another --data-dir" in " ".join(
        said.stderr.split()
    )
    assert "Traceback" not in said.stderr


def test_what_was_published_before_a_kill_is_in_the_history_after_it(tmp_path: Path) -> None:
    names = [f"1HZ{volatility}V" for volatility in (10, 25, 50, 75, 100)]
    query = "&".join(f"topic=ticks:{name}" for name in names)
    command = [sys.executable, "-m", "pricewire", "serve", "--port", "0"]
    data = str(tmp_path / "data")
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment(PRICEWIRE_DATA_DIR=data))
    assert process.stderr is not None
    url = next(match[1] for line in process.stderr if (match := re.search(r"Serving on (\S+) - ", line)))
    with Reader(url, f"/sse?{query}") as reader:
        reader.read_head()
        published = b"".join(reader.read_until(b"\n\n") for _ in range(20))
        process.kill()
        published += reader.read_to_end()
    process.communicate(timeout=120)
    ticks = [json.loads(line)["data"] for line in re.findall(rb"^data: (.*)$", published, re.MULTILINE)]
    assert len(ticks) >= 20
    with served("--port", "0", PRICEWIRE_DATA_DIR=data) as (url, _):
        for name in names:
            request = {"instrument_id": name, "count": 5000}
            history = httpx2.post(f"{url}/v1/market/instruments/ticks/history", json=request).json()["data"]["ticks"]
            assert [tick for tick in ticks if tick["instrument_id"] == name and tick not in history] == []


def test_serve_replays_recordings() -> None:
    feeds = ["--feed", f"replay:{RECORDINGS / 'eurusd-quotes.csv'}", "--feed", f"replay:{RECORDINGS / 'btcusdt-quotes.parquet'}=BTC"]
    with served("--port", "0", "--speed", "50", *feeds) as (url, said):
        assert "eurusd-quotes.csv as EURUSD, 50 times its pace." in said
        assert re.fullmatch(r"1\.09\d{3}", first_tick(url, "EURUSD")["price"])
        assert first_tick(url, "BTC")["instrument_id"] == "BTC"


def test_serve_runs_a_feed_of_ones_own() -> None:
    examples = Path(__file__).parents[2] / "examples"
    feed = re.search(r"^class (\w+)", (examples / "own_feed.py").read_text(), re.MULTILINE)
    assert feed is not None
    with served("--port", "0", "--feed", f"own_feed:{feed[1]}", cwd=examples) as (url, _):
        instruments = httpx2.get(f"{url}/v1/market/instruments").json()["data"]["instruments"]
        assert first_tick(url, instruments[0]["id"])["instrument_id"] == instruments[0]["id"]


def test_options_stand_in_a_file_and_the_environment(tmp_path: Path) -> None:
    (tmp_path / "pricewire.toml").write_text("[serve]\nport = 1\nseed = 11\n")
    with served(cwd=tmp_path, PRICEWIRE_PORT="0") as (url, _):
        assert predictable(url) == {True}
    (tmp_path / "other.toml").write_text('[serve]\nport = 0\nfeed = ["simulated"]\n')
    with served("--config", str(tmp_path / "other.toml"), cwd=tmp_path) as (url, _):
        assert predictable(url) == {False}


def test_a_commission_may_be_of_an_instrument_with_a_dot_in_its_name(here: Here, tmp_path: Path) -> None:
    recording = tmp_path / "coins.csv"
    recording.write_text("timestamp,symbol,bid,ask\n2026-01-05T09:30:00Z,BTC.USD,100,101\n2026-01-05T09:30:01Z,BTC.USD,101,102\n")
    file = tmp_path / "own.toml"
    rules = ["touch=0.02", "touch:BTC.USD:60s=0.03"]
    file.write_text(f'[serve]\ndata_dir = "{tmp_path}"\nfeed = ["replay:{recording}"]\ncommission = {json.dumps(rules)}\n')
    status, printed = here("--config", str(file), "check")
    assert (status, "2 commissions" in printed) == (0, True), printed
    commissions = Commissions(commissions_of(rules))
    contracts = [("BTC.USD", 60), ("BTC.USD", 61), ("BTC.USDT", 60)]
    assert [commissions.of("touch", instrument_id, seconds, "seconds") for instrument_id, seconds in contracts] == [0.03, 0.02, 0.02]


def test_tls(tmp_path: Path) -> None:
    certificate = Certificate(tmp_path)
    chain, key = certificate.options.values()
    with served("--port", "0", "--tls-cert", chain, "--tls-key", key) as (url, _):
        assert url.startswith("https://")
        command = ["curl", "-sN", "--max-time", "3", "--cacert", str(certificate.authority), f"{url}/sse?topic=ticks:R_100"]
        stream = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert stream.stdout is not None
        assert stream.stdout.readline().startswith("id: ")
        assert '"subscription_id":"ticks:R_100"' in stream.stdout.readline()
        stream.kill()
        stream.communicate()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["serve", "--feed", "replay:none.csv"], "there is no such file"),
        (["serve", "--feed", "none:Feed"], "there is no module 'none'"),
        (["serve", "--feed", "json:loads"], "feed 'json:loads'"),
        (["serve", "--feed", "simulated", "--feed", "simulated"], "brought twice"),
        (["serve", "--rate", "-1"], "rate"),
        (["serve", "--tls-cert", "chain.pem"], "--tls-cert and --tls-key go together"),
        (["serve", "--port", "x"], 'unable to convert "x" into int'),
        *((["serve", f"--port={port}"], "a port is 0 to 65535") for port in ("80000", "-1", "65536")),
        (["serve", "--origin", "example.com"], "origin 'example.com' is none: give scheme, host"),
        (["serve", "--host-name", "https://a"], "host name 'https://a' is none"),
        *((["serve", f"--drain-seconds={value}"], "not below 0") for value in ("-1", "nan", "inf")),
        *((["serve", f"--max-flush-interval={value}"], "give 0 to 100 milliseconds") for value in ("-1", "100.1", "nan")),
        *((["serve", f"--target-utilisation={value}"], "above 0 and at most 1") for value in ("0", "1.01", "nan")),
        *((["serve", f"--keep-ticks-hours={value}"], "not below 0") for value in ("-1", "nan", "inf")),
        *((["serve", f"--rate={value}"], "is not a positive number") for value in ("0", "nan", "inf")),
        (["serve", "--feed", "a:b:c"], "feed 'a:b:c'"),
        (["serve", "--feed", "nonsense"], "--feed nonsense: there is no such feed; give simulated, replay:PATH or 'module:Class'"),
        (["serve", "--feed", "part.csv"], "--feed part.csv: a recording is played by --feed replay:part.csv"),
        (["record", "R_100", "--to", "x.xlsx"], "--to x.xlsx: a recording is a .csv or a .parquet file, not .xlsx"),
        (
            ["instruments", "--url", "http://127.0.0.1:1"],
            "connection to http://127.0.0.1:1/v1/market/instruments: Connection refused; is a",
        ),
        (["watch", "R_100", "--once", "--url", "http://127.0.0.1:1"], "connection to http://127.0.0.1:1/sse: Connection refused; is a"),
        (["watch", "R_100", "--once", "--url", "http://nohost.invalid"], "`pricewire serve` starts one at http://127.0.0.1:8080"),
        (["serve", "--trusted-proxy", "x"], "neither an address nor a network"),
        (["serve", "--max-streams", "0"], "limit streams is 0"),
        *((["check", f"--max-exposure-per-account.USD={text}"], f"'{text}' is not an") for text in ("x", "1_000", "１０")),
        (["check", "--max-exposure-per-instrument.USD=1e3"], "'1e3' is not an"),
        (["serve", "--tls-cert", "none.pem", "--tls-key", "none.pem"], "--tls-cert none.pem: No such file or directory; give the path"),
        (["serve", "--jwt-secret-file", "/"], "--jwt-secret-file /: Is a directory"),
        *((["serve", "--jwks-url", url], f"keys cannot be fetched from '{url}'") for url in ("", "http://[", "https://", "https://a:b/")),
        (["serve", "--database", "/"], "the database /"),
        (["serve", "--database", "postgresql://u:secret@h:x/y"], "the database's address cannot be read"),
        (["account", "add", "alice", "--balance", "x"], "balance"),
        (["token", "alice", "--hours", "1e9"], "a token is valid for"),
        (["serve", "--config", "/"], "/: Is a directory"),
        (["serve", "--nonsense", "x"], "--nonsense"),
        (["serve", "--config", "none.toml"], "none.toml"),
        (["serve", "--jwks-url", "http://issuer.example/keys"], "https"),
        (["serve", "--database", "mysql://x"], "cannot be read"),
        (["serve", "--commission", "lottery=0.5"], "product 'lottery' is none of rise_fall, high_low, touch"),
        (["serve", "--commission", "touch"], "--commission 'touch' is not written as 'touch=0.02'"),
        (["serve", "--commission", "touch=much"], "--commission 'touch=much' is not written as"),
        (["serve", "--commission", "touch=nan"], "--commission 'touch=nan' is not written as"),
        (["serve", "--commission", "touch=1.5"], "commission 1.5 of touch is not between 0.005 and 1"),
        (["serve", "--commission", "touch=0.02", "--commission", "touch=0.03"], "there are two of 'touch'"),
        (["serve", "--commission", "touch:BTC.USD=0.03"], "no feed brings 'BTC.USD'"),
        (["watch"], "name the instruments to watch"),
        (["watch", "R_100", "--url", "ftp://127.0.0.1"], "does not begin with http:// or https://"),
    ],
)
def test_a_mistake_is_one_clear_message(arguments: list[str], message: str, here: Here) -> None:
    status, printed = here(*arguments)
    assert status in (1, 2)
    assert message in printed
    assert "Traceback" not in printed


OPTION_FILES = {
    "[server]\nport = 9000": "there is no command for the table [server]; [serve] is meant",
    "[zebra]": "there is no command for the table [zebra]; there are [account], [config]",
    "port = 9000": "the option port stands outside of a command's table; put it under [serve]",
    "seed = 1\n[serve]\nport = 0": "the option seed stands outside of a command's table; put it under [serve]",
    "url = 'x'": "put it under [instruments] or [record] or [verify] or [watch]",
    "serve = 1": "serve is a command; write its options under [serve]",
    "[account]\nbalance = 1": "the option account.balance stands outside of a command's table; put it under [account.add]",
    "[account.remove]": "there is no command for the table [account.remove]",
    "[serve\n": "at line 1, column 7), which is '[serve'; TOML has tables such as [serve]",
    "[serve]\nport : 9000": "at line 2, column 6), which is 'port : 9000'; TOML has tables such as [serve]",
    "[serve]\ndatabase = postgresql://me:secret@h/x": "which is 'database'; TOML has",
    "[serve]\n[serve]": "at line 2",
    "\xff": "it is no UTF-8, from byte 0 on",
    "[serve]\nport = 80000": "a port is 0 to 65535",
    "[serve]\nport = 'x'": "unable to convert",
    "[serve.max_exposure_per_account]\nUSD = '1_000'": "'1_000' from",
    "[serve]\nprot = 1": "[serve] has no option 'prot'; port is meant",
    "[serve]\nnonsense = 1": "[serve] has no option 'nonsense'; `pricewire config serve` lists those there are",
    "[serve]\norigin = 'example.com'": "origin 'example.com' is none",
}


@pytest.mark.parametrize("text", OPTION_FILES)
@pytest.mark.parametrize("name", ["pricewire.toml", "own.toml"])
def test_a_mistake_in_a_file_with_options_is_one_clear_message(text: str, name: str, here: Here, folder: Path) -> None:
    (folder / name).write_bytes(text.encode("latin-1"))
    # Of the tables of other commands a command knows their names alone.
    command = ["account", "list"] if text.startswith("[account") else ["serve"]
    status, printed = here(*(() if name == "pricewire.toml" else ("--config", name)), *command)
    assert status in (1, 2)
    assert OPTION_FILES[text] in printed
    assert name in printed or "origin" in text
    assert "Traceback" not in printed


def test_a_file_that_is_no_recording_is_said(here: Here, folder: Path) -> None:
    (folder / "part.xlsx").write_bytes(b"PK")
    status, printed = here("serve", "--feed", "replay:part.xlsx")
    assert status == 1
    assert "recording part.xlsx: a file of the kind '.xlsx' is not read; give a .csv, .txt, .tsv, .parquet or .pq file" in printed
    assert "--feed replay:part.xlsx" in here("serve", "--feed", "part.xlsx")[1]


def test_what_tls_lacks_is_said(here: Here, folder: Path) -> None:
    authority = trustme.CA()
    one, other = [authority.issue_cert("127.0.0.1") for _ in range(2)]
    one.cert_chain_pems[0].write_to_path(folder / "chain.pem")
    one.private_key_pem.write_to_path(folder / "key.pem")
    other.private_key_pem.write_to_path(folder / "other.pem")
    (folder / "empty.pem").touch()
    key = serialization.load_pem_private_key(one.private_key_pem.bytes(), None)
    locked = serialization.BestAvailableEncryption(b"password")
    (folder / "locked.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, locked))
    for certificate, private, message in [
        ("chain.pem", "none.pem", "--tls-key none.pem: No such file or directory"),
        (".", "key.pem", "--tls-cert .: Is a directory"),
        ("empty.pem", "key.pem", "--tls-cert empty.pem holds no certificate"),
        ("key.pem", "chain.pem", "--tls-cert key.pem holds no certificate"),
        ("chain.pem", "empty.pem", "--tls-key empty.pem holds no private key"),
        ("chain.pem", "locked.pem", "--tls-key locked.pem holds no private key in PEM that can be read without a password"),
        ("chain.pem", "other.pem", "--tls-key other.pem is not the key of --tls-cert chain.pem"),
    ]:
        status, printed = here("serve", "--tls-cert", certificate, "--tls-key", private)
        assert status == 1
        assert printed.startswith(f"pricewire: {message}")


def test_a_second_signal_ends_at_once() -> None:
    command = [sys.executable, "-m", "pricewire", "serve", "--port", "0", "--drain-seconds", "1000"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment())
    assert process.stderr is not None
    url = next(match[1] for line in process.stderr if (match := re.search(r"Serving on (\S+) - ", line)))
    readers = [Reader(url, "/sse?topic=ticks:R_100") for _ in range(5)]
    for reader in readers:
        reader.read_until(b"\n\n")
    process.send_signal(signal.SIGTERM)
    while httpx2.get(f"{url}/readyz").status_code == 200:
        pass
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=120)
    for reader in readers:
        assert b"SERVER_DRAINING" in reader.read_to_end()
        reader.socket.close()


@pytest.mark.parametrize("ignored", [None, signal.SIGHUP, signal.SIGINT], ids=["hangup", "ignored hangup", "ignored interrupt"])
def test_a_hangup_drains_unless_it_is_ignored_and_an_interrupt_always_does(ignored: signal.Signals | None) -> None:
    code = "import signal, sys; from pricewire.cli.main import main; "
    if ignored is not None:
        # As `nohup` does, and a shell for what it starts in the background.
        code += f"signal.signal({ignored.value}, signal.SIG_IGN); "
    command = [sys.executable, "-c", f"{code}main(['serve', '--port', '0', '--drain-seconds', '0.5'])"]
    leader, terminal = os.openpty()

    def take_terminal() -> None:
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)

    # Without a terminal a hangup asks to reload.
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        start_new_session=True,
        pass_fds=[terminal],
        preexec_fn=take_terminal,
    )
    assert process.stderr is not None
    url = next(match[1] for line in process.stderr if (match := re.search(r"Serving on (\S+) - ", line)))
    with Reader(url, "/sse?topic=ticks:R_100") as reader:
        reader.read_until(b"\n\n")
        ending = signal.SIGINT if ignored == signal.SIGINT else signal.SIGHUP
        # A terminal that closes may send it twice.
        process.send_signal(ending)
        if ignored == signal.SIGHUP:
            reader.read_until(b"\n\n")
            assert httpx2.get(f"{url}/readyz").status_code == 200
            process.send_signal(signal.SIGTERM)
        elif ignored is None:
            process.send_signal(ending)
        assert b"SERVER_DRAINING" in reader.read_to_end()
    process.communicate(timeout=120)
    os.close(leader)
    os.close(terminal)


def test_a_port_that_is_taken_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = pricewire("serve", "--port", str(port))
    assert result.returncode != 0
    assert f"port {port} of 127.0.0.1 is taken: end what has it, or choose another by --port" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host"])
def test_a_host_that_is_not_this_machine_is_said(host: str) -> None:
    result = pricewire("serve", "--host", host, "--port", "0")
    assert result.returncode != 0
    assert f"--host {host}" in result.stderr
    assert "Traceback" not in result.stderr


def test_who_has_the_data_directory_can_log_in_and_issue_tokens() -> None:
    token = ""
    with served("--port", "0") as (url, said):
        assert "Log in as demo with the password demo" in said
        answer = httpx2.post(f"{url}/login", json={"account_id": "demo", "password": "demo"})
        assert answer.status_code == 200
        token = pricewire("token", "demo").stdout.strip()
        answer = httpx2.get(f"{url}/v1/accounts", headers={"Authorization": f"Bearer {token}"})
        assert answer.json()["data"]["accounts"][0]["balance"] == 10000.0


def test_options_for_several_processes_that_cannot_be_used_are_refused() -> None:
    for options, message in (
        (["--role", "gateway"], "--role gateway needs --bus"),
        (["--role", "gateway", "--bus", "http://127.0.0.1"], "the address of a bus is nats://host:port"),
    ):
        answer = pricewire("serve", *options)
        assert answer.returncode == 1
        assert message in answer.stderr
