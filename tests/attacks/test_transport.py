"""What attackers do with connections: the others get every event, the server goes on answering, and nothing of it stays."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import socket
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pricewire.protocol.stream_end import StreamEnd
from pricewire.protocol.topics import Topic
from pricewire.server.app import create_app
from pricewire.server.auth.tokens import Token
from pricewire.server.limits import Limits
from pricewire.server.stream_opener import StreamOpener
from pricewire.server.transport.handover import HandoverProtocol
from support.app_server import Events, add_account, bearer, open_app_server, refused
from support.feeds import HandFeed
from support.metrics import metric, wait_until
from support.serving import Raw, Serving

NOON = 1_800_014_400_000
LIMITS = Limits(request_seconds=0.3, streams_per_address=20, connections_per_address=20)
STREAM = b"GET /sse?topic=ticks:GOLD HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.fixture
def gold(http: type[asyncio.Protocol], feed: HandFeed) -> Iterator[Serving]:
    with Serving(create_app([feed], heartbeat=0.2, limits=LIMITS), limits=LIMITS, http=http) as server:
        yield server


@pytest.fixture
def is_bounded(http: type[asyncio.Protocol]) -> bool:
    """Whether connections have bounds: those of other servers are theirs."""
    return issubclass(http, HandoverProtocol)


ours = pytest.mark.parametrize("http", [HandoverProtocol], ids=["handover"])
"""For tests of our own connections: those of other servers are theirs."""


AFTER = {
    "a byte": b"G",
    "half a head": b"GET / HTTP/1.1\r\nA: ",
    "a request": b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
    "a stream": STREAM,
    "a body": b"PATCH /v1/streams/x HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nxx",
    "many requests": b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 50,
    "a header without end": b"GET / HTTP/1.1\r\nA: " + b"x" * 10_000,
}


@pytest.mark.parametrize("what", AFTER)
def test_what_comes_with_a_stream_s_request_harms_nobody(gold: Serving, feed: HandFeed, is_bounded: bool, what: str) -> None:
    with Raw(gold.url, STREAM + AFTER[what]) as attacker, Events(gold, "/sse?topic=ticks:GOLD") as other:
        assert attacker.read_head()[0] == 200
        if is_bounded:
            with Raw(gold.url) as silent:
                assert silent.read_head()[0] == 408, "so the time for heads is over"
        for number in range(1, 6):
            gold.call(feed.give, number, number + 1, NOON + number)
            assert other.until(lambda data: "seq" in data)["seq"] == number
        read = attacker.read_until(b'"seq":5,')
        assert b"HTTP/1.1" not in read
        assert read.count(b'"seq":') == 5


@pytest.mark.parametrize("what", AFTER)
def test_a_stream_with_requests_behind_it_ends_with_its_connection(
    gold: Serving, feed: HandFeed, caplog: pytest.LogCaptureFixture, what: str
) -> None:
    for how in ("before", "after", "reset"):
        with Raw(gold.url, STREAM + AFTER[what]) as attacker:
            if how != "before":
                attacker.read_head()
            if how == "reset":
                attacker.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        gold.call(feed.give, 1, 2, NOON)
    wait_until(lambda: metric(gold.url, "pricewire_streams") == 0)
    assert not [record for record in caplog.records if record.exc_info]


def unfinished(server: Serving) -> Raw:
    return Raw(server.url, b"POST /v1/market/instruments/ticks/history HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")


@ours
def test_unfinished_bodies_of_one_address_leave_room(gold: Serving, feed: HandFeed, caplog: Any) -> None:
    gold.call(feed.give, 1, 2, NOON)
    with Events(gold, "/sse?topic=ticks:GOLD") as stream:
        stream.next()
        attackers = [unfinished(gold) for _ in range(100)]
        assert httpx2.get(f"{gold.url}/healthz").text == "ok\n"
        gold.call(feed.give, 2, 3, NOON + 1)
        assert stream.next()[1]["seq"] == 2, "who is in stays in"
        for attacker in attackers:
            with attacker:
                attacker.wait_for_end()
    warnings = [record.getMessage() for record in caplog.records if record.name == "pricewire.server.transport.connections"]
    assert len(warnings) == 1
    assert "one address has 20 connections" in warnings[0]


@ours
@pytest.mark.parametrize("start", [b"", b"GET", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"], ids=["silent", "head", "kept alive"])
def test_connections_that_wait_for_a_request_make_room(gold: Serving, start: bytes) -> None:
    waiting = [Raw(gold.url, start) for _ in range(50)]
    for _ in range(30):
        assert httpx2.get(f"{gold.url}/healthz").text == "ok\n"
    for each in waiting:
        with each:
            each.wait_for_end()


BIG = json.dumps({"add": [f"ticks:X{number}" for number in range(700_000)]}).encode()


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("path", ["PATCH /v1/streams/x", "POST /v1/market/instruments/ticks/history"])
def test_a_body_is_bounded_before_it_is_parsed(gold: Serving, path: str, chunked: bool) -> None:
    head = f"{path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n".encode()
    length = b"Transfer-Encoding: chunked\r\n\r\n" if chunked else b"Content-Length: %d\r\n\r\n" % len(BIG)
    with Raw(gold.url, head + length) as attacker:
        try:
            for start in range(0, len(BIG), 65_536):
                piece = BIG[start : start + 65_536]
                attacker.socket.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        else:
            status, headers = attacker.read_head()
            error = json.loads(attacker.read_to_end())["error"]
            assert (status, error["code"]) == (413, "REQUEST_TOO_LARGE")
            assert error["message"] == "the body of the request exceeds the limit of 65536 bytes"
            assert headers["content-type"] == "application/json"
        attacker.wait_for_end()  # The rest is not read.
    assert httpx2.get(f"{gold.url}/healthz").text == "ok\n"


def test_a_body_at_the_bound_is_read(gold: Serving, feed: HandFeed) -> None:
    gold.call(feed.give, 1, 2, NOON)
    body = b'{"instrument_id":"GOLD","count":1}'.ljust(65_536)
    answer = httpx2.post(f"{gold.url}/v1/market/instruments/ticks/history", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200
    assert answer.json()["data"]["ticks"]
    answer = httpx2.post(f"{gold.url}/v1/market/instruments/ticks/history", content=body + b" ")
    assert answer.status_code == 413


def test_changes_of_a_stream_that_closes_are_answered(gold: Serving, feed: HandFeed, caplog: pytest.LogCaptureFixture) -> None:
    gold.call(feed.give, 1, 2, NOON)
    with httpx2.Client() as client:
        for _ in range(30):
            with Raw(gold.url, STREAM) as stream:
                url = f"{gold.url}/v1/streams/{stream.read_head()[1]['pricewire-stream']}"
                closing = threading.Thread(target=stream.socket.close)
                closing.start()
                answer = client.patch(url, json={"interval_ms": 100})
                closing.join()
            assert answer.status_code in (200, 404), answer.text
    assert not [record for record in caplog.records if record.levelno >= logging.ERROR]


def test_a_stream_that_ends_while_its_change_is_checked_is_not_there(
    http: type[asyncio.Protocol], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = StreamOpener.check

    async def end_meanwhile(self: StreamOpener, topics: Sequence[Topic], token: Token | None) -> list[str]:
        names = await check(self, topics, token)
        for stream in list(self._publisher.hub._streams.values()):
            self._publisher.hub.end(stream, StreamEnd.SERVER_DRAINING)
        return names

    account = add_account(tmp_path / "pricewire.db", "alice")
    with open_app_server(tmp_path / "pricewire.db", http=http) as server, Events(server, "/sse?topic=ticks:R_100", account) as stream:
        monkeypatch.setattr(StreamOpener, "check", end_meanwhile)
        url = f"{server.url}/v1/streams/{stream.head['pricewire-stream']}"
        refused(httpx2.patch(url, json={"add": ["ticks:R_50"]}, headers=bearer(account)), 404, "NOT_FOUND")


def test_of_two_changes_at_once_none_is_lost(gold: Serving, feed: HandFeed, monkeypatch: pytest.MonkeyPatch) -> None:
    check = StreamOpener.check

    async def change_meanwhile(self: StreamOpener, topics: Sequence[Topic], token: Token | None) -> list[str]:
        names = await check(self, topics, token)
        hub = self._publisher.hub
        for stream, subscription in filter(None, map(hub.find, list(hub._streams))):
            hub.change(stream, replace(subscription, topics=tuple(sorted({*subscription.topics, "candles:GOLD:60"}))), b"{}")
        return names

    gold.call(feed.give, 1, 2, NOON)
    with Events(gold, "/sse?topic=ticks:GOLD") as stream:
        stream.next()
        monkeypatch.setattr(StreamOpener, "check", change_meanwhile)
        answer = httpx2.patch(f"{gold.url}/v1/streams/{stream.head['pricewire-stream']}", json={"add": ["candles:GOLD:300"]})
        assert answer.json()["data"]["topics"] == ["candles:GOLD:300", "candles:GOLD:60", "ticks:GOLD"]


def test_a_stream_whose_reader_takes_nothing_delays_nobody(gold: Serving, feed: HandFeed) -> None:
    """Answers that are not taken fill the connection before the stream begins on it."""
    with Raw(gold.url, b"GET /schema HTTP/1.1\r\nHost: x\r\n\r\n" * 20 + STREAM), Events(gold, "/sse?topic=ticks:GOLD") as other:
        for number in range(1, 101):
            gold.call(feed.give, number, number + 1, NOON + number)
            assert other.until(lambda data: "seq" in data)["seq"] == number


def test_a_reader_that_floods_its_stream_is_cut_off(gold: Serving, feed: HandFeed, is_bounded: bool) -> None:
    with Raw(gold.url, STREAM) as attacker, Events(gold, "/sse?topic=ticks:GOLD") as other:
        assert attacker.read_head()[0] == 200
        attacker.socket.sendall(b"x" * 30_000)
        gold.call(feed.give, 1, 2, NOON)
        if is_bounded:
            attacker.read_until(b'"seq":1,')
        with contextlib.suppress(ConnectionError):
            for _ in range(1000 if is_bounded else 10):
                attacker.socket.sendall(b"x" * 100_000)
        if is_bounded:
            wait_until(lambda: metric(gold.url, "pricewire_streams") == 1)
        gold.call(feed.give, 2, 3, NOON + 1)
        for number in (1, 2):
            assert other.until(lambda data: "seq" in data)["seq"] == number


def test_what_cannot_be_read_is_logged_seldom(gold: Serving, is_bounded: bool, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(20 if is_bounded else 1):
        for data in (b"\x16\x03\x01 nonsense\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close, Upgrade\r\nUpgrade: h2c\r\n\r\n"):
            with Raw(gold.url, data) as attacker:
                assert attacker.read_to_end().startswith(b"HTTP/1.1 ")
    texts = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert texts.count("Invalid HTTP request received.") == 1
    assert len(texts) <= 3
