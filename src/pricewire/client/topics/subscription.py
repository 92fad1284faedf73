"""A subscription: the typed messages of some topics, over as many connections as it takes."""

from __future__ import annotations

import contextlib
import time
import weakref
from asyncio import AbstractEventLoop, get_running_loop
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from pricewire.client.parsing import TypedDecoder, all_finite
from pricewire.client.stream.reconnect import ConnectionState, State
from pricewire.client.topics.conflation import Arrival
from pricewire.client.topics.message_queue import MessageQueue, Start
from pricewire.client.topics.multiplexer import Multiplexer
from pricewire.client.topics.patterns import covers
from pricewire.errors import DecodeError
from pricewire.protocol.messages import Envelope

M = TypeVar("M")


class Subscription(Generic[M]):
    """
    The messages of some topics, as an asynchronous iterator.

        async with wire.ticks("R_100", "EURUSD") as ticks:
            async for tick in ticks:
                print(tick.instrument_id, tick.price)

    First comes the current value of each topic, then every update. After a lost connection the messages go on where they stopped; where
    the server no longer has what was missed, its newest values come instead, and `start` says `reset`. A message that does not fit its
    type is reported, and the next one follows. Cancelling a pending `anext()` loses nothing.

    It ends with its block, by `close()`, with the wire, or when nobody holds it any more.

    Attributes:
        topics: what was subscribed to.
        merged: how many updates were left out so far because newer ones had overtaken them, on the server or here.

    Args:
        queue: where its messages wait; taken out of the multiplexer at the end.
        message_type: what the messages are: their data, or with an `Envelope[…]` all of them.
        multiplexer: the connection.
    """

    def __init__(self, queue: MessageQueue, message_type: type[M], multiplexer: Multiplexer) -> None:
        self.topics = queue.topics
        self.merged = 0
        self._queue = queue
        self._multiplexer = multiplexer
        self._whole = getattr(message_type, "__origin__", message_type) is Envelope
        # The type is made at run time.
        self._decoder: TypedDecoder[Envelope[Any]] = TypedDecoder(message_type if self._whole else Envelope[message_type])  # type: ignore[arg-type, valid-type]
        multiplexer.join(queue)
        self._loop = get_running_loop()
        weakref.finalize(self, _abandon, self._loop, multiplexer, queue).atexit = False

    @property
    def state(self) -> ConnectionState:
        """Where the connection stands, and why it waits."""
        if self._queue.is_ended:
            return ConnectionState(state=State.CLOSED, reason=self._queue.reason)
        state = self._multiplexer.state
        # An earlier connection was closed with its last subscription, and the next one comes with this.
        return ConnectionState(state=State.CONNECTING) if state.state is State.CLOSED else state

    @property
    def stale_topics(self) -> frozenset[str]:
        """The topics whose feed has fallen silent, as the server says; of a pattern, those that it has brought."""
        stale = self._multiplexer.stale_topics
        named = (name for name, topic in zip(self.topics, self._queue.topics, strict=True) if topic in stale)
        return frozenset([*named, *(topic for topic in stale if covers(self.topics, topic))])

    @property
    def is_stale(self) -> bool:
        """Whether what was received may be old: nothing is connected, the server is silent, or a topic's feed is."""
        return self.state.state is not State.OPEN or self.state.is_stale or bool(self.stale_topics)

    @property
    def age(self) -> float | None:
        """How long ago the newest message came, in seconds; None before the first."""
        received_at = self._queue.received_at
        return None if received_at is None else time.monotonic() - received_at

    @property
    def start(self) -> Start | None:
        """
        How its newest connection began: `snapshot` with the current values, `resumed` without a gap, `reset` with the current values
        instead of what was missed. None before the first one, and where the server does not say.
        """
        return self._queue.start

    def __repr__(self) -> str:
        return f"<Subscription {', '.join(self.topics)} {self.state.state}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> M:
        """
        Return the next message.

        Raises:
            HTTPStatusError: the server refused: status 404 where there is no such instrument.
            ContentTypeError: it is no event stream.
            ReconnectExhausted: all attempts to reconnect failed.
            BufferOverflowError: the reader fell behind too far.
            RuntimeError: it was made in another event loop.
        """
        while True:
            arrival = self._queue.take()
            if arrival is None:
                self._check_loop()
                arrival = await self._queue.get()
            self.merged += arrival.merged
            message = self._read(arrival)
            if message is not None:
                return message

    async def collect(self, count: int) -> list[M]:
        """
        Return the next messages; fewer where the subscription ends before.

        Args:
            count: how many.

        Raises:
            ClientError: as iterating does.
        """
        messages: list[M] = []
        while len(messages) < count:
            try:
                messages.append(await anext(self))
            except StopAsyncIteration:
                break
        return messages

    async def snapshot(self, topic: str | None = None) -> M:
        """
        Return the newest message there is, and wait for one where none has come; the iteration still gets it.

        Args:
            topic: whose; None for the newest of all topics.

        Raises:
            ValueError: the topic is none of the subscription's and of its patterns, or it is one of contracts, which have a value each, and
                perhaps none.
            RuntimeError: the subscription has ended, or was made in another event loop.
            ClientError: as iterating does.
        """
        self._check_loop()
        if any(name.startswith("contracts:") for name in (self.topics if topic is None else (topic,))):
            raise ValueError("each contract has a value of its own, so there is no newest one; see open_contracts()")
        if topic is not None and topic not in self.topics and not covers(self.topics, topic):
            raise ValueError(f"topic {topic!r} is none of {', '.join(self.topics)}")
        seen = None
        while True:
            seen = await self._queue.newest(self.topics if topic is None else (topic,), seen)
            message = self._read(seen)
            if message is not None:
                return message

    def close(self) -> None:
        """End it at once: nothing is given out after this. Where it was the last, the connection is freed soon after."""
        self._multiplexer.leave(self._queue)

    async def aclose(self) -> None:
        """End it at once, and return when the connection is freed, if it was the last."""
        self.close()
        await self._multiplexer.rest()

    def _check_loop(self) -> None:
        if not self._queue.is_ended and get_running_loop() is not self._loop:
            # A task that waits here could not be woken.
            raise RuntimeError("this subscription was made in another event loop; read it there, or use pricewire.sync from any thread")

    def _read(self, arrival: Arrival) -> M | None:
        """Return the message that an event holds; where it does not fit, report that and return None."""
        try:
            envelope = self._decoder.decode(arrival.text)
            if not all_finite(envelope.data):
                raise DecodeError(arrival.topic, arrival.text, "a price is not a finite number - at `$.data`")
        except DecodeError as error:
            self._multiplexer.reporter.error(error)
            return None
        message: M = envelope if self._whole else envelope.data  # type: ignore[assignment] # the decoder made it of this type
        return message


def _abandon(loop: AbstractEventLoop, multiplexer: Multiplexer, queue: MessageQueue) -> None:
    """Take out what nobody reads any more. The collector may run in any thread, and after the loop's end."""
    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(multiplexer.leave, queue)
