"""The feed of a WebSocket that sends messages: subscribes, keeps the connection alive, and notices when it is dead."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
from websockets.asyncio.client import ClientConnection, connect

from pricewire.errors import FeedError
from pricewire.market.clock import Clock
from pricewire.market.feeds.address import FeedAddress
from pricewire.market.feeds.message_feed import MessageFeed, tls_context
from pricewire.market.feeds.options import FeedOptions
from pricewire.market.feeds.reader import MAX_BYTES, Message, received

OPEN_S = 10.0
"""How long it may take until the connection is there, in seconds."""

PING_S = 20.0
"""How often the source is pinged, and how long it may take to answer, in seconds."""

CLOSE_S = 2.0
"""How long the source may take to confirm the end, in seconds."""

frames = logging.getLogger(f"{__name__}.frames")
# The library would log the headers of the handshake and each frame, with the keys in them.
frames.setLevel(logging.INFO)


class WebSocketOptions(FeedOptions, frozen=True, kw_only=True):
    """
    What a feed of a WebSocket has beside what all have.

    Attributes:
        subscribe: the messages that are sent at the beginning: texts, or tables that are sent as JSON.
        headers: further headers of the handshake.
        heartbeat: a message that is sent again and again, a text or a table, for sources that want to hear something.
        heartbeat_s: how often, in seconds.
    """

    subscribe: list[str | dict[str, Any]] = msgspec.field(default_factory=list)
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    heartbeat: str | dict[str, Any] | None = None
    heartbeat_s: float = 15.0


class WebSocketFeed(MessageFeed):
    """The ticks of a WebSocket."""

    def __init__(self, address: FeedAddress, options: WebSocketOptions, secrets: Sequence[str] = (), clock: Clock | None = None) -> None:
        """
        Read the options.

        Raises:
            FeedError: an option cannot be used.
        """
        super().__init__(address, options, [*secrets, *options.headers.values()], clock)
        is_secure = urlsplit(address.url).scheme.lower() == "wss"
        if options.tls is not None and not is_secure:
            raise FeedError(f"{address.file}: there is a table [tls], and {address.shown} is without TLS: give wss://")
        if not 0 < options.heartbeat_s <= 86_400:
            raise FeedError(f"{address.file}: heartbeat_s {options.heartbeat_s} is not a number of seconds up to a day")
        self._tls = tls_context(options.tls) if is_secure else None
        self._headers = options.headers
        self._subscribe = [as_text(each) for each in options.subscribe]
        self._heartbeat = None if options.heartbeat is None else as_text(options.heartbeat)
        self._heartbeat_s = options.heartbeat_s

    async def _messages(self) -> AsyncGenerator[Message, None]:
        async with (
            connect(
                self._address.url,
                additional_headers=self._headers,
                ssl=self._tls,
                max_size=MAX_BYTES,
                open_timeout=OPEN_S,
                ping_interval=PING_S,
                ping_timeout=PING_S,
                close_timeout=CLOSE_S,
                logger=frames,
            ) as socket,
            self._beating(socket),
        ):
            for text in self._subscribe:
                await socket.send(text)
            self._reader.connected(may_have_missed=True)
            while True:
                yield Message(await socket.recv(), "", received(None, self._clock))

    @contextlib.asynccontextmanager
    async def _beating(self, socket: ClientConnection) -> AsyncIterator[None]:
        """Send the heartbeat again and again within the block."""
        if self._heartbeat is None:
            yield
            return
        task = asyncio.create_task(beat(socket, self._heartbeat, self._heartbeat_s))
        # A connection that it cannot be sent over is told of by reading.
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def beat(socket: ClientConnection, text: str, interval_s: float) -> None:
    """Send a text every so many seconds."""
    while True:
        await asyncio.sleep(interval_s)
        await socket.send(text)


def as_text(message: str | dict[str, Any]) -> str:
    """Return a message as it is sent: a table as JSON."""
    return message if isinstance(message, str) else msgspec.json.encode(message).decode()
