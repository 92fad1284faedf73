"""When streams are written to: flushes, heartbeats, and a second look at slow readers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Protocol

from pricewire.hub.congestion import CongestionWatch
from pricewire.hub.counters import Counters
from pricewire.hub.paced_group import FlushPass, PacedGroup
from pricewire.hub.pacer import Pacer
from pricewire.hub.streams import Group, Stream
from pricewire.protocol.encoder import HEARTBEAT
from pricewire.protocol.stream_end import StreamEnd, encode_error

logger = logging.getLogger(__name__)

MAX_FLUSH_INTERVAL = 0.02
"""The longest time from a group's flush to its next under load, in seconds: what a person does not see, and saves half of the writes."""

FLUSH_SHARE = 0.25
"""The share of the loop's time that flushes take before the time between them grows."""

BUCKETS = 10
"""In so many parts the groups are flushed under load, one after the other, so that a flush of all of them does not hold up what comes."""

SWEEP_INTERVAL = 0.25
"""How often silence and slow readers are looked for, in seconds."""


class Streams(Protocol):
    """What a flusher needs of its hub."""

    position: int
    counters: Counters
    heartbeat: float

    @property
    def groups(self) -> Iterable[Group]:
        """The groups of streams."""

    def pause(self, stream: Stream) -> None:
        """Write nothing to a stream until `resume`."""

    def resume(self, stream: Stream) -> None:
        """Give a stream what it missed, and every update from then on."""

    def refresh(self, stream: Stream) -> int:
        """Give a stream what it missed, and have it go on lagging; return how many events it was spared."""

    def end_group(self, group: Group, stream_end: StreamEnd) -> None:
        """End all streams of a group."""

    def fail(self, stream: Stream) -> None:
        """End a stream at once, whose exception is being handled."""

    def end_idle_topics(self) -> bool:
        """Tell the publisher of topics that nobody has listened to for a while; return whether there will be more."""


class Flusher:
    """
    The hub's timers: none per stream, and none per group.

    Attributes:
        pacer: knows when paced groups are flushed.

    Args:
        hub: whose streams these are.
    """

    def __init__(self, hub: Streams) -> None:
        self._hub = hub
        self.pacer = Pacer(self._flush_paced)
        self._loop: asyncio.AbstractEventLoop | None = None
        # The groups that have something pending, by buckets; the bucket that is flushed next; and the one that the newest group got.
        self._buckets: list[list[Group]] = [[] for _ in range(BUCKETS)]
        self._next = 0
        self._newest = 0
        # In how many seconds all buckets are flushed; and when the last was: by `perf_counter`, as uvloop's clock stands still while the
        # loop runs its callbacks, and knows milliseconds only.
        self._cycle = 0.0
        self._turned_at = 0.0
        self._flush_handle: asyncio.Handle | None = None
        self._sweep_handle: asyncio.TimerHandle | None = None
        self._slow = CongestionWatch(hub)

    def begin(self) -> None:
        """Note the loop that streams join on, and keep looking after them."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
            self.pacer.begin(self._loop)
        if self._sweep_handle is None:
            self._sweep_handle = self._loop.call_later(min(SWEEP_INTERVAL, self._hub.heartbeat), self._sweep)

    def now(self) -> float:
        """Return the time of the loop's clock, in seconds."""
        return self._loop.time() if self._loop is not None else 0.0

    def bucket(self) -> list[Group]:
        """Return where a new group is put when something becomes pending."""
        self._newest = (self._newest + 1) % BUCKETS
        return self._buckets[self._newest]

    def wake(self) -> None:
        """Have the groups flushed that were put into their buckets: all at once when idle, and later the more the loop has to do."""
        if self._flush_handle is None:
            self._wait()

    def flush(self) -> None:
        """Write what is pending in all groups without a pace."""
        self._flush_buckets(BUCKETS, time.perf_counter())

    def flush_group(self, group: Group) -> None:
        """Write what is pending in a group now."""
        try:
            group.flush(self._hub.position, self.now(), self._hub.counters)
        except Exception:
            self._end_group(group)

    def close(self) -> None:
        """Stop all timers."""
        for handle in (self._flush_handle, self._sweep_handle):
            if handle is not None:
                handle.cancel()
        self._flush_handle = self._sweep_handle = None
        self.pacer.close()
        self._slow.close()

    def _wait(self) -> None:
        """Wait for the next bucket in which something is pending."""
        assert self._loop is not None, "a group has streams, and they joined on a loop"  # noqa: S101
        elapsed = time.perf_counter() - self._turned_at
        if elapsed >= self._cycle:
            self._flush_handle = self._loop.call_soon(self._flush_due)
            return
        ahead = next((ahead for ahead in range(BUCKETS) if self._buckets[(self._next + ahead) % BUCKETS]), BUCKETS)
        # A millisecond is the least that timers know.
        self._flush_handle = self._loop.call_later(max((ahead + 1) * self._cycle / BUCKETS - elapsed, 0.001), self._flush_due)

    def _flush_due(self) -> None:
        """Write what is pending in the groups of the buckets that are due."""
        self._flush_handle = None
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
        position, now, counters = self._hub.position, self.now(), self._hub.counters
        try:
            for number in range(self._next, self._next + count):
                bucket = self._buckets[number % BUCKETS]
                groups = bucket.copy()
                bucket.clear()
                for group in groups:
                    try:
                        group.flush(position, now, counters)
                    except Exception:
                        self._end_group(group)
        finally:
            self._next = (self._next + count) % BUCKETS
            # What was spent beyond the share is made up for by waiting: the cycle grows until the share is kept, or the bound is reached.
            spent = time.perf_counter() - began
            waited = due_at - self._turned_at
            self._cycle = min(max(self._cycle - waited, 0.0) + spent / FLUSH_SHARE, MAX_FLUSH_INTERVAL)
            self._turned_at = due_at

    def _flush_paced(self, groups: list[PacedGroup]) -> None:
        """Write what is new to groups whose time has come."""
        flush_pass = FlushPass(self._hub.position, self.now())
        for group in groups:
            try:
                group.flush_in(flush_pass, self._hub.counters)
            except Exception:
                self._end_group(group)

    def _end_group(self, group: Group) -> None:
        """End the streams of a group whose form, which is the user's, or whose coder failed. Those of other groups must not notice."""
        streams = len(group.members) + len(group.lagging)
        logger.exception("events could not be encoded by %r; its %d streams are ended", group.spec.form, streams)
        self._hub.end_group(group, encode_error("INTERNAL_ERROR", "the server could not encode an event"))

    def _sweep(self) -> None:
        assert self._loop is not None, "it is the loop that calls this"  # noqa: S101
        now = self.now()
        groups = list(self._hub.groups)
        more = True
        try:
            for group in groups:
                if now - group.written_at >= self._hub.heartbeat:
                    try:
                        group.write(HEARTBEAT, now)
                    except Exception:
                        self._end_group(group)
            self._slow.look(groups, self._loop)
            more = self._hub.end_idle_topics() or bool(groups)
        finally:
            # Whatever happened: without the next sweep there would be no heartbeat any more.
            self._sweep_handle = self._loop.call_later(min(SWEEP_INTERVAL, self._hub.heartbeat), self._sweep) if more else None
