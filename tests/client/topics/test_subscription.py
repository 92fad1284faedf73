from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from pricewire.client.stream.reconnect import ReconnectPolicy, State
from pricewire.client.wire import connect
from pricewire.errors import ClientError, DecodeError, HTTPStatusError, ReconnectExhausted
from pricewire.protocol.messages import Tick
from support.client_messages import take, tick_event
from support.raw_server import RawConnection, RawServer, hold, status, stream
from support.sources import FOREVER


async def test_messages_are_typed_and_go_on_after_a_drop_with_what_was_merged() -> None:
    scripts = [
        stream(tick_event(1) + tick_event(2, merged=3), pricewire_start="snapshot"),
        hold(tick_event(3, merged=1), pricewire_start="resumed"),
    ]
    async with RawServer(*scripts) as server, connect(server.url, reconnect=FOREVER, on_error=lambda _: None) as wire:
        ticks = wire.ticks("R_100")
        assert await anext(ticks) == Tick("R_100", 1, Decimal(1), Decimal(2), Decimal(1))
        starts = [ticks.start]
        assert await take(ticks, 2) == [2, 3]
        assert [*starts, ticks.start] == ["snapshot", "resumed"]
        assert ticks.merged == 4
    assert server.connections[1].headers[b"last-event-id"] == b"2"
    assert server.connections[0].target == "/sse?topic=ticks:R_100"


async def test_a_subscription_knows_its_state_and_the_age_of_its_newest_message() -> None:
    async with RawServer(hold(tick_event(1))) as server, connect(server.url) as wire:
        ticks = wire.ticks("R_100")
        assert (ticks.start, ticks.age, ticks.is_stale) == (None, None, True)
        assert await take(ticks, 1) == [1]
        assert (ticks.state.state, ticks.is_stale) == (State.OPEN, False)
        assert ticks.age is not None
        assert ticks.age >= 0


@pytest.mark.parametrize(
    "bad",
    [
        b"data: nonsense\n\n",
        b'data: {"event":"tick","subscription_id":"ticks:R_100","seq":1,"data":{}}\n\n',
        tick_event(9, price="NaN"),
        b"data: " + b"[" * 100_000 + b"\n\n",
    ],
)
async def test_a_message_that_does_not_fit_is_reported_and_the_next_one_comes(bad: bytes) -> None:
    errors: list[ClientError] = []
    async with RawServer(hold(bad + tick_event(10))) as server, connect(server.url, on_error=errors.append) as wire:
        assert await take(wire.ticks("R_100"), 1) == [10]
        assert (await wire.ticks("R_100").snapshot()).epoch_ms == 10
    (error,) = errors
    assert isinstance(error, DecodeError)
    assert error.data.encode() in bad
    assert error.topic == ("ticks:R_100" if b"R_100" in bad else "")


async def test_a_stale_topic_is_so_until_its_next_message() -> None:
    said = b'event: stale\ndata: {"topic":"ticks:A","since_epoch_ms":"1"}\n\n'
    go_on = asyncio.Event()

    async def script(connection: RawConnection) -> None:
        await connection.open_stream(tick_event(1, "A") + said + tick_event(2, "B"))
        await go_on.wait()
        await connection.send(tick_event(3, "A"))
        await connection.closed()

    async with RawServer(script) as server, connect(server.url) as wire:
        ticks, of_b = wire.ticks("A", "B"), wire.ticks("B")
        assert await take(ticks, 2) == [1, 2]
        assert ticks.stale_topics == {"ticks:A"}
        assert ticks.is_stale
        assert not of_b.is_stale
        assert wire.ticks("A").is_stale
        go_on.set()
        assert await take(ticks, 1) == [3]
        assert not ticks.is_stale


async def test_a_silent_server_makes_it_stale() -> None:
    async with RawServer(hold(tick_event(1), pricewire_heartbeat="0.01"), hold(tick_event(2))) as server:
        seen: list[bool] = []
        async with connect(server.url, reconnect=FOREVER, on_error=lambda _: seen.append(ticks.is_stale)) as wire:
            ticks = wire.ticks("R_100")
            assert await take(ticks, 2) == [1, 2]
            assert not ticks.is_stale
    assert seen == [True]


async def test_a_reset_says_that_something_is_missing() -> None:
    go_on = asyncio.Event()

    async def second(connection: RawConnection) -> None:
        await connection.open_stream(b"event: reset\ndata: {}\n\n" + tick_event(5), pricewire_start="reset")
        await go_on.wait()

    async with (
        RawServer(stream(tick_event(1)), second, hold(tick_event(6), pricewire_start="resumed")) as server,
        connect(server.url, reconnect=FOREVER, on_error=lambda _: None) as wire,
    ):
        ticks = wire.ticks("R_100")
        assert await take(ticks, 2) == [1, 5]
        starts = [ticks.start]
        go_on.set()
        assert await take(ticks, 1) == [6]
        assert [*starts, ticks.start] == ["reset", "resumed"]


async def test_statuses_are_retried_unless_they_are_the_clients_fault() -> None:
    body = b'{"error":{"code":"NOT_FOUND","message":"no instrument X"}}'
    scripts = [status("503 Busy"), status("404 Not Found", body=body)]
    async with RawServer(*scripts) as server, connect(server.url, reconnect=FOREVER, on_error=lambda _: None) as wire:
        with pytest.raises(HTTPStatusError, match="no instrument X"):
            await take(wire.ticks("X"), 1)
        assert "0 subscriptions" in repr(wire)
    assert len(server.connections) == 2


async def test_attempts_can_be_bounded() -> None:
    async with RawServer(status("503 Busy")) as server:
        policy = ReconnectPolicy(attempts=2, interval=0.001, floor=0.001)
        async with connect(server.url, reconnect=policy, on_error=lambda _: None) as wire:
            with pytest.raises(ReconnectExhausted):
                await take(wire.ticks("X"), 1)
    assert len(server.connections) == 3


async def test_leaving_its_block_frees_the_connection() -> None:
    async with RawServer(hold(tick_event(1))) as server, connect(server.url) as wire:
        async with wire.ticks("R_100") as ticks:
            async for _ in ticks:
                break
        assert ticks.state.state is State.CLOSED
        assert [tick async for tick in ticks] == []
        assert "0 subscriptions" in repr(wire)
        assert repr(ticks) == "<Subscription ticks:R_100 closed>"
        await server.left()
