"""The feed of Redis: a stream, which is read on where reading stopped, or a channel of pub/sub."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

import msgspec
from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ResponseError

from pricewire.errors import FeedError, TickRejectedError
from pricewire.market.clock import Clock
from pricewire.market.feed import EARLIEST_MS
from pricewire.market.feeds.address import FeedAddress
from pricewire.market.feeds.message_feed import KeptMessageFeed, tls_context
from pricewire.market.feeds.options import OWN, FeedOptions, TlsOptions
from pricewire.market.feeds.past import After
from pricewire.market.feeds.reader import Message, received
from pricewire.market.supervisor import is_cancelled
from pricewire.protocol.messages import Tick

ANSWER_S = 10.0
"""How long the server may take to connect or to answer, in seconds."""

BLOCK_S = 5.0
"""How long the server waits for the next entry before it says that there is none, in seconds."""

ENTRIES = 256
"""How many entries are read at a time."""

BEGINNING = "0-0"
"""Before the first entry of a stream."""

Entry = tuple[bytes, dict[bytes, bytes]]
"""The id of an entry of a stream, and its fields."""


class RedisOptions(FeedOptions, frozen=True, kw_only=True):
    """
    What a feed of Redis has beside what all have.

    Attributes:
        channel: whether the name is that of a channel of pub/sub, or a pattern of such; else it is that of a stream.
        database: the number of the database.
    """

    channel: bool = False
    database: int = 0


class RedisFeed(KeptMessageFeed):
    """The ticks of a stream, or of a channel."""

    def __init__(self, address: FeedAddress, options: RedisOptions, secrets: Sequence[str] = (), clock: Clock | None = None) -> None:
        """
        Read the options.

        Raises:
            FeedError: an option cannot be used, or the address has no name.
        """
        message = options.message or OWN
        if not options.channel and message.format is None:
            message = msgspec.structs.replace(message, format="fields")
        super().__init__(address, msgspec.structs.replace(options, message=message), secrets, clock)
        parts = urlsplit(address.url)
        self._stream = unquote(parts.path.removeprefix("/"))
        if not self._stream:
            raise FeedError(f"feed {address.shown}: the name is missing; give redis://HOST/STREAM#FILE")
        self._keeps = not options.channel
        self._field = None if message.format in (None, "fields") else message.field
        tls = options.tls or TlsOptions()
        # It is looked at here, so that a file that cannot be used is said at the start.
        is_secure = options.tls is not None or parts.scheme.lower() == "rediss"
        if is_secure:
            tls_context(tls)
        self._connection: dict[str, Any] = {
            "host": parts.hostname,
            "port": parts.port or 6379,
            "db": options.database,
            "username": unquote(parts.username) if parts.username else None,
            "password": unquote(parts.password) if parts.password else None,
            "ssl": is_secure,
            "ssl_ca_certs": None if tls.ca is None else str(tls.ca),
            "ssl_certfile": None if tls.certificate is None else str(tls.certificate),
            "ssl_keyfile": None if tls.key is None else str(tls.key),
        }
        # The newest entry that was read.
        self._newest: str | None = None

    async def _past(self, newest: Sequence[Tick]) -> AsyncGenerator[list[Tick], None]:
        after = After(newest)
        async with self._connected() as client:
            last = (await self._ends(client))[1]
            at, entries = f"{max(0, after.begin_ms)}", await self._range(client, f"{max(0, after.begin_ms)}", last)
            while entries:
                at = entries[-1][0].decode()
                ticks = [tick for entry in entries for message in self._message(entry) for tick in self._reader.read(message)]
                self._newest = at
                yield [each for tick in ticks for each in after.take(tick)]
                entries = await self._range(client, f"({at}", last)
            self._newest = last
            yield after.rest()

    async def _range(self, client: Redis, begin: str, end: str) -> list[Entry]:
        async with asyncio.timeout(ANSWER_S):
            found: Any = await client.xrange(self._stream, begin, end, count=ENTRIES)
        entries: list[Entry] = found
        return entries

    async def _messages(self) -> AsyncGenerator[Message, None]:
        async with (
            self._connected() as client,
            contextlib.aclosing(self._entries(client) if self._keeps else self._published(client)) as messages,
        ):
            async for message in messages:
                yield message

    async def _entries(self, client: Redis) -> AsyncGenerator[Message, None]:
        """Yield the entries of the stream after the newest one."""
        first, last = await self._ends(client)
        if self._newest is None:
            self._newest = last
        elif order(last) < order(self._newest):
            self._reader.counters.miss(f"the stream {self._stream!r} is another one than before")
            self._newest = BEGINNING
        elif order(first) > order(self._newest):
            self._reader.counters.miss(f"the stream {self._stream!r} begins at {first} now, and was read up to {self._newest}")
        self._reader.connected(may_have_missed=False)
        while True:
            async with asyncio.timeout(BLOCK_S + ANSWER_S):
                answer: Any = await client.xread({self._stream: self._newest}, count=ENTRIES, block=int(BLOCK_S * 1000))
            for _, entries in answer.items() if isinstance(answer, dict) else answer or ():
                for entry in entries:
                    self._newest = entry[0].decode()
                    for message in self._message(entry):
                        yield message

    async def _published(self, client: Redis) -> AsyncGenerator[Message, None]:
        """Yield what is published to the channel."""
        async with client.pubsub() as channel:
            is_pattern = any(each in self._stream for each in "*?[")
            async with asyncio.timeout(ANSWER_S):
                await (channel.psubscribe if is_pattern else channel.subscribe)(self._stream)
            is_asked = False
            while True:
                heard = await channel.get_message(timeout=BLOCK_S)
                if is_cancelled():
                    raise asyncio.CancelledError
                if heard is None and is_asked:
                    raise FeedError(f"{self.name}: no answer for {BLOCK_S:g} s")
                if is_asked := heard is None:
                    await channel.ping()
                elif heard is not None and heard["type"] in ("subscribe", "psubscribe"):
                    self._reader.connected(may_have_missed=True)
                elif heard is not None and heard["type"] in ("message", "pmessage"):
                    yield Message(heard["data"], heard["channel"].decode(errors="replace"), received(None, self._clock))

    @contextlib.asynccontextmanager
    async def _connected(self) -> AsyncIterator[Redis]:
        # What fails is tried again by the supervisor, as with every feed.
        client = Redis(
            **self._connection,
            socket_connect_timeout=ANSWER_S,
            # The library waits for this in a way that may lose a cancellation before Python 3.12; each answer has a limit here instead.
            socket_timeout=None,
            retry=Retry(NoBackoff(), 0),
            client_name="pricewire-feed",
            protocol=2,
        )
        try:
            yield client
        finally:
            await client.aclose()

    async def _ends(self, client: Redis) -> tuple[str, str]:
        """Return the ids of the first entry of the stream and of the last that was ever added."""
        try:
            async with asyncio.timeout(ANSWER_S):
                info: dict[str, Any] = await client.xinfo_stream(self._stream)
        except ResponseError as error:
            if "no such key" in str(error):
                return BEGINNING, BEGINNING
            raise
        first = info["first-entry"]
        last: str = info["last-generated-id"].decode()
        return (first[0].decode() if first else last), last

    def _message(self, entry: Entry) -> list[Message]:
        """Return the message of an entry; none, and counted, where it lacks the field."""
        place, fields = entry
        added_ms = int(place.partition(b"-")[0])
        # Those of ids of one's own say nothing of the time.
        received_ms = added_ms if added_ms >= EARLIEST_MS else received(None, self._clock)
        texts = {key.decode(errors="replace"): value.decode(errors="replace") for key, value in fields.items()}
        if self._field is None:
            return [Message(texts, self._stream, received_ms)]
        data = fields.get(self._field.encode())
        if data is None:
            self._reader.counters.messages += 1
            error = TickRejectedError("path", f"message.field {self._field!r} is not there; the entry has {', '.join(texts) or 'no field'}")
            self._reader.counters.reject(error, place.decode())
            return []
        return [Message(data, self._stream, received_ms)]


def order(place: str) -> tuple[int, int]:
    """Return an entry's id in the order of the stream."""
    milliseconds, _, number = place.partition("-")
    return int(milliseconds), int(number)
