"""
`streams`: a hub of one's own as an ASGI application, on which both clients work in full.

It has the paths of Pricewire's own server: `/sse` and `/protected/sse`, `PATCH /v1/streams/{id}`, and `POST /v1/publish` where somebody
may publish. Who may do what, the application says by two functions.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any
from urllib.parse import parse_qs

import msgspec

from pricewire.errors import quoted
from pricewire.hub.hub import Hub
from pricewire.hub.streams import Stream, StreamSpec
from pricewire.protocol.messages import MAX_INTERVAL_MS, Data, Publication, Published, StreamChange, StreamState, error_body
from pricewire.protocol.stream_end import StreamEnd
from pricewire.server.transport.asgi_types import Receive, Scope, Send
from pricewire.server.transport.event_stream import EventStream, new_stream_id

logger = logging.getLogger(__name__)

STREAM_PATHS = ("/sse", "/protected/sse")
"""The clients take the second where they have a token."""

CHANGE_PATH = re.compile(r"/v1/streams/([^/]+)")

PUBLISH_PATH = "/v1/publish"

MAX_CHANGE = 64 * 1024
"""How long the body of a change may be, in bytes."""

MAX_PUBLICATION = 1024 * 1024
"""How long the body of a request to publish may be, in bytes."""

MAX_TOPIC = 256
"""How long a topic's name may be, in characters."""


class StreamRequest:
    """
    A request, as the functions see it that decide what it may do.

    Attributes:
        scope: the request as ASGI has it: a framework's own request is made of it, `starlette.requests.HTTPConnection(request.scope)` for
            instance, and so are the session and the user that a middleware has found.
    """

    def __init__(self, scope: Scope) -> None:
        self.scope = scope

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """The headers, with names in lower case; those of one name are joined by commas."""
        headers: dict[str, str] = {}
        for name, value in self.scope["headers"]:
            key, text = bytes(name).decode("latin-1").lower(), bytes(value).decode("latin-1")
            headers[key] = f"{headers[key]}, {text}" if key in headers else text
        return headers

    @cached_property
    def query(self) -> Mapping[str, list[str]]:
        """The parameters of the address."""
        query: bytes = self.scope.get("query_string", b"")
        return parse_qs(query.decode("latin-1"), keep_blank_values=True)

    @property
    def token(self) -> str | None:
        """The token of `Authorization: Bearer`; None where there is none."""
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None


May = Callable[[StreamRequest, str], bool | Awaitable[bool]]
"""Says whether a request may do something with a topic."""


def everyone(request: StreamRequest, topic: str) -> bool:
    """Let anybody read every topic: for `may_read`."""
    return True


class Refusal(Exception):  # noqa: N818 - an answer, and no failure
    """An answer that is no stream."""

    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.headers = headers


def streams(
    hub: Hub,
    *,
    may_read: May,
    may_publish: May | None = None,
    recheck: float = 60.0,
    topics_per_stream: int = 200,
) -> Streams:
    """
    Return an ASGI application with the streams of a hub, to be mounted in another.

        app.mount("/live", pricewire.streams(hub, may_read=pricewire.everyone))

    `pricewire.connect("https://example.com/live")` and the hooks with `baseUrl: '/live'` then work as with Pricewire's own server: with any
    topics, over one connection that is changed while it is open.

    Both functions get a `StreamRequest` and the name of a topic, and may be asynchronous. What they raise goes to the framework around.

    Args:
        hub: where the topics are published to.
        may_read: whether a request may read a topic. It is asked when a stream is opened or changed, and again every `recheck` seconds: a
            stream whose permission has ended, with its token for instance, ends with `TOKEN_EXPIRED`, and the clients come back with a
            new token. `pricewire.everyone` lets everybody read everything.
        may_publish: whether a request may publish to a topic by `POST /v1/publish`. Without it there is no such path.
        recheck: how often permission is asked for again, in seconds.
        topics_per_stream: how many topics a stream may have.
    """
    return Streams(hub, may_read, may_publish, recheck, topics_per_stream)


