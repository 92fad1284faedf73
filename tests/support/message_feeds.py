"""Feeds of messages: run by a supervisor that does not wait long, and what is read of them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from pricewire.market.clock import SystemClock
from pricewire.market.feed import Feed
from pricewire.market.supervisor import Supervisor
from pricewire.protocol.messages import Tick
from support.raw_server import PATIENCE

OptionsFile = Callable[[str], str]


class Ticks:
    """The ticks of a feed under its supervisor, which does not wait long."""

    def __init__(self) -> None:
        self.downs = 0
        self._queue = asyncio.Queue[Tick]()
        self._down = asyncio.Event()

    def take(self, tick: Tick) -> None:
        self._queue.put_nowait(tick)

    def note_down(self) -> None:
        self.downs += 1
        self._down.set()

    async def take_all(self, count: int) -> list[Tick]:
        """Wait for so many ticks."""
        async with asyncio.timeout(PATIENCE):
            return [await self._queue.get() for _ in range(count)]

    async def next(self, count: int = 1) -> list[tuple[str, str, str]]:
        """Wait for ticks; return their instruments, bids and asks."""
        ticks = await self.take_all(count)
        return [(tick.instrument_id, str(tick.bid), str(tick.ask)) for tick in ticks]

    async def down(self) -> None:
        """Wait until the feed has failed, again after it was waited for."""
        async with asyncio.timeout(PATIENCE):
            await self._down.wait()
        self._down.clear()


class QuickClock(SystemClock):
    """A clock by which nobody waits long."""

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, 0.02))


@contextlib.asynccontextmanager
async def supervised(feed: Feed) -> AsyncIterator[Ticks]:
    """Run a feed for the block."""
    ticks = Ticks()
    supervisor = Supervisor(feed, on_tick=ticks.take, on_down=ticks.note_down, clock=QuickClock())
    task = asyncio.create_task(supervisor.run())
    try:
        yield ticks
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled(), task.exception()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what is counted has no event
            await asyncio.sleep(0.01)
