"""The buses that the contract tests run over: each opens one with the hubs that it feeds, and again with what it has kept."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

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
async def memory(folder: Path | None = None) -> AsyncIterator[Opened]:
    hub = Hub()
    bus = MemoryBus(hub, folder)
    async with bus.open():
        yield Opened(bus, [hub])
        hub.close()


@pytest.fixture(params=["memory", "ring"])
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Kind:
    """Each kind of bus in turn."""
    kinds = {"memory": Kind(memory, keeps=False), "ring": Kind(lambda: memory(tmp_path / "bus"), keeps=True)}
    return kinds[request.param]