class Streams:
    """The application that `streams` returns; its arguments are the same."""

    def __init__(self, hub: Hub, may_read: May, may_publish: May | None, recheck: float, topics_per_stream: int) -> None:
        self._hub = hub
        self._may_read = may_read
        self._may_publish = may_publish
        self._recheck = recheck
        self._topics_per_stream = topics_per_stream
        # The newest request that each open stream was opened or changed by, whose permission it has.
        self._requests: dict[str, StreamRequest] = {}
        self._checking: asyncio.Task[None] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
            return
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1000})
            return
        try:
            answer = await self._answer(StreamRequest(scope), path_of(scope), receive)
        except Refusal as refusal:
            await _send_json(send, refusal.status, error_body(refusal.code, str(refusal)), refusal.headers)
            return
        if isinstance(answer, EventStream):
            await answer(scope, receive, send)
        else:
            await _send_json(send, 200, answer, {})

    async def _answer(self, request: StreamRequest, path: str, receive: Receive) -> EventStream | Data[Any]:
        method: str = request.scope["method"]
        if path in STREAM_PATHS:
            _require_method(method, "GET", "HEAD")
            return await self._open(request, is_protected=path == STREAM_PATHS[1])
        if match := CHANGE_PATH.fullmatch(path):
            _require_method(method, "PATCH")
            return await self._change(request, match[1], await _read(request, receive, MAX_CHANGE))
        if path == PUBLISH_PATH and self._may_publish is not None:
            _require_method(method, "POST")
            return await self._publish(request, self._may_publish, await _read(request, receive, MAX_PUBLICATION))
        raise Refusal(404, "NOT_FOUND", f"there is no {quoted(path)} here; streams are at /sse?topic=…")

    async def _open(self, request: StreamRequest, *, is_protected: bool) -> EventStream:
        topics = request.query.get("topic", [])
        if not topics:
            raise _invalid("give topic=…, which may be repeated")
        self._check_topics(topics)
        interval = _interval(request.query.get("interval_ms", ["0"]))
        if is_protected and request.token is None:
            raise _unauthorized("this needs a token: send it as 'Authorization: Bearer …'")
        await self._permit(self._may_read, request, topics, "read")
        stream_id = new_stream_id()
        self._requests[stream_id] = request
        checking = self._checking
        if checking is None or checking.done() or checking.get_loop() is not asyncio.get_running_loop():
            self._checking = asyncio.ensure_future(self._check_again())

        def on_close() -> None:
            del self._requests[stream_id]

        return EventStream(self._hub, topics, interval=interval / 1000, stream_id=stream_id, on_close=on_close)

    async def _change(self, request: StreamRequest, stream_id: str, body: bytes) -> Data[StreamState]:
        change = _decode(body, StreamChange)
        _, spec = self._find(stream_id)
        self._check_topics(change.add)
        await self._permit(self._may_read, request, sorted({*spec.topics, *change.add}), "read")
        # It may have ended meanwhile, or another change come before this one.
        stream, spec = self._find(stream_id)
        topics = set(spec.topics).difference(change.remove).union(change.add)
        if not topics:
            raise _invalid("remove: a stream carries at least one topic; close it instead")
        self._check_topics(topics)
        self._requests[stream_id] = request
        interval = spec.interval if change.interval_ms is None else change.interval_ms / 1000
        state = StreamState(sorted(topics), round(interval * 1000))
        self._hub.change(stream, replace(spec, topics=tuple(sorted(topics)), interval=interval), msgspec.json.encode(state))
        return Data(state)

    async def _publish(self, request: StreamRequest, may_publish: May, body: bytes) -> Data[Published]:
        publications = _decode(body, list[Publication] if body.lstrip()[:1] == b"[" else Publication)
        wanted: Sequence[Publication] = publications if isinstance(publications, list) else [publications]
        topics = list(dict.fromkeys(each.topic for each in wanted))
        _check_names(topics)
        await self._permit(may_publish, request, topics, "publish to")
        ids = []
        for each in wanted:
            message = msgspec.json.decode(each.data)
            event = self._hub.publish(each.topic, message, key=each.key, event=each.event, ends=each.ends)
            # A hub whose streams are on another loop does not say it.
            ids.append("" if event is None else event.id)
        return Data(Published(ids))

    def _find(self, stream_id: str) -> tuple[Stream, StreamSpec]:
        found = self._hub.find(stream_id)
        if found is None or stream_id not in self._requests:
            message = f"there is no open stream {quoted(stream_id)}; its id is the header Pricewire-Stream of its response"
            raise Refusal(404, "NOT_FOUND", message)
        return found

    def _check_topics(self, topics: Iterable[str]) -> None:
        names = set(topics)
        _check_names(names)
        if len(names) > self._topics_per_stream:
            raise _invalid(f"{len(names)} topics exceed the limit of {self._topics_per_stream} for one stream; open another for the rest")

    async def _permit(self, may: May, request: StreamRequest, topics: Iterable[str], what: str) -> None:
        for topic in topics:
            if not await _ask(may, request, topic):
                if request.token is None:
                    raise _unauthorized(f"you may not {what} topic {quoted(topic)} without a token")
                raise Refusal(403, "FORBIDDEN", f"you may not {what} topic {quoted(topic)}")

    async def _check_again(self) -> None:
        """End the streams whose permission has ended, as long as there are streams."""
        while self._requests:
            await asyncio.sleep(self._recheck)
            for stream_id, request in list(self._requests.items()):
                found = self._hub.find(stream_id)
                if found is None:
                    continue
                stream, spec = found
                try:
                    allowed = [await _ask(self._may_read, request, topic) for topic in spec.topics]
                except Exception:
                    # What is asked may be away, a database for instance; it says neither yes nor no.
                    logger.exception("may_read failed for an open stream, which goes on")
                    continue
                if not all(allowed) and self._requests.get(stream_id) is request:
                    self._hub.end(stream, StreamEnd.TOKEN_EXPIRED)


