"""The connection to NATS: where it goes to, how it is made, and what is logged of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nats.errors
from nats.aio.client import Client

from pricewire.errors import BusError

logger = logging.getLogger(__name__)

CONNECT_S = 2
"""How long it may take to connect to a server, in seconds."""

RECONNECT_S = 0.2
"""How long to wait before a server is tried again, in seconds."""

PING_S = 2
"""How often a server is asked whether it is there, in seconds; the third answer that is missing ends the connection."""

REPORT_S = 10.0
"""How often it is logged that no server is there, in seconds."""

SERVER = re.compile(r"(nats|tls)://[^/\s]+/?")


@dataclass(frozen=True, slots=True)
class NatsAddress:
    """
    Where NATS is, and who asks.

    Attributes:
        servers: `nats://host:port`, or `tls://host:port`, of one server or of some of a cluster; a user and a password may stand before the
            host.
        credentials: a file of credentials as `nsc` makes it; None for none.
        ca: a file of certificates that the servers' are checked with, in PEM; None for those that the system trusts.

    Raises:
        BusError: an address cannot be one.
    """

    servers: tuple[str, ...] = field(repr=False)
    credentials: Path | None = None
    ca: Path | None = None

    def __post_init__(self) -> None:
        if not self.servers or not all(map(SERVER.fullmatch, self.servers)):
            raise BusError("the address of a bus is nats://host:port, or tls://host:port; give those of a cluster with commas between them")

    @property
    def shown(self) -> str:
        """The servers, without users and passwords."""
        return ", ".join(re.sub(r"//[^/@]*@", "//", server) for server in self.servers)


@contextlib.asynccontextmanager
async def connected(address: NatsAddress, name: str, on_reconnect: Callable[[], None] | None = None) -> AsyncIterator[Client]:
    """
    Connect to NATS for the block, and again as often as it is necessary; a server that is not there yet is waited for.

    What is sent while there is no connection is an error at once: sent later, a request would be done that nobody waits for any more.

    Args:
        address: where to.
        name: what the server calls the connection in its reports.
        on_reconnect: called when a lost connection is back.

    Raises:
        BusError: a file of the address cannot be used.
    """
    watch = Watch(address.shown, on_reconnect)
    client = TidyClient()
    context = None
    try:
        if address.ca is not None or any(server.startswith("tls:") for server in address.servers):
            context = ssl.create_default_context(cafile=None if address.ca is None else str(address.ca))
        if address.credentials is not None:
            address.credentials.read_bytes()
    except OSError as error:
        raise BusError(f"the bus: {error.filename or address.ca}: {error.strerror}") from None
    try:
        await client.connect(
            list(address.servers),
            name=name,
            tls=context,
            user_credentials=None if address.credentials is None else str(address.credentials),
            connect_timeout=CONNECT_S,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_S,  # type: ignore[arg-type] # it is only added and slept
            ping_interval=PING_S,
            pending_size=0,
            error_cb=watch.failed,
            disconnected_cb=watch.lost,
            reconnected_cb=watch.found,
        )
        yield client
    finally:
        watch.is_closing = True
        # The library writes what is pending, also to a connection that was closed: uvloop's then raises a RuntimeError.
        with contextlib.suppress(nats.errors.Error, OSError, asyncio.TimeoutError, RuntimeError):
            await client.close()


class TidyClient(Client):
    """The library's client, which forgets to close the connection of an attempt that has failed."""

    async def _connect_to_server(self, s: Any) -> None:
        if self._transport is not None:
            self._transport.close()  # type: ignore[no-untyped-call]
        await super()._connect_to_server(s)


class Watch:
    """
    Logs what becomes of a connection.

    Attributes:
        is_closing: whether it is ended on purpose.

    Args:
        shown: where the connection goes to.
        on_reconnect: called when a lost connection is back.
    """

    def __init__(self, shown: str, on_reconnect: Callable[[], None] | None) -> None:
        self.is_closing = False
        self._shown = shown
        self._on_reconnect = on_reconnect
        self._reported_at = float("-inf")

    async def failed(self, error: Exception) -> None:
        """Log why there is no connection: the library says it with every attempt."""
        now = time.monotonic()
        if not self.is_closing and now - self._reported_at >= REPORT_S:
            self._reported_at = now
            logger.warning("no connection to the bus at %s: %s", self._shown, str(error) or type(error).__name__)

    async def lost(self) -> None:
        """Log that the connection has ended."""
        if not self.is_closing:
            self._reported_at = float("-inf")
            logger.warning("the connection to the bus is lost")

    async def found(self) -> None:
        """Log that the connection is back."""
        logger.info("the connection to the bus is back")
        if self._on_reconnect is not None:
            self._on_reconnect()
