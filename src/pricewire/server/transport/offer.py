"""What a server that can hand a connection over puts into the scope of each request."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from pricewire.hub.hub import Hub
from pricewire.hub.streams import Stream

EXTENSION = "pricewire.handover"
"""Where the ASGI scope's extensions have the `Offer` of the request."""


class Offer(Protocol):
    """The offer, for one request, to take its connection over; `handover.Handover` is one."""

    def register(self, hub: Hub) -> None:
        """Have a hub closed when the server stops."""

    def announce(self) -> None:
        """Say before the response's head that its body is a stream."""

    def take(self, hub: Hub, stream_id: str, on_close: Callable[[], None] | None) -> Stream | None:
        """Take the connection, once the head is written; None where it cannot be taken, and the response goes on by `send`."""
