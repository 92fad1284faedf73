from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from pricewire.client.stream.reconnect import ReconnectPolicy, State
from pricewire.client.wire import Wire, connect
from pricewire.errors import HTTPStatusError, InvalidTopicError
from pricewire.protocol.messages import Candle, Tick
from support.client_messages import CANDLE_EVENT, tick_event
from support.feeds import HandFeed
from support.raw_server import PATIENCE, RawServer, hold
from support.serving import Serving

CANDLE = Candle("R_100", 60, 60000, Decimal(1), Decimal(3), Decimal("0.5"), Decimal(2), 120000)


async def test_candles() -> None:
    async with RawServer(hold(CANDLE_EVENT)) as server, connect(server.url + "/") as wire:
        assert await anext(wire.candles("R_100")) == CANDLE
    assert server.connections[0].target == "/sse?topic=candles:R_100:60"


async def test_a_topic_is_asked_for_once() -> None:
    async with RawServer(hold(tick_event(1, "A"))) as server, connect(server.url) as wire:
        await anext(wire.ticks("A", "B", "A"))
    assert server.connections[0].target == "/sse?topic=ticks:A&topic=ticks:B"


async def test_a_token_asks_for_the_protected_stream_and_shows_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with RawServer(hold(tick_event(1, "A"))) as server, connect(server.url, token="secret") as wire:
        ticks = wire.ticks("A")
        await anext(ticks)
        texts = repr(wire) + repr(ticks)
    assert server.connections[0].target == "/protected/sse?topic=ticks:A"
    assert server.connections[0].headers[b"authorization"] == b"Bearer secret"
    assert "secret" not in texts + caplog.text


async def test_leaving_the_block_ends_iterations_in_other_tasks() -> None:
    async def read(wire_ticks: object) -> int:
        return len([tick async for tick in wire_ticks])  # type: ignore[attr-defined]

    async with RawServer(hold(tick_event(1, "A"))) as server, asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        async with connect(server.url) as wire:
            readers = [group.create_task(read(wire.ticks("A"))) for _ in range(5)]
            await wire.ticks("A").snapshot()
        with pytest.raises(RuntimeError, match="closed"):
            wire.ticks("A")
    assert all(reader.result() == 1 for reader in readers)
    assert len(server.connections) == 1


async def test_a_client_of_the_users_own_stays_open() -> None:
    async with RawServer(hold(tick_event(1, "A"))) as server, httpx2.AsyncClient() as client:
        async with connect(server.url, http_client=client) as wire:
            await anext(wire.ticks("A"))
        assert not client.is_closed


@pytest.mark.parametrize(
    ("subscribe", "error", "message"),
    [
        (lambda wire: wire.ticks("R 100"), InvalidTopicError, "instrument 'R 100'"),
        (lambda wire: wire.candles("R_100", 61), InvalidTopicError, "granularity '61'"),
        (lambda wire: wire.ticks(), ValueError, "no instrument"),
        (lambda wire: wire.topic("", type=dict), ValueError, "no instrument or topic"),
        (lambda wire: wire.ticks("A", "B", buffer=1), ValueError, "buffer is 1; it has room for a message of each of the 2 topics"),
        (lambda wire: wire.ticks("A", interval=-1), ValueError, "interval is -1 s"),
        (lambda wire: wire.ticks("A", overflow="newest"), ValueError, "one of latest, error"),
        (lambda wire: wire.ticks("A", debounce=1, overflow="error"), ValueError, "overflow is 'latest' with them"),
    ],
)
async def test_a_subscription_that_cannot_be_shows_before_any_request(
    subscribe: Callable[[Wire], object], error: type[Exception], message: str
) -> None:
    async with connect("http://127.0.0.1:1") as wire:
        with pytest.raises(error, match=message):
            subscribe(wire)


@pytest.mark.parametrize(
    ("url", "options", "message"),
    [
        ("127.0.0.1:8080", {}, "address"),
        ("http://127.0.0.1:1", {"token": "sec\nret"}, "Authorization"),
        ("http://127.0.0.1:1", {"token": "a", "headers": {"authorization": "b"}}, "give one of them"),
    ],
)
def test_a_connection_that_cannot_be_shows_before_any_request(url: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message) as raised:
        connect(url, **options)
    assert "sec" not in str(raised.value)


