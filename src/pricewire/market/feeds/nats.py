"""The feed of a NATS subject: live messages, or those of a stream of JetStream, also from the time when the server was down."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import nats.errors
import nats.js.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, Header, StreamInfo

from pricewire.errors import FeedError
from pricewire.market.clock import Clock
from pricewire.market.feeds.address import FeedAddress
from pricewire.market.feeds.message_feed import KeptMessageFeed, described, tls_context
from pricewire.market.feeds.options import FeedOptions
from pricewire.market.feeds.past import After
from pricewire.market.feeds.reader import Message, received
from pricewire.market.supervisor import is_cancelled
from pricewire.nats_client import TidyClient
from pricewire.protocol.messages import Tick

logger = logging.getLogger(__name__)

ANSWER_S = 10.0
"""How long the server may take to connect or to answer, in seconds."""

PING_S = 5
"""How often the server is asked whether it is there, in seconds; the third answer that is missing ends the connection."""

HEARTBEAT_S = 5.0
"""How often JetStream says that there is nothing, in seconds."""

SILENCE_S = 20.0
"""After so many seconds without a word of JetStream the connection is made anew."""

WAITING = 1024
"""How many messages wait to be read; more wait in the library, which drops what it cannot keep."""

BATCH = 500
"""How many messages a backfill asks for at a time."""


class NatsOptions(FeedOptions, frozen=True, kw_only=True):
    """
    What a feed of NATS has beside what all have.

    Attributes:
        stream: the stream of JetStream that keeps the subject; None for live messages alone.
        credentials: a file of credentials as `nsc` makes it.
    """

    stream: str | None = None
    credentials: Path | None = None


class NatsFeed(KeptMessageFeed):
    """The ticks of a subject."""

    def __init__(self, address: FeedAddress, options: NatsOptions, secrets: Sequence[str] = (), clock: Clock | None = None) -> None:
        """
        Read the options.

        Raises:
            FeedError: an option cannot be used, or the address has no subject.
        """
        super().__init__(address, options, secrets, clock)
        parts = urlsplit(address.url)
        self._subject = unquote(parts.path.removeprefix("/"))
        if not self._subject or any(each.isspace() for each in self._subject):
            raise FeedError(f"feed {address.shown}: the subject is missing; give nats://HOST/SUBJECT#FILE, prices.> for instance")
        self._servers = [f"nats://{server}" for server in address.servers]
        login, _, _ = parts.netloc.rpartition("@")
        user, colon, password = login.partition(":")
        self._login: dict[str, Any] = {}
        if login:
            self._login = {"user": unquote(user), "password": unquote(password)} if colon else {"token": unquote(user)}
        if options.credentials is not None:
            self._login["user_credentials"] = str(options.credentials)
        self._tls = tls_context(options.tls) if options.tls is not None or parts.scheme == "tls" else None
        self._stream = options.stream
        self._keeps = options.stream is not None
        # Of JetStream: the newest message that was read, and when its stream was made, which tells it from others of its name.
        self._sequence: int | None = None
        self._created: datetime | None = None

    async def _past(self, newest: Sequence[Tick]) -> AsyncGenerator[list[Tick], None]:
        stream, after = self._stream, After(newest)
        assert stream is not None, "it keeps messages"  # noqa: S101
        async with self._connected(asyncio.Queue()) as client:
            context = client.jetstream(timeout=ANSWER_S)
            info = await self._info(client, stream)
            config = ConsumerConfig(
                deliver_policy=DeliverPolicy.BY_START_TIME,
                opt_start_time=datetime.fromtimestamp(after.begin_ms / 1000, UTC),
                ack_policy=AckPolicy.NONE,
                inactive_threshold=2 * ANSWER_S,
                mem_storage=True,
            )
            consumer = await context.pull_subscribe(self._subject, stream=stream, config=config)
            left = (await consumer.consumer_info()).num_pending or 0
            self._created = info.created
            while left:
                messages = await consumer.fetch(min(BATCH, left), timeout=ANSWER_S)
                self._sequence = messages[-1].metadata.sequence.stream
                # What comes from now on is for the iteration, or a source that never rests would have it wait for ever.
                left = messages[-1].metadata.num_pending if self._sequence < info.state.last_seq else 0
                ticks = [tick for message in messages for tick in self._reader.read(self._message(message))]
                yield [each for tick in ticks for each in after.take(tick)]
            self._sequence = max(self._sequence or 0, info.state.last_seq)
            yield after.rest()

    async def _messages(self) -> AsyncGenerator[Message, None]:
        queue = asyncio.Queue[Msg | Exception](WAITING)
        async with self._connected(queue) as client:
            if self._stream is None:
                await client.subscribe(self._subject, cb=queue.put)
                await client.flush(ANSWER_S)  # type: ignore[arg-type] # it is only waited for
                self._reader.connected(may_have_missed=True)
                while True:
                    yield self._message(await taken(queue))
            async with self._consumer(client, self._stream, queue):
                consumed = 0
                while True:
                    async with asyncio.timeout(SILENCE_S):
                        message = await taken(queue)
                    headers = message.headers or {}
                    if Header.STATUS in headers:
                        await control(client, message, headers, consumed)
                        continue
                    numbers = message.metadata.sequence
                    if numbers.consumer != consumed + 1:
                        raise FeedError(f"{self.name}: messages were lost on the way, and are read again")
                    consumed, self._sequence = numbers.consumer, numbers.stream
                    yield self._message(message)

    @contextlib.asynccontextmanager
    async def _connected(self, queue: asyncio.Queue[Msg | Exception]) -> AsyncIterator[Client]:
        """Connect for the block to the first of the servers that answers; what ends the connection is put into the queue."""
        async with contextlib.AsyncExitStack() as stack:
            for server in self._servers[:-1]:
                try:
                    client = await stack.enter_async_context(self._connected_to(server, queue))
                    break
                except Exception as error:
                    logger.warning(
                        "feed %s: %s cannot be used, trying the next: %s", self.name, server, self._address.hide(described(error))
                    )
            else:
                client = await stack.enter_async_context(self._connected_to(self._servers[-1], queue))
            yield client

    @contextlib.asynccontextmanager
    async def _connected_to(self, server: str, queue: asyncio.Queue[Msg | Exception]) -> AsyncIterator[Client]:
        failures: list[Exception] = []
        is_connected = False

        async def failed(error: Exception) -> None:
            if isinstance(error, nats.errors.SlowConsumerError):
                self._reader.counters.miss("messages came faster than they were read")
            else:
                failures.append(error)

        async def ended() -> None:
            # The end of an attempt is none of the connection that came about.
            if is_connected:
                await queue.put(failures[-1] if failures else ConnectionError("the connection has ended"))

        # A connection that is lost is made anew by the supervisor, as that of every feed.
        client = TidyClient(needs_tls=self._tls is not None)
        try:
            try:
                async with asyncio.timeout(ANSWER_S):
                    await client.connect(
                        [server],
                        name="pricewire feed",
                        connect_timeout=int(ANSWER_S),
                        allow_reconnect=False,
                        max_reconnect_attempts=1,
                        reconnect_time_wait=0,
                        ping_interval=PING_S,
                        error_cb=failed,
                        disconnected_cb=ended,
                        tls=self._tls,
                        **self._login,
                    )
            except (TimeoutError, nats.errors.NoServersError) as error:
                # The library tries a server twice, and does not say why it cannot be reached.
                raise failures[-1] if failures else error from None
            if is_cancelled():
                raise asyncio.CancelledError
            is_connected = True
            yield client
        finally:
            is_connected = False
            # What waits for room in the queue would keep the client from closing.
            while not queue.empty():
                queue.get_nowait()
            # Closing what has failed raises whatever the library or TLS has left; why it failed is known already.
            with contextlib.suppress(Exception):
                await client.close()

    async def _info(self, client: Client, stream: str) -> StreamInfo:
        try:
            return await client.jetstream(timeout=ANSWER_S).stream_info(stream)
        except nats.js.errors.NotFoundError:
            raise FeedError(f"{self.name}: there is no stream {stream!r}; see the option stream") from None

    @contextlib.asynccontextmanager
    async def _consumer(self, client: Client, stream: str, queue: asyncio.Queue[Msg | Exception]) -> AsyncIterator[None]:
        """Have the messages of the stream after the newest one put into the queue."""
        info = await self._info(client, stream)
        state, is_other = info.state, self._created is not None and info.created != self._created
        self._created = info.created
        if self._sequence is None:
            self._sequence = state.last_seq
        elif is_other or state.last_seq < self._sequence:
            self._reader.counters.miss(f"the stream {stream} is another one than before")
            self._sequence = max(0, state.first_seq - 1)
        elif state.first_seq > self._sequence + 1:
            self._reader.counters.miss(f"the stream {stream} no longer has its messages {self._sequence + 1} to {state.first_seq - 1}")
        inbox = client.new_inbox()
        subscription: Subscription = await client.subscribe(inbox, cb=queue.put)
        context = client.jetstream(timeout=ANSWER_S)
        config = ConsumerConfig(
            deliver_subject=inbox,
            deliver_policy=DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=self._sequence + 1,
            filter_subject=self._subject,
            ack_policy=AckPolicy.NONE,
            idle_heartbeat=HEARTBEAT_S,
            flow_control=True,
            inactive_threshold=2 * SILENCE_S,
            mem_storage=True,
            max_deliver=1,
        )
        made = await context.add_consumer(stream, config)
        self._reader.connected(may_have_missed=False)
        try:
            yield
        finally:
            with contextlib.suppress(nats.errors.Error, OSError):
                await subscription.unsubscribe()
                await context.delete_consumer(stream, made.name)

    def _message(self, message: Msg) -> Message:
        stored = None if self._stream is None else message.metadata.timestamp
        return Message(message.data, message.subject, received(stored, self._clock))


async def taken(queue: asyncio.Queue[Msg | Exception]) -> Msg:
    """Return the next message; raise what has ended the connection."""
    found = await queue.get()
    if isinstance(found, Exception):
        raise found
    return found


async def control(client: Client, message: Msg, headers: dict[str, str], consumed: int) -> None:
    """
    Answer what JetStream says besides messages.

    Args:
        client: the connection.
        message: what it says.
        headers: its headers.
        consumed: how many messages of the consumer were read.

    Raises:
        FeedError: the consumer has ended, or messages of it were lost.
    """
    if headers[Header.STATUS] != "100":
        raise FeedError(f"JetStream has ended the consumer: {headers.get(Header.DESCRIPTION, headers[Header.STATUS])}")
    if message.reply:
        await client.publish(message.reply)
        return
    if stalled := headers.get(Header.CONSUMER_STALLED):
        await client.publish(stalled)
    if int(headers.get(Header.LAST_CONSUMER, consumed)) != consumed:
        raise FeedError("messages of JetStream were lost on the way, and are read again")
