"""Pricewire, with the hand-over and without."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

from bench.machine import Placement
from bench.servers.asgi import Application, AsgiPeer, interval_of, plain_server, serve, topics_of
from bench.workload import TOPIC, ticks, timed_tick
from pricewire.bus.bus import Bus
from pricewire.bus.memory import MemoryBus
from pricewire.hub.event import plain
from pricewire.hub.flush_pace import FLUSH_POLICY, FlushPolicy
from pricewire.hub.hub import Hub
from pricewire.server.transport.asgi_types import Receive, Scope, Send
from pricewire.server.transport.event_stream import EventStream
from pricewire.server.transport.serve import make_server


class Handover(AsgiPeer):
    """
    Pricewire as `pricewire.run` serves it: the connections are handed over to the hub.

    Args:
        placement: which core it runs on.
        steady: whether the hub flushes as it does in production. Without that, it is kept as busy as it can be, as every server of a
            benchmark that publishes the next events as soon as these are written.
        heartbeat: after so many seconds of silence a stream gets a comment. By default there is none within a run: an idle server must
            not take time from the one that is measured.
    """

    name = "pricewire"
    label = "Pricewire, hand-over"
    kind = "handover"

    def __init__(self, placement: Placement, *, steady: bool = False, heartbeat: float = 3600.0) -> None:
        super().__init__(placement)
        self._options = ["steady" if steady else "busy", f"{heartbeat:g}"]

    def _start(self) -> None:
        self._start_module("bench.servers.pricewire", self.kind, *self._options)


class HandoverInPython(Handover):
    """The same server without what was compiled."""

    name = "pricewire_python"
    label = "Pricewire, in Python"
    environment: ClassVar[dict[str, str]] = {"PRICEWIRE_NATIVE": "0"}


class HandoverGzip(Handover):
    """The same server; its streams are compressed for who accepts that, once for all of them."""

    name = "pricewire_gzip"
    label = "Pricewire, shared gzip"


class Fallback(Handover):
    """Pricewire under plain uvicorn: by ASGI's `send`."""

    name = "pricewire_fallback"
    label = "Pricewire, ASGI fallback"
    kind = "fallback"


class Ring(Handover):
    """The same server with a ring of the last events; it can be ended, and begun again on the same port."""

    name = "pricewire_ring"
    label = "Pricewire, with a ring"

    def __init__(self, placement: Placement) -> None:
        super().__init__(placement, steady=True)

    def end(self, number: signal.Signals) -> None:
        """End the process by a signal, and return when it has ended."""
        assert self._process is not None, "it was started"
        self._process.send_signal(number)
        self._process.communicate()

    def begin_again(self) -> None:
        """Begin a process in the place of one that has ended; return when it listens."""
        self._start()

    def _start(self) -> None:
        self._start_module("bench.servers.pricewire", self.kind, *self._options, str(self.directory / "bus"))


def within(bus: Bus, application: Application) -> Callable[[Any, Receive, Send], Awaitable[None]]:
    """Return an application that has a bus open as long as it runs."""

    async def with_bus(scope: Any, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await application(scope, receive, send)
            return
        await receive()
        async with bus.open():
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})

    return with_bus


def commanded(stream: Callable[[Any, Receive, Send], Awaitable[None]], hub: Hub, bus: Bus) -> Application:
    """Return an application that answers requests, and publishes what the benchmark wants to a bus."""
    messages = ticks()

    async def publish(flushes: int, per_flush: int) -> None:
        before = hub.counters.flushes
        for number in range(1, flushes + 1):
            for _ in range(per_flush):
                bus.publish(TOPIC, next(messages), key=TOPIC)
            # Streams that lag are in no group, and what they get is no flush.
            while hub.streams > hub.lagging and hub.counters.flushes < before + number:  # noqa: ASYNC110 - it waits for the loop's next turn
                await asyncio.sleep(0)

    def tick(topic: str, due: int) -> None:
        bus.publish(topic, timed_tick(topic, due), key=topic, event="tick")

    def counters() -> dict[str, int]:
        return {**asdict(hub.counters), "least_seq": min((log.seq for _, log, _ in hub.logs()), default=0)}

    return Application(stream, publish, tick, counters)


def main(kind: str, pace: str, heartbeat: str, folder: str = "") -> None:
    """Serve; the arguments are those of `Handover`, and the folder of a ring."""
    # With its waits between flushes under load, a hub that is kept busy would merge what is to be one event, or be the only one that is
    # idle now and then: and a core that wakes up for each flush needs a third more time for the same sends.
    flush = FlushPolicy(max_interval=0.0) if pace == "busy" else FLUSH_POLICY
    hub = Hub(heartbeat=float(heartbeat), flush=flush)
    bus = MemoryBus(hub, Path(folder) if folder else None)

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        topics = topics_of(scope)
        response = EventStream(hub, topics, interval=interval_of(scope)) if topics else EventStream(hub, [TOPIC], form=plain)
        await response(scope, receive, send)

    make = make_server if kind == "handover" else plain_server
    application = commanded(stream, hub, bus)
    if not folder:
        serve(make, application)
        return

    serve(make, within(bus, application), lifespan="on")


if __name__ == "__main__":
    main(*sys.argv[1:])
