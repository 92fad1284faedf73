"""What a hub does four times a second: heartbeats, slow readers, and topics that nobody listens to any more."""

from __future__ import annotations

import asyncio

from pricewire.hub.congestion import CongestionWatch
from pricewire.hub.delivery import Delivery
from pricewire.hub.topics import Topics
from pricewire.protocol.encoder import HEARTBEAT

SWEEP_INTERVAL = 0.25
"""How often silence and slow readers are looked for, in seconds."""


class Upkeep:
    """One timer for all streams, which runs as long as there are any, or topics that are about to end."""

    def __init__(self, delivery: Delivery, topics: Topics) -> None:
        self._delivery = delivery
        self._topics = topics
        self._congestion = CongestionWatch(delivery)
        self._handle: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """Look after the streams of the running loop, from now on."""
        if self._handle is None:
            self._handle = self._wait(asyncio.get_running_loop())

    def close(self) -> None:
        """Stop all timers."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = None
        self._congestion.close()

    def _wait(self, loop: asyncio.AbstractEventLoop) -> asyncio.TimerHandle:
        return loop.call_later(min(SWEEP_INTERVAL, self._delivery.heartbeat), self._sweep, loop)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        groups = list(self._delivery.groups)
        more = True
        try:
            for group in groups:
                if now - group.written_at >= self._delivery.heartbeat:
                    try:
                        group.write(HEARTBEAT, now)
                    except Exception:
                        self._delivery.fail_group(group)
            self._congestion.look(groups, loop)
            more = self._topics.end_idle() or bool(groups)
        finally:
            # Whatever happened: without the next sweep there would be no heartbeat any more.
            self._handle = self._wait(loop) if more else None
