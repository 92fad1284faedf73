"""
A span for each request: the semantic conventions for HTTP servers, but for what says whose request it is.

The query, where tokens and tickets may stand, is not in it, no header, no address of a client, no text of an exception, and of a path only
what stands in the code. Source: https://opentelemetry.io/docs/specs/semconv/http/http-spans/.
"""

from __future__ import annotations

import re
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.propagators.textmap import Getter
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from pricewire.server.transport.asgi_types import Message, Receive, Scope, Send

PROBES = frozenset({"/healthz", "/metrics", "/readyz"})
"""What programs ask for again and again, which would hide everything else."""

METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})
"""The methods that the conventions know; any other is `_OTHER`."""

WORD = re.compile(r"[a-z][a-z_-]{0,30}|v[0-9]")
"""Parts of a path that are no id and no token."""

MOST_PATH = 200
"""How much is kept of a path that no route has, in characters."""

Headers = list[tuple[bytes, bytes]]


class HeaderGetter(Getter[Headers]):
    """Reads headers as ASGI has them."""

    def get(self, carrier: Headers, key: str) -> list[str] | None:
        """Return the values of a header."""
        name = key.lower().encode("latin-1")
        return [bytes(value).decode("latin-1") for each, value in carrier if each == name] or None

    def keys(self, carrier: Headers) -> list[str]:
        """Return the names of all headers."""
        return [bytes(name).decode("latin-1") for name, _ in carrier]


GETTER = HeaderGetter()


class Tracing:
    """
    An ASGI application that answers as another one does, with a span for each request.

    The span of a stream ends with its response's head: what follows belongs to the hub. A stream that was handed over costs nothing more.

    Args:
        app: answers.
        tracer: makes the spans.
    """

    def __init__(self, app: Any, tracer: Tracer) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or scope["path"] in PROBES:
            await self._app(scope, receive, send)
            return
        method = scope["method"] if scope["method"] in METHODS else "_OTHER"
        span = self._tracer.start_span(
            method,
            context=propagate.extract(scope["headers"], getter=GETTER),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method, "url.scheme": scope.get("scheme", "http")},
        )

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered(span, message["status"])
                if is_stream(message):
                    finish(span, scope, method)
            await send(message)

        with trace.use_span(span, record_exception=False, set_status_on_exception=False):
            # Whoever answers in another process goes on from here.
            scope["headers"] = passed_on(scope["headers"])
            try:
                await self._app(scope, receive, send_on)
            except BaseException as error:
                failed(span, type(error).__qualname__)
                raise
            finally:
                finish(span, scope, method)


def passed_on(headers: Headers) -> Headers:
    """Return a request's headers with the current span, instead of the one that it came with."""
    ours: dict[str, str] = {}
    propagate.inject(ours)
    names = {name.encode() for name in propagate.get_global_textmap().fields}
    return [
        *((name, value) for name, value in headers if name not in names),
        *((name.lower().encode(), value.encode("latin-1")) for name, value in ours.items()),
    ]


def answered(span: Span, status: int) -> None:
    """Note the status of a request's answer."""
    span.set_attribute("http.response.status_code", status)
    if status >= 500:
        failed(span, str(status))


def failed(span: Span, kind: str) -> None:
    """Note why a request has failed."""
    span.set_attribute("error.type", kind)
    span.set_status(Status(StatusCode.ERROR))


def is_stream(message: Message) -> bool:
    """Return whether the head of a response is that of a stream."""
    return any(name.lower() == b"content-type" and bytes(value).startswith(b"text/event-stream") for name, value in message["headers"])


def finish(span: Span, scope: Scope, method: str) -> None:
    """End a span, where it has not ended."""
    if not span.is_recording():
        return
    route = scope.get("path_template")
    span.set_attribute("url.path", route or shown(scope["path"]))
    if route:
        span.update_name(f"{method} {route}")
        span.set_attribute("http.route", route)
    span.end()


def shown(path: str) -> str:
    """Return a path that no route has without what may be an id or a token."""
    return re.sub("[^/]+", lambda part: part[0] if WORD.fullmatch(part[0]) else "*", path[: MOST_PATH + 1])[:MOST_PATH]
