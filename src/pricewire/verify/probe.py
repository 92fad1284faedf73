"""Sends requests by HTTP/1.1 over connections of its own, so that the bytes of each read are seen, and when they came."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Awaitable, Callable

from pricewire.verify.exchange import End, Exchange
from pricewire.verify.facts import Handshake
from pricewire.verify.target import Target

CONNECT_S = 10.0
"""How long a connection may take, in seconds."""

READ = 65_536
"""How many bytes are read at once."""

SMALL = 4096
"""The receive buffer of a connection that is not read, in bytes."""

LAG_EVERY_S = 0.1
"""How often it is seen whether this machine holds us up, in seconds."""

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]

Connect = Callable[[bool], Awaitable[Connection]]
"""Opens a connection; for one that is not to be read, with small buffers."""


class Stream:
    """
    A connection with one request, whose response is recorded by a task.

    Attributes:
        exchange: what is recorded.
    """

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self._changed = asyncio.Event()
        self._connection: Connection | None = None
        self._reading: asyncio.Task[None] | None = None

    async def open(self, connect: Connect, request: bytes, *, is_slow: bool = False) -> None:
        """Connect and send a request; that it failed is recorded."""
        try:
            async with asyncio.timeout(CONNECT_S):
                self._connection = await connect(is_slow)
        except (OSError, TimeoutError) as error:
            self.exchange.finish(End.NO_CONNECTION, now(), str(error) or f"none within {CONNECT_S:g} s")
            return
        self.exchange.started = now()
        self._connection[1].write(request)

    def read(self, most: int = READ, stop: Callable[[], bool] | None = None) -> None:
        """
        Begin to read.

        Args:
            most: how many bytes at once.
            stop: says after each read whether it was the last.
        """
        if self._connection is not None and self._reading is None:
            self._reading = asyncio.create_task(self._read(self._connection[0], most, stop))

    async def pause(self) -> None:
        """Read nothing more until `read` is called again."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
            self._reading = None

    async def _read(self, reader: asyncio.StreamReader, most: int, stop: Callable[[], bool] | None) -> None:
        try:
            while data := await reader.read(most):
                self.exchange.take(data, now())
                self._changed.set()
                if stop is not None and stop():
                    return
            self.exchange.finish(End.CLOSED, now())
        except OSError as error:
            self.exchange.finish(End.RESET, now(), str(error))
        finally:
            self._changed.set()

    async def until(self, condition: Callable[[], bool], seconds: float) -> bool:
        """Wait until a condition holds, for so many seconds at most or until the connection's end; return whether it holds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(max(0.0, seconds)):
                while not condition() and self.exchange.end is End.OPEN and not (self._reading is not None and self._reading.done()):
                    self._changed.clear()
                    await self._changed.wait()
        return condition()

    async def answered(self, seconds: float) -> bool:
        """Wait for the head of the response, for so many seconds at most; return whether it came."""
        return await self.until(lambda: self.exchange.head is not None or bool(self.exchange.problem), seconds)

    async def ended(self, seconds: float) -> bool:
        """Wait for the end of the connection or of the response, for so many seconds at most; return whether it came."""
        return await self.until(lambda: self.exchange.end is not End.OPEN or self.exchange.is_complete, seconds)

    def ask_again(self, request: bytes, exchange: Exchange) -> None:
        """Send another request on the same connection, and record what comes for it."""
        if self._connection is not None:
            exchange.started = now()
            self.exchange = exchange
            self._connection[1].write(request)

    async def leave(self, *, abort: bool = False) -> None:
        """
        Close the connection.

        Args:
            abort: whether to reset it, as a client does that vanishes.
        """
        self.exchange.finish(End.LEFT, now())
        await self.pause()
        if self._connection is not None:
            writer = self._connection[1]
            # What is left unsent must not keep us: the server may have stopped reading.
            writer.transport.abort() if abort or not writer.can_write_eof() else writer.close()
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await writer.wait_closed()
            self._connection = None


def now() -> float:
    """Return the time on the recording's clock, in seconds."""
    return asyncio.get_running_loop().time()


def connector(target: Target, context: ssl.SSLContext | None) -> Connect:
    """
    Return what opens connections to a target.

    Args:
        target: where to.
        context: for TLS; None where the target has none.
    """

    async def connect(is_slow: bool) -> Connection:
        if not is_slow:
            return await asyncio.open_connection(target.host, target.port, ssl=context)
        loop = asyncio.get_running_loop()
        family, kind, protocol, _, address = (await loop.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM))[0]
        connection = socket.socket(family, kind, protocol)
        try:
            connection.setblocking(False)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
            await loop.sock_connect(connection, address)
            name = target.host if context is not None else None
            return await asyncio.open_connection(sock=connection, ssl=context, server_hostname=name, limit=SMALL)
        except BaseException:
            connection.close()
            raise

    return connect


async def close(writer: asyncio.StreamWriter) -> None:
    """Reset a connection."""
    writer.transport.abort()
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(1):
            await writer.wait_closed()


async def shake_hands(target: Target, context: ssl.SSLContext) -> tuple[Handshake, Connection | None]:
    """
    Return what TLS agrees on when HTTP/2 is offered too, and the connection where HTTP/2 was chosen.

    Args:
        target: with whom.
        context: for TLS; afterwards it offers HTTP/1.1 alone.
    """
    context.set_alpn_protocols(["h2", "http/1.1"])
    try:
        async with asyncio.timeout(CONNECT_S):
            reader, writer = await asyncio.open_connection(target.host, target.port, ssl=context)
    except (OSError, TimeoutError) as error:
        return Handshake(problem=str(error) or f"no answer within {CONNECT_S:g} s"), None
    finally:
        context.set_alpn_protocols(["http/1.1"])
    shaken: ssl.SSLObject = writer.get_extra_info("ssl_object")
    certificate = shaken.getpeercert() or {}
    ends = ssl.cert_time_to_seconds(str(certificate["notAfter"])) if "notAfter" in certificate else time.time()
    found = Handshake("", shaken.version() or "", shaken.selected_alpn_protocol(), (ends - time.time()) / 86_400)
    if found.protocol == "h2":
        return found, (reader, writer)
    await close(writer)
    return found, None


class Lag:
    """
    Sees how long this machine holds the event loop up.

    Attributes:
        worst: how long at most, in seconds.
    """

    def __init__(self) -> None:
        self.worst = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Lag:
        self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _watch(self) -> None:
        while True:
            before = now()
            await asyncio.sleep(LAG_EVERY_S)
            self.worst = max(self.worst, now() - before - LAG_EVERY_S)
