"""The bus of one process: what is published goes straight to its hub."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator

from pricewire.hub.hub import Hub


class MemoryBus:
    """
    Publishes to a hub in the same process; see `Bus`.

    Args:
        hub: gets what is published.
    """

    def __init__(self, hub: Hub) -> None:
        self.failure = ""
        # The hub's own methods: no call more than without a bus.
        self.publish = hub.publish
        self.notify = hub.notify
        self.forget = hub.forget

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Do nothing: there is nothing to read, and nothing is written later."""
        yield
