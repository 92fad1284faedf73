"""The client of NATS as the bus and the feeds use it: it leaves nothing open, and sends no password without the TLS that was asked for."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import Any

import nats.errors
from nats.aio.client import Client
from nats.aio.transport import TcpTransport

CLOSED_S = 0.5
"""How long it may take until a connection has ended that was closed, in seconds."""


class TidyClient(Client):
    """
    The library's client, but that it closes the connection of an attempt that has failed, goes on where nobody waits for the answer to a
    ping any more, and sends nothing where TLS was asked for and is not offered.

    Args:
        needs_tls: whether TLS was asked for.
    """

    def __init__(self, *, needs_tls: bool) -> None:
        super().__init__()
        self._needs_tls = needs_tls

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        # What comes next is CONNECT with the password.
        if initial_connection and self._needs_tls and not info.get("tls_required"):
            raise nats.errors.Error("the server offers no TLS, so nothing is sent to it")
        await super()._process_info(info, initial_connection)

    async def _process_pong(self) -> None:
        # Who waited for it may have gone: the library would fail, and connect anew.
        if self._pongs and self._pongs[0].done():
            self._pongs[0] = asyncio.get_running_loop().create_future()
        await super()._process_pong()

    async def _connect_to_server(self, s: Any) -> None:
        if self._transport is not None:
            self._transport.close()  # type: ignore[no-untyped-call]
        self._transport = TidyTransport()  # type: ignore[no-untyped-call]
        await super()._connect_to_server(s)


class TidyTransport(TcpTransport):
    """The library's connection, but that asyncio is not told of TLS what holds without it, which it would log at each end."""

    def __bool__(self) -> bool:
        """Be taken as it is, though it is not connected yet."""
        return True

    def writelines(self, payload: list[bytes]) -> None:
        """Write what is pending, where there is a connection: the library does that as it closes, too."""
        if self._io_writer is not None:
            super().writelines(payload)  # type: ignore[no-untyped-call]

    async def drain(self) -> None:
        """Wait until it is written, where there is a connection."""
        if self._io_writer is not None:
            await super().drain()  # type: ignore[no-untyped-call]

    async def wait_closed(self) -> None:
        """Wait until the connection has ended, for a while: nothing says so after a TLS handshake that has failed."""
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(super().wait_closed(), CLOSED_S)  # type: ignore[no-untyped-call]

    async def connect_tls(self, uri: Any, ssl_context: ssl.SSLContext, buffer_size: int, connect_timeout: int) -> None:
        """Begin TLS on a connection."""
        await super().connect_tls(uri, ssl_context, buffer_size, connect_timeout)
        # What a protocol notes itself where it gets a transport with TLS from the beginning; there is none where the other side has gone.
        if self._io_writer is not None and (protocol := self._io_writer.transport.get_protocol()) is not None:
            protocol._over_ssl = True  # type: ignore[attr-defined]
