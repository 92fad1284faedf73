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
from urllib.parse import unquote

import nats.errors
from nats.aio.client import Client
from nats.aio.transport import TcpTransport

from pricewire.errors import BusError

logger = logging.getLogger(__name__)

CONNECT_S = 2
"""How long it may take to connect to a server, in seconds."""

RECONNECT_S = 0.2
"""How long to wait before a server is tried again, in seconds."""

CLOSED_S = 0.5
"""How long it may take until a connection has ended that was closed, in seconds."""

PING_S = 2
"""How often a server is asked whether it is there, in seconds; the third answer that is missing ends the connection."""

REPORT_S = 10.0
"""How often it is logged that no server is there, in seconds."""

SEED = re.compile("SU[A-Z2-7]{56}")
"""The seed of a user's NKEY. Source: the documentation of NATS, "NKeys"."""

SERVER = re.compile(r"(nats|tls)://[^/\s]+/?")


@dataclass(frozen=True, slots=True)
class NatsAddress:
    """
    Where NATS is, and who asks.

    Attributes:
        servers: `nats://host:port`, or `tls://host:port`, of one server or of some of a cluster; a user and a password, or a token, may
            stand before the host, with `%40` for `@` and the like; one for all servers.
        credentials: a file of credentials as `nsc` makes it, or of the seed of an NKEY; None for none.
        ca: a file of certificates that the servers' are checked with, in PEM; None for those that the system trusts.
        certificate: a file with the certificate chain that this process shows, in PEM; None for none.
        key: the file of its private key, in PEM.

    Raises:
        BusError: an address cannot be one.
    """

    servers: tuple[str, ...] = field(repr=False)
    credentials: Path | None = None
    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None

    def __post_init__(self) -> None:
        if not self.servers or not all(map(SERVER.fullmatch, self.servers)):
            raise BusError("the address of a bus is nats://host:port, or tls://host:port; give those of a cluster with commas between them")
        if (self.certificate is None) != (self.key is None):
            raise BusError("a certificate for the bus and its key go together: give both, or neither")
        if len({login for server in self.servers if (login := split(server)[1])}) > 1:
            raise BusError("the servers of a bus have one user and password, or one token: give the same before each host")

    @property
    def needs_tls(self) -> bool:
        """Whether nothing may be sent without TLS."""
        return self.ca is not None or self.certificate is not None or any(server.startswith("tls:") for server in self.servers)

    @property
    def bare_servers(self) -> list[str]:
        """The servers, without users and passwords."""
        return [split(server)[0] for server in self.servers]

    @property
    def login(self) -> dict[str, str]:
        """
        What shows who asks, as the library takes it.

        It is given for all servers, as the ones of a cluster that the first one tells of come without it.
        """
        login = next((login for server in self.servers if (login := split(server)[1])), "")
        user, colon, password = login.partition(":")
        if not login:
            return {}
        return {"user": unquote(user), "password": unquote(password)} if colon else {"token": unquote(user)}

    @property
    def shown(self) -> str:
        """The servers, for people."""
        return ", ".join(self.bare_servers)


def split(server: str) -> tuple[str, str]:
    """Return the address of a server without its user and password, and these; empty where there are none."""
    scheme, _, rest = server.partition("://")
    login, _, host = rest.rpartition("@")
    return f"{scheme}://{host}", login


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
    client = TidyClient(needs_tls=address.needs_tls)
    options = options_of(address)
    try:
        await client.connect(
            address.bare_servers,
            name=name,
            connect_timeout=CONNECT_S,
            max_reconnect_attempts=-1,
            reconnect_time_wait=RECONNECT_S,  # type: ignore[arg-type] # it is only added and slept
            ping_interval=PING_S,
            pending_size=0,
            error_cb=watch.failed,
            disconnected_cb=watch.lost,
            reconnected_cb=watch.found,
            **options,
        )
        yield client
    finally:
        watch.is_closing = True
        # The library writes what is pending, also to a connection that was closed: uvloop's then raises a RuntimeError.
        try:
            await client.close()
        except Exception as error:
            logger.debug("the connection to the bus at %s was not closed in order: %r", address.shown, error)


def options_of(address: NatsAddress) -> dict[str, Any]:
    """
    Return what the library needs to know of an address besides the servers: who asks, and how TLS is done.

    Raises:
        BusError: a file cannot be used.
    """
    options: dict[str, Any] = {"tls": tls_of(address), **address.login}
    if address.credentials is not None:
        try:
            text = address.credentials.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BusError(f"--bus-credentials {address.credentials}: {getattr(error, 'strerror', None) or 'it is no text'}") from None
        if SEED.fullmatch(text):
            options["nkeys_seed_str"] = text
        elif "BEGIN NATS USER JWT" in text and "BEGIN USER NKEY SEED" in text:
            options["user_credentials"] = str(address.credentials)
        else:
            raise BusError(f"--bus-credentials {address.credentials} has no credentials as `nsc` makes them, and no seed of an NKEY (SU…)")
    return options


def tls_of(address: NatsAddress) -> ssl.SSLContext | None:
    """
    Return what the servers' certificates are checked with, and what is shown to them; None where TLS is not asked for.

    Raises:
        BusError: a file cannot be used.
    """
    if not address.needs_tls:
        return None
    try:
        context = ssl.create_default_context(cafile=None if address.ca is None else str(address.ca))
    except OSError as error:
        raise BusError(f"--bus-ca {address.ca}: {reason_of(error)}; give a file of certificates in PEM") from None
    if address.certificate is not None:
        try:
            # Asked for on the terminal otherwise.
            context.load_cert_chain(address.certificate, address.key, password=lambda: "")
        except OSError as error:
            wrong = f"--bus-cert {address.certificate}, --bus-key {address.key}: {reason_of(error)}"
            raise BusError(f"{wrong}; give a certificate chain and its private key, in PEM and without a password") from None
    return context


def reason_of(error: OSError) -> str:
    """Return what is wrong with a file of certificates or keys."""
    return str(error.reason or error) if isinstance(error, ssl.SSLError) else str(error.strerror)


class TidyClient(Client):
    """
    The library's client, but that it closes the connection of an attempt that has failed, and sends nothing where TLS was asked for and is
    not offered.

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
