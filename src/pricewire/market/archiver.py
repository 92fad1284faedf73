"""Moves the closed days of a journal to its archive, and says which of the journal's files are not needed any more. Blocking."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from pricewire.errors import JournalError
from pricewire.market.archived_days import ArchivedDay, Place, TickArchive
from pricewire.market.candles import DAY_MS
from pricewire.market.feed import PastTicks
from pricewire.market.segment import Segment, joined, places_of, shifted

logger = logging.getLogger(__name__)

MOST_AT_ONCE = 1 << 22
"""How many ticks are in memory at once, about: 130 MB."""

Left = tuple[Segment, PastTicks, int]
"""Ticks of a file of the journal that are not in the archive, and their decimals."""


def archive_closed(
    segments: Sequence[Segment], archive: TickArchive, before_ms: int, is_stopped: Callable[[], bool] = lambda: False
) -> set[Path]:
    """
    Write the days that are closed to the archive, and return the files whose ticks are all there.

    A day is closed where its instrument has a tick of a later one: an older tick is refused. Where no tick comes any more, it is closed
    once the journal need not keep it; ticks that come all the same are put after its others.

    Args:
        segments: the files of the journal, oldest first, as they are now.
        archive: gets the days.
        before_ms: the journal need not keep what is older, in milliseconds since 1970.
        is_stopped: tells when to write no more.
    """
    if not segments:
        return set()
    place = Place(segments[-1].number, segments[-1].count)
    incomplete: set[Path] = set()
    names = sorted({name for segment in segments for name in segment.instruments})
    batches = max(1, -(-sum(segment.count for segment in segments) // MOST_AT_ONCE))
    for number in range(batches):
        some = names[number::batches]
        for instrument_id, left in not_archived(segments, archive, some).items():
            done: set[int] = set()
            newest_day = max(int(past.epoch_ms.max()) for _, past, _ in left) // DAY_MS
            for day in sorted({int(day) for _, past, _ in left for day in np.unique(past.epoch_ms // DAY_MS)}):
                if day >= newest_day and (day + 1) * DAY_MS > before_ms:
                    break
                if is_stopped():
                    return set()
                try:
                    move(instrument_id, day, left, archive, place)
                except JournalError as error:
                    # The next time it is tried again; later days wait, so that the archive is always the journal's beginning.
                    logger.error("%s; the journal keeps the ticks of %s meanwhile", error, instrument_id)
                    break
                done.add(day)
            incomplete |= {segment.path for segment, past, _ in left if not np.isin(past.epoch_ms // DAY_MS, list(done)).all()}
    return {segment.path for segment in segments} - incomplete


def not_archived(segments: Sequence[Segment], archive: TickArchive, names: Sequence[str]) -> dict[str, list[Left]]:
    """Return the ticks of some instruments that are not in the archive, by instrument and file."""
    found: dict[str, list[Left]] = {}
    places = {instrument_id: places_of(archive.days(instrument_id)) for instrument_id in names}
    for segment in segments:
        records = segment.records()
        for instrument_id, pip_size, rows in segment.by_instrument(records):
            if instrument_id in places:
                rows = rows[segment.is_left(records["epoch_ms"][rows], rows, places[instrument_id])]
                if len(rows):
                    columns = (records[name][rows] for name in ("epoch_ms", "price", "ask", "bid"))
                    found.setdefault(instrument_id, []).append((segment, PastTicks(instrument_id, *columns), pip_size))
    return found


def move(instrument_id: str, day: int, left: Sequence[Left], archive: TickArchive, place: Place) -> None:
    """
    Write a day of an instrument to the archive.

    Raises:
        JournalError: the file cannot be read or written.
    """
    most = max(pip_size for _, _, pip_size in left)
    parts = []
    for _, past, pip_size in left:
        own = past.epoch_ms // DAY_MS == day
        columns = (column[own] for column in (past.epoch_ms, past.price, past.ask, past.bid))
        parts.append(shifted(PastTicks(instrument_id, *columns), most - pip_size))
    archive.add(joined(instrument_id, parts), most, place)


def are_proven(segments: Sequence[Segment], archive: TickArchive) -> set[Path]:
    """Return those of some files of the journal of whose days everything reads well in the archive."""
    proven: dict[ArchivedDay, bool] = {}

    def is_proven(day: ArchivedDay) -> bool:
        if day not in proven:
            try:
                archive.prove(day)
                proven[day] = True
            except JournalError as error:
                logger.error("%s; the journal keeps the ticks of this day", error)
                proven[day] = False
        return proven[day]

    def has_all(segment: Segment) -> bool:
        records = segment.records()
        end = Place(segment.number, segment.count)
        for instrument_id, _, rows in segment.by_instrument(records):
            days = {day.day: day for day in archive.days(instrument_id)}
            for number in np.unique(records["epoch_ms"][rows] // DAY_MS).tolist():
                day = days.get(number)
                if day is None or day.through < end or not is_proven(day):
                    return False
        return True

    return {segment.path for segment in segments if has_all(segment)}
