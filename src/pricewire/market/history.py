"""The recent ticks of an instrument, kept as numbers: a day of them, or the newest of a day."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import numpy as np

from pricewire.market.feed import PastTicks
from pricewire.market.pips import Integers, quantum_of
from pricewire.protocol.messages import Instrument, Tick

MAX_AGE_MS = 86_400_000
"""How long ticks are kept, in milliseconds: a day."""

MAX_TICKS = 100_000
"""How many ticks are kept at most, of an instrument: a day of one per second, in 3 to 6 MB."""


class SelectedTicks(NamedTuple):
    """
    Some ticks of an instrument, as columns of their own.

    Attributes:
        instrument_id: whose ticks.
        quantum: one pip as a price.
        epoch_ms: their times, in order.
        price: in pips, and so on.
    """

    instrument_id: str
    quantum: Decimal
    epoch_ms: Integers
    price: Integers
    ask: Integers
    bid: Integers

    def ticks(self) -> list[Tick]:
        """Return the ticks, oldest first."""
        one = self.quantum
        columns = (column.tolist() for column in (self.epoch_ms, self.price, self.ask, self.bid))
        return [Tick(self.instrument_id, epoch, price * one, ask * one, bid * one) for epoch, price, ask, bid in zip(*columns, strict=True)]


def chosen(epoch_ms: Integers, granularity_s: int | None, count: int) -> Integers:
    """Return the places of the ticks that `TickHistory.select` selects, of ticks in order that are all of interest."""
    if granularity_s is None:
        return np.arange(max(0, len(epoch_ms) - count), len(epoch_ms))
    return np.flatnonzero(np.diff(epoch_ms // (granularity_s * 1000), append=-1))[-count:]


class TickHistory:
    """
    The recent ticks of one instrument, in the order of their times.

    Prices are kept as whole pips and times as milliseconds, in four columns of 64 bits that are moved down now and then; so a tick costs
    32 bytes to keep and four assignments to add, and a span of time is found by bisection.
    """

    __slots__ = (
        "_ask",
        "_bid",
        "_end",
        "_epoch",
        "_instrument_id",
        "_max_age_ms",
        "_max_ticks",
        "_price",
        "_quantum",
        "_start",
    )

    def __init__(self, instrument: Instrument, max_age_ms: int = MAX_AGE_MS, max_ticks: int = MAX_TICKS) -> None:
        """Begin without ticks; they are kept for so long before the newest, in milliseconds, and so many at most."""
        self._instrument_id = instrument.id
        self._quantum = quantum_of(instrument.pip_size)
        self._max_age_ms = max_age_ms
        self._max_ticks = max_ticks
        self._start = self._end = 0
        self._resize(64)

    def __len__(self) -> int:
        return self._end - self._oldest_kept()

    def load(self, past: PastTicks) -> None:
        """Begin with past ticks; what was there before is replaced."""
        kept = slice(max(0, len(past.epoch_ms) - self._max_ticks), None)
        self._epoch, self._price = past.epoch_ms[kept].copy(), past.price[kept].copy()
        self._ask, self._bid = past.ask[kept].copy(), past.bid[kept].copy()
        self._start, self._end = 0, len(self._epoch)

    def add(self, epoch_ms: int, price: int, ask: int, bid: int) -> None:
        """
        Add a tick.

        Args:
            epoch_ms: its time, in milliseconds since 1970, not before that of the newest.
            price: the middle price, in pips.
            ask: what one pays to buy, in pips.
            bid: what one gets for selling, in pips.
        """
        end = self._end
        if end == len(self._epoch):
            self._make_room()
            end = self._end
        self._epoch[end] = epoch_ms
        self._price[end] = price
        self._ask[end] = ask
        self._bid[end] = bid
        self._end = end + 1

    def query(self, from_ms: int | None, to_ms: int | None, granularity_s: int | None, count: int) -> list[Tick]:
        """Return the ticks that `select` selects, oldest first."""
        return self.select(from_ms, to_ms, granularity_s, count).ticks()

    def select(self, from_ms: int | None, to_ms: int | None, granularity_s: int | None, count: int) -> SelectedTicks:
        """
        Select ticks: a copy of their columns, which a thread may make ticks of.

        Args:
            from_ms: the first time of interest, in milliseconds since 1970.
            to_ms: the last time of interest, in milliseconds since 1970.
            granularity_s: at most one tick, the last, of each span of so many seconds.
            count: at most so many, the newest.
        """
        first = self._oldest_kept()
        epochs = self._epoch[first : self._end]
        begin = 0 if from_ms is None else int(np.searchsorted(epochs, from_ms, "left"))
        end = len(epochs) if to_ms is None else int(np.searchsorted(epochs, to_ms, "right"))
        places = first + begin + chosen(epochs[begin:end], granularity_s, count)
        epoch, price, ask, bid = (column[places] for column in (self._epoch, self._price, self._ask, self._bid))
        return SelectedTicks(self._instrument_id, self._quantum, epoch, price, ask, bid)

    @property
    def oldest_ms(self) -> int | None:
        """The time of the oldest tick, in milliseconds since 1970; None where there is none."""
        return int(self._epoch[self._oldest_kept()]) if len(self) else None

    def _oldest_kept(self) -> int:
        """Return the place of the oldest tick that is neither too old nor one too many."""
        if self._start == self._end:
            return self._start
        oldest_ms = int(self._epoch[self._end - 1]) - self._max_age_ms
        young = self._start + int(np.searchsorted(self._epoch[self._start : self._end], oldest_ms, "left"))
        return max(young, self._end - self._max_ticks)

    def _make_room(self) -> None:
        """Drop the ticks that need not be kept, and take twice the space of the rest."""
        self._start = self._oldest_kept()
        self._resize(max(64, 2 * (self._end - self._start)))

    def _resize(self, size: int) -> None:
        kept = slice(self._start, self._end)
        columns = [np.empty(size, np.int64) for _ in range(4)]
        length = self._end - self._start
        if length:
            for new, old in zip(columns, (self._epoch, self._price, self._ask, self._bid), strict=True):
                new[:length] = old[kept]
        self._epoch, self._price, self._ask, self._bid = columns
        self._start, self._end = 0, length


def put_in(past: PastTicks, journaled: PastTicks) -> PastTicks:
    """
    Return the past of an instrument: the feed's ticks up to its first journaled tick - there is one -, and from there on the journaled ones
    alone.

    What the feed knows of a later time is not in the journal: it has not happened.
    """
    before = np.searchsorted(past.epoch_ms, journaled.epoch_ms[0], "left")

    def join(own: Integers, better: Integers) -> Integers:
        return np.concatenate([own[:before], better])

    return PastTicks(
        past.instrument_id,
        epoch_ms=join(past.epoch_ms, journaled.epoch_ms),
        price=join(past.price, journaled.price),
        ask=join(past.ask, journaled.ask),
        bid=join(past.bid, journaled.bid),
    )
