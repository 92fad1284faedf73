"""The time that feeds run by: the system's, or one that a test moves."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

SUSPENSION_NS = 5_000_000_000
"""
How late a feed may be and still catch up, in nanoseconds.

A busy loop is late by milliseconds, and the ticks due meanwhile are sent at once. Later than this the machine slept or its clock was
set, and a burst of hours of ticks would help nobody.
"""


class Clock(Protocol):
    """A wall clock that one can sleep by, and a monotonic one for intervals."""

    def now_ns(self) -> int:
        """Return the time, in nanoseconds since 1970 in UTC."""

    def monotonic_ns(self) -> int:
        """Return a time that only ever goes on, in nanoseconds since some moment; setting the wall clock does not move it."""

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds; 0 lets other tasks run once."""


SLOWER = 100
"""A clock that is ahead goes slower by one part in so many."""


class SystemClock:
    """
    The system's clocks and the running event loop's timers.

    Where the wall clock is set back, the time goes on from where it was: prices follow each other, and contracts end. It is ahead of the
    wall clock then, and goes slower by a hundredth until that has caught up.

    Attributes:
        ahead_ns: how far the time was ahead of the wall clock when it was asked for last, in nanoseconds.
    """

    def __init__(self) -> None:
        self._steady = time.monotonic_ns()
        # The time less the monotonic one.
        self._offset_ns = time.time_ns() - self._steady
        self.ahead_ns = 0

    def now_ns(self) -> int:
        """Return the time, in nanoseconds since 1970 in UTC; it never goes back."""
        # In this order: a thread that is held up between the two reads the wall clock too low, not too high.
        wall = time.time_ns()
        steady = time.monotonic_ns()
        passed, self._steady = steady - self._steady, steady
        self._offset_ns = max(self._offset_ns - passed // SLOWER, wall - steady)
        self.ahead_ns = steady + self._offset_ns - wall
        return steady + self._offset_ns

    def monotonic_ns(self) -> int:
        """Return the system's monotonic time, in nanoseconds."""
        return time.monotonic_ns()

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds; 0 lets other tasks run once."""
        await asyncio.sleep(seconds)
