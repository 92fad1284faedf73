"""A server with the market and two gateways over a real NATS server, whose ticks the test gives."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import httpx2
from bench.servers.nats import NatsServer, nats_server

from pricewire.bus.nats_connection import NatsAddress
from pricewire.server.app import create_app
from pricewire.server.client_address import parse_network
from pricewire.server.gateways.gateway import Gateway
from pricewire.server.gateways.leader import NatsSetup
from pricewire.server.transport.handover import HandoverProtocol
from support.feeds import HandFeed
from support.metrics import wait_until
from support.serving import PATIENCE, Serving


@dataclass
class GatewayScene:
    """
    A server and its gateways.

    Attributes:
        nats: the NATS server between them.
        feed: of GOLD.
        server: the process with the market.
        gateways: hold streams.
    """

    nats: NatsServer
    feed: HandFeed
    server: Serving
    gateways: list[Serving]
    times: Iterator[int] = field(default_factory=lambda: itertools.count(time.time_ns() // 1_000_000 - 90_000, 100))

    def tick(self) -> None:
        """Have a tick of GOLD come."""
        self.server.call(self.feed.give, 10.0, 10.02, next(self.times))


@contextlib.contextmanager
def gateway_scene(*, drain_seconds: float) -> Iterator[GatewayScene]:
    """Run a server and two gateways, ready when it yields; they believe what proxies on this machine say."""
    feed = HandFeed()
    with contextlib.ExitStack() as stack:
        nats = stack.enter_context(nats_server())
        address = NatsAddress((nats.url,))
        app = create_app([feed], bus=NatsSetup(address), heartbeat=0.5, trusted_proxies=[parse_network("127.0.0.1")])
        server = stack.enter_context(Serving(app))
        gateways = [
            stack.enter_context(Serving(Gateway(address, heartbeat=0.5), http=HandoverProtocol, drain_seconds=drain_seconds))
            for _ in range(2)
        ]
        scene = GatewayScene(nats, feed, server, gateways)
        scene.tick()
        for each in (server, *gateways):
            wait_until(lambda each=each: httpx2.get(f"{each.url}/readyz", timeout=PATIENCE).status_code == 200)  # type: ignore[misc]
        yield scene
