"""
The connection hand-over: under uvicorn, a stream leaves HTTP and becomes a transport and a few slots of the hub.

An ASGI application streams by a task that awaits `send`, which costs each stream a task, a queue and several wake-ups per event. Here
the response's head goes the usual way, through every middleware; then the connection is taken from uvicorn by the same call with which
uvicorn hands a connection to its WebSocket protocol, and the task ends.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import sys
from collections.abc import Callable, Sequence
from typing import Any, cast

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from pricewire.hub.hub import Hub
from pricewire.hub.streams import Stream
from pricewire.server.client_address import Network
from pricewire.server.limits import Limits
from pricewire.server.transport.bounds import SURPLUS, BoundedProtocol, BoundedState
from pricewire.server.transport.connections import OpenConnections
from pricewire.server.transport.offer import EXTENSION

SIOCOUTQNSD = 0x894B
"""How much of a socket's data has not been sent even once. Source: Linux, include/uapi/linux/sockios.h."""

SIOCOUTQ = 0x5411
"""How much of a socket's data has not been acknowledged. Source: the same."""

TCP_INFO = struct.Struct("=24xI40xI72xII")
"""
The packets under way, the round trip's time (smoothed, in microseconds), the bytes not sent, and the shortest round trip (in
microseconds) of `struct tcp_info`. Source: Linux, include/uapi/linux/tcp.h.
"""

QUEUE_MICROSECONDS = 20_000
"""How much longer than twice the shortest a round trip takes when packets queue; less is what wireless networks do by themselves."""

UNSENT_LIMIT = 16 * 1024
"""How much the kernel takes before it has sent it, in bytes: a few packets. By default it takes megabytes of prices that grow old."""

PEER_TIMEOUT = 30
"""After so many seconds a peer that acknowledges nothing is dead."""

PLAIN_TRANSPORTS = frozenset({"asyncio.selector_events._SelectorSocketTransport", "uvloop.loop.TCPTransport"})
"""
The transports that write what they are given as it is, and tell their protocol that a connection is lost before they close its socket. The
tests hold them to both.
"""

LAST_CHUNK = b"0\r\n\r\n"
"""The end of a chunked body. Source: RFC 9112, section 7.1."""


class Handovers(BoundedState):
    """
    uvicorn's state of one server, with what left it.

    Attributes:
        hubs: the hubs that have streams here, to be closed when the server stops: uvicorn does not know of them any more.
    """

    def __init__(self, limits: Limits | None = None, trusted_proxies: Sequence[Network] = ()) -> None:
        self.hubs: set[Hub] = set()
        super().__init__(limits, OpenConnections(trusted_proxies, streams=lambda: sum(hub.streams for hub in self.hubs)))


class Handover:
    """The offer, for one request, to take its connection over."""

    def __init__(self, protocol: HandoverProtocol) -> None:
        self._protocol: HandoverProtocol | None = protocol
        self._cycle: RequestResponseCycle | None = protocol.cycle

    def register(self, hub: Hub) -> None:
        """Have a hub closed when the server stops."""
        if self._protocol is not None and isinstance(self._protocol.server_state, Handovers):
            self._protocol.server_state.hubs.add(hub)

    def announce(self) -> None:
        """
        Say before the response's head that its body is a stream.

        HTTP/1.0 has no chunks: there the body ends with the connection. uvicorn would send chunks regardless.
        """
        if self._cycle is not None and self._cycle.scope["http_version"] == "1.0":
            self._cycle.chunked_encoding = False
            self._cycle.expected_content_length = sys.maxsize

    def take(self, hub: Hub, stream_id: str, on_close: Callable[[], None] | None) -> HandoverStream | None:
        """
        Take the connection, once the head is written.

        Returns:
            the stream, to be joined to the hub; None where the connection cannot be taken, and the response has to go on by `send`: a
            middleware holds the head back, the request's body is still coming, or the peer has gone. Requests that wait behind this one
            are never answered: its response says that it is the connection's last.
        """
        protocol, cycle = self._protocol, self._cycle
        if (
            protocol is None
            or cycle is None
            or not cycle.response_started
            or cycle.response_complete
            or cycle.disconnected
            or cycle.more_body
            or protocol.transport.is_closing()
        ):
            return None
        protocol.flush_head()
        stream = (ChunkedStream if cycle.chunked_encoding else HandoverStream)(hub, protocol.transport, stream_id, on_close)
        protocol.let_go()
        protocol.transport.set_protocol(stream)
        # To the application the reader has gone: what a middleware still sends is dropped, as it is for any reader that has gone.
        cycle.disconnected = True
        cycle.message_event.set()
        # Break the cycle, or connections linger until a collection.
        self._protocol = self._cycle = None
        return stream


class HandoverProtocol(BoundedProtocol):
    """uvicorn's HTTP protocol, offering the hand-over to each request."""

    def on_headers_complete(self) -> None:
        """Offer the hand-over in the scope of the request whose head has come."""
        super().on_headers_complete()
        if self.scope.get("path") is not None:
            # The task that runs the application has been created but not begun.
            cast("dict[str, Any]", self.scope)["extensions"] = {EXTENSION: Handover(self)}

    def let_go(self) -> None:
        """Forget the connection: no time-out, no place among the server's connections, and nothing that refers back to this."""
        self._stop()
        self.connections.discard(self)
        self.flow.resume_reading()
        self.parser = self.cycle = self.scope = self.pipeline = self._serving = self._response = None  # type: ignore[assignment]


