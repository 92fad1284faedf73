"""A subscription: the typed messages of some topics, in order, over as many connections as it takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Generic, Literal, Self, TypeVar

from pricewire.client.event_source import EventSource
from pricewire.client.reconnect import ConnectionState, State
from pricewire.client.report import Reporter
from pricewire.client.typed import TypedDecoder, all_finite, read_stale_topic
from pricewire.errors import DecodeError
from pricewire.protocol.messages import Candle, Envelope, Tick

M = TypeVar("M", Tick, Candle)

Start = Literal["resumed", "snapshot", "reset"]


class Subscription(Generic[M]):
    """
    The messages of some topics, as an asynchronous iterator.

        async with wire.ticks("R_100", "EURUSD") as ticks:
            async for tick in ticks:
                print(tick.instrument_id, tick.price)

    First comes the current value of each topic, then every update. After a lost connection the messages go on where they stopped; where
    the server no longer has what was missed, its newest values come instead, and `start` says `reset`. A message that does not fit its
    type is reported, and the next one follows. Cancelling a pending `anext()` loses nothing.

    Attributes:
        topics: what was subscribed to.
        merged: how many updates were left out so far because newer ones had overtaken them.

    Args:
        topics: what to subscribe to.
        message_type: what the messages are.
        source: brings the events.
        reporter: told of messages that do not fit.
        on_close: called once when the subscription has ended.
    """

    def __init__(
        self,
        topics: Sequence[str],
        message_type: type[M],
        source: EventSource,
        reporter: Reporter,
        on_close: Callable[[Subscription[Any]], None],
    ) -> None:
        self.topics = tuple(topics)
        self.merged = 0
        self._source = source
        self._reporter = reporter
        self._on_close = on_close
        self._decoder: TypedDecoder[Envelope[M]] = TypedDecoder(Envelope[message_type])  # type: ignore[valid-type] # made at run time
        self._stale_topics: set[str] = set()
        self._received_at: float | None = None
        # The response headers of the connection that sent a `reset`, to know it by.
        self._reset_of: object = None

    @property
    def state(self) -> ConnectionState:
        """Where the connection stands, and why it waits."""
        return self._source.state

    @property
    def stale_topics(self) -> frozenset[str]:
        """The topics whose feed has fallen silent, as the server says."""
        return frozenset(self._stale_topics)

    @property
    def is_stale(self) -> bool:
        """Whether what was received may be old: nothing is connected, the server is silent, or a topic's feed is."""
        return self.state.state is not State.OPEN or self.state.is_stale or bool(self._stale_topics)

    @property
    def age(self) -> float | None:
        """How long ago the newest message came, in seconds; None before the first."""
        return None if self._received_at is None else time.monotonic() - self._received_at

    @property
    def start(self) -> Start | None:
        """
        How the newest connection began: `snapshot` with the current values, `resumed` without a gap, `reset` with the current values
        instead of what was missed. None before the first one, and where the server does not say.
        """
        if self._reset_of is self._source.headers:
            return "reset"
        match self._source.headers.get("pricewire-start"):
            case "resumed":
                return "resumed"
            case "snapshot":
                return "snapshot"
            case "reset":
                return "reset"
            case _:
                return None

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
        """
        try:
            while True:
                event = await anext(self._source)
                if event.type == "message":
                    message = self._read(event.data)
                    if message is not None:
                        return message
                elif event.type == "stale":
                    topic = read_stale_topic(event.data)
                    if topic is not None:
                        self._stale_topics.add(topic)
                elif event.type == "reset":
                    self._reset_of = self._source.headers
        finally:
            if self.state.state is State.CLOSED:
                self._on_close(self)

    def close(self) -> None:
        """End it at once; the connection is freed by a waiting reader, by `aclose()` or by the end of the wire's block."""
        self._source.close()

    async def aclose(self) -> None:
        """End it at once, and return when the connection is freed."""
        await self._source.aclose()
        self._on_close(self)

    def _read(self, data: str) -> M | None:
        """Return the message that an event holds; where it does not fit, report that and return None."""
        try:
            envelope = self._decoder.decode(data)
        except DecodeError as error:
            self._reporter.error(error)
            return None
        message = envelope.data
        if not all_finite(message):
            self._reporter.error(DecodeError(envelope.subscription_id, data, "a price is not a finite number - at `$.data`"))
            return None
        self._received_at = time.monotonic()
        self.merged += envelope.merged
        self._stale_topics.discard(envelope.subscription_id)
        return message
