"""Reads a stream of JetStream: every message once and in order, whatever becomes of the connection, the server and its consumer."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from datetime import UTC, datetime
from typing import Protocol

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy, Header, StreamInfo

logger = logging.getLogger(__name__)

HEARTBEAT_S = 1.0
"""How often the server says that there is nothing, in seconds."""

SILENCE_S = 3.0
"""After so many seconds without a word of the server, reading begins anew where it stopped."""

ANSWER_S = 2.0
"""How long an answer of the server may take, in seconds."""

PAUSE_S = 0.1
"""How long to wait before a server is asked again that does not answer as it should, in seconds."""

NEVER = datetime.fromtimestamp(0, UTC)
"""When a stream was made of which nothing is known."""

PENDING_BYTES = 256 * 1024 * 1024
"""How much may wait in this process to be read, in bytes: the library drops what comes then, and it is read again."""


class Taking(Protocol):
    """What gets the messages of a stream."""

    def begin(self, created: datetime, sequence: int) -> None:
        """
        Take the messages of a stream after a sequence; what has been before is not known, or no longer.

        Called once before the first message, and again where messages are lost: they are not in the stream any more, or it is another one.

        Args:
            created: when the stream was made, which tells it from others of its name.
            sequence: that before the first message to come.
        """

    def skip(self, sequence: int) -> None:
        """Know that, of the messages up to a sequence, some were removed that were old already when reading began."""

    def take(self, sequence: int, subject: str, data: bytes, headers: dict[str, str], age: float) -> None:
        """
        Take the next message.

        Args:
            sequence: the message's.
            subject: what it was published to.
            data: its bytes.
            headers: its headers.
            age: how old it is by this machine's clock, in seconds, where it was there before reading began; else 0.
        """


class StreamReader:
    """
    Reads a stream.

    Attributes:
        sequence: that of the newest message that was taken.
        heard_at: when the server last sent anything, in seconds of `time.monotonic`.
        has_caught_up: set when everything that was in the stream at the beginning has been taken.
        restarts: how often reading had to begin anew.
        pending: how many messages the server had after the newest one that was taken.

    Args:
        client: the connection.
        stream: the stream's name.
        taking: gets the messages.
    """

    def __init__(self, client: Client, stream: str, taking: Taking) -> None:
        self.sequence = 0
        self.heard_at = time.monotonic()
        self.has_caught_up = asyncio.Event()
        self.restarts = -1
        self.pending = 0
        self._client = client
        self._context = client.jetstream(timeout=ANSWER_S)
        self._stream = stream
        self._taking = taking
        self._created = NEVER
        self._consumed = 0
        self._trouble = asyncio.Event()
        self._moved = asyncio.Event()

    async def run(self) -> None:
        """Read until cancelled."""
        while True:
            self.restarts += 1
            self._trouble.clear()
            self._consumed = 0
            try:
                await self._read()
            except (nats.errors.Error, OSError) as error:
                logger.debug("reading the bus begins anew: %r", error)
                await asyncio.sleep(PAUSE_S)

    def begin_anew(self) -> None:
        """Have reading begin anew where it stopped: the connection is another one."""
        self._trouble.set()

    async def wait_for(self, sequence: int) -> None:
        """Wait until the message with a sequence has been taken."""
        while self.sequence < sequence:
            self._moved.clear()
            await self._moved.wait()

    async def _read(self) -> None:
        """Read by one consumer, until there is trouble with it."""
        inbox, number = self._client.new_inbox(), self.restarts

        async def take(message: Msg) -> None:
            # Not what is still there of a consumer before.
            if number == self.restarts and not self._trouble.is_set():
                await self._take(message)

        subscription = await self._client.subscribe(inbox, cb=take, pending_msgs_limit=0, pending_bytes_limit=PENDING_BYTES)
        consumer = ""
        try:
            info = await self._context.stream_info(self._stream)
            made = await self._context.add_consumer(self._stream, self._config(inbox, info))
            consumer = made.name
            self.heard_at = time.monotonic()
            if not made.num_pending and not self.has_caught_up.is_set():
                self._start_at(info.state.last_seq)
                self.has_caught_up.set()
            while not self._trouble.is_set():
                wait = self.heard_at + SILENCE_S - time.monotonic()
                if wait <= 0:
                    break
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(self._trouble.wait(), wait)
        except nats.errors.TimeoutError:
            # A server that is stopped keeps its connections open.
            if self._client.is_connected:
                await self._client.force_reconnect()
            raise
        finally:
            with contextlib.suppress(nats.errors.Error, OSError):
                await subscription.unsubscribe()
            if consumer and self._client.is_connected:
                with contextlib.suppress(nats.errors.Error, OSError):
                    await self._context.delete_consumer(self._stream, consumer)

    def _config(self, inbox: str, info: StreamInfo) -> ConsumerConfig:
        """Return the consumer that reads on where reading stopped."""
        state = info.state
        begun = ConsumerConfig(
            deliver_subject=inbox,
            ack_policy=AckPolicy.NONE,
            idle_heartbeat=HEARTBEAT_S,
            flow_control=True,
            inactive_threshold=10 * HEARTBEAT_S,
            mem_storage=True,
            num_replicas=1,
            max_deliver=1,
        )
        created = info.created or NEVER
        if self._created is NEVER:
            self._created = created
            return begun.evolve(deliver_policy=DeliverPolicy.ALL)
        if created != self._created or state.last_seq < self.sequence:
            logger.warning("the bus has lost what it had: its readers begin anew")
            self._created = created
            self._start_at(max(0, state.first_seq - 1))
        return begun.evolve(deliver_policy=DeliverPolicy.BY_START_SEQUENCE, opt_start_seq=self.sequence + 1)

    def _start_at(self, sequence: int) -> None:
        """Go on after a message, of which and of those before nothing more is known."""
        self.sequence = sequence
        self._taking.begin(self._created, sequence)
        self._moved.set()

    async def _take(self, message: Msg) -> None:
        self.heard_at = time.monotonic()
        headers = message.headers or {}
        if Header.STATUS in headers:
            await self._control(message, headers)
            return
        fields = message.reply.split(".")
        # Source: ADR-15 of NATS; a server with domains has two more fields in front, and one behind.
        at = 5 if len(fields) == 9 else 7
        sequence, consumed, stored_ns, pending = map(int, fields[at : at + 4])
        if consumed != self._consumed + 1:
            self._trouble.set()
            return
        self._consumed = consumed
        if not self.has_caught_up.is_set() and self.sequence == 0:
            self._start_at(sequence - 1)
        elif sequence != self.sequence + 1 and not self.has_caught_up.is_set():
            self._taking.skip(sequence - 1)
        elif sequence != self.sequence + 1:
            logger.warning("the bus no longer has its messages %d to %d", self.sequence + 1, sequence - 1)
            self._start_at(sequence - 1)
        self.sequence = sequence
        age = 0.0 if self.has_caught_up.is_set() else max(0.0, time.time() - stored_ns / 1e9)
        self.pending = pending
        self._taking.take(sequence, message.subject, message.data, headers, age)
        if pending == 0:
            self.has_caught_up.set()
        self._moved.set()

    async def _control(self, message: Msg, headers: dict[str, str]) -> None:
        """Answer what the server says besides messages."""
        if headers[Header.STATUS] != "100":
            # The consumer has been removed, for instance.
            self._trouble.set()
        elif message.reply:
            await self._client.publish(message.reply)
        else:
            if stalled := headers.get(Header.CONSUMER_STALLED):
                await self._client.publish(stalled)
            if int(headers.get(Header.LAST_CONSUMER, self._consumed)) != self._consumed:
                self._trouble.set()
