"""Candles from ticks: the one being built, the minutes before it, and longer ones from them; pure, with prices in pips."""

from __future__ import annotations

import numpy as np

from pricewire.market.pips import Integers

MINUTE_MS = 60_000
DAY_MS = 86_400_000

KEEP_MS = 7 * DAY_MS
"""How long minutes are kept, in milliseconds: a week, so that a chart of days has a few."""

START, OPEN, HIGH, LOW, CLOSE, OPENED_AT, CLOSED_AT = range(7)
"""
The columns of candles as rows of numbers: the first millisecond of the span; four prices in pips; the times of the first and the
last tick in it, by which a late tick finds its place.
"""
COLUMNS = 7


class BuildingCandle:
    """
    The candle of one span, as far as its ticks have come.

    Ticks may come in any order: the candle is that of the ticks sorted by time, those of the same time in the order of their coming.

    Attributes:
        start: the first millisecond of the span, since 1970.
        end: the first millisecond after it.
        open: the price of the earliest tick, in pips.
        high: the highest price, in pips.
        low: the lowest price, in pips.
        close: the price of the latest tick, in pips.
        opened_at: the time of the earliest tick, in milliseconds since 1970.
        closed_at: the time of the latest tick, in milliseconds since 1970.
    """

    __slots__ = ("close", "closed_at", "end", "high", "low", "open", "opened_at", "start")

    def __init__(self, granularity_ms: int, epoch_ms: int, price: int) -> None:
        self.start = epoch_ms - epoch_ms % granularity_ms
        self.end = self.start + granularity_ms
        self.open = self.high = self.low = self.close = price
        self.opened_at = self.closed_at = epoch_ms

    @classmethod
    def of(cls, row: Integers, granularity_ms: int) -> BuildingCandle:
        """Return the candle of a row, to be built on."""
        values: list[int] = row.tolist()
        candle = cls(granularity_ms, values[START], values[OPEN])
        _, candle.open, candle.high, candle.low, candle.close, candle.opened_at, candle.closed_at = values
        return candle

    def add(self, epoch_ms: int, price: int) -> None:
        """Add a tick of this span."""
        if price > self.high:
            self.high = price
        elif price < self.low:
            self.low = price
        if epoch_ms >= self.closed_at:
            self.close = price
            self.closed_at = epoch_ms
        elif epoch_ms < self.opened_at:
            self.open = price
            self.opened_at = epoch_ms

    def row(self) -> list[int]:
        """Return the candle as a row."""
        return [self.start, self.open, self.high, self.low, self.close, self.opened_at, self.closed_at]


def rows_of_ticks(epoch_ms: Integers, price: Integers, granularity_ms: int) -> Integers:
    """
    Return the candles of ticks as rows, oldest first.

    Args:
        epoch_ms: the ticks' times, in order.
        price: their prices, in pips.
        granularity_ms: the span of a candle, in milliseconds.
    """
    starts = epoch_ms - epoch_ms % granularity_ms
    # To group, a tick is a candle whose four prices are one. The columns are shared, not copied.
    return grouped(starts, (price, price, price, price, epoch_ms, epoch_ms))


def merged(rows: Integers, granularity_ms: int) -> Integers:
    """
    Return candles of a longer span, made from rows of shorter ones.

    Args:
        rows: the shorter candles, oldest first.
        granularity_ms: the longer span, in milliseconds, a multiple of the shorter.
    """
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
        opens, highs, lows, closes, opened_at, closed_at = columns
        lasts = np.append(firsts[1:], len(starts)) - 1
        rows[:, START] = starts[firsts]
        rows[:, OPEN] = opens[firsts]
        rows[:, HIGH] = np.maximum.reduceat(highs, firsts)
        rows[:, LOW] = np.minimum.reduceat(lows, firsts)
        rows[:, CLOSE] = closes[lasts]
        rows[:, OPENED_AT] = opened_at[firsts]
        rows[:, CLOSED_AT] = closed_at[lasts]
    return rows


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
        """
        Begin with past ticks; what was there before is replaced.

        Args:
            epoch_ms: the ticks' times, in order.
            price: their prices, in pips.
        """
        rows = rows_of_ticks(epoch_ms, price, MINUTE_MS)
        if len(rows):
            self._rows, self._length = rows[:-1].copy(), len(rows) - 1
            self._current = BuildingCandle.of(rows[-1], MINUTE_MS)

    def add(self, epoch_ms: int, price: int) -> None:
        """
        Add a tick.

        Args:
            epoch_ms: its time; one of an earlier minute than the newest is put in its place.
            price: its price, in pips.
        """
        current = self._current
        if current is None:
            self._current = BuildingCandle(MINUTE_MS, epoch_ms, price)
        elif epoch_ms >= current.end:
            self._append(current.row())
            self._current = BuildingCandle(MINUTE_MS, epoch_ms, price)
        elif epoch_ms >= current.start:
            current.add(epoch_ms, price)
        else:
            self._add_late(current.start, epoch_ms, price)

    def current(self, granularity_s: int) -> BuildingCandle | None:
        """Return the newest candle of a granularity, to be built on apart from the series; None before the first tick."""
        if self._current is None:
            return None
        granularity_ms = granularity_s * 1000
        start = self._current.start - self._current.start % granularity_ms
        return BuildingCandle.of(merged(self._minutes_from(start), granularity_ms)[-1], granularity_ms)

    def rows(self, granularity_s: int, from_ms: int | None, to_ms: int | None, count: int) -> Integers:
        """
        Return candles as rows, oldest first, with the one being built.

        Args:
            granularity_s: the span of a candle, in seconds.
            from_ms: the first time of interest; a candle that it falls into is included.
            to_ms: the last time of interest.
            count: at most so many, the newest.
        """
        granularity_ms = granularity_s * 1000
        start = 0 if from_ms is None else from_ms - from_ms % granularity_ms
        rows = merged(self._minutes_from(start), granularity_ms)
        end = len(rows) if to_ms is None else int(np.searchsorted(rows[:, START], to_ms, "right"))
        return rows[max(0, end - count) : end]

    def _minutes_from(self, start_ms: int) -> Integers:
        """Return the minutes that begin at `start_ms` or later, with the current one."""
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
        gone = int(np.searchsorted(self._rows[: self._length, START], self._oldest_kept(newest_ms)))
        kept = self._rows[gone : self._length]
        self._length = len(kept)
        self._rows = np.empty((max(64, 2 * len(kept)), COLUMNS), np.int64)
        self._rows[: self._length] = kept

    def _oldest_kept(self, newest_ms: int) -> int:
        """Return the first millisecond of the oldest day that is kept."""
        return (newest_ms - self._keep_ms) // DAY_MS * DAY_MS

    def _add_late(self, newest_ms: int, epoch_ms: int, price: int) -> None:
        """Put a tick of an earlier minute than `newest_ms` in its place."""
        start = epoch_ms - epoch_ms % MINUTE_MS
        if start < self._oldest_kept(newest_ms):
            return
        place = int(np.searchsorted(self._rows[: self._length, START], start))
        if place < self._length and self._rows[place, START] == start:
            candle = BuildingCandle.of(self._rows[place], MINUTE_MS)
            candle.add(epoch_ms, price)
            self._rows[place] = candle.row()
            return
        row = np.array(BuildingCandle(MINUTE_MS, epoch_ms, price).row(), np.int64)
        self._rows = np.insert(self._rows[: self._length], place, row, axis=0)
        self._length += 1
