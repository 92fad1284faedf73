"""When streams are written to: flushes, heartbeats, and a second look at slow readers."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable
from typing import Protocol

from pricewire.hub.counters import Counters
from pricewire.hub.farewell import encode_error
from pricewire.hub.slow_lane import SlowLane
from pricewire.hub.streams import Group, Stream
from pricewire.protocol.encoder import HEARTBEAT

logger = logging.getLogger(__name__)

MAX_FLUSH_INTERVAL = 0.02
"""The longest time from one flush to the next under load, in seconds: what a person does not see, and saves half of the writes."""

FLUSH_SHARE = 0.25
"""The share of the loop's time that flushes take before the time between them grows."""

SWEEP_INTERVAL = 0.25
"""How often silence and slow readers are looked for, in seconds."""


class Streams(Protocol):
    """What a flusher needs of its hub."""

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

    def end_group(self, group: Group, farewell: bytes) -> None:
        """End all streams of a group."""

    def end_idle_topics(self) -> bool:
        """Tell the publisher of topics that nobody has listened to for a while; return whether there will be more."""


class Flusher:
    """
    The hub's timers: none per stream.

    Args:
        hub: whose streams these are.
    """

    def __init__(self, hub: Streams) -> None:
        self._hub = hub
        self._loop: asyncio.AbstractEventLoop | None = None
        self._dirty: list[Group] = []
        self._flush_handle: asyncio.Handle | None = None
        self._next_flush = 0.0
        self._sweep_handle: asyncio.TimerHandle | None = None
        self._slow = SlowLane(hub)

    def begin(self) -> None:
        """Note the loop that streams join on, and keep looking after them."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        if self._sweep_handle is None:
            self._sweep_handle = self._loop.call_later(min(SWEEP_INTERVAL, self._hub.heartbeat), self._sweep)

    def now(self) -> float:
        """Return the time of the loop's clock, in seconds."""
        return self._loop.time() if self._loop is not None else 0.0

    def schedule(self, group: Group) -> None:
        """Have a group written to in which something becomes pending: at once when idle, and later the more the loop has to do."""
        assert self._loop is not None, "a group has streams, and they joined on a loop"  # noqa: S101
        if group.subscription.interval:
            delay = group.written_at + group.subscription.interval - self._loop.time()
            group.timer = self._loop.call_later(max(delay, 0.0), self.flush_group, group)
            return
        self._dirty.append(group)
        if self._flush_handle is None:
            delay = self._next_flush - self._loop.time()
            self._flush_handle = self._loop.call_later(delay, self.flush) if delay > 0 else self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what is pending in groups without a pace. The more of its time the loop spends here, the longer the next time is."""
        self._flush_handle = None
        now, began = self.now(), time.perf_counter()
        dirty, self._dirty = self._dirty, []
        for group in dirty:
            self.flush_group(group)
        self._next_flush = now + min((time.perf_counter() - began) / FLUSH_SHARE, MAX_FLUSH_INTERVAL)

    def flush_group(self, group: Group) -> None:
        """Write what is pending in a group now."""
        if group.timer is not None:
            group.timer.cancel()
            group.timer = None
        if not group.pending:
            return
        try:
            group.flush(self.now(), self._hub.counters)
        except Exception:
            # A form of the user's failed. Its streams end; those of other groups must not notice.
            logger.exception("the form %r failed; its %d streams are ended", group.subscription.form, len(group.members))
            self._hub.end_group(group, encode_error("INTERNAL_ERROR", "the server could not encode an event"))

    def close(self) -> None:
        """Stop all timers."""
        for handle in (self._flush_handle, self._sweep_handle):
            if handle is not None:
                handle.cancel()
        self._flush_handle = self._sweep_handle = None
        self._slow.close()

    def _sweep(self) -> None:
        assert self._loop is not None, "it is the loop that calls this"  # noqa: S101
        now = self.now()
        groups = list(self._hub.groups)
        for group in groups:
            if now - group.written_at >= self._hub.heartbeat and not group.pending:
                group.write(HEARTBEAT, now)
        self._slow.look(groups, self._loop)
        more = self._hub.end_idle_topics() or bool(groups)
        self._sweep_handle = self._loop.call_later(min(SWEEP_INTERVAL, self._hub.heartbeat), self._sweep) if more else None
