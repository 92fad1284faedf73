"""The buses that the contract tests run over: each opens one with the hubs that it feeds, and again with what it has kept."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from bench.servers.nats import NatsServer, nats_server

from pricewire.bus.bus import Bus
from pricewire.bus.memory import MemoryBus
from pricewire.bus.nats import NatsBus, NatsPlan
from pricewire.bus.nats_connection import NatsAddress
from pricewire.hub.hub import Hub

numbers = itertools.count()


@dataclass
class Opened:
    """
    A bus, open.

    Attributes:
        bus: what to publish to.
        hubs: the hubs that it feeds, in this process or in others.
    """

    bus: Bus
    hubs: list[Hub]


@dataclass
class Kind:
    """
    A kind of bus.

    Attributes:
        open: opens it, with new hubs; what an earlier one has kept is there again.
        keeps: whether it keeps anything.
    """

    open: Callable[[], AbstractAsyncContextManager[Opened]]
    keeps: bool


@contextlib.asynccontextmanager
async def memory(folder: Path | None = None) -> AsyncIterator[Opened]:
    hub = Hub()
    bus = MemoryBus(hub, folder)
    async with bus.open():
        yield Opened(bus, [hub])
        hub.close()


def over_nats(server: NatsServer) -> Kind:
    """A writer, and two readers with hubs of their own."""
    plan = NatsPlan(f"test-{next(numbers)}")
    address = NatsAddress((server.url,))

    @contextlib.asynccontextmanager
    async def open() -> AsyncIterator[Opened]:
        hubs = [Hub() for _ in range(3)]
        bus, *readers = [NatsBus(hub, address, writes="all" if number == 0 else None, plan=plan) for number, hub in enumerate(hubs)]
        async with contextlib.AsyncExitStack() as stack:
            for each in (*readers, bus):
                await stack.enter_async_context(each.open())
            yield Opened(bus, hubs)
            for hub in hubs:
                hub.close()

    return Kind(open, keeps=True)


@pytest.fixture(scope="session")
def nats() -> Iterator[NatsServer]:
    """A NATS server for the tests of this process."""
    with nats_server() as server:
        yield server


@pytest.fixture(params=["memory", "ring", "nats"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    """Each kind of bus in turn."""
    if request.param == "nats":
        return over_nats(request.getfixturevalue("nats"))
    kinds = {"memory": Kind(memory, keeps=False), "ring": Kind(lambda: memory(tmp_path / "bus"), keeps=True)}
    return kinds[request.param]
