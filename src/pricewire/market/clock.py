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
    """A wall clock that one can sleep by."""

    def now_ns(self) -> int:
        """Return the time, in nanoseconds since 1970 in UTC."""

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds; 0 lets other tasks run once."""


class SystemClock:
    """The system's wall clock and the running event loop's timers."""

    def now_ns(self) -> int:
        """Return the time, in nanoseconds since 1970 in UTC."""
        return time.time_ns()

    async def sleep(self, seconds: float) -> None:
        """Wait for so many seconds; 0 lets other tasks run once."""
        await asyncio.sleep(seconds)
