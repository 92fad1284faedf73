"""The feed of a WebSocket against a real server: subscribing, heartbeats, and a source that fails in many ways."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.utils import accept_key

from pricewire.errors import FeedError
from pricewire.market.feeds.find import open_address
from support.fake_market import START_MS
from support.message_feeds import OptionsFile, supervised
from support.raw_server import PATIENCE
from support.tls import Certificate

BTC = """
[instruments.BTCUSD]
pip_size = 2
symbol = "btc"
[message]
where = { kind = "q" }
symbol = "s"
bid = "b"
ask = "a"
time = "t"
sequence = "n"
"""
Script = Callable[[ServerConnection], Awaitable[None]]


def quote(number: int, bid: float = 1.0) -> str:
    return json.dumps({"kind": "q", "s": "btc", "b": bid, "a": bid + 1, "t": START_MS + number, "n": number})


@contextlib.asynccontextmanager
async def source(*scripts: Script, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A WebSocket server whose first connection follows the first script, and so on; the last one serves all that follow."""
    waiting = list(scripts)

    async def handle(connection: ServerConnection) -> None:
        await (waiting.pop(0) if len(waiting) > 1 else waiting[0])(connection)

    async with serve(handle, "127.0.0.1", 0, ssl=tls) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"{'ws' if tls is None else 'wss'}://127.0.0.1:{port}"


async def hold(connection: ServerConnection) -> None:
    await connection.wait_closed()


async def test_it_subscribes_reads_and_keeps_the_connection_alive(options_file: OptionsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FEED_KEY", "k3y")
    heard: list[str] = []
    asked: list[str] = []

    async def script(connection: ServerConnection) -> None:
        assert connection.request is not None
        asked.append(f"{connection.request.path} {connection.request.headers['X-Key']}")
        heard.append(str(await connection.recv()))
        heard.append(str(await connection.recv()))
        await connection.send('{"result": null}')
        await connection.send(quote(1))
        async for message in connection:
            heard.append(str(message))
            await connection.send(quote(len(heard)).encode())

    more = """
subscribe = ["hello", {op = "sub", key = "${FEED_KEY}"}]
headers = {X-Key = "${FEED_KEY}"}
heartbeat = {op = "ping"}
heartbeat_s = 0.05
"""
    async with source(script) as url:
        feed = open_address(f"{url}/stream?a=b#{options_file(more + BTC)}")
        async with supervised(feed) as ticks:
            assert await ticks.next(3) == 3 * [("BTCUSD", "1.00", "2.00")]
    assert asked == ["/stream?a=b k3y"]
    assert heard[:4] == ["hello", '{"op":"sub","key":"k3y"}', '{"op":"ping"}', '{"op":"ping"}']
    assert feed.counters[0].passed_over == 1
    assert feed.counters[0].gaps == 1  # of the numbers, from 1 to 3


async def test_a_source_that_fails_is_connected_again_and_its_gaps_are_counted(options_file: OptionsFile) -> None:
    async def closing(connection: ServerConnection) -> None:
        await connection.send(quote(1))
        await connection.close(1011, "going down")

    async def breaking(connection: ServerConnection) -> None:
        await connection.send(quote(2))
        connection.transport.abort()

    async def huge(connection: ServerConnection) -> None:
        # Of a few kilobytes on the wire.
        await connection.send("[" + " " * (1 << 24) + "]")

    async def garbage(connection: ServerConnection) -> None:
        for each in (b"\xff" * 100, "", "[" * 10_000, "null", quote(4)):
            await connection.send(each)
        await hold(connection)

    async with source(closing, breaking, huge, garbage) as url:
        feed = open_address(f"{url}#{options_file(BTC)}")
        async with supervised(feed) as ticks:
            assert await ticks.next(3) == 3 * [("BTCUSD", "1.00", "2.00")]
            assert ticks.downs == 3
    assert feed.counters[0].connections == 4
    assert feed.counters[0].gaps == 3 + 1  # each new connection, and a number that is missing
    assert feed.counters[0].rejected == {"format": 3}


@pytest.mark.parametrize("way", ["silent", "no answer to pings", "no handshake"])
async def test_a_source_that_hangs_is_given_up(way: str, options_file: OptionsFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pricewire.market.feeds.websocket.PING_S", 0.2 if way == "no answer to pings" else 20)
    monkeypatch.setattr("pricewire.market.feeds.websocket.OPEN_S", 0.2 if way == "no handshake" else PATIENCE)
    monkeypatch.setattr("pricewire.market.feeds.websocket.CLOSE_S", 0.1)
    if way == "silent":
        async with source(hold) as url:
            feed = open_address(f"{url}#{options_file('silence_s = 0.2' + BTC)}")
            with pytest.raises(FeedError, match=r"no message for 0\.2 s"):
                await anext(aiter(feed))
        return

    left = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if way == "no answer to pings":
            head = await reader.readuntil(b"\r\n\r\n")
            key = next(line.split(b": ")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key"))
            accept = accept_key(key.decode()).encode()
            writer.write(b"HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: " + accept + b"\r\n\r\n")
        with contextlib.suppress(OSError):
            await reader.read()
            writer.close()
            await writer.wait_closed()
        left.set()

    async with await asyncio.start_server(handle, "127.0.0.1", 0) as server:
        feed = open_address(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}#{options_file(BTC)}")
        with pytest.raises(FeedError, match=r"keepalive ping timeout|timed out"):
            async with asyncio.timeout(PATIENCE):
                await anext(aiter(feed))
        async with asyncio.timeout(PATIENCE):
            await left.wait()


async def test_nothing_secret_is_logged(options_file: OptionsFile, caplog: pytest.LogCaptureFixture) -> None:
    async def refuse(connection: ServerConnection) -> None:
        assert connection.request is not None
        await connection.close(1008, f"bad {connection.request.path}")

    more = "subscribe = ['s3cret']\nheaders = {Authorization = 'Bearer s3cret'}\n"
    with caplog.at_level(logging.DEBUG, "pricewire"), caplog.at_level(logging.DEBUG, "websockets.client"):
        async with source(refuse) as url:
            feed = open_address(f"{url.replace('://', '://me:s3cret@')}/?token=s3cret#{options_file(more + BTC)}")
            with pytest.raises(FeedError, match="1008") as caught:
                await anext(aiter(feed))
            port = url.rpartition(":")[2]
            async with supervised(feed) as ticks:
                await ticks.down()
    assert "s3cret" not in caplog.text + str(caught.value)
    assert f"ws://127.0.0.1:{port}/" in caplog.text


async def test_tls_is_checked(options_file: OptionsFile, tmp_path: Path) -> None:
    certificate = Certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.options["ssl_certfile"], certificate.options["ssl_keyfile"])

    async def script(connection: ServerConnection) -> None:
        await connection.send(quote(1))
        await hold(connection)

    async with source(script, tls=context) as url:
        trusting = open_address(f"{url}#{options_file(BTC + '[tls]' + chr(10) + 'ca = ' + repr(str(certificate.authority)))}")
        async with supervised(trusting) as ticks:
            assert await ticks.next() == [("BTCUSD", "1.00", "2.00")]
        with pytest.raises(FeedError, match="CERTIFICATE_VERIFY_FAILED"):
            await anext(aiter(open_address(f"{url}#{options_file(BTC)}")))
    with pytest.raises(FeedError, match="give wss://"):
        open_address(f"ws://h#{options_file(BTC + '[tls]')}")