async def test_ticks_of_a_real_server(server: Serving, feed: HandFeed) -> None:
    server.call(feed.give, 1.0, 1.2, 1_796_000_000_000)
    async with asyncio.timeout(PATIENCE), connect(server.url) as wire:
        ticks = wire.ticks("GOLD")
        first = await anext(ticks)
        assert (first.instrument_id, first.epoch_ms) == ("GOLD", 1_796_000_000_000)
        assert first.bid < first.price < first.ask
        assert ticks.start == "snapshot"
        server.call(feed.give, 1.1, 1.3, 1_796_000_000_500)
        assert (await anext(ticks)).epoch_ms == 1_796_000_000_500


async def test_candles_of_a_real_server(server: Serving) -> None:
    async with asyncio.timeout(PATIENCE), connect(server.url) as wire, wire.candles("R_100", 60) as candles:
        for _ in range(3):
            candle = await anext(candles)
            assert candle.close_epoch_ms - candle.open_epoch_ms == 60_000
            assert candle.low <= min(candle.open, candle.close) <= max(candle.open, candle.close) <= candle.high


async def test_an_unknown_instrument_of_a_real_server(server: Serving) -> None:
    async with connect(server.url, on_error=lambda _: None) as wire:
        with pytest.raises(HTTPStatusError, match="NOPE") as raised:
            await anext(wire.ticks("NOPE"))
    assert (raised.value.status, raised.value.code) == (404, "NOT_FOUND")


async def test_giving_up_a_message_keeps_the_connection_and_loses_none(server: Serving, feed: HandFeed) -> None:
    server.call(feed.give, 1.0, 1.2, 1_796_000_000_000)
    async with asyncio.timeout(PATIENCE), connect(server.url) as wire:
        ticks = wire.ticks("GOLD")
        assert (await anext(ticks)).epoch_ms == 1_796_000_000_000
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(ticks), 0.05)
        for moment in range(1, 4):
            server.call(feed.give, 1.0, 1.2, 1_796_000_000_000 + moment)
        assert [(await anext(ticks)).epoch_ms - 1_796_000_000_000 for _ in range(3)] == [1, 2, 3]
        assert ticks.start == "snapshot"


async def test_a_heartbeat_of_a_real_server_keeps_a_silent_stream_alive(server: Serving, feed: HandFeed) -> None:
    server.call(feed.give, 1.0, 1.2, 1_796_000_000_000)
    async with asyncio.timeout(PATIENCE), connect(server.url, idle_timeout=None) as wire:
        ticks = wire.ticks("GOLD")
        await anext(ticks)
        # Longer than the connection would live without the heartbeats that come every half second.
        asyncio.get_running_loop().call_later(1.2, server.call, feed.give, 1.0, 1.3, 1_796_000_000_001)
        assert (await anext(ticks)).epoch_ms == 1_796_000_000_001
        assert (ticks.state.state, ticks.start) == (State.OPEN, "snapshot")


async def test_a_real_server_that_restarts_is_found_again(feed: HandFeed) -> None:
    from pricewire.server.app import create_app

    policy = ReconnectPolicy(attempts=None, interval=0.01, ceiling=0.05, floor=0.01)
    with Serving(create_app([feed])) as first:
        first.call(feed.give, 1.0, 1.2, 1_796_000_000_000)
        async with asyncio.timeout(PATIENCE), connect(first.url, reconnect=policy, on_error=lambda _: None) as wire:
            ticks = wire.ticks("GOLD")
            before = await anext(ticks)
            await asyncio.to_thread(first.stop)
            other = HandFeed()
            with Serving(create_app([other]), port=first.port) as second:
                second.call(other.give, 2.0, 2.2, 1_796_000_001_000)
                after = await anext(ticks)
                assert (before.epoch_ms, after.epoch_ms) == (1_796_000_000_000, 1_796_000_001_000)
                assert ticks.start == "reset"
                assert isinstance(after, Tick)
                await ticks.aclose()
