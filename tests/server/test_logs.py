"""What is logged, in which form, and what never is."""

from __future__ import annotations

import asyncio
import io
import json
import logging
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pricewire.server.app import create_app
from pricewire.server.auth.keys import local_key
from pricewire.server.auth.tokens import Tokens
from pricewire.server.limits import Limits
from pricewire.server.logs import REPORT_INTERVAL, JSONFormatter, PlainFormatter, Report, configure_logging
from pricewire.server.transport.handover import HandoverProtocol
from support.clocks import HandLoop
from support.feeds import HandFeed
from support.serving import Reader, Serving

logger = logging.getLogger("pricewire.test")


class Terminal(io.StringIO):
    """What a person looks at."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def restored() -> Iterator[None]:
    """Leaves logging as it was."""
    root, ours = logging.getLogger(), logging.getLogger("pricewire")
    handlers, levels = root.handlers[:], (root.level, ours.level)
    root.handlers[:] = []
    yield
    root.handlers[:] = handlers
    root.setLevel(levels[0])
    ours.setLevel(levels[1])


@pytest.mark.usefixtures("restored")
def test_programs_get_json() -> None:
    stream = io.StringIO()
    configure_logging(stream)
    logger.info("it is %s", "so\nnow", extra={"stream": "ab", "seconds": 1.5, "where": object})
    logger.debug("too much")
    try:
        raise ValueError("why")
    except ValueError:
        logger.exception("it failed")
    first, second = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert first == {
        "level": "info",
        "logger": "pricewire.test",
        "message": "it is so\nnow",
        "stream": "ab",
        "seconds": 1.5,
        "where": "<class 'object'>",
    }
    assert (second["level"], second["message"]) == ("error", "it failed")
    assert "ValueError: why" in second["exception"]


@pytest.mark.usefixtures("restored")
def test_people_get_lines() -> None:
    stream = Terminal()
    configure_logging(stream)
    logger.info("it is so", extra={"stream": "ab"})
    logger.warning("it is not")
    first, second = stream.getvalue().splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d it is so stream=ab", first)
    assert re.fullmatch(r"\d\d:\d\d:\d\d WARNING it is not", second)


@pytest.mark.usefixtures("restored")
def test_a_level_is_for_our_own_records() -> None:
    stream = Terminal()
    configure_logging(stream, "DEBUG")
    logger.debug("ours")
    logging.getLogger("others").debug("theirs")
    configure_logging(stream, "WARNING")
    logger.info("ours again")
    assert [line.partition(" ")[2] for line in stream.getvalue().splitlines()] == ["DEBUG ours"]


def test_every_formatter_writes_one_line_for_a_record_without_extras() -> None:
    record = logging.makeLogRecord({"name": "a", "levelname": "INFO", "levelno": logging.INFO, "msg": "b", "created": 0.0})
    assert JSONFormatter().format(record) == '{"time":"1970-01-01T00:00:00.000Z","level":"info","logger":"a","message":"b"}'
    assert PlainFormatter().format(record).endswith(" b")


def records(caplog: pytest.LogCaptureFixture, message: str) -> list[Any]:
    return [record for record in caplog.records if record.message == message]


@pytest.mark.parametrize("kind", ["handover", "send"])
def test_a_streams_life(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "pricewire")
    with Serving(create_app([HandFeed()]), http=HandoverProtocol if kind == "handover" else "h11") as server:
        with Reader(server.url, "/sse?topic=ticks:GOLD&topic=candles:GOLD:60") as reader:
            identifier = reader.read_head()[1]["pricewire-stream"]
        while not records(caplog, "stream closed"):
            server.call(int)
    (opened,), (closed,) = records(caplog, "stream opened"), records(caplog, "stream closed")
    assert opened.levelno == closed.levelno == logging.DEBUG
    assert (opened.stream, opened.endpoint, opened.topics) == (identifier, "sse", 2)
    assert (closed.stream, closed.endpoint, closed.topics, closed.outcome) == (identifier, "sse", 2, "snapshot")
    assert closed.seconds >= 0


def test_a_stream_that_nobody_wants_logged_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pricewire")
    with Serving(create_app([HandFeed()])) as server, Reader(server.url, "/sse?topic=ticks:GOLD") as reader:
        reader.read_head()
    assert records(caplog, "stream opened") == records(caplog, "stream closed") == []


def test_refusals_are_reported_together(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    loop, counts = HandLoop(), {"refused_rate": 7}
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: loop)
    report = Report(lambda: counts)
    report.start()
    delay, again = loop.timers.pop()
    assert delay == REPORT_INTERVAL
    again()
    assert caplog.records == [], "there is nothing new"
    counts.update(refused_rate=5007, refused_address=2)
    loop.timers.pop()[1]()
    (record,) = caplog.records
    assert (record.levelno, vars(record)["refused_rate"], vars(record)["refused_address"]) == (logging.WARNING, 5000, 2)
    assert (
        record.message == "requests refused or streams dropped in the last 10 s; if they come through a proxy, name it by --trusted-proxy"
    )
    counts["dropped_slow"] = 1
    report.stop()
    assert loop.timers == []
    assert vars(caplog.records[1])["dropped_slow"] == 1
    assert "proxy" not in caplog.records[1].message


def test_a_server_reports_what_it_refused(caplog: pytest.LogCaptureFixture) -> None:
    app = create_app([HandFeed()], limits=Limits(streams=1))
    with Serving(app) as server, Reader(server.url, "/sse?topic=ticks:GOLD") as reader:
        reader.read_head()
        for _ in range(3):
            assert httpx2.get(server.url + "/sse?topic=ticks:GOLD").status_code == 429
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert vars(record)["refused_process"] == 3


SECRETS = {
    "cookie": "session=0c1d2e3f",
    "password": "a password of 24 letters",
    "client": "198.51.100.77",
    "peer": "127.0.0.77",
}


def ask(port: int, target: str, token: str, method: str = "GET") -> bytes:
    """Send a request full of secrets; return the beginning of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=60, source_address=(SECRETS["peer"], 0)) as connection:
        connection.sendall(
            (
                f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nCookie: {SECRETS['cookie']}\r\n"
                f"X-Forwarded-For: {SECRETS['client']}\r\nConnection: close\r\n\r\n"
            ).encode()
        )
        return connection.recv(65536)


