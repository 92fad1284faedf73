"""
What histories have from the journal and its archive: the ticks and candles that lie further back than those in memory. Blocking, for a
thread.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pricewire.errors import JournalError, SpanTooLongError
from pricewire.market.archived_days import ArchivedDay, TickArchive
from pricewire.market.candles import DAY_MS, MINUTE_MS, START, candles_of, merged, rows_of_ticks
from pricewire.market.feed import PastTicks
from pricewire.market.history import SelectedTicks, chosen
from pricewire.market.pips import Integers
from pricewire.market.segment import Segment, cut, joined, shifted

logger = logging.getLogger(__name__)

MOST_READ = 1 << 22
"""How many ticks of the journal, of all instruments, a request may have read at most: some 0.1 s of a thread."""

MOST_DAYS = 3660
"""How many days of the archive's minutes a request may have read at most: ten years."""

DAY_COST = 10_000
"""As many ticks of the journal are read in the time in which a day of the archive's minutes is."""


class Older(NamedTuple):
    """
    An instrument's ticks in the journal from one time to another.

    Attributes:
        instrument_id: the instrument.
        pip_size: its decimals.
        segments: the files that may have them, newest first.
        from_ms: the first time, in milliseconds since 1970; None for as far back as is needed.
        to_ms: the last time.
        archive: has what the files have no longer; None where there is none.
        days: its days of the instrument, newest first, all of them before what the files have besides.
    """

    instrument_id: str
    pip_size: int
    segments: Sequence[Segment]
    from_ms: int | None
    to_ms: int
    archive: TickArchive | None = None
    days: Sequence[ArchivedDay] = ()

    def ticks_read(self, granularity_s: int | None, count: int) -> int:
        """Return how many ticks have to be read, about: those of the files are of all instruments."""
        read = sum(segment.count for segment in self.segments)
        found = 0
        for day in self.days:
            read += day.rows
            # Of the first and the last day, only a part may be of interest.
            if self._is_within(day):
                found += day.rows if granularity_s is None else min(day.rows, DAY_MS // 1000 // granularity_s)
            if found >= count or read >= MOST_READ:
                break
        return min(read, MOST_READ)

    def minutes_read(self, granularity_s: int, count: int) -> int:
        """Return the same for candles, where a day of the archive takes as long to read as `DAY_COST` ticks."""
        days = min(len(self.days), count * granularity_s * 1000 // DAY_MS + 2, MOST_DAYS)
        return min(sum(segment.count for segment in self.segments), MOST_READ) + days * DAY_COST

    def ticks(self, selected: SelectedTicks, granularity_s: int | None, count: int) -> SelectedTicks:
        """
        Return the ticks that were selected from memory, with those before them.

        Args:
            selected: from memory, where nothing is missing that is newer than `to_ms`.
            granularity_s: at most one tick, the last, of each span of so many seconds.
            count: at most so many, the newest.

        Raises:
            SpanTooLongError: more has to be read for it than a request may have read.
        """
        # Of several ticks of the same time, memory may have dropped some: those are the journal's.
        found = int(np.count_nonzero(selected.epoch_ms > self.to_ms))
        parts: list[PastTicks] = []
        for part in self._parts(with_days=True):
            kept = chosen(part.epoch_ms, granularity_s, count)
            parts.append(PastTicks(part.instrument_id, *(column[kept] for column in columns_of(part))))
            # With a granularity, the first span of a part may be the last one of the part before.
            found += len(kept) - (granularity_s is not None)
            if found >= count:
                break
        if not parts:
            return selected
        past = joined(self.instrument_id, parts[::-1])
        newer = selected.epoch_ms > past.epoch_ms[-1]
        columns = [np.concatenate([old, new[newer]]) for old, new in zip(columns_of(past), columns_of(selected), strict=True)]
        kept = chosen(columns[0], granularity_s, count)
        return SelectedTicks(selected.instrument_id, selected.quantum, *(column[kept] for column in columns))

    def candles(self, minutes: Integers, granularity_s: int, to_ms: int | None, count: int) -> Integers:
        """
        Return candles as rows, as `candles_of` does, of the minutes in memory and of those before them.

        Raises:
            SpanTooLongError: more has to be read for it than a request may have read.
        """
        found = len(candles_of(minutes, granularity_s, to_ms, count)) - 1
        parts: list[Integers] = []
        for part in self._parts(with_days=False):
            rows = rows_of_ticks(part.epoch_ms, part.price, MINUTE_MS)
            parts.append(rows)
            # The first candle of a part may be the last one of the part before.
            found += len(candles_of(rows, granularity_s, to_ms, count)) - 1
            if found >= count:
                break
        else:
            parts += self._candles_of_days(granularity_s, to_ms, count, found)
        if parts:
            older = merged(np.vstack(parts[::-1]), MINUTE_MS)
            # The first minute in memory may lack its first ticks: it is the journal's.
            minutes = np.vstack([older, minutes[minutes[:, START] > older[-1, START]]])
        return candles_of(minutes, granularity_s, to_ms, count)

    def _parts(self, *, with_days: bool) -> Iterator[PastTicks]:
        """
        Yield the ticks of one file after another, newest first, each part in the order in which they came; none that is empty.

        Raises:
            SpanTooLongError: more has to be read for it than a request may have read.
        """
        read = 0
        for segment in self.segments:
            read += segment.count
            if self._is_too_much(read):
                return
            part = segment.ticks_of(self.instrument_id, self.from_ms or 0, self.to_ms, self.days)
            if len(part.epoch_ms):
                yield shifted(part, self.pip_size - segment.instruments[self.instrument_id])
        for day in self.days if with_days else ():
            read += day.rows
            if self._is_too_much(read):
                return
            part = cut(self._day(day), self.from_ms or 0, self.to_ms)
            if len(part.epoch_ms):
                yield shifted(part, self.pip_size - day.pip_size)

    def _is_too_much(self, read: int) -> bool:
        """Return whether no more is to be read; where there is a beginning, that is an error."""
        if read > MOST_READ and self.from_ms is not None:
            raise SpanTooLongError(f"{MOST_READ} ticks of all instruments in the journal")
        return read > MOST_READ

    def _day(self, day: ArchivedDay) -> PastTicks:
        """Return the ticks of a day of the archive; none, and an error in the log, where they cannot be read."""
        assert self.archive is not None, "it has the days"  # noqa: S101
        try:
            return self.archive.ticks(day)
        except JournalError as error:
            logger.error("%s; a history is without this day", error)
            none = np.empty(0, np.int64)
            return PastTicks(self.instrument_id, none, none, none, none)

    def _candles_of_days(self, granularity_s: int, to_ms: int | None, count: int, found: int) -> list[Integers]:
        """Return candles of the archive's days, newest first, so that there are so many with those that were found."""
        parts: list[Integers] = []
        read = 0
        while self.archive is not None and found < count and read < len(self.days):
            # The newest day may be followed by minutes of its last candle.
            span_s, some = MINUTE_MS // 1000, self.days[:1]
            if read:
                # As many days as have what is missing if none has a gap.
                span_s, some = granularity_s, self.days[read : read + 1 + (count - found) * granularity_s * 1000 // DAY_MS]
            read += len(some)
            if read > MOST_DAYS:
                if self.from_ms is not None:
                    raise SpanTooLongError(f"{MOST_DAYS} days in the archive")
                break
            rows = self.archive.candles(some, span_s, self.pip_size, self.from_ms or 0, self.to_ms)
            if len(rows):
                parts.append(rows)
                found += len(candles_of(rows, granularity_s, to_ms, count)) - 1
        return parts

    def _is_within(self, day: ArchivedDay) -> bool:
        """Return whether all of a day is of interest."""
        return day.to_ms <= self.to_ms and (self.from_ms is None or day.from_ms >= self.from_ms)


def columns_of(ticks: PastTicks | SelectedTicks) -> tuple[Integers, Integers, Integers, Integers]:
    """Return the times, prices, asks and bids."""
    return ticks.epoch_ms, ticks.price, ticks.ask, ticks.bid
