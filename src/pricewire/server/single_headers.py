"""Headers that a request may have only once: of two, this server would read the first, and a proxy in front perhaps the second."""

from __future__ import annotations

from collections import Counter

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from pricewire.server.http_errors import send_problem

SINGLE = {
    name.lower().encode(): name
    for name in ("Authorization", "Content-Length", "Content-Type", "Last-Event-ID", "Origin", "Transfer-Encoding")
}
"""
Those that decide who is allowed, how a body is read, and where a stream resumes. `Host` has a rule of its own; lists, such as
`Accept-Encoding` and `X-Forwarded-For`, may go over several lines. Source: RFC 9110, section 5.3.
"""


class SingleHeaders:
    """Refuses requests that have such a header twice."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse a request that has such a header twice, and pass on any other."""
        if scope["type"] == ScopeType.HTTP:
            names = [name for name, _ in scope["headers"] if name in SINGLE]
            if len(names) > len(set(names)):
                name, count = Counter(names).most_common(1)[0]
                message = f"a request has one header {SINGLE[name]}; this one has {count}"
                # If a proxy made this request out of two, it may have done the same with what follows.
                await send_problem(send, 400, "INVALID_PARAMETERS", message, {"connection": "close"})
                return
        await self._app(scope, receive, send)
