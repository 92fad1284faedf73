from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from pricewire.client.callbacks import create_sse_connection, running
from pricewire.client.stream.reconnect import State
from pricewire.errors import CallbackError, ClientError, DecodeError, HTTPStatusError, ReconnectExhausted
from pricewire.protocol.messages import Candle, Envelope, InstrumentPrice, Tick
from support.client_messages import CANDLE_EVENT, tick_event
from support.raw_server import PATIENCE, RawServer, hold, status, stream
from support.serving import Serving

PRICE = b'data: {"instrument_id":"R_100","bid":1.5,"ask":2,"timestamp":"2026-03-04T05:06:07Z"}\n\n'


class Heard:
    """Keeps the messages, and says when so many have come."""

    def __init__(self, count: int) -> None:
        self.messages: list[Any] = []
        self.enough = asyncio.Event()
        self._count = count

    def __call__(self, message: Any) -> None:
        self.messages.append(message)
        if len(self.messages) >= self._count:
            self.enough.set()

    async def wait(self) -> list[Any]:
        async with asyncio.timeout(PATIENCE):
            await self.enough.wait()
        return self.messages


async def test_the_price_of_an_instrument() -> None:
    heard = Heard(1)
    opens: list[None] = []
    async with RawServer(hold(PRICE)) as server:
        cleanup = create_sse_connection(
            {"action": "instrument_price", "instrument_id": "R_100", "nothing": None, "flag": True, "n": 5},
            base_url=server.url,
            on_message=heard,
            on_open=lambda: opens.append(None),
        )
        assert await heard.wait() == [InstrumentPrice("R_100", 1.5, 2.0, "2026-03-04T05:06:07Z")]
        assert opens == [None]
        states = [cleanup.state.state]
        cleanup()
        assert [*states, cleanup.state.state] == [State.OPEN, State.CLOSED]
        await cleanup.wait_closed()
    assert server.connections[0].target == "/sse?action=instrument_price&instrument_id=R_100&flag=true&n=5"


async def test_topics_with_a_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    heard = Heard(2)
    async with RawServer(hold(tick_event(1) + CANDLE_EVENT)) as server:
        cleanup = create_sse_connection(
            {"topic": ["ticks:R_100", "candles:R_100:60"]}, base_url=server.url, token="secret", headers={"X-A": "b"}, on_message=heard
        )
        tick, candle = await heard.wait()
        await cleanup.aclose()
    assert isinstance(tick, Envelope)
    assert isinstance(tick.data, Tick)
    assert isinstance(candle.data, Candle)
    request = server.connections[0]
    assert request.target == "/protected/sse?topic=ticks:R_100&topic=candles:R_100:60"
    assert (request.headers[b"authorization"], request.headers[b"x-a"]) == (b"Bearer secret", b"b")
    assert "secret" not in caplog.text + repr(cleanup)


async def test_anything_else_is_plain_data_and_what_does_not_fit_is_reported() -> None:
    heard = Heard(1)
    errors: list[ClientError] = []
    async with RawServer(hold(b'data: nonsense\n\nevent: stale\ndata: {}\n\ndata: {"a":[1]}\n\n')) as server:
        cleanup = create_sse_connection({"action": "contract_price"}, base_url=server.url, on_message=heard, on_error=errors.append)
        assert await heard.wait() == [{"a": [1]}]
        await cleanup.aclose()
    assert [type(error) for error in errors] == [DecodeError]


async def test_an_exception_in_a_callback_neither_stops_nor_doubles_the_connection() -> None:
    errors: list[ClientError] = []
    heard = Heard(4)

    def hear(message: Any) -> None:
        heard(message)
        raise ValueError("mine")

    async with RawServer(stream(PRICE * 2), hold(PRICE * 2)) as server:
        cleanup = create_sse_connection(
            {"action": "instrument_price"}, base_url=server.url, on_message=hear, on_error=errors.append, reconnect_interval=0.001
        )
        await heard.wait()
        await cleanup.aclose()
    assert len(server.connections) == 2
    callback_errors = [error for error in errors if isinstance(error, CallbackError)]
    assert [error.callback for error in callback_errors] == ["on_message"] * 4


async def test_nothing_is_heard_after_cleanup() -> None:
    heard = Heard(1)

    def hear(message: Any) -> None:
        heard(message)
        cleanup()

    async with RawServer(hold(PRICE * 3)) as server:
        cleanup = create_sse_connection({"action": "instrument_price"}, base_url=server.url, on_message=hear)
        await heard.wait()
        await cleanup.wait_closed()
    assert len(heard.messages) == 1
    assert not running


async def test_cleanup_before_it_has_begun() -> None:
    cleanup = create_sse_connection({"action": "instrument_price"}, on_message=print)
    cleanup()
    cleanup()
    await cleanup.wait_closed()


async def test_what_ends_it_reaches_on_error() -> None:
    errors: list[ClientError] = []
    async with RawServer(status("503 Busy"), status("404 Not Found")) as server:
        ended = create_sse_connection(
            {"topic": "ticks:X"}, base_url=server.url, on_message=print, on_error=errors.append, reconnect_interval=0.001
        )
        await ended.wait_closed()
    assert [error.status for error in errors if isinstance(error, HTTPStatusError)] == [503, 404]
    errors.clear()
    async with RawServer(stream(b"")) as server:
        ended = create_sse_connection(
            {"topic": "ticks:X"},
            base_url=server.url,
            on_message=print,
            on_error=errors.append,
            reconnect_attempts=1,
            reconnect_interval=0.001,
        )
        await ended.wait_closed()
    assert isinstance(errors[-1], ReconnectExhausted)
    assert ended.state.reason is errors[-1]


async def test_cancelling_its_task_leaves_nothing() -> None:
    heard = Heard(1)
    async with RawServer(hold(PRICE)) as server:
        connection = create_sse_connection({"action": "instrument_price"}, base_url=server.url, on_message=heard)
        await heard.wait()
        # What asyncio.run does when its main coroutine ends.
        for task in running:
            task.cancel()
        await connection.wait_closed()
    assert connection.state.state is State.CLOSED


async def test_coroutine_functions_are_refused() -> None:
    async def hear(message: Any) -> None:
        """Nobody would await this."""

    with pytest.raises(TypeError, match="on_message"):
        create_sse_connection({}, on_message=hear)


async def test_a_real_server(server: Serving) -> None:
    prices, envelopes = Heard(2), Heard(2)
    price = create_sse_connection({"action": "instrument_price", "instrument_id": "1HZ100V"}, base_url=server.url, on_message=prices)
    topics = create_sse_connection({"topic": ["ticks:1HZ100V"]}, base_url=server.url, on_message=envelopes)
    assert all(isinstance(message, InstrumentPrice) and message.bid < message.ask for message in await prices.wait())
    assert [type(message.data) for message in await envelopes.wait()][:2] == [Tick, Tick]
    await price.aclose()
    await topics.aclose()
