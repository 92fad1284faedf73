"""The rows of a recording as they were read, and what is wrong with some."""

from __future__ import annotations

from array import array
from dataclasses import dataclass, field

import numpy as np

from pricewire.market.feed import EARLIEST_MS, LATEST_MS
from pricewire.market.pips import MOST_PIPS, Floats, Integers


@dataclass(eq=False, slots=True)
class RecordedRows:
    """
    Columns of what was read, and the rows that were not.

    Attributes:
        unit: what the numbers count: `line` or `row`.
        number: where each row stands, from 1.
        symbol: whose price each is; empty where the file does not say.
        epoch_ms: its time, in milliseconds since 1970.
        bid: what one gets for selling.
        ask: what one pays to buy.
        problems: the numbers of malformed rows, and what is wrong with them.
    """

    unit: str
    number: array[int] = field(default_factory=lambda: array("q"))
    symbol: list[str] = field(default_factory=list)
    epoch_ms: array[int] = field(default_factory=lambda: array("q"))
    bid: array[float] = field(default_factory=lambda: array("d"))
    ask: array[float] = field(default_factory=lambda: array("d"))
    problems: list[tuple[int, str]] = field(default_factory=list)

    def add(self, number: int, symbol: str, epoch_ms: int, bid: float, ask: float) -> None:
        """
        Add a row.

        Raises:
            OverflowError: the time does not fit 64 bits.
        """
        self.epoch_ms.append(epoch_ms)
        self.number.append(number)
        self.symbol.append(symbol)
        self.bid.append(bid)
        self.ask.append(ask)

    def refuse(self, number: int, problem: str) -> None:
        """Note that a row is malformed."""
        self.problems.append((number, problem))


@dataclass(frozen=True, eq=False, slots=True)
class CleanRows:
    """
    The rows that can be used, as columns.

    Attributes:
        symbol: whose price each is; empty where the file does not say.
        epoch_ms: their times, in milliseconds since 1970.
        bid: what one got for selling.
        ask: what one paid to buy.
    """

    symbol: list[str]
    epoch_ms: Integers
    bid: Floats
    ask: Floats


def clean(rows: RecordedRows) -> CleanRows:
    """Return the rows that can be used; the others are noted among the problems of `rows`."""
    epoch_ms = np.frombuffer(rows.epoch_ms, np.int64) if rows.epoch_ms else np.empty(0, np.int64)
    bid = np.frombuffer(rows.bid) if rows.bid else np.empty(0)
    ask = np.frombuffer(rows.ask) if rows.ask else np.empty(0)
    # Comparisons with NaN are false, so that it fails here as it should.
    priced = (bid > 0) & (bid < MOST_PIPS) & (ask > 0) & (ask < MOST_PIPS)
    timely = (epoch_ms >= EARLIEST_MS) & (epoch_ms < LATEST_MS)
    good = priced & timely & (bid <= ask)
    for place in np.flatnonzero(~good).tolist():
        if not priced[place]:
            problem = f"bid {bid[place]} and ask {ask[place]} must be positive numbers"
        elif not timely[place]:
            problem = f"time {epoch_ms[place]} ms after 1970 is before 1973 or after 5138"
        else:
            problem = f"bid {bid[place]} is above ask {ask[place]}"
        rows.refuse(rows.number[place], problem)
    rows.problems.sort()
    symbol = [symbol for symbol, kept in zip(rows.symbol, good.tolist(), strict=True) if kept]
    return CleanRows(symbol, epoch_ms[good], bid[good], ask[good])
