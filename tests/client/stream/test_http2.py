"""Over HTTP/2: a real Caddy, with TLS, in front of a real Pricewire."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import shutil
import signal
import ssl
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
import trustme

from pricewire.client.stream.event_source import EventSource
from pricewire.client.wire import connect
from pricewire.errors import ClientError
from support.feeds import HandFeed
from support.raw_server import PATIENCE
from support.serving import Serving
from support.sources import QUICK

CADDYFILE = """
{
    admin off
    auto_https off
    persist_config off
    servers {
        protocols h1 h2
    }
}
https://localhost {
    bind unix/{$DIRECTORY}/caddy.sock
    tls {$DIRECTORY}/cert.pem {$DIRECTORY}/key.pem
    reverse_proxy 127.0.0.1:{$PORT}
}
"""

URL = "https://localhost/sse?topic=ticks:GOLD"
NOON = 1_700_000_000_000


class Proxy:
    """A Caddy in front of the server, at a socket in the file system, so that no port has to be chosen."""

    def __init__(self, process: asyncio.subprocess.Process, context: ssl.SSLContext, path: Path) -> None:
        self.process = process
        self.connections: list[object] = []
        self._context = context
        self._path = path

    def client(self) -> httpx2.AsyncClient:
        """Return a client that speaks HTTP/2 to the proxy; `connections` gets those that responses came by."""
        transport = httpx2.AsyncHTTPTransport(verify=self._context, http2=True, uds=str(self._path))
        return httpx2.AsyncClient(transport=transport, event_hooks={"response": [self._note]})

    async def _note(self, response: httpx2.Response) -> None:
        assert response.http_version == "HTTP/2"
        if response.extensions["network_stream"] not in self.connections:
            self.connections.append(response.extensions["network_stream"])


@pytest.fixture
async def proxy(server: Serving, tmp_path: Path) -> AsyncIterator[Proxy]:
    authority = trustme.CA()
    certificate = authority.issue_cert("localhost")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    (tmp_path / "cert.pem").write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    context = ssl.create_default_context()
    authority.configure_trust(context)
    (tmp_path / "Caddyfile").write_text(CADDYFILE)
    caddy = shutil.which("caddy", path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    assert caddy is not None
    process = await asyncio.create_subprocess_exec(
        *(caddy, "run", "--config", tmp_path / "Caddyfile"),
        env={"HOME": str(tmp_path), "DIRECTORY": str(tmp_path), "PORT": str(server.port)},
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stderr is not None
    try:
        async with asyncio.timeout(3 * PATIENCE):
            while b"serving initial configuration" not in (line := await process.stderr.readline()):
                assert line, "Caddy ended"
        yield Proxy(process, context, tmp_path / "caddy.sock")
    finally:
        process.kill()
        await process.communicate()


async def open_streams(server: Serving) -> int:
    """Return how many streams the server has."""
    async with httpx2.AsyncClient() as client:
        lines = (await client.get(server.url + "/metrics")).text.splitlines()
    return sum(int(float(line.rpartition(" ")[2])) for line in lines if line.startswith("pricewire_streams{"))


async def test_one_connection_carries_all_streams_and_closing_one_ends_it(server: Serving, feed: HandFeed, proxy: Proxy) -> None:
    server.call(feed.give, 1.0, 1.2, NOON)
    async with asyncio.timeout(3 * PATIENCE), proxy.client() as client:
        sources = [EventSource(URL, http_client=client) for _ in range(5)]
        for source in sources:
            await anext(source)
        assert await open_streams(server) == 5
        # In the middle of a read, and between two.
        reading = [asyncio.ensure_future(anext(source)) for source in sources[:2]]
        await asyncio.sleep(0)
        reading[0].cancel()
        for source in sources[:4]:
            await source.aclose()
        await asyncio.wait(reading)
        # The server hears of it although the connection stays: the last stream goes on.
        while await open_streams(server) > 1:
            pass
        server.call(feed.give, 2.0, 2.2, NOON + 1000)
        assert '"bid":"2.00"' in (await anext(sources[4])).data
        await sources[4].aclose()
    assert len(proxy.connections) == 1
    assert isinstance(reading[1].exception(), StopAsyncIteration)


async def test_a_dead_connection_is_not_used_again(server: Serving, feed: HandFeed, proxy: Proxy) -> None:
    errors: list[ClientError] = []
    dead = asyncio.Event()

    def hear(error: ClientError) -> None:
        errors.append(error)
        dead.set()

    server.call(feed.give, 1.0, 1.2, NOON)
    async with (
        asyncio.timeout(3 * PATIENCE),
        proxy.client() as client,
        EventSource(URL, http_client=client, reconnect=QUICK, on_error=hear) as source,
    ):
        first = await anext(source)
        reading = asyncio.ensure_future(anext(source))
        proxy.process.send_signal(signal.SIGSTOP)
        await dead.wait()
        proxy.process.send_signal(signal.SIGCONT)
        server.call(feed.give, 2.0, 2.2, NOON + 1000)
        second = await reading
        assert source.headers["pricewire-start"] == "resumed"
    assert "silent" in str(errors[0])
    assert ('"seq":1' in first.data, '"seq":2' in second.data) == (True, True)
    assert len(proxy.connections) == 2


async def test_subscriptions_changes_and_all_go_over_one_connection(server: Serving, proxy: Proxy) -> None:
    async with asyncio.timeout(3 * PATIENCE), proxy.client() as client:
        async with connect("https://localhost", http_client=client) as wire:
            first = wire.ticks("R_10")
            await anext(first)
            second = wire.ticks("R_25")
            assert (await anext(second)).instrument_id == "R_25"
            assert (first.start, second.start) == ("snapshot", "snapshot")
            await first.aclose()
            assert len(await second.collect(3)) == 3
        while await open_streams(server) > 0:
            pass
    assert len(proxy.connections) == 1


async def test_no_log_of_the_libraries_shows_a_token_or_a_ticket(
    server: Serving, feed: HandFeed, proxy: Proxy, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    errors: list[ClientError] = []
    server.call(feed.give, 1.0, 1.2, NOON)
    async with asyncio.timeout(3 * PATIENCE), proxy.client() as client:
        url = URL + "&ticket=hush-ticket"
        for source in (
            EventSource(url, token="hush-token", http_client=client, reconnect=QUICK, on_error=errors.append),
            EventSource(url, headers={"X-Session": "hush-session"}, http_client=client, reconnect=QUICK, on_error=errors.append),
        ):
            async with source:
                with contextlib.suppress(ClientError):
                    await anext(source)
        async with connect("https://localhost", http_client=client, token="hush-token") as wire:
            with contextlib.suppress(ClientError):
                await anext(wire.ticks("GOLD"))
            with contextlib.suppress(ClientError):
                await wire.sell("contract", within=1.0)
    assert len(proxy.connections) == 1
    # Of what carries no secret the libraries say as much as ever.
    assert {record.name for record in caplog.records} >= {"httpcore2.http2", "httpx2"}
    shown = caplog.text + "".join(repr(vars(record)) for record in caplog.records)
    assert [secret for secret in ("hush-token", "hush-session", "hush-ticket") if secret in shown] == []
