"""Pricewire, with the hand-over and without."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import asdict

from bench.servers.asgi import AsgiPeer, controlled, plain_server, serve
from bench.workload import TOPIC, ticks
from pricewire.hub import flusher
from pricewire.hub.event import plain
from pricewire.hub.hub import Hub
from pricewire.server.event_stream import EventStream
from pricewire.server.run import make_server
from pricewire.server.types import Receive, Scope, Send


class Handover(AsgiPeer):
    """Pricewire as `pricewire.run` serves it: the connections are handed over to the hub."""

    name = "pricewire"
    label = "Pricewire, hand-over"

    def _start(self) -> None:
        self._start_module("bench.servers.pricewire", "handover")


class Fallback(AsgiPeer):
    """Pricewire under plain uvicorn: by ASGI's `send`."""

    name = "pricewire_fallback"
    label = "Pricewire, ASGI fallback"

    def _start(self) -> None:
        self._start_module("bench.servers.pricewire", "fallback")


def main(kind: str) -> None:
    """Serve; `kind` is `handover` or `fallback`."""
    # Every server is kept as busy as it can be. With its pauses between flushes under load, the hub would merge what is to be one event, or
    # be the only one that is idle now and then: and a core that wakes up for each flush needs a third more time for the same sends.
    flusher.MAX_FLUSH_INTERVAL = 0.0
    # No heartbeat within a run: an idle server must not take time from the one that is measured.
    hub = Hub(heartbeat=3600.0)
    messages = ticks()

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await EventStream(hub, [TOPIC], form=plain)(scope, receive, send)

    async def publish(flushes: int, per_flush: int) -> None:
        before = hub.counters.flushes
        for number in range(1, flushes + 1):
            for _ in range(per_flush):
                hub.publish(TOPIC, next(messages), key=TOPIC)
            while hub.streams and hub.counters.flushes < before + number:  # noqa: ASYNC110 - it waits for the loop's next turn
                await asyncio.sleep(0)

    serve(make_server if kind == "handover" else plain_server, controlled(stream, publish, lambda: asdict(hub.counters)))


if __name__ == "__main__":
    main(sys.argv[1])
