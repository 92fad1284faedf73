"""What histories have from the journal: the ticks and candles that lie further back than those in memory. Blocking, for a thread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from pricewire.errors import SpanTooLongError
from pricewire.market.candles import MINUTE_MS, START, candles_of, merged, rows_of_ticks
from pricewire.market.feed import PastTicks
from pricewire.market.history import SelectedTicks, chosen
from pricewire.market.journal import Segment, joined, shifted
from pricewire.market.pips import Integers

MOST_READ = 1 << 22
"""How many ticks of the journal, of all instruments, a request may have read at most: some 0.1 s of a thread."""


class Older(NamedTuple):
    """
    An instrument's ticks in the journal from one time to another.

    Attributes:
        instrument_id: the instrument.
        pip_size: its decimals.
        segments: the files that may have them, newest first.
        from_ms: the first time, in milliseconds since 1970; None for as far back as is needed.
        to_ms: the last time.
    """

    instrument_id: str
    pip_size: int
    segments: Sequence[Segment]
    from_ms: int | None
    to_ms: int

    @property
    def records(self) -> int:
        """How many ticks have to be read at most, of all instruments."""
        return min(sum(segment.count for segment in self.segments), MOST_READ)

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
        for part in self._parts():
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
        for part in self._parts():
            rows = rows_of_ticks(part.epoch_ms, part.price, MINUTE_MS)
            parts.append(rows)
            # The first candle of a part may be the last one of the part before.
            found += len(candles_of(rows, granularity_s, to_ms, count)) - 1
            if found >= count:
                break
        if parts:
            older = merged(np.vstack(parts[::-1]), MINUTE_MS)
            # The first minute in memory may lack its first ticks: it is the journal's.
            minutes = np.vstack([older, minutes[minutes[:, START] > older[-1, START]]])
        return candles_of(minutes, granularity_s, to_ms, count)

    def _parts(self) -> Iterator[PastTicks]:
        """Yield the ticks of one file after another, newest first, each part in the order in which they came; none that is empty."""
        read = 0
        for segment in self.segments:
            read += segment.count
            if read > MOST_READ:
                if self.from_ms is not None:
                    raise SpanTooLongError(MOST_READ)
                return
            part = segment.ticks_of(self.instrument_id, self.from_ms or 0, self.to_ms)
            if len(part.epoch_ms):
                shift = self.pip_size - segment.instruments[self.instrument_id]
                yield shifted(part, shift) if shift else part


def columns_of(ticks: PastTicks | SelectedTicks) -> tuple[Integers, Integers, Integers, Integers]:
    """Return the times, prices, asks and bids."""
    return ticks.epoch_ms, ticks.price, ticks.ask, ticks.bid
