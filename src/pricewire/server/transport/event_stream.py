"""The response that streams topics of a hub, in any ASGI application."""

from __future__ import annotations

import random
import re
import secrets
from collections.abc import Callable, Iterable
from dataclasses import replace
from urllib.parse import parse_qs

import msgspec

from pricewire.hub.delivery import Outcome
from pricewire.hub.event import Format, envelope
from pricewire.hub.hub import Hub
from pricewire.hub.streams import Follow, Selector, Stream, StreamSpec
from pricewire.protocol.stream_end import StreamEnd
from pricewire.server.transport.asgi_types import Receive, Scope, Send
from pricewire.server.transport.fallback import FallbackStream
from pricewire.server.transport.offer import EXTENSION, Offer
from pricewire.server.transport.remote import REMOTE, RemoteOffer
from pricewire.server.transport.stop_watch import stop_watch

try:
    # Starlette and FastAPI know a response by its base. FastAPI describes the items of those that are JSON: here, the data of an event.
    # Without them nothing asks for it.
    from starlette.responses import JSONResponse as ResponseBase
except ImportError:
    ResponseBase = object  # type: ignore[assignment, misc]

WEIGHT = re.compile(r"[01](\.[0-9]{0,3})?")

MEDIA_TYPE = "text/event-stream"
"""Source: WHATWG HTML, section 9.2.5."""

EXPOSED_HEADERS = ("Pricewire-Start", "Pricewire-Stream", "Pricewire-Heartbeat")
"""What a page of another origin may read of the response: how the stream starts, its id, and the seconds between heartbeats."""

EXPOSE = b"access-control-expose-headers"
"""The header that says so. Source: Fetch, section 3.3.3."""


class EventStream(ResponseBase):
    """
    An ASGI response that sends the current values of topics - the newest message of each key -, then every update.

    Return it from a route of FastAPI, Starlette or Litestar, or mount it where ASGI applications go. Under `pricewire.run` its
    connection is handed over to the hub, and it costs no task; under any other server it is sent by ASGI.

        @app.get("/news")
        async def news() -> Response:
            return EventStream(hub, ["news"])

    FastAPI's schema says what the events hold where the route has both `response_class=EventStream` and a `response_model`.

    A reader that comes back with `Last-Event-ID` (or, where it cannot set headers, the parameter `last_event_id`) gets what it missed.

    Args:
        hub: where the topics are published to.
        topics: what to stream.
        form: how events are shown; `pricewire.envelope` says which topic each belongs to, `pricewire.plain` sends the message alone.
        interval: at most one update per topic in so many seconds, the newest; 0 for every update.
        control: whether named events come beside the data: `reset` where it could not resume, `stale`, `error` before its end.
        prelude: encoded events to send first, before the current values, where the stream does not resume.
        follow: which topics to stream besides, of those that have events and those that come; hashable. None for none.
        most: how many topics it has at most then.
        stream_id: its id, which others can change it by: not to be guessed. A random one by default.
        on_close: called once when the stream has ended, however it ended.
        status_code: of the response; readers take no other for a stream.
        selector: which events of the topics it gets; None for all.
        last_event_id: the last event that the reader has, where the request says so otherwise than usual.

    Attributes:
        stream_id: what its header `Pricewire-Stream` says.
        outcome: how it has started; None before.
    """

    media_type = MEDIA_TYPE

    def __init__(
        self,
        hub: Hub,
        topics: Iterable[str],
        *,
        form: Format = envelope,
        interval: float = 0.0,
        control: bool = True,
        prelude: bytes = b"",
        follow: Follow | None = None,
        most: int = 250,
        stream_id: str | None = None,
        on_close: Callable[[], None] | None = None,
        status_code: int = 200,
        selector: Selector | None = None,
        last_event_id: str | None = None,
    ) -> None:
        # What Starlette and FastAPI read and write of a response; its own constructor would render a body.
        self.status_code = status_code
        self.background = None
        self.body = b""
        self.raw_headers: list[tuple[bytes, bytes]] = []
        self._hub = hub
        self._subscription = StreamSpec(
            tuple(sorted(set(topics))), form, interval, control=control, follow=follow, most=most, selector=selector
        )
        self._last_event_id = last_event_id
        self._prelude = prelude
        self.stream_id = stream_id or new_stream_id()
        self.outcome: Outcome | None = None
        self._on_close = on_close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond, by the hand-over where the server offers it."""
        stream: Stream | None = None
        try:
            stream = await self._open(scope, receive, send)
        finally:
            if stream is None and self._on_close is not None:
                self._on_close()
        if isinstance(stream, FallbackStream):
            await stream.run(receive, send)

    async def _open(self, scope: Scope, receive: Receive, send: Send) -> Stream | None:
        """Send the response's head and join the hub; return None where there is no body."""
        hub = self._hub
        handover: Offer | None = (scope.get("extensions") or {}).get(EXTENSION)
        if hub.is_draining or (handover is None and stop_watch().is_stopping):
            await _refuse(send)
            return None
        offer: RemoteOffer | None = scope.get("extensions", {}).get(REMOTE)
        if offer is not None and scope["method"] != "HEAD":
            remote = offer.take(self.stream_id, self._subscription, self._prelude, self._on_close, self._last_event_id)
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return remote
        spec = replace(self._subscription, compress=accepts_gzip(scope))
        last_event_id = self._last_event_id if spec.selector is not None else _last_event_id(scope)
        start = hub.start(spec.topics, last_event_id, spec.follow, spec.selector)
        self.outcome = start.outcome
        headers = [
            (b"content-type", MEDIA_TYPE.encode()),
            (b"cache-control", b"no-store, no-transform"),
            (b"x-accel-buffering", b"no"),
            (b"pricewire-start", start.outcome.encode()),
            (b"pricewire-stream", self.stream_id.encode()),
            (b"pricewire-heartbeat", b"%g" % hub.heartbeat),
            (b"vary", b"Accept-Encoding"),
            *start.headers,
            *self.raw_headers,
        ]
        if not any(name == EXPOSE for name, _ in self.raw_headers):
            headers.append((EXPOSE, ", ".join(EXPOSED_HEADERS).encode()))
        if spec.compress:
            headers.append((b"content-encoding", b"gzip"))
        if scope["method"] == "HEAD":
            handover = None
        elif handover is not None:
            handover.register(hub)
            handover.announce()
            # So that nobody sends the next request over it, which would fail.
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b"", "more_body": False})
            return None
        stream: Stream | None = None
        if handover is not None:
            stream = handover.take(hub, self.stream_id, self._on_close)
        if stream is None:
            stream = FallbackStream(hub, self.stream_id, self._on_close)
        hub.join(stream, spec, start, self._prelude)
        return stream


