"""The whole application of `pricewire serve`, whose ticks the benchmark publishes itself: each says when it was due."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any, cast

from litestar.di import Provide

from bench.machine import Placement
from bench.servers.asgi import Application, serve
from bench.servers.pricewire import Handover, commanded
from bench.workload import TOPIC, topic_name
from pricewire.protocol.messages import Instrument, Tick
from pricewire.server.app import create_app
from pricewire.server.limits import Limits
from pricewire.server.services import Services
from pricewire.server.transport.serve import make_server

TOPICS = 200
"""How many instruments there are."""

LIMITS = Limits(
    streams=100_000,
    streams_per_address=100_000,
    connections=100_000,
    connections_per_address=100_000,
    requests_per_second=1e6,
    topics_per_second=1e6,
    new_streams_per_second=1e6,
)
"""All streams come from one address, and at once."""


class WholeApplication(Handover):
    """The real application, as in production: it routes, counts, limits and checks each request."""

    name = "pricewire_application"
    label = "Pricewire, the whole application"
    path = f"/sse?topic={TOPIC}"

    def __init__(self, placement: Placement) -> None:
        super().__init__(placement, steady=True)

    def target(self, topics: list[str], interval: float = 0.0) -> str:
        """Name the topics one by one."""
        return super().target(topics, interval).replace(self.path, "/sse")

    def _start(self) -> None:
        self._start_module("bench.servers.application")


class SilentFeed:
    """A feed that names instruments, and brings nothing."""

    instruments = tuple(
        Instrument(id=topic_name(number).removeprefix("ticks:"), display_name=f"Instrument {number}", categories=["Indices"], pip_size=2)
        for number in range(TOPICS)
    )

    async def __aiter__(self) -> AsyncIterator[Tick]:
        """Wait for ever."""
        nothing: list[Tick] = []
        await asyncio.Event().wait()
        for tick in nothing:
            yield tick


async def application() -> Application:
    """Return the application, with what tells it to publish."""
    whole = create_app([SilentFeed()], limits=LIMITS)
    services: Services = await cast("Provide", whole.dependencies["services"]).dependency()
    return commanded(cast("Any", whole), services.publisher.hub, services.publisher.bus)


if __name__ == "__main__":
    serve(partial(make_server, limits=LIMITS, proxy_headers=False), asyncio.run(application()), lifespan="on")
