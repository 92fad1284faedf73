"""A wall clock that is wrong by hours and steps all the time: nothing that waits or renews looks at it."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from types import SimpleNamespace

import httpx2
import pytest

from pricewire.client.api import renewal, tokens
from pricewire.client.stream import request as stream_request
from pricewire.client.stream.reconnect import ConnectionState
from pricewire.client.wire import connect
from pricewire.errors import ClientError, ConnectError, StreamError
from pricewire.protocol.messages import Envelope, Tick
from support.app_server import TOKENS, add_account, open_app_server
from support.proxy import Proxy
from support.raw_server import PATIENCE, RawServer, hold, status
from support.serving import Serving
from support.sources import FOREVER, quiet

HOURS = 3600.0


@pytest.fixture(params=[-9 * HOURS, 9 * HOURS, None], ids=["behind", "ahead", "stepping"], autouse=True)
def clock(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the client's wall clock be wrong, another way at each look where it steps; the server's is right."""

    def wrong() -> float:
        offset = request.param
        return time.time() + (random.uniform(-9 * HOURS, 9 * HOURS) if offset is None else offset)

    for module in (tokens, stream_request):
        monkeypatch.setattr(module, "time", SimpleNamespace(time=wrong, monotonic=time.monotonic))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Serving, str]]:
    """A server that trades, and an account there."""
    database: Path = tmp_path_factory.mktemp("clocks") / "pricewire.db"
    alice = add_account(database, "alice")
    with open_app_server(database) as server:
        yield server, alice.uuid


async def test_open_streams_are_renewed_under_cuts(served: tuple[Serving, str], monkeypatch: pytest.MonkeyPatch) -> None:
    # A second more may seem to be left, as tokens tell the second of their issue only.
    monkeypatch.setattr(renewal, "LEAST_WAIT", 0.9)
    server, account_uuid = served
    given: list[float] = []
    methods: list[str] = []
    numbers: list[int] = []
    errors: list[ClientError] = []

    async def provide() -> str:
        given.append(time.monotonic())
        return TOKENS.issue(account_uuid, lifetime=6.1)

    async def note(sent: httpx2.Request) -> None:
        methods.append(sent.method)

    with Proxy(httpx2.URL(server.url).port or 0) as network:

        def cut() -> None:
            network.cut()
            network.heal()

        async with (
            asyncio.timeout(3 * PATIENCE),
            httpx2.AsyncClient(event_hooks={"request": [note]}) as client,
            connect(network.url, token=provide, reconnect=FOREVER, http_client=client, on_error=errors.append) as wire,
        ):
            cuts = 0
            async for envelope in wire.topic("ticks:1HZ100V", type=Envelope[Tick]):
                numbers.append(envelope.seq)
                if len(numbers) % 70 == 0:
                    cut()
                    cuts += 1
                if cuts >= 2 and methods.count("PATCH") >= 2:
                    break
    # No gap, nothing doubled, and no token asked for more often than its life calls for.
    assert numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    assert len(given) <= 2 + (given[-1] - given[0]) / 2
    # On a machine that stands still for seconds a token may expire before its renewal; then the stream is resumed with the next.
    assert {type(error) for error in errors} - {StreamError} == {ConnectError}


async def test_a_wait_that_the_server_asks_for_by_a_date_is_a_span() -> None:
    waits: list[float] = []

    def hear(state: ConnectionState) -> None:
        if state.wait is not None:
            waits.append(state.wait)
            wire.close()

    moment = 1_800_000_000
    dates = f"Date: {formatdate(moment, usegmt=True)}\r\nRetry-After: {formatdate(moment + 90, usegmt=True)}\r\n"
    async with (
        asyncio.timeout(PATIENCE),
        RawServer(status("503 Busy", dates.encode()), hold()) as server,
        connect(server.url, reconnect=FOREVER, on_error=quiet, on_state=hear) as wire,
    ):
        assert await wire.ticks("R_100").collect(1) == []
    assert waits == [90.0]
