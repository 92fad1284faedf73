"""The feed of a FIX session: runs the session's program, and makes ticks of what it brings."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from pricewire.errors import FeedError, TickRejectedError
from pricewire.market.clock import Clock
from pricewire.market.counters import printable
from pricewire.market.feeds.address import FeedAddress
from pricewire.market.feeds.fix.quotes import SEPARATOR
from pricewire.market.feeds.fix.reader import FixReader
from pricewire.market.feeds.fix.settings import FixSettings
from pricewire.market.feeds.message_feed import MessageFeed
from pricewire.market.feeds.options import FeedOptions
from pricewire.market.feeds.paths import clipped
from pricewire.market.feeds.reader import EXAMPLE, MAX_BYTES, Message, received

Stream = TypeVar("Stream", asyncio.StreamReader, asyncio.StreamWriter)

logger = logging.getLogger(__name__)

LOGON_S = 60.0
"""How long it may take until the session is there, in seconds; quickfix itself gives up after ten, where it could connect."""

END_S = 5.0
"""How long the program may take to log out and end, in seconds."""

LINE = 8 * 1024 * 1024
"""The longest event of the program, in bytes: each character of a message may take several."""

GARBLED = "Invalid message"
"""What quickfix logs of a message that it has passed over."""

STEPS = ("Created session", "Connecting to", "Initiated log", "Disconnecting", "Received logo")
"""How the lines of its log begin that tell no reason."""


@dataclass(slots=True)
class Session:
    """
    A running session.

    Attributes:
        process: its program.
        is_logged_on: whether the venue has accepted it.
        said: what the venue has said with its logout.
        logged: the newest line of quickfix's log that tells a reason.
    """

    process: Process
    is_logged_on: bool = False
    said: str = ""
    logged: str = ""


class FixFeed(MessageFeed):
    """The ticks of a session."""

    _reader: FixReader

    def __init__(self, settings: FixSettings, clock: Clock | None = None) -> None:
        """
        Read the settings.

        Args:
            settings: of the session and its instruments.
            clock: the time; by default the system's.

        Raises:
            FeedError: a setting cannot be used.
        """
        shown = f"fix://{settings.session['SocketConnectHost']}:{settings.session['SocketConnectPort']}"
        options = FeedOptions(instruments=settings.instruments)
        address = FeedAddress(url=shown, servers=(shown,), file=settings.path, shown=shown, secrets=())
        super().__init__(address, options, settings.secrets, clock)
        self._reader = FixReader(options, settings.path, self._name, self._clock)
        self._order = msgspec.json.encode(
            {
                "settings": settings.session,
                "logon": settings.logon,
                "header": settings.header,
                "request": settings.request,
                "symbols": settings.symbols,
            }
        )

    async def _messages(self) -> AsyncGenerator[Message, None]:
        quotes = self._reader.quotes
        async with self._running() as session:
            try:
                async with asyncio.timeout(LOGON_S):
                    while not session.is_logged_on:
                        await self._next(session)
            except TimeoutError:
                raise FeedError(f"{self.name}: no logon for {LOGON_S:g} s; see StartTime and EndTime, where there are any") from None
            self._reader.connected(may_have_missed=True)
            quotes.clear()
            while len(quotes.refused) < len(self.instruments):
                text = await self._next(session)
                if text is not None:
                    yield Message(text, "", received(None, self._clock))
            raise FeedError(f"{self.name}: the venue refuses every request for prices")

    @contextlib.asynccontextmanager
    async def _running(self) -> AsyncIterator[Session]:
        """Run the session's program within the block."""
        # In a session of its own, or Ctrl-C would end it before it has logged out.
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",
            "-m",
            "pricewire.market.feeds.fix.session",
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            limit=LINE,
            start_new_session=True,
        )
        session = Session(process)
        listening = asyncio.create_task(self._listen(session))
        try:
            given(process.stdin).write(self._order + b"\n")
            yield session
        except Ended as ended:
            # Then its log is complete.
            await asyncio.shield(end(process, listening))
            why = self._shown(session.said or session.logged)
            raise FeedError(f"{self.name}: {ended}{f': {why}' if why else ''}") from None
        finally:
            await asyncio.shield(end(process, listening))

    async def _next(self, session: Session) -> str | None:
        """
        Return the next message of the venue; None for what else the program tells.

        Raises:
            Ended: the session has.
        """
        line = await given(session.process.stdout).readline()
        if not line:
            raise Ended("the program of the session has ended")
        kind, *values = msgspec.json.decode(line, type=list[str | int])
        counters = self._reader.counters
        match kind:
            case "message":
                return str(values[0])
            case "logon":
                session.is_logged_on = True
            case "ended":
                raise Ended("the session has ended" if session.is_logged_on else "the venue cannot be reached, or refuses the logon")
            case "logout":
                session.said = str(values[0])
            case "skipped":
                counters.miss(f"the venue does not send its messages {values[0]} to {values[1]} again")
                self._reader.quotes.clear()
            case "resend":
                logger.info("feed %s: messages are missing, and asked for again from %s on", self.name, values[0])
            case "refused":
                counters.messages += 1
                counters.reject(TickRejectedError("format", self._shown(f"quickfix refuses a message: {values[0]}")), str(values[1]))
            case "large":
                counters.messages += 1
                error = TickRejectedError("size", f"a message of {values[0]} characters; {MAX_BYTES} are the most")
                counters.reject(error, self._shown(str(values[1])))
        # A flood of these would keep the other tasks from running.
        await asyncio.sleep(0)
        return None

    async def _listen(self, session: Session) -> None:
        """Take what quickfix logs, until the program ends."""
        stream = given(session.process.stderr)
        while True:
            try:
                line = await stream.readline()
            except ValueError:
                # One that is longer than `LINE`.
                continue
            if not line:
                return
            text = line.decode(errors="replace").strip()
            # The line before each says when it was.
            if not text or text.startswith("<"):
                continue
            text = text.removeprefix("(").removesuffix(")")
            if not text.startswith(STEPS):
                session.logged = text
            if GARBLED in text:
                self._reader.counters.messages += 1
                self._reader.counters.reject(TickRejectedError("format", self._shown(text)), "a text that quickfix does not pass on")
            else:
                logger.debug("feed %s: %s", self.name, self._shown(text))
            await asyncio.sleep(0)

    def _shown(self, text: str) -> str:
        return self._address.hide(printable(clipped(text.replace(SEPARATOR, "|"), EXAMPLE)))


class Ended(Exception):  # noqa: N818 - it is no error of the program's
    """The session has ended."""


async def end(process: Process, listening: asyncio.Task[None]) -> None:
    """Have the program log out and end; it is killed where it does not."""
    given(process.stdin).close()
    output = given(process.stdout)
    try:
        async with asyncio.timeout(END_S):
            # It cannot go on where nobody reads.
            while await output.read(LINE):
                pass
            await process.wait()
    except TimeoutError:
        process.kill()
        while await output.read(LINE):
            pass
        await process.wait()
    await listening


def given(stream: Stream | None) -> Stream:
    """Return a stream of a program that was begun with it."""
    assert stream is not None, "it is a pipe"  # noqa: S101
    return stream
