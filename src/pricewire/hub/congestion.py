"""
Slow readers: streams that get the newest values when their link is free, instead of a queue of old ones.

A transport that takes bytes has not sent them, and bytes that are sent have not arrived: seconds of them fit between this machine and a
phone, and on a slow link they are seconds of old prices. So streams are looked at now and then, and one whose bytes pile up lags. From then
on it is written to only when nothing on the way would hold it up, with what has not been superseded; once nothing has
had to be left out for a while, it is written to like the others again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from pricewire.hub.delivery import Delivery
from pricewire.hub.streams import Group, Stream

CHECKS = 1000
"""How many streams are looked at in one go: a system call each, so that a process with many streams spends no more than some 1 % on it."""

POLL_INTERVAL = 0.01
"""How often a slow stream is looked at, in seconds: half of the longest time between flushes."""

PROOF = 2.0
"""How long nothing may be left out for a stream before it is a member again, in seconds: a link that is too slow never gets that far."""


@dataclass(slots=True)
class Slow:
    """
    What is known of a slow stream.

    Attributes:
        spared_at: when an event was last left out for it, in seconds of the loop's clock.
        beaten_at: when it got its last heartbeat, or became slow.
    """

    spared_at: float
    beaten_at: float


class CongestionWatch:
    """The streams that are written to only when nothing on the way would hold that up."""

    def __init__(self, delivery: Delivery) -> None:
        self._delivery = delivery
        self._slow: dict[Stream, Slow] = {}
        self._turn: Iterator[tuple[Group, Stream]] = iter(())
        self._handle: asyncio.TimerHandle | None = None

    def look(self, groups: Iterable[Group], loop: asyncio.AbstractEventLoop) -> None:
        """Look at the next streams, in turn, and have those lag whose bytes pile up."""
        batch = list(islice(self._turn, CHECKS))
        if not batch:
            # Nothing piles up where nothing was written.
            fresh = [group for group in groups if group.is_fresh]
            for group in fresh:
                group.is_fresh = False
            self._turn = iter([(group, stream) for group in fresh for stream in group.members])
            batch = list(islice(self._turn, CHECKS))
        for group, stream in batch:
            if stream not in group.members:
                continue
            try:
                piles_up = stream.piles_up(group.written)
            except Exception:
                self._delivery.fail(stream)
                continue
            if piles_up:
                self._delivery.pause(stream)
                self._slow[stream] = Slow(loop.time(), loop.time())
        if self._slow and self._handle is None:
            self._handle = loop.call_later(POLL_INTERVAL, self._poll, loop)

    def close(self) -> None:
        """Stop the timer."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = None
        self._slow.clear()

    def _poll(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for stream, slow in list(self._slow.items()):
            if stream.lag is None:
                # It has left, or its transport was full and is empty again.
                del self._slow[stream]
                continue
            try:
                queues = stream.queues()
            except Exception:
                self._delivery.fail(stream)
                continue
            if queues:
                continue
            if self._delivery.refresh(stream):
                slow.spared_at = now
            elif now - slow.spared_at > PROOF:
                del self._slow[stream]
                # That of its group may have been written just now.
                self._delivery.beat(stream)
                self._delivery.resume(stream)
            elif now - slow.beaten_at >= self._delivery.heartbeat:
                slow.beaten_at = now
                self._delivery.beat(stream)
        self._handle = loop.call_later(POLL_INTERVAL, self._poll, loop) if self._slow else None
