"""
Slow readers: streams that get the newest values when their link is free, instead of a queue of old ones.

A transport that takes bytes has not sent them: megabytes fit between it and a phone, and on a slow link they are seconds or minutes of
old prices. So what still waits in the kernel is looked at now and then, and a stream with more than a flush waiting lags. In the slow
lane it is written to only when nothing waits, with what has not been superseded; once that has gone well for a while, it is written to
like the others again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Protocol

from pricewire.hub.streams import Group, Stream

CHECKS = 1000
"""How many streams are looked at in one go: a system call each, so that a process with many streams spends no more than some 1 % on it."""

POLL_INTERVAL = 0.01
"""How often a slow stream is looked at, in seconds: half of the longest time between flushes."""

PROOF = 200
"""How many times in a row nothing may wait before a stream is taken for a fast one again: 2 s."""


class Lanes(Protocol):
    """What the slow lane needs of its hub."""

    def pause(self, stream: Stream) -> None:
        """Write nothing to a stream until `resume`."""

    def resume(self, stream: Stream) -> None:
        """Give a stream what it missed, and every update from then on."""

    def refresh(self, stream: Stream) -> None:
        """Give a stream what it missed, and have it go on lagging."""


class SlowLane:
    """
    The streams that are written to only when nothing waits.

    Args:
        hub: whose streams these are.
    """

    def __init__(self, hub: Lanes) -> None:
        self._hub = hub
        self._slow: dict[Stream, int] = {}
        self._turn: Iterator[tuple[Group, Stream]] = iter(())
        self._handle: asyncio.TimerHandle | None = None

    def look(self, groups: Iterable[Group], loop: asyncio.AbstractEventLoop) -> None:
        """Look at the next streams, in turn, and take those with more than a flush waiting into the slow lane."""
        batch = list(islice(self._turn, CHECKS))
        if not batch:
            self._turn = iter([(group, stream) for group in groups for stream in group.members])
            batch = list(islice(self._turn, CHECKS))
        for group, stream in batch:
            if stream.lag is None and stream in group.members and stream.unsent() > group.written:
                self._hub.pause(stream)
                self._slow[stream] = 0
        if self._slow and self._handle is None:
            self._handle = loop.call_later(POLL_INTERVAL, self._poll, loop)

    def close(self) -> None:
        """Stop the timer."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = None
        self._slow.clear()

    def _poll(self, loop: asyncio.AbstractEventLoop) -> None:
        for stream, proof in list(self._slow.items()):
            if stream.lag is None:
                # It has left, or its transport has said that all is well.
                del self._slow[stream]
            elif stream.unsent():
                self._slow[stream] = 0
            elif proof < PROOF:
                self._slow[stream] = proof + 1
                self._hub.refresh(stream)
            else:
                del self._slow[stream]
                self._hub.resume(stream)
        self._handle = loop.call_later(POLL_INTERVAL, self._poll, loop) if self._slow else None
