"""An address for operators: metrics and readiness are there, and nowhere else."""

from __future__ import annotations

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from pricewire.server.http_errors import send_problem

OPERATORS_ONLY = ("/metrics", "/readyz")
"""What is at this address alone."""

ALSO_THERE = "/healthz"

HERE = "this address has /metrics, /readyz and /healthz, and nothing else"


class AdminAddress:
    """
    Has requests for metrics and readiness answered where they come to a port of their own, as often as they come, and nowhere else.

    Args:
        app: gets the requests that come to other addresses.
        admin: gets those of operators.
        port: the operators' port.
    """

    def __init__(self, app: ASGIApp, admin: ASGIApp, port: int) -> None:
        self._app = app
        self._admin = admin
        self._port = port

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        server, path = scope["server"], scope["path"]
        is_admin = server is not None and server[1] == self._port
        if is_admin and path in (*OPERATORS_ONLY, ALSO_THERE):
            await self._admin(scope, receive, send)
        elif is_admin:
            await send_problem(send, 404, "NOT_FOUND", HERE, {})
        elif path in OPERATORS_ONLY:
            await send_problem(send, 404, "NOT_FOUND", "this is for operators, at an address of their own", {})
        else:
            await self._app(scope, receive, send)
