"""What the topic `admin` tells operators, as typed objects."""

from __future__ import annotations

from typing import Generic

import msgspec

from pricewire.protocol.trading_messages import Money


class StreamFigures(msgspec.Struct, frozen=True, kw_only=True):
    """
    Open streams, and what has happened to streams since the server began.

    Attributes:
        open: how many are open, of each endpoint.
        on_gateways: how many of them gateways hold; what these write is in the metrics of each gateway.
        gateways: how many gateways there are.
        lagging: how many cannot be written to now.
        opened: how many have begun.
        resumed: how many of these with what they had missed.
        reset: how many of these with the current values, as the logs no longer reached back.
        lagged: how often one fell behind.
        dropped: how many were ended, as they were too slow.
    """

    open: dict[str, int]
    on_gateways: int
    gateways: int
    lagging: int
    opened: int
    resumed: int
    reset: int
    lagged: int
    dropped: int


class Traffic(msgspec.Struct, frozen=True, kw_only=True):
    """
    What was published and written since the server began.

    Attributes:
        published: events.
        delivered: events that were written, once for each stream.
        merged: events that were left out as newer ones superseded them.
        bytes: bytes that were written.
    """

    published: int
    delivered: int
    merged: int
    bytes: int


class LoopDelays(msgspec.Struct, frozen=True, kw_only=True):
    """
    How late the event loop has come to its callbacks in the last five seconds: every event waits that long.

    Attributes:
        mean_ms: on average, in milliseconds.
        longest_ms: at worst, in milliseconds.
    """

    mean_ms: float
    longest_ms: float


class TopicReaders(msgspec.Struct, frozen=True, kw_only=True):
    """A topic, and how many streams have it."""

    topic: str
    streams: int


class FeedState(msgspec.Struct, frozen=True, kw_only=True):
    """
    A feed.

    Attributes:
        name: what the log calls it.
        instruments: how many it brings.
        open: how many of them can be traded now.
        silent: the ids of some that have been silent for much longer than usual.
        ticks: how many have come since the server began.
        newest_epoch_ms: the time of the newest one at its source, in milliseconds since 1970; null before the first.
    """

    name: str
    instruments: int
    open: int
    silent: list[str]
    ticks: int
    newest_epoch_ms: int | None


class AccountsState(msgspec.Struct, Generic[Money], frozen=True, kw_only=True):
    """
    All accounts of a currency.

    Attributes:
        currency: theirs.
        accounts: how many there are.
        suspended: how many of them are suspended.
        balance: what they have together.
    """

    currency: str
    accounts: int
    suspended: int
    balance: Money


class InstrumentExposure(msgspec.Struct, Generic[Money], frozen=True, kw_only=True):
    """
    What the house may lose by the open contracts on an instrument, in a currency.

    Attributes:
        instrument_id: the instrument.
        currency: of the amounts.
        may_win: what the contracts win if all of them win: their payouts less their stakes.
        limit: what they may win at most; null where there is no limit.
    """

    instrument_id: str
    currency: str
    may_win: Money
    limit: Money | None


class TradingFigures(msgspec.Struct, Generic[Money], frozen=True, kw_only=True):
    """
    Trading.

    Attributes:
        open_contracts: how many there are.
        unsettled_contracts: how many have ended and are not in the ledger yet.
        purchases: how many contracts were bought since the server began.
        sales: how many were sold back.
        accounts: by currency; looked at every ten seconds.
        exposure: by instrument, the greatest first.
    """

    open_contracts: int
    unsettled_contracts: int
    purchases: int
    sales: int
    accounts: list[AccountsState[Money]]
    exposure: list[InstrumentExposure[Money]]


class AdminBody(msgspec.Struct, Generic[Money], frozen=True, kw_only=True):
    """
    How the server is doing.

    Attributes:
        version: of Pricewire.
        epoch_ms: when this was, in milliseconds since 1970.
        started_epoch_ms: when the process began, likewise.
        is_draining: whether its streams are being ended, as it is about to stop.
        can_drain: whether `POST /v1/admin/drain` stops it.
        problems: what does not work now, as sentences.
        streams: open streams, and what has happened to streams.
        traffic: what was published and written.
        loop_delay: how late the event loop is.
        refusals: how many requests were refused, by reason.
        topics: how many topics have streams or events.
        busiest_topics: those with the most streams, the most first.
        feeds: where prices come from.
        trading: contracts, accounts and exposure.
    """

    version: str
    epoch_ms: int
    started_epoch_ms: int
    is_draining: bool
    can_drain: bool
    problems: list[str]
    streams: StreamFigures
    traffic: Traffic
    loop_delay: LoopDelays
    refusals: dict[str, int]
    topics: int
    busiest_topics: list[TopicReaders]
    feeds: list[FeedState]
    trading: TradingFigures[Money]


class Draining(msgspec.Struct, frozen=True):
    """The answer to a request to drain: so many streams are being ended."""

    streams: int