def new_stream_id() -> str:
    """Return an id for a stream, which nobody guesses."""
    return secrets.token_hex(8)


async def _refuse(send: Send) -> None:
    body = msgspec.json.encode(StreamEnd.SERVER_DRAINING.body)
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        # At a time of its own, so that those who are refused do not come back together.
        (b"retry-after", b"%d" % random.randint(1, 5)),  # noqa: S311 - spreads load, no secret
    ]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})


def _last_event_id(scope: Scope) -> str | None:
    """
    Return the id that the reader has seen last; of several ids, one that no stream can be resumed from.

    Source: RFC 9110, section 5.3: lines of the same name are one, separated by commas.
    """
    ids = [bytes(value).decode("utf-8", "replace") for name, value in scope["headers"] if name == b"last-event-id"]
    if not ids:
        query: bytes = scope.get("query_string", b"")
        # Most have none, but topics with colons. Whatever else is encoded may be its name.
        may_have = b"last_event_id" in query or b"%" in query.replace(b"%3A", b":")
        ids = parse_qs(query.decode("latin-1")).get("last_event_id", []) if may_have else []
    return ", ".join(ids) or None


def accepts_gzip(scope: Scope) -> bool:
    """Return whether the reader takes gzip, and likes it no less than what is not compressed. Source: RFC 9110, section 12.5.3."""
    weights: dict[str, float] = {}
    for name, value in scope["headers"]:
        if name == b"accept-encoding":
            for item in bytes(value).decode("latin-1").lower().split(","):
                coding, _, parameter = item.partition(";")
                weight = parameter.strip().removeprefix("q=") or "1"
                weights[coding.strip()] = float(weight) if WEIGHT.fullmatch(weight) else 0.0
    gzip = weights.get("gzip", weights.get("x-gzip", weights.get("*", 0.0)))
    return gzip > 0 and gzip >= weights.get("identity", 0.0)
