"""What a data directory has of an instrument: the days of the archive, then what only the journal's files have."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pricewire.market.archived_days import ArchivedDay, TickArchive, overlapping
from pricewire.market.feed import PastTicks
from pricewire.market.segment import Segment, cut

JOURNALS = ("journal", "trading")
"""The journals of a data directory: that of a server, and that of a process with trading alone."""


def archived_ticks(
    days: Sequence[ArchivedDay], own: Sequence[Segment], instrument_id: str, from_ms: int, to_ms: int, archive: TickArchive | None = None
) -> Iterator[tuple[PastTicks, int]]:
    """
    Yield the ticks of an instrument from one time to another, oldest first, with their decimals; no part is empty.

    Args:
        days: of the instrument.
        own: the files of the journal, oldest first.
        instrument_id: the instrument.
        from_ms: the first time, in milliseconds since 1970.
        to_ms: the last time.
        archive: has the days.

    Raises:
        JournalError: a day cannot be read.
    """
    if archive is not None:
        for day in reversed(overlapping(days, from_ms, to_ms)):
            past = cut(archive.ticks(day), from_ms, to_ms)
            if len(past.epoch_ms):
                yield past, day.pip_size
    for segment in own:
        if instrument_id in segment.instruments and segment.oldest_ms <= to_ms and segment.newest_ms >= from_ms:
            past = segment.ticks_of(instrument_id, from_ms, to_ms, days)
            if len(past.epoch_ms):
                yield past, segment.instruments[instrument_id]
