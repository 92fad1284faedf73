"""
Bounds for what a request may send before it is served.

The parser of uvicorn's `httptools` protocol takes a request line and headers of any length, and keeps them. Here what is too long is
answered with 414 or 431, what does not come to an end with 408, and what is no HTTP with 400, all in the form of the HTTP surface's errors.
"""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from pricewire.protocol.messages import error_body
from pricewire.server.limits import Limits

LINGER = 1.0
"""
How long a refused connection is kept open, in seconds, for what its peer is still sending: closed at once, the system would answer that
with a reset, which makes the peer lose the refusal. Source: RFC 9112, section 9.6.
"""


CODES = {400: "INVALID_PARAMETERS", 408: "REQUEST_TIMEOUT", 414: "REQUEST_TOO_LARGE", 431: "REQUEST_TOO_LARGE"}
"""The codes of the refusals, by their status."""

SLACK = 256
"""What may stand around a header before the parser calls, in bytes: the end of the request line, spaces, the empty line."""


class BoundedState(ServerState):
    """
    uvicorn's state of one server, with its bounds.

    Attributes:
        limits: of a request's target and headers.
        requests_too_large: how many requests exceeded them.
    """

    def __init__(self) -> None:
        super().__init__()
        self.limits = Limits()
        self.requests_too_large = 0


class RequestTooLargeError(Exception):
    """Ends the parsing of a request; `httptools` passes it on as an error of the request."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's HTTP protocol, with bounds."""

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._bounds = server_state if isinstance(server_state, BoundedState) else BoundedState()
        self._refusal: tuple[int, str] | None = None
        self._refused = False
        self._head_size = 0
        # Runs while a head is awaited that has begun, or is the connection's first. Before the others the time-out of uvicorn does.
        self._head_timer: asyncio.TimerHandle | None = None
        # The bytes that came since the parser last called: those of a header that has not ended, which the parser keeps.
        self._unparsed = 0
        # The requests that have not been answered whole: one that is being answered, and those that came behind it.
        self._unanswered: list[RequestResponseCycle] = []

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request."""
        super().connection_made(transport)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing more, and tell every request that its reader has gone: uvicorn tells only the newest one."""
        self._stop_waiting()
        super().connection_lost(exc)
        for cycle in self._unanswered:
            cycle.disconnected = not cycle.response_complete
            cycle.message_event.set()
        self._unanswered.clear()

    def data_received(self, data: bytes) -> None:
        """Parse what has come."""
        if self._refused:
            return
        self._unparsed += len(data)
        super().data_received(data)
        if self._unparsed > self._bounds.limits.request_headers + SLACK and not self._refused:
            self._refuse_headers()
            self.send_400_response("")

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._head_size = self._unparsed = 0
        if self._head_timer is None:
            self._await_head()

    def on_url(self, url: bytes) -> None:
        """Take a part of the request's target."""
        super().on_url(url)
        self._unparsed = 0
        if len(self.url) > (limit := self._bounds.limits.request_target):
            self._bounds.requests_too_large += 1
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
        self._unparsed = 0
        self._stop_waiting()
        super().on_headers_complete()
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None:
            self._unanswered = [each for each in self._unanswered if each is not cycle and not each.response_complete] + [cycle]

    def on_body(self, body: bytes) -> None:
        """Take a part of the request's body, for which the application has a limit."""
        self._unparsed = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """End a request."""
        self._unparsed = 0
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """
        Refuse the request whose head has come or is coming, and close the connection.

        Args:
            msg: what uvicorn would say.
        """
        self._refused = True
        self._stop_waiting()
        cycle: RequestResponseCycle | None = self.cycle
        if cycle is not None and not cycle.response_complete:
            # An earlier request is still being answered: its reader would take this for a part of the answer.
            self.transport.close()
            return
        status, message = self._refusal or (400, "this is no HTTP request that can be read")
        body = msgspec.json.encode(error_body(CODES[status], message))
        headers = [
            *self.server_state.default_headers,
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        ]
        lines = b"".join([b"%b: %b\r\n" % header for header in headers])
        self.transport.write(b"%b%b\r\n%b" % (STATUS_LINE[status], lines, body))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER, self.transport.close)

    def _await_head(self) -> None:
        self._head_timer = self.loop.call_later(self._bounds.limits.request_seconds, self._refuse_slowness)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _refuse_slowness(self) -> None:
        self._head_timer = None
        seconds = self._bounds.limits.request_seconds
        self._refusal = 408, f"the head of the request took more than {seconds:g} seconds: send it at once"
        self.send_400_response("")

    def _refuse_headers(self) -> None:
        self._bounds.requests_too_large += 1
        self._refusal = 431, f"the headers of the request exceed the limit of {self._bounds.limits.request_headers} bytes"