class HandoverStream(asyncio.Protocol, Stream):
    """A stream on a transport of its own; its body ends with the connection."""

    __slots__ = ("_hub", "_shortest", "_socket", "_surplus", "_transport", "write")

    def __init__(self, hub: Hub, transport: asyncio.Transport, stream_id: str, on_close: Callable[[], None] | None) -> None:
        super().__init__(stream_id, on_close)
        self._hub = hub
        self._transport = transport
        self._socket = look_after(transport)
        # In microseconds; that of TCP forgets after some minutes, and then has the queue in it. 0 until it is asked for.
        self._shortest = 0
        # In bytes; what has come behind the request.
        self._surplus = 0
        # The transport's own method, so that a write of the hub costs no call of ours.
        self.write = transport.write

    def idle_socket(self) -> int:
        """Return the socket's number where the transport has nothing to write and would write just what it is given."""
        transport = self._transport
        if is_plain(transport) and not transport.is_closing() and transport.get_write_buffer_size() == 0:
            return self._socket
        return -1

    def unsent(self) -> int:
        """Return how many bytes wait in the transport and in the kernel; those on the way to the reader are not among them."""
        return self._ask(SIOCOUTQNSD)

    def under_way(self) -> int:
        """Return how many bytes the reader's machine has not acknowledged, or that have not even been sent."""
        return self._ask(SIOCOUTQ)

    def piles_up(self, size: int) -> bool:
        """
        Return whether bytes wait here, or in a router on the way.

        They wait in a router where an answer takes much longer than it does at best, while several packets are under way: what TCP has
        sent it does not call waiting, however long the router's queue is.
        """
        # Most streams have nothing under way, and a question less to answer.
        if self.under_way() <= size:
            return False
        info = self._tcp_info()
        if info is None:
            return super().piles_up(size)
        packets, round_trip, not_sent, shortest = info
        self._shortest = min(shortest, self._shortest or shortest)
        return not_sent > size or (packets > 2 and round_trip > 2 * self._shortest + QUEUE_MICROSECONDS)

    def queues(self) -> bool:
        """
        Return whether what is written now would wait, here or in a router on the way.

        It would not where all has arrived, or where answers take no longer than at best: a long way is no queue.
        """
        if self.under_way() == 0:
            return False
        info = self._tcp_info()
        if info is None:
            return True
        _, round_trip, not_sent, _ = info
        return not_sent > 0 or round_trip > self._shortest + QUEUE_MICROSECONDS

    def _tcp_info(self) -> tuple[int, int, int, int] | None:
        if self._socket < 0 or self._transport.is_closing():
            return None
        info = self._transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO.size)
        return TCP_INFO.unpack(info) if len(info) == TCP_INFO.size else None

    def _ask(self, request: int) -> int:
        if self._transport.is_closing():
            return 0
        waiting = self._transport.get_write_buffer_size()
        if self._socket >= 0:
            waiting += int.from_bytes(fcntl.ioctl(self._socket, request, b"\0\0\0\0"), sys.byteorder)
        return waiting

    def end(self, data: bytes) -> None:
        """Write the last bytes and close the connection once they are sent."""
        self._transport.write(data)
        self._transport.close()

    def abort(self) -> None:
        """Close the connection at once."""
        self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """
        Ignore what the reader sends after its request: HTTP/1.1 has nothing to say to it before the response ends.

        One that sends more than `SURPLUS` is cut off.
        """
        self._surplus += len(data)
        if self._surplus > SURPLUS:
            self._hub.leave(self)
            self._transport.abort()

    def eof_received(self) -> bool:
        """Leave the hub, and close, as the reader has gone."""
        self._hub.leave(self)
        return False

    def pause_writing(self) -> None:
        """Count as lagging: the transport's buffer is full."""
        self._hub.pause(self)

    def resume_writing(self) -> None:
        """Catch up: the transport's buffer is empty again."""
        self._hub.resume(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Leave the hub, before the transport closes the socket."""
        self._hub.leave(self)


class ChunkedStream(HandoverStream):
    """A stream whose writes are chunks of HTTP/1.1. Source: RFC 9112, section 7.1."""

    __slots__ = ()

    @staticmethod
    def frame(data: bytes) -> bytes:
        """Wrap what is written at once as one chunk."""
        return b"%x\r\n%b\r\n" % (len(data), data)

    def end(self, data: bytes) -> None:
        """Write the last bytes and the end of the body, and close the connection once they are sent."""
        super().end(data + LAST_CHUNK)


def is_plain(transport: asyncio.Transport) -> bool:
    """Return whether a transport is one of `PLAIN_TRANSPORTS`."""
    kind = type(transport)
    return f"{kind.__module__}.{kind.__qualname__}" in PLAIN_TRANSPORTS


def look_after(transport: asyncio.Transport) -> int:
    """
    Have the kernel notice a dead peer, and take no more than it can send; return the socket's number, -1 where nobody can ask it.

    The transport counts as full as soon as the kernel takes no more.
    """
    # asyncio's TLS would count as full with nothing to write.
    transport.set_write_buffer_limits(high=0 if is_plain(transport) else 1)
    connection = transport.get_extra_info("socket")
    if connection is None or connection.family not in (socket.AF_INET, socket.AF_INET6):
        return -1
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    if sys.platform != "linux":
        return -1
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, PEER_TIMEOUT)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, PEER_TIMEOUT // 3)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, PEER_TIMEOUT * 1000)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_LIMIT)
    return int(connection.fileno())
