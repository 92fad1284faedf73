"""
Bounds for what a connection may send before it is served, and for how long it may take to.

The parser of uvicorn's `httptools` protocol takes a request line and headers of any length, and keeps them. Here what is too long is
answered with 414 or 431, what does not come to an end with 408, and what is no HTTP with 400, all in the form of the HTTP surface's errors.
"""

from __future__ import annotations

import asyncio
import logging
import random
from typing import Any, cast

import httptools
import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from pricewire.protocol.messages import error_body
from pricewire.server.limits import Limits
from pricewire.server.transport.connections import Excess, OpenConnections
from pricewire.server.transport.held_head import HeldHead
from pricewire.server.transport.throttled_log import ThrottledLogger

LINGER = 1.0
"""
How long a refused connection is kept open, in seconds, for what its peer is still sending: closed at once, the system would answer that
with a reset, which makes the peer lose the refusal. Source: RFC 9112, section 9.6.
"""


CODES = {
    400: "INVALID_PARAMETERS",
    408: "REQUEST_TIMEOUT",
    414: "REQUEST_TOO_LARGE",
    429: "RATE_LIMIT_EXCEEDED",
    431: "REQUEST_TOO_LARGE",
    503: "UNAVAILABLE",
}
"""The codes of the refusals, by their status."""

EXCESS_STATUS = {Excess.ADDRESS: 429, Excess.PROCESS: 503}

MAX_PIPELINED = 100
"""
Requests that may wait behind the one that is being answered: the smallest are 18 bytes that become some 4 KB, and what comes in one go is
parsed in one go.
"""

SURPLUS = 64 * 1024
"""
How many bytes a peer may send that count for nothing: behind what is being answered and is its connection's last, and of a body that was
answered before its end. To read a flood costs half a core; not to read at all would leave its going unnoticed.
"""

SLACK = 256
"""What may stand around a header before the parser calls, in bytes: the end of the request line, spaces, the empty line."""


class BoundedState(ServerState):
    """
    uvicorn's state of one server, with its bounds.

    Attributes:
        limits: of a request and its connection.
        open_connections: the connections that are no streams.
        requests_too_large: how many requests exceeded them.
        logger: for the warnings of connections, throttled: there may be thousands of unreadable requests a second.
    """

    def __init__(self, limits: Limits | None = None, open_connections: OpenConnections | None = None) -> None:
        super().__init__()
        self.limits = limits or Limits()
        # An empty one is false.
        self.open_connections = OpenConnections() if open_connections is None else open_connections
        self.requests_too_large = 0
        self.logger = ThrottledLogger(logging.getLogger("uvicorn.error"))

    def count_too_large(self) -> None:
        """Count a request that exceeds the limits."""
        self.requests_too_large += 1


