"""TLS handshakes, which take a place among the connections and have to end in time."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from pricewire.server.connections import OpenConnections
from pricewire.server.limits import Limits


class Early(asyncio.Protocol):
    """Keeps what comes within the handshake's last turn of the loop; a failed handshake ends nobody else's protocol."""

    def __init__(self) -> None:
        self.data = b""

    def data_received(self, data: bytes) -> None:
        """Keep what has come."""
        self.data += data


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
        self._transport: asyncio.Transport | None = None
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a place, and begin the handshake."""
        self._transport = cast("asyncio.Transport", transport)
        # What comes before the handshake's protocol is in place would be lost.
        self._transport.pause_reading()
        peer = transport.get_extra_info("peername")
        address = peer[0] if isinstance(peer, tuple) else None
        if self._connections.enter(self, address, self._limits) is not None:
            self._transport.abort()
            return
        self._under_way.add(self)
        self._task = asyncio.get_running_loop().create_task(self._run(self._transport))

    def make_room(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()

    async def _run(self, transport: asyncio.Transport) -> None:
        early = Early()
        loop = asyncio.get_running_loop()
        try:
            inside = await loop.start_tls(
                transport,
                early,
                self._context,
                server_side=True,
                ssl_handshake_timeout=self._limits.request_seconds,
            )
        except (OSError, ssl.SSLError):
            inside = None
        finally:
            self._connections.leave(self)
            self._under_way.discard(self)
        if inside is None or inside.is_closing():
            transport.abort()
            return
        protocol = cast("asyncio.Protocol", self._protocol())
        inside.set_protocol(protocol)
        protocol.connection_made(inside)
        if early.data:
            protocol.data_received(early.data)
