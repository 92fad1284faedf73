"""
Slow readers: streams that get the newest values when their link is free, instead of a queue of old ones.

A transport that takes bytes has not sent them, and bytes that are sent have not arrived: seconds of them fit between this machine and a
phone, and on a slow link they are seconds of old prices. So streams are looked at now and then, and one whose bytes pile up lags. In the
slow lane it is written to only when everything before has arrived, with what has not been superseded; once that has gone well for a
while, it is written to like the others again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Protocol

from pricewire.hub.streams import Group, Stream

CHECKS = 1000
"""How many streams are looked at in one go: a system call each, so that a process with many streams spends no more than some 1 % on it."""

POLL_INTERVAL = 0.01
"""How often a slow stream is looked at, in seconds: half of the longest time between flushes."""

PROOF = 2.0
"""How long a stream is in the slow lane at least, in seconds; twice as long after each relapse."""

LONGEST_PROOF = 120.0
"""How long at most, in seconds: a phone comes into a better network, and should show it."""


class Lanes(Protocol):
    """What the slow lane needs of its hub."""

    def pause(self, stream: Stream) -> None:
        """Write nothing to a stream until `resume`."""

    def resume(self, stream: Stream) -> None:
        """Give a stream what it missed, and every update from then on."""

    def refresh(self, stream: Stream) -> None:
        """Give a stream what it missed, and have it go on lagging."""


@dataclass(slots=True)
class Record:
    """
    What is known of a stream that was slow at least once.

    Attributes:
        proof: how long it is in the slow lane, in seconds.
        until: when it leaves the slow lane, in seconds of the loop's clock.
    """

    proof: float
    until: float


class SlowLane:
    """
    The streams that are written to only when everything before has arrived.

    Args:
        hub: whose streams these are.
    """

    def __init__(self, hub: Lanes) -> None:
        self._hub = hub
        self._slow: set[Stream] = set()
        self._records: dict[Stream, Record] = {}
        self._turn: Iterator[tuple[Group, Stream]] = iter(())
        self._handle: asyncio.TimerHandle | None = None

    def look(self, groups: Iterable[Group], loop: asyncio.AbstractEventLoop) -> None:
        """Look at the next streams, in turn, and take those whose bytes pile up into the slow lane."""
        batch = list(islice(self._turn, CHECKS))
        if not batch:
            self._turn = iter([(group, stream) for group in groups for stream in group.members])
            batch = list(islice(self._turn, CHECKS))
            self._records = {stream: record for stream, record in self._records.items() if stream.group is not None}
        for group, stream in batch:
            if stream in group.members and stream.piles_up(group.written):
                self._take(stream, loop.time())
        if self._slow and self._handle is None:
            self._handle = loop.call_later(POLL_INTERVAL, self._poll, loop)

    def close(self) -> None:
        """Stop the timer."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = None
        self._slow.clear()
        self._records.clear()

    def _take(self, stream: Stream, now: float) -> None:
        record = self._records.get(stream)
        proof = PROOF if record is None else min(2 * record.proof, LONGEST_PROOF)
        self._records[stream] = Record(proof, now + proof)
        self._hub.pause(stream)
        self._slow.add(stream)

    def _poll(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for stream in list(self._slow):
            if stream.lag is None:
                # It has left, or its transport was full and is empty again.
                self._slow.discard(stream)
            elif stream.under_way():
                continue
            elif now < self._records[stream].until:
                self._hub.refresh(stream)
            else:
                self._slow.discard(stream)
                self._hub.resume(stream)
        self._handle = loop.call_later(POLL_INTERVAL, self._poll, loop) if self._slow else None
