"""Pricewire as a hub of the Mercure protocol: the whole application, whose updates the benchmark publishes itself."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import cycle
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlencode

import msgspec
from litestar.di import Provide

from bench.machine import Placement
from bench.servers.application import LIMITS, SilentFeed, WholeApplication
from bench.servers.asgi import Application, serve
from bench.servers.pricewire import commanded
from bench.workload import encoded_ticks
from pricewire.hub.flush_pace import FlushPolicy
from pricewire.protocol.free_topics import UPDATES
from pricewire.server.app import create_app
from pricewire.server.mercure.publication import encoded
from pricewire.server.mercure.update import Update, new_id
from pricewire.server.services import Services
from pricewire.server.transport.serve import make_server

HUB = "/.well-known/mercure"

PRICES = "https://example.com/prices"
"""The topic of the fan-out."""

ITEMS = 10
"""How many topics a shop has."""

CONFIGURATION = """
url = "https://example.com/.well-known/mercure"
"""


class SseStreams(WholeApplication):
    """The streams of `/sse`, of an application that is a hub of the protocol too."""

    name = "pricewire_sse"
    label = "Pricewire, /sse"
    what: tuple[str, ...] = ("ticks",)

    def _start(self) -> None:
        configuration = self.directory / "mercure.toml"
        configuration.write_text(CONFIGURATION)
        self._start_module("bench.servers.pricewire_mercure", str(configuration), *self.what)


class MercureStreams(SseStreams):
    """The streams of the protocol: the same events, as updates of one topic."""

    name = "pricewire_mercure"
    label = f"Pricewire, {HUB}"
    path = f"{HUB}?{urlencode({'match': PRICES})}"
    what = ("prices",)


class Shops(SseStreams):
    """
    Updates of many topics: of `ITEMS` items of each of some shops, one after the other, and from the beginning again.

    Args:
        placement: which core it runs on.
        shops: how many there are.
    """

    name = "pricewire_shops"
    label = "Pricewire, a hub of many topics"

    def __init__(self, placement: Placement, shops: int) -> None:
        super().__init__(placement)
        self.what = ("shops", str(shops))


def items(shop: int) -> list[str]:
    """Return the topics of a shop."""
    return [f"https://example.com/shops/{shop}/items/{item}" for item in range(ITEMS)]


def updates(topics: Iterable[str]) -> Iterator[msgspec.Raw]:
    """Yield updates of topics as the bus carries them, each with a tick."""
    for topic, data in zip(topics, encoded_ticks(), strict=False):
        yield msgspec.Raw(encoded(Update((topic,), data.decode(), new_id())))


async def application(configuration: str, publishes: str, shops: str = "0") -> Application:
    """
    Return the application, with what tells it to publish.

    Args:
        configuration: the file that describes the hub.
        publishes: what the benchmark publishes: `ticks` to `/sse`, `prices` or `shops` by the protocol.
        shops: how many there are.
    """
    # As busy as it can be, as every server of a benchmark that publishes the next events as soon as these are written.
    whole = create_app([SilentFeed()], limits=LIMITS, flush=FlushPolicy(max_interval=0.0), mercure=Path(configuration))
    services: Services = await cast("Provide", whole.dependencies["services"]).dependency()
    hub, bus = services.publisher.hub, services.publisher.bus
    commands = commanded(cast("Any", whole), hub, bus)
    if publishes == "ticks":
        return commands
    by_item = zip(*map(items, range(int(shops))), strict=True)
    topics = [PRICES] if publishes == "prices" else [topic for each in by_item for topic in each]
    messages = updates(cycle(topics))

    async def publish(flushes: int, per_flush: int) -> None:
        for _ in range(flushes):
            flushed = hub.counters.flushes
            for _ in range(per_flush):
                bus.publish(UPDATES, next(messages), event="update")
            while hub.streams > hub.lagging and hub.counters.flushes == flushed:  # noqa: ASYNC110 - it waits for the loop's next turn
                await asyncio.sleep(0)

    return replace(commands, publish=publish)


if __name__ == "__main__":
    serve(partial(make_server, limits=LIMITS, proxy_headers=False), asyncio.run(application(*sys.argv[1:])), lifespan="on")