def path_of(scope: Scope) -> str:
    """
    Return a request's path below where the application is mounted.

    Source: ASGI 3, HTTP connection scope: `path` begins with `root_path`. Litestar leaves the rest alone, and adds a slash to it.
    """
    path, root = str(scope["path"]).rstrip("/"), str(scope.get("root_path", "")).rstrip("/")
    return path.removeprefix(root) if path.startswith(f"{root}/") else path


async def _ask(may: May, request: StreamRequest, topic: str) -> bool:
    answer = may(request, topic)
    return await answer if inspect.isawaitable(answer) else answer


async def _read(request: StreamRequest, receive: Receive, limit: int) -> bytes:
    """Return a request's body, which is JSON: that no page of another origin can send without being asked for."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refusal(415, "INVALID_PARAMETERS", f"the body is {quoted(kind or 'of no type')}; send Content-Type: application/json")
    body = b""
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _invalid("the request ended within its body")
        body += message.get("body", b"")
        more = message.get("more_body", False)
        if len(body) > limit:
            raise Refusal(413, "REQUEST_TOO_LARGE", f"the body exceeds the limit of {limit} bytes", connection="close")
    return body


def _decode(body: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise _invalid(f"the body: {error}") from None
    except RecursionError:
        raise _invalid("the body is nested too deeply") from None


def _interval(values: Sequence[str]) -> int:
    text = values[-1]
    if re.fullmatch("[0-9]{1,9}", text) is None or int(text) > MAX_INTERVAL_MS:
        raise _invalid(f"interval_ms is {quoted(text)}; it is a whole number of milliseconds, {MAX_INTERVAL_MS} at most")
    return int(text)


def _check_names(topics: Iterable[str]) -> None:
    for name in topics:
        if not 0 < len(name) <= MAX_TOPIC:
            raise _invalid(f"topic {quoted(name)} has {len(name)} characters; a name has 1 to {MAX_TOPIC}")


def _require_method(method: str, *allowed: str) -> None:
    if method not in allowed:
        message = f"{method} is not for this path, which takes {' and '.join(allowed)}"
        raise Refusal(405, "METHOD_NOT_ALLOWED", message, allow=", ".join(allowed))


def _invalid(message: str) -> Refusal:
    return Refusal(400, "INVALID_PARAMETERS", message)


def _unauthorized(message: str) -> Refusal:
    return Refusal(401, "UNAUTHORIZED", message, **{"www-authenticate": 'Bearer realm="pricewire"'})


async def _send_json(send: Send, status: int, content: object, headers: Mapping[str, str]) -> None:
    body = msgspec.json.encode(content)
    fields = {"content-type": "application/json", "content-length": str(len(body)), **headers}
    encoded = [(name.encode(), value.encode()) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": status, "headers": encoded})
    await send({"type": "http.response.body", "body": body, "more_body": False})


async def _live(receive: Receive, send: Send) -> None:
    """Begin and end with the server, where the application is served by itself."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