class RequestTooLargeError(Exception):
    """Ends the parsing of a request; `httptools` passes it on as an error of the request."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with bounds."""

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._bounds = server_state if isinstance(server_state, BoundedState) else BoundedState()
        self.logger = self._bounds.logger  # type: ignore[assignment]
        self._refusal: tuple[int, str] | None = None
        # Whatever still comes is dropped.
        self._refused = False
        # The refusal that is written when the requests before it have been answered, and how many bytes have come since.
        self._due: tuple[int, str] | None = None
        self._surplus = 0
        self._head_size = 0
        # Runs while a head is awaited that has begun, or is the connection's first. Before the others the time-out of uvicorn does.
        self._head_timer: asyncio.TimerHandle | None = None
        self._in_head = False
        # The bytes that came since the parser last called: those of a header that has not ended, which the parser keeps.
        self._unparsed = 0
        self._in_body = False
        self._body_size = 0
        self._body_began = 0.0
        self._body_timer: asyncio.TimerHandle | None = None
        # Whether the connection would be kept by the request whose body is awaited.
        self._keep_alive = True
        # The request that is being answered, and how; others may wait behind it.
        self._serving: RequestResponseCycle | None = None
        self._response: HeldHead | None = None
        # Runs while the peer does not take what is written, and how much that was when it began.
        self._write_timer: asyncio.TimerHandle | None = None
        self._unsent = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request, or refuse the connection."""
        super().connection_made(transport)
        excess = self._bounds.open_connections.enter(self, self.client[0] if self.client else None, self._bounds.limits)
        if excess is None:
            self._await_head()
            return
        self._refused = True
        whose = "this address" if excess is Excess.ADDRESS else "the server"
        transport.write(self._refusal_response(EXCESS_STATUS[excess], f"{whose} has as many connections as it may; try again later"))
        transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more."""
        self._stop()
        # uvicorn tells the last request only; one that is being answered before it would go on for ever.
        if self._serving is not None and not self._serving.response_complete:
            self._serving.disconnected = True
            self._serving.message_event.set()
        super().connection_lost(exc)

    def make_room(self) -> None:
        """Close at once: others wait for the place of this connection."""
        self._refused = True
        self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        if self._refused:
            self._surplus += len(data)
            if self._due is not None and self._surplus > SURPLUS:
                self.transport.abort()
            return
        self._unparsed += len(data)
        super().data_received(data)
        if self._unparsed > self._bounds.limits.request_headers + SLACK and not self._refused:
            self._refuse_headers()
            self.send_400_response("")
        if self._head_timer is None and (self._in_head or self._is_between_requests()) and not self._refused:
            # Most heads come whole.
            self._await_head()
        if self._in_body and not self._refused:
            if self.cycle.response_complete:
                self._surplus += len(data)
                if self._surplus > SURPLUS:
                    self._close_gently()
            elif self._body_timer is None:
                self._await_body()

    def eof_received(self) -> None:
        """Write what is held back: the loop closes the connection of a peer that sends no more."""
        self.flush_head()

    def pause_writing(self) -> None:
        """Have the response wait, and the peer take what is written."""
        super().pause_writing()
        if self._write_timer is None:
            self._await_reader()

    def resume_writing(self) -> None:
        """Have the response go on."""
        super().resume_writing()
        self._write_timer = cancelled(self._write_timer)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._unset_keepalive_if_required()
        self._head_size = self._unparsed = 0
        self._in_head = True

    def on_url(self, url: bytes) -> None:
        """Take a part of the request's target."""
        super().on_url(url)
        self._unparsed = 0
        if len(self.url) > (limit := self._bounds.limits.request_target):
            self._bounds.count_too_large()
            self._refusal = 414, f"the address of the request exceeds the limit of {limit} bytes: ask for less in one request"
            raise RequestTooLargeError

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer."""
        super().on_header(name, value)
        self._unparsed = 0
        self._head_size += len(name) + len(value) + len(b": \r\n")
        if self._head_size > self._bounds.limits.request_headers:
            self._refuse_headers()
            raise RequestTooLargeError

    def on_headers_complete(self) -> None:
        """Start to serve the request."""
        self._unparsed = self._body_size = 0
        self._in_head = False
        if self._head_timer is not None:
            self._head_timer = cancelled(self._head_timer)
        if len(self.pipeline) >= MAX_PIPELINED:
            raise RequestTooLargeError
        if not self.url.startswith(b"/"):
            self._take_host()
        super().on_headers_complete()
        self._in_body = True

    def on_body(self, body: bytes) -> None:
        """Take a part of the request's body, for whose size the application has a limit."""
        self._unparsed = 0
        self._body_size += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._unparsed = 0
        self._in_body = False
        if self._body_timer is not None:
            self._body_timer = cancelled(self._body_timer)
            self.cycle.keep_alive = self._keep_alive
        super().on_message_complete()
        if self.cycle.response_complete:
            self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)
        else:
            self._bounds.open_connections.serve(self)

    def on_response_complete(self) -> None:
        """Go on with the next request, which may come behind the rest of this one, or close the connection if none follows."""
        self.flush_head()
        super().on_response_complete()
        if not self.transport.is_closing() and self.cycle.response_complete:
            if self._due is not None:
                self._refuse(*self._due)
            elif self._in_body and (not self._keep_alive or self.cycle.waiting_for_100_continue):
                self._close_gently()
            else:
                # Clients send a body after its head, and do not know yet that it was answered without: it is read, and dropped.
                self._surplus = 0
                self._bounds.open_connections.wait(self)

    def handle_websocket_upgrade(self) -> None:
        """Let another protocol have the connection."""
        self._stop()
        super().handle_websocket_upgrade()

    def send_400_response(self, msg: str) -> None:
        """Refuse the request that has come or is coming once those before it have been answered, and close the connection."""
        self._refuse_in_turn(*(self._refusal or (400, "this is no HTTP request that can be read")))

    def _take_host(self) -> None:
        """Have a target that names a host say which host is asked, whatever `Host` says. Source: RFC 9112, section 3.2.2."""
        target = httptools.parse_url(self.url)
        if target.host:
            host = target.host + (b":%d" % target.port if target.port else b"")
            self.headers[:] = [(name, host if name == b"host" else value) for name, value in self.headers]

    def flush_head(self) -> None:
        """Write the head of the response, where it waits for the body."""
        if self._response is not None:
            self._response.flush()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._serving = cycle
        self._response = HeldHead(self.transport, self.loop)
        cycle.transport = cast("asyncio.Transport", self._response)
        super()._start_asgi_task(cycle, app)

    def _refuse_in_turn(self, status: int, message: str) -> None:
        """Refuse a request once those before it have been answered: written at once, it would be taken for a part of their answers."""
        self._refused = True
        self.flush_head()
        cycle: RequestResponseCycle | None = self.cycle
        if self._in_body and self.pipeline:
            # It waits behind others, and will never be complete.
            self.pipeline.popleft()
            cycle = self.cycle = self.pipeline[0][0] if self.pipeline else cast("RequestResponseCycle", self._serving)
        elif self._in_body and cycle is not None:
            if cycle.response_started:
                self.transport.close()
                return
            # The application gets no more of it, and what it still sends is dropped. Nor is its client told to go on.
            cycle.disconnected = True
            cycle.waiting_for_100_continue = False
            cycle.message_event.set()
            cycle = None
        if cycle is None or cycle.response_complete:
            self._refuse(status, message)
            return
        self._in_body = False
        self._head_timer = cancelled(self._head_timer)
        self._body_timer = cancelled(self._body_timer)
        self._due = status, message
        self.flow.resume_reading()

    def _refuse(self, status: int, message: str) -> None:
        self.transport.write(self._refusal_response(status, message))
        self._close_gently()

    def _refusal_response(self, status: int, message: str) -> bytes:
        body = msgspec.json.encode(error_body(CODES[status], message))
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        if status in (429, 503):
            # At a time of its own, so that those who are refused do not come back together.
            headers.append((b"retry-after", b"%d" % random.randint(5, 15)))  # noqa: S311 - spreads load, no secret
        lines = b"".join([b"%b: %b\r\n" % header for header in headers])
        return b"%b%b\r\n%b" % (STATUS_LINE[status], lines, body)

    def _close_gently(self) -> None:
        """Close the connection a little later, so that the peer can read the answer, and drop what it sends until then."""
        self._refused = True
        self._in_body = False
        self._unset_keepalive_if_required()
        self._head_timer = cancelled(self._head_timer)
        self._body_timer = cancelled(self._body_timer)
        self._bounds.open_connections.wait(self)
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER, self.transport.close)

    def _stop(self) -> None:
        """Have nothing wait any more, and take no place among the connections."""
        self._refused = True
        self._unset_keepalive_if_required()
        self._head_timer = cancelled(self._head_timer)
        self._body_timer = cancelled(self._body_timer)
        self._write_timer = cancelled(self._write_timer)
        self._bounds.open_connections.leave(self)

    def _is_between_requests(self) -> bool:
        """Return whether what came after the last response begins no request, as an empty line: nothing waits for the next one any more."""
        cycle: RequestResponseCycle | None = self.cycle
        return cycle is not None and cycle.response_complete and not self._in_body and self.timeout_keep_alive_task is None

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self._bounds.limits.request_seconds, self._refuse_slow_head)

    def _refuse_slow_head(self) -> None:
        self._head_timer = None
        seconds = self._bounds.limits.request_seconds
        self._refusal = 408, f"the head of the request took more than {seconds:g} seconds: send it at once"
        self.send_400_response("")

    def _await_body(self) -> None:
        """Have the rest of the body come in time."""
        self._body_began = self.loop.time()
        self._body_timer = self.loop.call_later(self._bounds.limits.request_seconds, self._check_body)
        # Where the answer comes before the end of the body, the connection is closed gently: uvicorn would not.
        self._keep_alive, self.cycle.keep_alive = self.cycle.keep_alive, True

    def _check_body(self) -> None:
        limits = self._bounds.limits
        # Where reading is paused, it is the application that takes its time.
        left = limits.request_seconds
        if not self.flow.read_paused:
            left += self._body_size / limits.bytes_per_second - (self.loop.time() - self._body_began)
        # Timers know milliseconds.
        if left > 0.001:
            self._body_timer = self.loop.call_later(left, self._check_body)
            return
        rate = f"{limits.bytes_per_second:g} bytes a second after {limits.request_seconds:g} seconds"
        self._refuse_in_turn(408, f"the body of the request comes too slowly: less than {rate}")

    def _await_reader(self) -> None:
        """Have the peer take what is written in time."""
        self._unsent = self.transport.get_write_buffer_size()
        self._write_timer = self.loop.call_later(self._bounds.limits.request_seconds, self._check_reader)

    def _check_reader(self) -> None:
        limits = self._bounds.limits
        if self._unsent - self.transport.get_write_buffer_size() < limits.bytes_per_second * limits.request_seconds:
            self.transport.abort()
        else:
            self._await_reader()

    def _refuse_headers(self) -> None:
        self._bounds.count_too_large()
        self._refusal = 431, f"the headers of the request exceed the limit of {self._bounds.limits.request_headers} bytes"


def cancelled(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Cancel a timer, where there is one; return what takes its place: none."""
    if timer is not None:
        timer.cancel()
    return None
