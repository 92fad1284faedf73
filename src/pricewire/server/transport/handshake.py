"""TLS handshakes, which take a place among the connections and have to end in time."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import cast

from pricewire.server.limits import Limits
from pricewire.server.transport.connections import OpenConnections


class Handshake(asyncio.Protocol):
    """
    A connection until its TLS handshake has ended; then another protocol has it.

    The event loop's own servers tell a protocol of a connection only after the handshake: until then nobody counts it, and for a minute
    nobody ends it. So thousands that send nothing would hold all descriptors.

    Args:
        context: the server's side of TLS.
        protocol: makes the protocol that speaks inside.
        connections: where it takes its place.
        limits: how many there may be, and how long a handshake may take.
        under_way: the server's handshakes, which it ends when it stops.
    """

    def __init__(
        self,
        context: ssl.SSLContext,
        protocol: Callable[[], asyncio.BaseProtocol],
        connections: OpenConnections,
        limits: Limits,
        under_way: set[Handshake],
    ) -> None:
        self._context = context
        self._protocol = protocol
        self._connections = connections
        self._limits = limits
        self._under_way = under_way
        self._task: asyncio.Task[None] | None = None
        # Until the task begins, which closes it in any case.
        self._accepted: socket.socket | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place, and begin the handshake."""
        accepted = cast("asyncio.Transport", transport)
        peer = accepted.get_extra_info("peername")
        address = peer[0] if isinstance(peer, tuple) else None
        if self._connections.enter(self, address, self._limits) is not None:
            accepted.abort()
            return
        try:
            # Nothing has been read yet: the loop takes the same connection a second time, now with TLS. Its `start_tls` would not do, as
            # uvloop's now and then never reads the first bytes.
            self._accepted = accepted.get_extra_info("socket").dup()
        except OSError:
            # The process has no file left for it.
            self._leave()
        else:
            self._task = asyncio.get_running_loop().create_task(self._run(self._accepted))
            self._under_way.add(self)
        accepted.abort()

    def make_room(self) -> None:
        """Close at once."""
        if self._task is not None:
            self._task.cancel()
        if self._accepted is not None:
            self._accepted.close()
        self._leave()

    async def _run(self, accepted: socket.socket) -> None:
        self._accepted = None
        try:
            # What fails here is the client's; a cancelled handshake closes the connection too.
            with contextlib.suppress(OSError):
                await asyncio.get_running_loop().connect_accepted_socket(
                    lambda: Secured(self._become), accepted, ssl=self._context, ssl_handshake_timeout=self._limits.request_seconds
                )
        finally:
            self._leave()

    def _become(self) -> asyncio.Protocol:
        self._leave()
        return cast("asyncio.Protocol", self._protocol())

    def _leave(self) -> None:
        self._connections.leave(self)
        self._under_way.discard(self)


class Secured(asyncio.Protocol):
    """What the handshake hands the connection to, which passes it on at once."""

    def __init__(self, protocol: Callable[[], asyncio.Protocol]) -> None:
        self._make_protocol = protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Pass the connection on."""
        protocol = self._make_protocol()
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
