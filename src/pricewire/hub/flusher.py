"""When groups without a pace are flushed: at once when the loop is idle, and in larger batches the more it has to do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from pricewire.hub.counters import Counters
from pricewire.hub.streams import Group

MAX_FLUSH_INTERVAL = 0.02
"""The longest time from a group's flush to its next under load, in seconds: what a person does not see, and saves half of the writes."""

FLUSH_SHARE = 0.25
"""The share of the loop's time that flushes take before the time between them grows."""

BUCKETS = 10
"""Under load the groups are flushed in this many parts, one after the other, so that a flush of all of them delays nothing else."""


class Flusher:
    """
    One timer for all groups without a pace.

    Args:
        counters: where it is counted what was written.
        fail: called where the format or the coder of a group raises: other groups are not affected.
        before_write: called before groups are written to.
    """

    def __init__(self, counters: Counters, fail: Callable[[Group], None], before_write: Callable[[], None]) -> None:
        self._counters = counters
        self._fail = fail
        self._before_write = before_write
        self._loop: asyncio.AbstractEventLoop | None = None
        # The groups that have something pending, by buckets; the bucket that is flushed next; and the one that the newest group got.
        self._buckets: list[list[Group]] = [[] for _ in range(BUCKETS)]
        self._next = 0
        self._newest = 0
        # In how many seconds all buckets are flushed; and when the last was: by `perf_counter`, as uvloop's clock stands still while the
        # loop runs its callbacks, and knows milliseconds only.
        self._cycle = 0.0
        self._turned_at = 0.0
        self._handle: asyncio.Handle | None = None

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Note the loop that streams join on."""
        self._loop = loop

    def now(self) -> float:
        """Return the time of the loop's clock, in seconds."""
        return self._loop.time() if self._loop is not None else 0.0

    def bucket(self) -> list[Group]:
        """Return where a new group is put when something becomes pending."""
        self._newest = (self._newest + 1) % BUCKETS
        return self._buckets[self._newest]

    def wake(self) -> None:
        """Have the groups flushed that were put into their buckets: all at once when idle, and later the more the loop has to do."""
        if self._handle is None:
            self._wait()

    def flush(self) -> None:
        """Write what is pending in all groups without a pace."""
        self._flush_buckets(BUCKETS, time.perf_counter())

    def close(self) -> None:
        """Stop the timer."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _wait(self) -> None:
        """Wait for the next bucket in which something is pending."""
        assert self._loop is not None, "a group has streams, and they joined on a loop"  # noqa: S101
        elapsed = time.perf_counter() - self._turned_at
        if elapsed >= self._cycle:
            self._handle = self._loop.call_soon(self._flush_due)
            return
        ahead = next((ahead for ahead in range(BUCKETS) if self._buckets[(self._next + ahead) % BUCKETS]), BUCKETS)
        # A millisecond is the least that timers know.
        self._handle = self._loop.call_later(max((ahead + 1) * self._cycle / BUCKETS - elapsed, 0.001), self._flush_due)

    def _flush_due(self) -> None:
        """Write what is pending in the groups of the buckets that are due."""
        self._handle = None
        now = time.perf_counter()
        elapsed = now - self._turned_at
        if elapsed >= self._cycle:
            self._flush_buckets(BUCKETS, now)
        elif count := round(elapsed / self._cycle * BUCKETS):
            self._flush_buckets(count, self._turned_at + count * self._cycle / BUCKETS)
        if any(self._buckets):
            self.wake()

    def _flush_buckets(self, count: int, due_at: float) -> None:
        """Write what is pending in the groups of so many buckets, of which the last was due at a time in seconds."""
        began = time.perf_counter()
        now, counters = self.now(), self._counters
        self._before_write()
        try:
            for number in range(self._next, self._next + count):
                bucket = self._buckets[number % BUCKETS]
                groups = bucket.copy()
                bucket.clear()
                for group in groups:
                    try:
                        group.flush(now, counters)
                    except Exception:
                        self._fail(group)
        finally:
            self._next = (self._next + count) % BUCKETS
            # What was spent beyond the share is made up for by waiting: the cycle grows until the share is kept, or the bound is reached.
            spent = time.perf_counter() - began
            waited = due_at - self._turned_at
            self._cycle = min(max(self._cycle - waited, 0.0) + spent / FLUSH_SHARE, MAX_FLUSH_INTERVAL)
            self._turned_at = due_at
