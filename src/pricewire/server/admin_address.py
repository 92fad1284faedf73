"""An address for operators: metrics, readiness and their page are there, and nowhere else."""

from __future__ import annotations

import re

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send
from litestar.utils.path import normalize_path

from pricewire.server.http_errors import send_problem

OPERATORS_ONLY = re.compile(r"/metrics|/readyz|/admin|/v1/admin/.*")
"""What is at this address alone. The topic `admin` is, too: `StreamOpener` sees to that."""

ALSO_THERE = re.compile(r"/healthz|/assets/[^/]*|/protected/sse|/v1/streams/[^/]*|/v1/logout")
"""What the page for operators is made of, how it gets its stream, and how a token is ended."""

HERE = "this address has /admin, /metrics, /readyz and /healthz, and nothing else"


class AdminAddress:
    """
    Has requests for what operators want answered where they come to a port of their own, as often as they come, and nowhere else.

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
        # As the router reads it: it passes over slashes at the end, and others that are doubled.
        path, is_admin = normalize_path(scope["path"]), is_at(scope, self._port)
        is_for_operators = OPERATORS_ONLY.fullmatch(path) is not None
        if is_admin and (is_for_operators or ALSO_THERE.fullmatch(path) is not None):
            await self._admin(scope, receive, send)
        elif is_admin:
            await send_problem(send, 404, "NOT_FOUND", HERE, {})
        elif is_for_operators:
            await send_problem(send, 404, "NOT_FOUND", "this is for operators, at an address of their own", {})
        else:
            await self._app(scope, receive, send)


def is_at(scope: Scope, port: int) -> bool:
    """Return whether a request has come to a port."""
    server = scope["server"]
    return server is not None and server[1] == port
