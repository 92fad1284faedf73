"""When groups without a pace are flushed: at once while the thread has time to spare, and in larger batches when it has none."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from pricewire.hub.counters import Counters
from pricewire.hub.flush_pace import FlushPace, FlushPolicy
from pricewire.hub.streams import Group

BUCKETS = 10
"""Under load the groups are flushed in this many parts, one after the other, so that a flush of all of them delays nothing else."""


class Flusher:
    """
    One timer for all groups without a pace.

    Attributes:
        loop: the one that streams join on; None before the first.

    Args:
        policy: how long they may wait for each other.
        counters: where it is counted what was written.
        fail: called where the format or the coder of a group raises: other groups are not affected.
        before_write: called before groups are written to.
    """

    def __init__(self, policy: FlushPolicy, counters: Counters, fail: Callable[[Group], None], before_write: Callable[[], None]) -> None:
        self._counters = counters
        self._fail = fail
        self._before_write = before_write
        self.loop: asyncio.AbstractEventLoop | None = None
        # The groups that have something pending, by buckets; the bucket that is flushed next; and the one that the newest group got.
        self._buckets: list[list[Group]] = [[] for _ in range(BUCKETS)]
        self._next = 0
        self._newest = 0
        # In how many seconds all buckets are flushed: by `perf_counter`, as uvloop's clock stands still while the loop runs its callbacks,
        # and knows milliseconds only.
        self._pace = FlushPace(policy)
        self._handle: asyncio.Handle | None = None

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Note the loop that streams join on; called in its thread."""
        if self.loop is not loop:
            self.loop = loop
            self._pace.begin(time.perf_counter(), time.thread_time())

    def now(self) -> float:
        """Return the time of the loop's clock, in seconds."""
        return self.loop.time() if self.loop is not None else 0.0

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
        assert self.loop is not None, "a group has streams, and they joined on a loop"  # noqa: S101
        elapsed, cycle = time.perf_counter() - self._pace.flushed_at, self._pace.cycle
        if elapsed >= cycle:
            self._handle = self.loop.call_soon(self._flush_due)
            return
        ahead = next((ahead for ahead in range(BUCKETS) if self._buckets[(self._next + ahead) % BUCKETS]), BUCKETS)
        # A millisecond is the least that timers know.
        self._handle = self.loop.call_later(max((ahead + 1) * cycle / BUCKETS - elapsed, 0.001), self._flush_due)

    def _flush_due(self) -> None:
        """Write what is pending in the groups of the buckets that are due."""
        self._handle = None
        now = time.perf_counter()
        elapsed, cycle = now - self._pace.flushed_at, self._pace.cycle
        if elapsed >= cycle:
            self._flush_buckets(BUCKETS, now)
        elif count := round(elapsed / cycle * BUCKETS):
            self._flush_buckets(count, self._pace.flushed_at + count * cycle / BUCKETS)
        if any(self._buckets):
            self.wake()

    def _flush_buckets(self, count: int, due_at: float) -> None:
        """Write what is pending in the groups of so many buckets, of which the last was due at a time in seconds."""
        pace = self._pace
        # Read before the wall's clock and after it: so a flush never seems to have been kept from the processor by the reading.
        cpu = time.thread_time() if pace.sample_from <= due_at < pace.sample_until else None
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
            ended = time.perf_counter()
            pace.flushed(due_at, ended - began)
            if cpu is not None:
                cpu_now = time.thread_time()
                pace.sample(ended, cpu_now, ended - began, cpu_now - cpu)
