from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.market.clock import SystemClock
from pricewire.market.feed import Feed
from pricewire.market.supervisor import LONGEST_DELAY_S, Supervisor, restart_delay_s
from pricewire.protocol.messages import Instrument, Tick
from support.fake_market import FakeClock, ScriptedFeed, Step, settle

X = Instrument(id="X", display_name="X", categories=["Forex"], pip_size=0)
BROKEN = ConnectionError("refused")


def tick(number: int) -> Tick:
    return Tick("X", number, Decimal(number), Decimal(number), Decimal(number))


class Seen:
    """What a supervisor tells."""

    def __init__(self) -> None:
        self.events: list[int | str] = []

    def on_tick(self, tick: Tick) -> None:
        self.events.append(tick.epoch_ms)

    def on_down(self) -> None:
        self.events.append("down")


def supervise(*scripts: list[Step]) -> tuple[asyncio.Task[None], ScriptedFeed, FakeClock, Seen]:
    clock, seen = FakeClock(), Seen()
    feed = ScriptedFeed(clock, [X], *scripts)
    supervisor = Supervisor(feed, on_tick=seen.on_tick, on_down=seen.on_down, clock=clock)
    return asyncio.create_task(supervisor.run()), feed, clock, seen


async def test_a_feed_that_ends_is_not_started_again() -> None:
    task, feed, _, seen = supervise([tick(1), tick(2)])
    await task
    assert seen.events == [1, 2, "down"]
    assert feed.iterations == 1


async def test_a_feed_that_fails_is_started_again_later_and_later(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "pricewire")
    task, feed, clock, seen = supervise([BROKEN], [BROKEN], [BROKEN], [tick(1)])
    await settle()
    assert feed.iterations == 1
    for wait in (1, 2, 4):
        tried = feed.iterations
        await clock.advance(wait - 0.001)
        assert feed.iterations == tried
        await clock.advance(0.001)
        await settle()
        assert feed.iterations == tried + 1
    await task
    assert seen.events == ["down", "down", "down", 1, "down"]
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 3
    assert "feed ScriptedFeed (X) failed, next try in 4 s: ConnectionError('refused')" in caplog.text


async def test_the_waits_begin_again_once_a_tick_came() -> None:
    task, _, clock, seen = supervise([BROKEN], [BROKEN], [tick(1), BROKEN], [BROKEN], [tick(2)])
    await clock.advance(10)
    await task
    assert clock.slept == [1, 2, 1, 2]
    assert seen.events == ["down", "down", 1, "down", "down", 2, "down"]


async def test_what_the_handler_raises_is_no_failure_of_the_feed() -> None:
    clock = FakeClock()
    feed = ScriptedFeed(clock, [X], [tick(1), tick(2)])

    def on_tick(tick: Tick) -> None:
        raise RuntimeError("bug")

    with pytest.raises(RuntimeError, match="bug"):
        await Supervisor(feed, on_tick=on_tick, on_down=lambda: None, clock=clock).run()
    assert (feed.iterations, feed.closed) == (1, 1)


async def test_cancelling_ends_the_iteration() -> None:
    task, feed, _, seen = supervise([tick(1), 10.0, tick(2)])
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert (seen.events, feed.closed) == ([1], 1)


async def test_a_feed_that_never_waits_lets_others_run() -> None:
    class Greedy:
        instruments = (X,)

        async def __aiter__(self) -> AsyncIterator[Tick]:
            while True:
                yield tick(1)

    seen = Seen()
    feed: Feed = Greedy()
    supervisor = Supervisor(feed, on_tick=seen.on_tick, on_down=seen.on_down, clock=SystemClock())
    task = asyncio.create_task(supervisor.run())
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen.events


async def test_an_iteration_that_cannot_begin_is_a_failure(caplog: pytest.LogCaptureFixture) -> None:
    class NotYet:
        instruments = (X,)

        def __aiter__(self) -> AsyncIterator[Tick]:
            raise OSError("no route")

    clock, seen = FakeClock(), Seen()
    task = asyncio.create_task(Supervisor(NotYet(), on_tick=seen.on_tick, on_down=seen.on_down, clock=clock).run())
    await clock.advance(3.5)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen.events == ["down"] * 3
    assert "no route" in caplog.text


@pytest.mark.parametrize(("failures", "expected"), [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (8, 60), (10**9, 60)])
def test_the_wait_doubles_up_to_a_minute(failures: int, expected: float) -> None:
    assert restart_delay_s(failures) == expected


@given(st.integers(1, 10**6))
def test_the_wait_never_shrinks_nor_exceeds_its_bound(failures: int) -> None:
    assert restart_delay_s(failures) <= restart_delay_s(failures + 1) <= LONGEST_DELAY_S


async def test_a_cancellation_that_a_feed_loses_counts() -> None:
    """As libraries do that close a connection."""
    begun = asyncio.Event()

    class Losing:
        instruments = (X,)

        async def __aiter__(self) -> AsyncIterator[Tick]:
            begun.set()
            try:
                await asyncio.get_running_loop().create_future()
            except asyncio.CancelledError:
                raise BROKEN from None
            yield tick(1)

    seen = Seen()
    task = asyncio.create_task(Supervisor(Losing(), on_tick=seen.on_tick, on_down=lambda: None, clock=SystemClock()).run())
    await begun.wait()
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
