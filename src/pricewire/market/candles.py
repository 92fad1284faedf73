"""Candles from ticks: the one being built, the minutes before it, and longer ones from them; pure, with prices in pips."""

from __future__ import annotations

import numpy as np

from pricewire.market.pips import Integers

MINUTE_MS = 60_000
DAY_MS = 86_400_000

KEEP_MS = 7 * DAY_MS
"""How long minutes are kept, in milliseconds: a week, so that a chart of days has a few."""

START, OPEN, HIGH, LOW, CLOSE = range(5)
"""The columns of candles: the first millisecond of the span, and four prices in pips."""
COLUMNS = 5


class BuildingCandle:
    """
    The candle of one span, as far as its ticks have come.

    Attributes:
        start: the first millisecond of the span, since 1970.
        end: the first millisecond after it.
        open: the price of the first tick, in pips.
        high: the highest price, in pips.
        low: the lowest price, in pips.
        close: the price of the last tick, in pips.
    """

    __slots__ = ("close", "end", "high", "low", "open", "start")

    def __init__(self, granularity_ms: int, epoch_ms: int, price: int) -> None:
        self.start = epoch_ms - epoch_ms % granularity_ms
        self.end = self.start + granularity_ms
        self.open = self.high = self.low = self.close = price

    @classmethod
    def of(cls, row: Integers, granularity_ms: int) -> BuildingCandle:
        """Return the candle of a row, to be built on."""
        values: list[int] = row.tolist()
        candle = cls(granularity_ms, values[START], values[OPEN])
        _, candle.open, candle.high, candle.low, candle.close = values
        return candle

    def add(self, price: int) -> None:
        """Add a tick of this span, the newest."""
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        self.close = price

    def row(self) -> list[int]:
        """Return the candle as a row."""
        return [self.start, self.open, self.high, self.low, self.close]


def rows_of_ticks(epoch_ms: Integers, price: Integers, granularity_ms: int) -> Integers:
    """Return the candles of ticks in order as rows, oldest first; prices are in pips, the span is in milliseconds."""
    starts = epoch_ms - epoch_ms % granularity_ms
    # To group, a tick is a candle whose four prices are one. The columns are shared, not copied.
    return grouped(starts, (price, price, price, price))


def merged(rows: Integers, granularity_ms: int) -> Integers:
    """Return candles of a longer span, in milliseconds, a multiple of the shorter, made from rows of shorter ones, oldest first."""
    starts = rows[:, START] - rows[:, START] % granularity_ms
    return grouped(starts, tuple(rows[:, column] for column in range(OPEN, COLUMNS)))


def grouped(starts: Integers, columns: tuple[Integers, ...]) -> Integers:
    """
    Return one row for each run of equal `starts`.

    Args:
        starts: the beginning of the span that each candle belongs to, in order.
        columns: the candles, from the column `OPEN` on.
    """
    firsts = np.flatnonzero(np.diff(starts, prepend=-1))
    rows = np.empty((len(firsts), COLUMNS), np.int64)
    if len(firsts):
        opens, highs, lows, closes = columns
        lasts = np.append(firsts[1:], len(starts)) - 1
        rows[:, START] = starts[firsts]
        rows[:, OPEN] = opens[firsts]
        rows[:, HIGH] = np.maximum.reduceat(highs, firsts)
        rows[:, LOW] = np.minimum.reduceat(lows, firsts)
        rows[:, CLOSE] = closes[lasts]
    return rows


def candles_of(minutes: Integers, granularity_s: int, to_ms: int | None, count: int) -> Integers:
    """
    Return candles as rows, oldest first.

    Args:
        minutes: what they are made of, oldest first.
        granularity_s: the span of a candle, in seconds.
        to_ms: the last time of interest.
        count: at most so many, the newest.
    """
    rows = merged(minutes, granularity_s * 1000)
    end = len(rows) if to_ms is None else int(np.searchsorted(rows[:, START], to_ms, "right"))
    return rows[max(0, end - count) : end]


class CandleSeries:
    """
    The minutes of one instrument for a week, and the longer candles made from them.

    Only whole days are dropped, so that no longer candle ever lacks its first minutes. A minute without a tick has no candle.
    """

    __slots__ = ("_current", "_keep_ms", "_length", "_rows")

    def __init__(self, keep_ms: int = KEEP_MS) -> None:
        """Begin without candles; they are kept for `keep_ms` milliseconds at least."""
        self._keep_ms = keep_ms
        self._rows: Integers = np.empty((64, COLUMNS), np.int64)
        self._length = 0
        self._current: BuildingCandle | None = None

    def load(self, epoch_ms: Integers, price: Integers) -> None:
        """Begin with past ticks, in order, their prices in pips; what was there before is replaced."""
        rows = rows_of_ticks(epoch_ms, price, MINUTE_MS)
        if len(rows):
            self._rows, self._length = rows[:-1].copy(), len(rows) - 1
            self._current = BuildingCandle.of(rows[-1], MINUTE_MS)

    def add(self, epoch_ms: int, price: int) -> None:
        """Add a tick, not older than the newest; its price is in pips."""
        current = self._current
        if current is None:
            self._current = BuildingCandle(MINUTE_MS, epoch_ms, price)
        elif epoch_ms >= current.end:
            self._append(current.row())
            self._current = BuildingCandle(MINUTE_MS, epoch_ms, price)
        else:
            current.add(price)

    def current(self, granularity_s: int) -> BuildingCandle | None:
        """Return the newest candle of a granularity, to be built on apart from the series; None before the first tick."""
        if self._current is None:
            return None
        granularity_ms = granularity_s * 1000
        start = self._current.start - self._current.start % granularity_ms
        return BuildingCandle.of(merged(self.minutes(start), granularity_ms)[-1], granularity_ms)

    def rows(self, granularity_s: int, from_ms: int | None, to_ms: int | None, count: int) -> Integers:
        """
        Return candles as rows, oldest first, with the one being built.

        Args:
            granularity_s: the span of a candle, in seconds.
            from_ms: the first time of interest; a candle that it falls into is included.
            to_ms: the last time of interest.
            count: at most so many, the newest.
        """
        start = 0 if from_ms is None else from_ms - from_ms % (granularity_s * 1000)
        return candles_of(self.minutes(start), granularity_s, to_ms, count)

    def minutes(self, start_ms: int) -> Integers:
        """Return the minutes that begin at `start_ms` or later, as rows, oldest first, with the current one; they may change later."""
        closed = self._rows[: self._length]
        closed = closed[int(np.searchsorted(closed[:, START], start_ms)) :]
        current = self._current
        if current is None or current.start < start_ms:
            return closed
        return np.vstack([closed, np.array([current.row()], np.int64)])

    def _append(self, row: list[int]) -> None:
        if self._length == len(self._rows):
            self._make_room(row[START])
        self._rows[self._length] = row
        self._length += 1

    def _make_room(self, newest_ms: int) -> None:
        """Drop the days that are old enough, and take twice the space of the rest."""
        oldest_kept = (newest_ms - self._keep_ms) // DAY_MS * DAY_MS
        gone = int(np.searchsorted(self._rows[: self._length, START], oldest_kept))
        kept = self._rows[gone : self._length]
        self._length = len(kept)
        self._rows = np.empty((max(64, 2 * len(kept)), COLUMNS), np.int64)
        self._rows[: self._length] = kept
