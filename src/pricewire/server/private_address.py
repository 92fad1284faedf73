"""A Unix socket for the other processes of a server, beside the ports that everybody reaches."""

from __future__ import annotations

from typing import Any

from pricewire.server.transport.asgi_types import Receive, Scope, Send


class PrivateAddress:
    """
    Has requests that come by a Unix socket answered apart.

    Args:
        app: gets the requests that come to ports, and all that is no request.
        private: gets those that come by a Unix socket.
    """

    def __init__(self, app: Any, private: Any) -> None:
        self._app = app
        self._private = private

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        # A Unix socket has no port.
        is_private = scope["type"] == "http" and (scope.get("server") is None or scope["server"][1] is None)
        await (self._private if is_private else self._app)(scope, receive, send)
