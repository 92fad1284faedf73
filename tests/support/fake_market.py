"""A clock that tests move, and a feed that follows a script."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress

from pricewire.market.clock import Clock
from pricewire.market.market import Market
from pricewire.protocol.messages import Instrument, Tick

START_NS = 1_700_000_000_000_000_000
START_MS = START_NS // 1_000_000
TURNS = 20


class FakeClock:
    """A clock that stands still until it is advanced."""

    def __init__(self, now_ns: int = START_NS) -> None:
        self._now_ns = now_ns
        self._set_ns = 0
        self._sleepers: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = 0
        self.slept: list[float] = []

    def now_ns(self) -> int:
        return self._now_ns

    def monotonic_ns(self) -> int:
        return self._now_ns - self._set_ns

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        self._count += 1
        future = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now_ns + round(seconds * 1e9), self._count, future))
        await future

    async def advance(self, seconds: float) -> None:
        """Let so much time pass, waking each sleeper at its time."""
        target = self._now_ns + round(seconds * 1e9)
        await settle()
        while self._sleepers and self._sleepers[0][0] <= target:
            due_ns, _, future = heapq.heappop(self._sleepers)
            self._now_ns = max(self._now_ns, due_ns)
            if not future.done():
                future.set_result(None)
            await settle()
        self._now_ns = target

    def jump(self, seconds: float) -> None:
        """Let time pass at once, as while the machine sleeps; nobody wakes before the next `advance`."""
        self._now_ns += round(seconds * 1e9)

    def set(self, seconds: float) -> None:
        """Set the wall clock forward, or back; those who sleep wake after as long as they wanted."""
        step_ns = round(seconds * 1e9)
        self._now_ns += step_ns
        self._set_ns += step_ns
        self._sleepers = [(due_ns + step_ns, count, future) for due_ns, count, future in self._sleepers]


class SelfMovingClock(FakeClock):
    """A clock on which sleeping takes no time, but moves it; like a real one it wakes a little late."""

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.jump(seconds + 1e-6)


async def settle() -> None:
    """Let the other tasks run as far as they can."""
    for _ in range(TURNS):
        await asyncio.sleep(0)


Step = Tick | Exception | float
"""What a scripted feed does: yields, raises, or waits for so many seconds."""


class ScriptedFeed:
    """A feed of which each iteration follows the next script."""

    def __init__(self, clock: Clock, instruments: Sequence[Instrument], *scripts: list[Step]) -> None:
        self.instruments = list(instruments)
        self._clock = clock
        self._scripts = list(scripts)
        self.iterations = 0
        self.closed = 0

    async def __aiter__(self) -> AsyncIterator[Tick]:
        script = self._scripts[self.iterations]
        self.iterations += 1
        try:
            for step in script:
                if isinstance(step, Exception):
                    raise step
                if isinstance(step, float):
                    await self._clock.sleep(step)
                else:
                    yield step
        finally:
            self.closed += 1


@asynccontextmanager
async def running(market: Market) -> AsyncIterator[asyncio.Task[None]]:
    """Run a market for the time of the block."""
    task = asyncio.create_task(market.run())
    await settle()
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
