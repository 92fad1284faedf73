from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

import httpx2
import pytest

from pricewire.client.api import tokens
from pricewire.client.api.tokens import Token
from pricewire.client.stream.event_source import EventSource
from pricewire.client.stream.renewal import stream_url
from support.raw_server import PATIENCE, RawConnection, RawServer, Script, hold, status
from support.tokens import jwt, provider_of


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a/sse?topic=x", "http://a/v1/streams/s%2F1"),
        ("https://a:8443/protected/sse", "https://a:8443/v1/streams/s%2F1"),
        ("http://a/under/here/protected/sse?x=1", "http://a/under/here/v1/streams/s%2F1"),
        ("http://a/under/v1/market/instruments/ticks/stream", "http://a/under/v1/streams/s%2F1"),
    ],
)
def test_where_a_stream_is_changed(url: str, expected: str) -> None:
    assert stream_url(httpx2.URL(url), "s/1") == expected


class Renewed:
    """A stream that is held, and the renewals that come for it."""

    def __init__(self, *answers: str) -> None:
        self.bodies: list[bytes] = []
        self.sent = asyncio.Event()
        self.scripts: list[Script] = [hold(b"data: a\n\n", pricewire_stream="s1"), *(self._take(answer) for answer in answers)]

    def _take(self, line: str) -> Script:
        async def script(connection: RawConnection) -> None:
            self.bodies.append(await connection.body())
            await status(line, b"Connection: close\r\n")(connection)
            if len(self.bodies) == len(self.scripts) - 1:
                self.sent.set()

        return script


async def read_until(source: EventSource, event: asyncio.Event) -> None:
    """Read until something has happened, and a little further, so that what would be wrong could follow."""
    async with asyncio.timeout(PATIENCE), source:
        assert (await anext(source)).data == "a"
        reading = asyncio.ensure_future(anext(source))
        await event.wait()
        for _ in range(20):
            await asyncio.sleep(0)
        reading.cancel()
        await asyncio.wait([reading])


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have tokens replaced without a wait."""
    monkeypatch.setattr(tokens, "renew_after", lambda expires_at, *_: None if expires_at is None else 0.0)


def short(name: str) -> str:
    return jwt({"exp": 2e9, "jti": name})


@pytest.mark.usefixtures("at_once")
async def test_before_a_token_expires_the_stream_gets_the_next() -> None:
    first, second, third = short("a"), short("b"), jwt({"jti": "c"})
    renewed = Renewed("200 OK", "200 OK")
    async with RawServer(*renewed.scripts) as server:
        source = EventSource(server.url + "/protected/sse?topic=x", token=provider_of(first, second, third))
        await read_until(source, renewed.sent)
    requests = [(each.method, each.target, each.headers[b"authorization"].decode()) for each in server.connections]
    assert requests == [
        ("GET", "/protected/sse?topic=x", f"Bearer {first}"),
        ("PATCH", "/v1/streams/s1", f"Bearer {second}"),
        ("PATCH", "/v1/streams/s1", f"Bearer {third}"),
    ]
    assert renewed.bodies == [b"{}", b"{}"]
    assert server.connections[1].headers[b"content-type"] == b"application/json"


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("line", ["404 Not Found", "307 Temporary Redirect", "500 Oops"])
async def test_a_server_that_cannot_is_asked_once(line: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "pricewire")
    renewed = Renewed(line)
    async with RawServer(*renewed.scripts) as server:
        await read_until(EventSource(server.url + "/sse", token=provider_of(short("a"), short("b"), short("c"))), renewed.sent)
    assert len(server.connections) == 2
    assert f"status {line[:3]}" in caplog.text
    assert "Bearer" not in caplog.text


@pytest.mark.usefixtures("at_once")
async def test_a_provider_that_fails_leaves_the_stream_as_it_is(caplog: pytest.LogCaptureFixture) -> None:
    async def provider() -> str:
        if asked:
            asyncio.get_running_loop().call_soon(failed.set)
            raise OSError("secret")
        asked.append(True)
        return short("a")

    asked: list[bool] = []
    failed = asyncio.Event()
    caplog.set_level(logging.INFO, "pricewire")
    renewed = Renewed()
    async with RawServer(*renewed.scripts) as server:
        await read_until(EventSource(server.url + "/sse", token=provider), failed)
    assert len(server.connections) == 1
    assert "not renewed: TokenError" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("make_token", [lambda: short("a"), lambda: provider_of(jwt({}))], ids=["fixed", "without an end"])
async def test_what_need_not_or_cannot_be_renewed_is_left_alone(make_token: Callable[[], Token]) -> None:
    renewed = Renewed()
    nothing = asyncio.Event()
    nothing.set()
    async with RawServer(*renewed.scripts) as server:
        await read_until(EventSource(server.url + "/sse", token=make_token()), nothing)
    assert len(server.connections) == 1


@pytest.mark.usefixtures("at_once")
async def test_closing_meanwhile_ends_the_renewal() -> None:
    arrived = asyncio.Event()

    async def never(connection: RawConnection) -> None:
        arrived.set()
        await connection.closed()

    async with RawServer(hold(b"data: a\n\n", pricewire_stream="s1"), never) as server:
        await read_until(EventSource(server.url + "/sse", token=provider_of(short("a"), short("b"))), arrived)
    assert asyncio.all_tasks() == {asyncio.current_task()}
