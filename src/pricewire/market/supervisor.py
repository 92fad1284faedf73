"""Keeps one feed running: passes its ticks on, and starts it again when it has failed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable

from pricewire.errors import FeedError
from pricewire.market.clock import Clock
from pricewire.market.feed import Feed
from pricewire.protocol.messages import Tick

logger = logging.getLogger(__name__)

TURN = 256
"""After how many ticks the other tasks get a turn: a feed that never waits would keep them all from running."""

FIRST_DELAY_S = 1.0
"""The wait after the first failure, in seconds."""

LONGEST_DELAY_S = 60.0
"""The longest wait, in seconds: a source that comes back is noticed within a minute."""


def restart_delay_s(failures: int) -> float:
    """Return the wait before the next start, in seconds: doubled with every start in a row that brought no tick, up to a minute."""
    # The exponent is bounded before the power is taken: a source that is gone for a month must not overflow the float.
    return min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(failures - 1, 16))


def feed_name(feed: Feed) -> str:
    """Return what operators know a feed by: its name, or its class and the first of its instruments."""
    if isinstance(name := getattr(feed, "name", None), str):
        return name
    names = [instrument.id for instrument in feed.instruments]
    return f"{type(feed).__name__} ({', '.join(names[:3])}{', …' if len(names) > 3 else ''})"


def is_cancelled() -> bool:
    """Return whether the running task was cancelled, whatever has become of that since."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Supervisor:
    """One feed's task."""

    def __init__(
        self, feed: Feed, *, on_tick: Callable[[Tick], None], on_down: Callable[[], None], clock: Clock, name: str | None = None
    ) -> None:
        """
        Prepare to run a feed.

        Args:
            feed: where the ticks come from.
            on_tick: is called with each. What it raises is no failure of the feed, and ends `run`.
            on_down: is called when no more ticks are coming, for now or for good.
            clock: the time to wait by.
            name: what operators know the feed by; by default its own name.
        """
        self._feed = feed
        self._on_tick = on_tick
        self._on_down = on_down
        self._clock = clock
        self._name = name or feed_name(feed)

    async def run(self) -> None:
        """Pass on the feed's ticks until it ends, however often it fails."""
        failures = 0
        while True:
            came, failure = await self._run_once()
            self._on_down()
            if failure is None:
                logger.info("feed %s has ended", self._name)
                return
            failures = 1 if came else failures + 1
            delay_s = restart_delay_s(failures)
            if isinstance(failure, FeedError):
                # It says all there is to say.
                logger.warning("feed %s failed, next try in %g s: %s", self._name, delay_s, failure)
            else:
                logger.warning("feed %s failed, next try in %g s: %r", self._name, delay_s, failure, exc_info=failure)
            await self._clock.sleep(delay_s)

    async def _run_once(self) -> tuple[int, Exception | None]:
        """Pass on the ticks of one iteration; return how many came, and what it failed with, None where it ended."""
        came = 0
        ticks: AsyncIterator[Tick] | None = None
        try:
            while True:
                try:
                    if ticks is None:
                        ticks = aiter(self._feed)
                    tick = await anext(ticks)
                except StopAsyncIteration:
                    return came, None
                except Exception as failure:
                    # A library may lose a cancellation as it closes a connection: the feed would go on for ever.
                    if is_cancelled():
                        raise asyncio.CancelledError from None
                    return came, failure
                came += 1
                self._on_tick(tick)
                if came % TURN == 0:
                    await self._clock.sleep(0)
        finally:
            # Where `on_tick` raised, the generator would else wait for the garbage collector to close its connection.
            if isinstance(ticks, AsyncGenerator):
                await ticks.aclose()
