"""A venue of FIX 4.4 on a bare socket, which keeps the rules of a session only where its script does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from typing import Self

from support.raw_server import PATIENCE

SOH = b"\x01"


def stamp(moment: datetime | None = None) -> str:
    """Return a time as FIX writes it; now by default."""
    return (moment or datetime.now(UTC)).strftime("%Y%m%d-%H:%M:%S.%f")[:-3]


def encoded(fields: str, checksum: int | None = None) -> bytes:
    """Return a message of fields with `|` between them, from MsgType on; with a checksum of one's own where it is to be wrong."""
    body = fields.replace("|", "\x01").encode("latin-1") + SOH
    whole = b"8=FIX.4.4\x019=%d\x01" % len(body) + body
    return whole + b"10=%03d\x01" % (sum(whole) % 256 if checksum is None else checksum)


class VenueSession:
    """A connection, and what was heard on it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.number = 0
        self.heard: list[dict[str, str]] = []

    async def hear(self, kind: str) -> dict[str, str]:
        """Wait for a message of a type; return its fields, of groups the last."""
        async with asyncio.timeout(PATIENCE):
            while True:
                data = await self._reader.readuntil(b"\x0110=")
                data += await self._reader.readuntil(SOH)
                fields = dict(part.split("=", 1) for part in data.decode("latin-1").split("\x01") if part)
                self.heard.append(fields)
                if fields["35"] == kind:
                    return fields

    def message(self, kind: str, fields: str = "", *, number: int | None = None, head: str = "") -> bytes:
        """Return the next message, or that of a number."""
        if number is None:
            self.number += 1
        own = f"35={kind}|34={self.number if number is None else number}|49=VENUE|52={stamp()}|56=ME"
        return encoded("|".join(part for part in (own, head, fields) if part))

    async def send(self, kind: str, fields: str = "", *, number: int | None = None, head: str = "") -> None:
        await self.write(self.message(kind, fields, number=number, head=head))

    async def write(self, data: bytes) -> None:
        self._writer.write(data)
        await self._writer.drain()

    def abort(self) -> None:
        """End the connection without a word."""
        self._writer.transport.abort()

    async def accept(self, count: int = 1) -> None:
        """Accept the logon, and hear so many requests for prices."""
        logon = await self.hear("A")
        await self.send("A", f"98=0|108={logon['108']}|141=Y")
        for _ in range(count):
            await self.hear("V")

    async def closed(self) -> None:
        """Wait until the other side has closed the connection."""
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ConnectionError):
                while await self._reader.read(65536):
                    pass


Script = Callable[[VenueSession], Awaitable[None]]


class FixVenue:
    """
    A venue whose first connection follows the first script, and so on; the last one serves all that follow.

    Attributes:
        sessions: the connections so far.
    """

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)
        self._server: asyncio.Server | None = None
        self._failures: list[BaseException] = []
        self.port = 0
        self.sessions: list[VenueSession] = []

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()
        if self._failures:
            raise self._failures[0]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        session = VenueSession(reader, writer)
        self.sessions.append(session)
        script = self._scripts.pop(0) if len(self._scripts) > 1 else self._scripts[0]
        try:
            await script(session)
            await session.closed()
        except (ConnectionError, asyncio.IncompleteReadError):
            # The feed has gone.
            pass
        except Exception as error:
            self._failures.append(error)
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    def file(self, more: str = "", instruments: str = "[EURUSD]\npip_size = 5\nsymbol = EUR/USD\n") -> str:
        """Return the settings of a feed of this venue."""
        return (
            f"[SESSION]\nSocketConnectHost=127.0.0.1\nSocketConnectPort={self.port}\nSenderCompID=ME\nTargetCompID=VENUE\n"
            f"{more}\n{instruments}"
        )


@contextlib.asynccontextmanager
async def venue(*scripts: Script) -> AsyncIterator[FixVenue]:
    """A venue for the block."""
    async with FixVenue(*scripts) as served:
        yield served
