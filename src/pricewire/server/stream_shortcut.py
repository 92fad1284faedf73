"""A shortcut to streams: when thousands come back at once, none is to pay for what the framework makes of a request's parameters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import cast
from urllib.parse import unquote_plus

from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from pricewire.errors import PricewireError
from pricewire.protocol.messages import MAX_INTERVAL_MS
from pricewire.server.auth.dependencies import AnyRequest, Caller, provide_listener, provide_protected_listener
from pricewire.server.http_errors import InvalidParametersError
from pricewire.server.routes.streams import opened
from pricewire.server.services import Services
from pricewire.server.stream_opener import StreamOpener
from pricewire.server.stream_query import StreamQuery, query_of
from pricewire.server.strict_request import WHOLE_NUMBER

ENDPOINTS: dict[str, tuple[str, Callable[[AnyRequest, Services], Awaitable[Caller]]]] = {
    "/sse": ("sse", provide_listener),
    "/protected/sse": ("protected_sse", provide_protected_listener),
}
"""What streams are counted as, and what finds out who asks for them, by the path of their requests."""


class StreamShortcut:
    """
    Comes before the handlers of `/sse` and `/protected/sse`, and opens the streams that are as usual: of topics, with a pace, some fields
    and a `last_event_id` at most. All other requests go the framework's way, which says what is wrong with them.

    The framework resolves its dependencies in tasks of their own and checks its parameters anew for each request, which is most of what
    opening a stream costs. What is checked is the same, and in the same order: the parameters, the caller, the topics.

    Args:
        app: the handler.
        services: have the tokens.
        make_opener: returns what opens the stream of a request.
    """

    def __init__(self, app: ASGIApp, services: Services, make_opener: Callable[[AnyRequest], Awaitable[StreamOpener]]) -> None:
        self._app = app
        self._services = services
        self._make_opener = make_opener

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """
        Open the stream that a request asks for, or have the handler answer it.

        Raises:
            PricewireError: the stream is refused, as `StreamOpener.open` says.
            HTTPException: the caller may not have it.
        """
        kind = ENDPOINTS.get(scope["path"]) if scope["type"] == ScopeType.HTTP and scope["method"] == "GET" else None
        query = None if kind is None else usual_query(scope["query_string"])
        if kind is None or query is None:
            await self._app(scope, receive, send)
            return
        endpoint, find_caller = kind
        request: AnyRequest = Request(scope)
        caller = await find_caller(request, self._services)
        stream = await opened(endpoint, request, await self._make_opener(request), caller, query)
        await cast("ASGIApp", stream)(scope, receive, send)


def usual_query(query: bytes) -> StreamQuery | None:
    """Return what a query asks for; None where it has other parameters, or something is wrong with it."""
    topics: list[str] = []
    single: dict[str, str] = {}
    for part in query.decode("latin-1").split("&"):
        name, _, value = part.partition("=")
        if name == "topic":
            topics.append(unquoted(value))
        elif name in ("interval_ms", "fields") and name not in single:
            single[name] = unquoted(value)
        elif name != "last_event_id":
            return None
    interval_ms = single.get("interval_ms", "0")
    if not topics or WHOLE_NUMBER.fullmatch(interval_ms) is None or int(interval_ms) > MAX_INTERVAL_MS:
        return None
    try:
        return query_of(topics, int(interval_ms), single.get("fields"))
    except (PricewireError, InvalidParametersError):
        return None


def unquoted(value: str) -> str:
    """Return a parameter's value as it was before it was made a part of an address."""
    # Most have colons alone, which takes a tenth of the time.
    text = value.replace("%3A", ":")
    return unquote_plus(value) if "%" in text or "+" in text else text
