"""The buses that the contract tests run over: each opens one with the hubs that it feeds, and again with what it has kept."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import pytest

from pricewire.bus.bus import Bus
from pricewire.bus.memory import MemoryBus
from pricewire.hub.hub import Hub


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
async def memory() -> AsyncIterator[Opened]:
    hub = Hub()
    bus = MemoryBus(hub)
    async with bus.open():
        yield Opened(bus, [hub])
        hub.close()


@pytest.fixture(params=["memory"])
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each kind of bus in turn."""
    return {"memory": lambda: Kind(memory, keeps=False)}[request.param]()
