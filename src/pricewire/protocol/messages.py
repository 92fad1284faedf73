"""
The messages on the wire, as typed objects: one model for the server, the clients and the schema.

Prices are decimals in JSON strings, and times are milliseconds since 1970 in UTC: strings of digits on the wire, unless the HTTP
surface calls them numbers.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Generic, TypeVar

import msgspec

Body = TypeVar("Body")

EpochMs = Annotated[str, msgspec.Meta(pattern=r"^[0-9]+$(?!\n)", description="milliseconds since 1970 in UTC, as digits")]
Price = Annotated[Decimal, msgspec.Meta(description="a price in decimal notation, as a string")]
Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1, description="milliseconds since 1970 in UTC")]
"""A time that a request names: a number that JavaScript has too."""
InstrumentId = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.\-]{1,64}$(?!\n)", examples=["R_100", "EURUSD"])]

MAX_INTERVAL_MS = 60_000
"""The slowest pace that a server keeps for a stream, in milliseconds."""


class Tick(msgspec.Struct, frozen=True, gc=False):
    """
    One price update of an instrument.

    Attributes:
        instrument_id: whose price this is.
        epoch_ms: the price's time at its source, in milliseconds since 1970 in UTC.
        price: the middle of bid and ask, rounded to the instrument's decimals.
        ask: what one pays to buy.
        bid: what one gets for selling.
        source: where a live tick of several feeds as one comes from, by the name that the operator gave; None of other feeds, and of past
            ticks, which are kept without it.
    """

    instrument_id: str
    epoch_ms: int
    price: Decimal
    ask: Decimal
    bid: Decimal
    source: str | None = None


class Candle(msgspec.Struct, frozen=True, gc=False):
    """
    Open, high, low and close of an instrument's price over a span of time.

    Attributes:
        instrument_id: whose prices these are.
        granularity: the span, in seconds.
        open_epoch_ms: the first millisecond of the span, a multiple of the granularity.
        open: the first price.
        high: the highest price.
        low: the lowest price.
        close: the last price; of a candle that is still being built, the newest.
        close_epoch_ms: the first millisecond after the span.
    """

    instrument_id: str
    granularity: int
    open_epoch_ms: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    close_epoch_ms: int


class TickBody(msgspec.Struct, frozen=True, gc=False):
    """A tick as it is sent; without a source it has no such member."""

    epoch_ms: EpochMs
    price: Price
    ask: Price
    bid: Price
    instrument_id: InstrumentId
    source: str | msgspec.UnsetType = msgspec.UNSET

    @classmethod
    def of(cls, tick: Tick) -> TickBody:
        """Return the tick as it is sent."""
        return cls(str(tick.epoch_ms), tick.price, tick.ask, tick.bid, tick.instrument_id, tick.source or msgspec.UNSET)


class CandleBody(msgspec.Struct, frozen=True, gc=False):
    """A candle as it is sent."""

    open_epoch_ms: EpochMs
    open: Price
    high: Price
    low: Price
    close: Price
    close_epoch_ms: EpochMs
    instrument_id: InstrumentId
    granularity: int

    @classmethod
    def of(cls, candle: Candle) -> CandleBody:
        """Return the candle as it is sent."""
        return cls(
            str(candle.open_epoch_ms),
            candle.open,
            candle.high,
            candle.low,
            candle.close,
            str(candle.close_epoch_ms),
            candle.instrument_id,
            candle.granularity,
        )


class InstrumentPrice(msgspec.Struct, frozen=True):
    """
    The price of an instrument, as `/sse?action=instrument_price` sends it.

    Attributes:
        instrument_id: whose price this is.
        bid: what one gets for selling, a JSON number.
        ask: what one pays to buy, a JSON number.
        timestamp: the price's time at its source, in the form of ISO 8601.
    """

    instrument_id: InstrumentId
    bid: float
    ask: float
    timestamp: str


class Instrument(msgspec.Struct, frozen=True):
    """
    What can be traded, and whether it can be now.

    Attributes:
        id: the name in topics and requests.
        display_name: the name for people.
        categories: where a list of markets shows it, from the general to the special. The first is its market: `Synthetic Index`,
            `Basket Index`, `Forex`, `Indices`, `Stocks`, `Cryptocurrency` or `Commodities`; the second a part of that, `Volatility` for
            instance.
        pip_size: how many decimals its prices have.
        is_market_open: whether prices are coming, and it can be traded: not before the first live price, while prices stay away, and
            outside of its hours.
        opens_at: when the session begins that is now or next, in the form of ISO 8601; absent where there are no hours.
        closes_at: when it ends, likewise.
        is_predictable: whether somebody may know its prices beforehand, because they are simulated from a seed.
    """

    id: InstrumentId
    display_name: str
    categories: list[str]
    pip_size: int
    is_market_open: bool = True
    opens_at: str | None = None
    closes_at: str | None = None
    is_predictable: bool = False


class TicksBody(msgspec.Struct, frozen=True):
    """Ticks, oldest first."""

    ticks: list[TickBody]


class CandlesBody(msgspec.Struct, frozen=True):
    """Candles, oldest first."""

    candles: list[CandleBody]


class InstrumentsBody(msgspec.Struct, frozen=True):
    """All instruments."""

    instruments: list[Instrument]


class Data(msgspec.Struct, Generic[Body], frozen=True):
    """The wrapping of every success body."""

    data: Body


class Envelope(msgspec.Struct, Generic[Body], frozen=True):
    """
    An event of a stream of topics.

    Attributes:
        event: what the data is: `tick`, `candle`, ….
        subscription_id: the topic.
        seq: the number of this event among the topic's events.
        data: the message itself.
        merged: how many older events of the topic this one stands for; 0 where none was left out.
    """

    event: str
    subscription_id: str
    seq: int
    data: Body
    merged: int = 0


class ErrorDetail(msgspec.Struct, frozen=True):
    """What went wrong: a code for programs, `INVALID_PARAMETERS` for instance, and a message for people."""

    code: str
    message: str


class ErrorBody(msgspec.Struct, frozen=True):
    """The body of every error, in a response and in a stream's `error` event."""

    error: ErrorDetail


