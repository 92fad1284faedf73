"""What an application's callback raises, in each callback of each client: it is reported, and the stream goes on."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import CancelledError as FutureCancelledError
from typing import Any

import pytest

from pricewire.client.callbacks import create_sse_connection
from pricewire.client.stream.event_source import EventSource
from pricewire.client.stream.reconnect import ConnectionState
from pricewire.client.wire import connect
from pricewire.errors import CallbackError, ClientError
from support.client_messages import tick_event
from support.raw_server import PATIENCE, RawServer, hold, stream
from support.sources import FOREVER

ERRORS = [ValueError, StopIteration, StopAsyncIteration, RecursionError, TimeoutError, asyncio.CancelledError, FutureCancelledError]
"""What could be taken for something else: for the end of an iteration, for a time-out or a cancellation of the client's own."""

Raise = Callable[..., None]


@pytest.fixture(params=ERRORS, ids=lambda error: str(error.__name__))
def raising(request: pytest.FixtureRequest) -> Callable[[str], Raise]:
    """Makes callbacks that raise, of the name under which they are reported."""

    def make(name: str) -> Raise:
        def callback(*_: object) -> None:
            raise request.param(name)

        return callback

    return make


def server_that_drops_once() -> RawServer:
    return RawServer(stream(tick_event(1)), hold(tick_event(2)))


def callbacks_named(errors: list[ClientError]) -> set[str]:
    return {error.callback for error in errors if isinstance(error, CallbackError)}


async def test_of_an_event_source(raising: Callable[[str], Raise]) -> None:
    errors: list[ClientError] = []
    callbacks: dict[str, Any] = {name: raising(name) for name in ("on_open", "on_message", "on_state")}
    async with (
        server_that_drops_once() as server,
        EventSource(server.url, reconnect=FOREVER, on_error=errors.append, **callbacks) as source,
        asyncio.timeout(PATIENCE),
    ):
        source.on("message", raising("on"))
        assert [(await anext(source)).last_event_id for _ in range(2)] == ["1", "2"]
    assert callbacks_named(errors) == {"on_open", "on_message", "on_state", "on('message')"}


async def test_of_a_wire(raising: Callable[[str], Raise]) -> None:
    errors: list[ClientError] = []
    states: list[ConnectionState] = []

    def on_state(state: ConnectionState) -> None:
        states.append(state)
        raising("on_state")()

    async with (
        server_that_drops_once() as server,
        connect(server.url, reconnect=FOREVER, on_error=errors.append, on_state=on_state) as wire,
        asyncio.timeout(PATIENCE),
    ):
        assert len(await wire.ticks("R_100").collect(2)) == 2
    assert callbacks_named(errors) == {"on_state"}
    assert [state.state for state in states] == ["connecting", "open", "waiting", "connecting", "open", "closed"]


async def test_of_a_connection_with_callbacks(raising: Callable[[str], Raise]) -> None:
    errors: list[ClientError] = []
    heard: list[Any] = []
    enough = asyncio.Event()

    def on_message(message: Any) -> None:
        heard.append(message)
        if len(heard) == 2:
            enough.set()
        raising("on_message")()

    async with server_that_drops_once() as server:
        cleanup = create_sse_connection(
            {"topic": "ticks:R_100"},
            base_url=server.url,
            reconnect_interval=0.001,
            on_message=on_message,
            on_error=errors.append,
            on_open=raising("on_open"),
            on_state=raising("on_state"),
        )
        async with asyncio.timeout(PATIENCE):
            await enough.wait()
        await cleanup.aclose()
    assert len(heard) == 2
    assert callbacks_named(errors) == {"on_open", "on_message", "on_state"}


async def test_of_on_error_itself(raising: Callable[[str], Raise], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "pricewire")
    async with (
        server_that_drops_once() as server,
        connect(server.url, reconnect=FOREVER, on_error=raising("on_error"), on_state=raising("on_state")) as wire,
        asyncio.timeout(PATIENCE),
    ):
        assert len(await wire.ticks("R_100").collect(2)) == 2
    assert {record.getMessage() for record in caplog.records} == {"callback on_error raised"}