def test_a_request_that_is_broken_off_is_no_failure_of_the_server(caplog: pytest.LogCaptureFixture) -> None:
    with Serving(create_app([HandFeed()])) as server:
        path = "/v1/market/instruments/ticks/history"
        for body in (b"", b'{"instrument_id'):
            with Reader(server.url, path, method="POST", headers={"Content-Type": "application/json", "Content-Length": "99"}) as reader:
                reader.socket.sendall(body)
                httpx2.get(f"{server.url}/healthz")
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_no_secret_and_no_address_is_in_logs_or_metrics(tmp_path: Path) -> None:
    token = Tokens(local_key(tmp_path)).issue("account")
    secrets = {**SECRETS, "token": token}
    command = [sys.executable, "-m", "pricewire", "serve", "--port", "0", "--log-level", "debug", "--max-streams-per-address", "1"]
    command += ["--trusted-proxy", "127.0.0.0/8", "--data-dir", str(tmp_path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    lines: list[str] = []
    serving, closed = threading.Event(), threading.Event()
    port = 0

    def follow(stderr: Any) -> None:
        nonlocal port
        for line in stderr:
            lines.append(line)
            if found := re.search(r"Serving on http://127\.0\.0\.1:(\d+) ", line):
                port = int(found[1])
                serving.set()
            if "stream closed" in line:
                closed.set()

    def stream() -> str:
        answer = httpx2.post(f"http://127.0.0.1:{port}/v1/tickets", headers={"Authorization": f"Bearer {token}"})
        ticket: str = answer.json()["data"]["ticket"]
        secrets[f"ticket {len(secrets)}"] = ticket
        return f"/sse?topic=ticks:R_100&ticket={ticket}"

    thread = threading.Thread(target=follow, args=[process.stderr])
    thread.start()
    try:
        assert serving.wait(60), lines
        statuses = [ask(port, stream(), token)]
        assert closed.wait(60), lines
        used = stream()
        statuses += [ask(port, target, token) for target in (used + "x", f"/sse?topic=ticks:R_100&token={token}")]
        ask(port, f"/nothing?{used}", token)
        ask(port, f"/sse?topic={secrets['token']}", token)
        ask(port, f"{used}{'x' * 9000}", token)
        ask(port, used, token, method="NONSENSE")
        answer = httpx2.post(f"http://127.0.0.1:{port}/login", json={"account_id": "demo", "password": SECRETS["password"]})
        with socket.create_connection(("127.0.0.1", port)) as first:
            first.sendall(f"GET {used} HTTP/1.1\r\nHost: localhost\r\nX-Forwarded-For: {SECRETS['client']}\r\n\r\n".encode())
            statuses += [first.recv(65536), ask(port, stream(), token)]
        metrics = httpx2.get(f"http://127.0.0.1:{port}/metrics").text
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        thread.join(60)
        process.stderr.close()
    assert [int(head.split(b" ")[1]) for head in statuses] == [200, 401, 400, 200, 429]
    assert answer.status_code == 401
    logs = "".join(lines)
    kinds = {json.loads(line)["message"] for line in lines}
    assert kinds >= {"stream opened", "stream closed"}, "every line is JSON"
    assert '"refused_address":1' in logs
    assert 'pricewire_refusals_total{reason="address"} 1.0' in metrics
    for name, secret in secrets.items():
        assert secret not in logs, name
        assert secret not in metrics, name
