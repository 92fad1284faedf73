"""How often one address may ask for anything: what is beyond is refused before it is looked at."""

from __future__ import annotations

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from pricewire.errors import StreamRefusedError
from pricewire.server.http_errors import send_problem
from pricewire.server.limits import Admission


class RequestRate:
    """Lets each address make so many requests per second."""

    def __init__(self, app: ASGIApp, admission: Admission) -> None:
        self._app = app
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that is one too many, and pass on any other."""
        if scope["type"] == ScopeType.HTTP:
            try:
                self._admission.ask(self._admission.client(scope))
            except StreamRefusedError as error:
                # Requests that wait behind this one on the connection are not even read.
                headers = {"retry-after": str(error.retry_after), "connection": "close"}
                await send_problem(send, 429, "RATE_LIMIT_EXCEEDED", str(error), headers)
                return
        await self._app(scope, receive, send)
