"""An application beside the server's own routes, with paths of its own."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from pricewire.server.transport.asgi_types import Receive, Scope, Send


class ApplicationBeside(Protocol):
    """An ASGI application that answers some paths, with the checks before it that all requests get."""

    def answers(self, path: str) -> bool:
        """Return whether a path is its."""

    def open(self) -> AbstractAsyncContextManager[None]:
        """Run what it needs within the block."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
