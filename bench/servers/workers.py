"""Pricewire as several gateways that share a port, over a NATS server, with one process that publishes: all of them count."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import asdict

from bench.machine import Placement
from bench.servers.asgi import HOST, PORT, Application, AsgiPeer, interval_of, serve, topics_of
from bench.servers.nats import free_ports, nats_server
from bench.servers.pricewire import within
from bench.workload import TOPIC, ticks, timed_tick
from pricewire.bus.nats import NatsBus
from pricewire.bus.nats_connection import NatsAddress
from pricewire.hub.event import plain
from pricewire.hub.hub import Hub
from pricewire.server.transport.asgi_types import Receive, Scope, Send
from pricewire.server.transport.event_stream import EventStream
from pricewire.server.transport.serve import make_server


class Workers(AsgiPeer):
    """
    The publisher is its process, and NATS and the gateways are children of that; streams go to the port of the gateways.

    There are as many gateways as it has cores, two at least.
    """

    name = "pricewire_workers"
    label = "Pricewire, gateways"

    def __init__(self, placement: Placement) -> None:
        super().__init__(placement)
        self._control = 0

    def _start(self) -> None:
        self.port = free_ports(1)[0]
        arguments = ["publisher", str(self.port), str(max(2, self._placement.cores))]
        process = self._spawn([sys.executable, "-m", "bench.servers.workers", *arguments], {HOST: self.host, PORT: "0"})
        self._control = self._read_port(process)

    def _ask(self, target: str) -> dict[str, int]:
        streams, self.port = self.port, self._control
        try:
            return super()._ask(target)
        finally:
            self.port = streams


async def no_stream(scope: Scope, receive: Receive, send: Send) -> None:
    """Have no stream."""
    await send({"type": "http.response.start", "status": 404, "headers": []})
    await send({"type": "http.response.body", "body": b""})


async def nothing(flushes: int, per_flush: int) -> None:
    """Publish nothing: a gateway does not."""


def publish(port: int, gateways: int) -> None:
    """Be the process that publishes, and start so many others."""
    # The server ends by the signal that has stopped it, after its own handler; what follows would be left out.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    with ExitStack() as stack:
        node = stack.enter_context(nats_server())
        bus = NatsBus(Hub(), NatsAddress((node.url,)), writes="market")
        messages = ticks()

        def tick(topic: str, due: int) -> None:
            bus.publish(topic, timed_tick(topic, due), key=topic, event="tick")

        async def publish_flushes(flushes: int, per_flush: int) -> None:
            # NATS has taken a flush before the next one is published. What the gateways have written by then nobody knows.
            for _ in range(flushes):
                for _ in range(per_flush):
                    bus.publish(TOPIC, next(messages), key=TOPIC)
                await bus.flush()

        for _ in range(gateways):
            command = [sys.executable, "-m", "bench.servers.workers", node.url]
            gateway = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, PORT: str(port)})
            stack.callback(gateway.wait)
            stack.callback(gateway.terminate)
            assert gateway.stdout is not None, "it was asked for"
            gateway.stdout.readline()
        application = Application(no_stream, publish_flushes, tick, dict)
        serve(make_server, within(bus, application), lifespan="on")


def gateway(url: str) -> None:
    """Be a gateway."""
    hub = Hub(heartbeat=3600.0)

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        topics = topics_of(scope)
        response = EventStream(hub, topics, interval=interval_of(scope)) if topics else EventStream(hub, [TOPIC], form=plain)
        await response(scope, receive, send)

    application = Application(stream, nothing, lambda topic, due: None, lambda: asdict(hub.counters))
    serve(make_server, within(NatsBus(hub, NatsAddress((url,)), writes=None), application), lifespan="on", reuse_port=True)


if __name__ == "__main__":
    if sys.argv[1] == "publisher":
        publish(int(sys.argv[2]), int(sys.argv[3]))
    else:
        gateway(sys.argv[1])