MAX_MESSAGE = 500
"""How many characters the message of an error has at most: it may name what a request holds, and must not become as large as that."""


def error_body(code: str, message: str) -> ErrorBody:
    """Return the body of an error, as every one is made; a message that is too long is cut."""
    return ErrorBody(ErrorDetail(code, message if len(message) <= MAX_MESSAGE else f"{message[: MAX_MESSAGE - 1]}…"))


class TicksHistoryRequest(msgspec.Struct, frozen=True, kw_only=True):
    """
    Which recent ticks are wanted.

    Attributes:
        instrument_id: whose ticks.
        from_epoch_ms: the first time of interest, in milliseconds since 1970.
        to_epoch_ms: the last time of interest, in milliseconds since 1970; by default now.
        granularity: at most one tick, the last, per so many seconds, a day at most; by default all.
        count: at most so many, the newest.
    """

    instrument_id: str
    from_epoch_ms: Milliseconds | None = None
    to_epoch_ms: Milliseconds | None = None
    granularity: Annotated[int, msgspec.Meta(ge=1, le=86_400)] | None = None
    count: Annotated[int, msgspec.Meta(ge=1, le=5000)] = 1000


class CandlesHistoryRequest(msgspec.Struct, frozen=True, kw_only=True):
    """
    Which candles are wanted.

    Attributes:
        instrument_id: whose candles.
        granularity: the span of a candle, in seconds.
        from_epoch_ms: the first time of interest, in milliseconds since 1970.
        to_epoch_ms: the last time of interest, in milliseconds since 1970; by default now.
        count: at most so many, the newest.
    """

    instrument_id: str
    granularity: int = 60
    from_epoch_ms: Milliseconds | None = None
    to_epoch_ms: Milliseconds | None = None
    count: Annotated[int, msgspec.Meta(ge=1, le=5000)] = 1000


class StreamChange(msgspec.Struct, frozen=True, kw_only=True):
    """
    How an open stream is to change.

    Attributes:
        add: topics to add; one that it has already stays.
        remove: topics to remove.
        interval_ms: at most one update per topic in so many milliseconds from now on; 0 for every update, absent for no change.
    """

    add: list[str] = []
    remove: list[str] = []
    interval_ms: Annotated[int, msgspec.Meta(ge=0, le=MAX_INTERVAL_MS)] | None = None


class StreamState(msgspec.Struct, frozen=True):
    """
    What an open stream carries, as the answer to a change and as the event `changed` say it.

    Attributes:
        topics: its topics.
        interval_ms: its pace, in milliseconds; 0 for every update.
        expires_at: when it ends with its token, in the form of ISO 8601; null where no token was needed.
        names: the names in `topics` of what was asked for under other names: by the name that was asked for.
    """

    topics: list[str]
    interval_ms: int
    expires_at: str | None = None
    names: dict[str, str] = {}


class Publication(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    A message to publish, as the body of `POST /v1/publish` has it.

    Attributes:
        topic: where to.
        data: the message.
        key: what it supersedes earlier ones by.
        event: what it is.
        ends: a key that ends with it.
    """

    topic: str
    data: msgspec.Raw
    key: str | None = None
    event: str = "message"
    ends: str | None = None


class Published(msgspec.Struct, frozen=True):
    """
    What was published.

    Attributes:
        ids: the ids of the events, in the order of the messages.
    """

    ids: list[str]


class NewestEvent(msgspec.Struct, frozen=True):
    """
    The newest event of a topic.

    Attributes:
        id: what a stream resumes from.
        event: what it is.
        epoch_ms: when it was published, in milliseconds since 1970.
    """

    id: str
    event: str
    epoch_ms: int


class TopicInfo(msgspec.Struct, frozen=True):
    """
    A topic.

    Attributes:
        topic: its name.
        readers: how many streams have it.
        rate: how many events per second it has had, over the time that its log reaches back.
        seq: the number of its newest event.
        newest: that event; None where the log no longer has it.
    """

    topic: str
    readers: int
    rate: float
    seq: int
    newest: NewestEvent | None


class TopicsBody(msgspec.Struct, frozen=True):
    """
    Topics, by name.

    Attributes:
        topics: the topics.
    """

    topics: list[TopicInfo]


class LoggedEvent(msgspec.Struct, frozen=True):
    """
    An event in the log of a topic.

    Attributes:
        id: what a stream resumes from.
        event: what it is.
        seq: its number among the topic's.
        key: what it supersedes earlier ones by; None where nothing does.
        data: the message.
    """

    id: str
    event: str
    seq: int
    key: str | None
    data: msgspec.Raw


class TopicLogBody(msgspec.Struct, frozen=True):
    """
    Events of a topic.

    Attributes:
        start: `resumed` where they are those after the event that was named, `reset` where the log does not reach back to that, `snapshot`
            where none was named.
        events: the events, oldest first.
    """

    start: str
    events: list[LoggedEvent]
