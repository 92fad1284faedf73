"""A file of the journal: how ticks are written in it, and what is read of it."""

from __future__ import annotations

import json
import logging
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pricewire.errors import JournalError
from pricewire.market.archived_days import ArchivedDay, Place
from pricewire.market.candles import DAY_MS
from pricewire.market.feed import EARLIEST_MS, LATEST_MS, PastTicks
from pricewire.market.pips import Integers

logger = logging.getLogger(__name__)

RECORD = struct.Struct("<qqqqII")
COLUMNS = np.dtype([("epoch_ms", "<i8"), ("price", "<i8"), ("ask", "<i8"), ("bid", "<i8"), ("instrument", "<u4"), ("check", "<u4")])
"""A tick: prices in pips, the index of the instrument in the file's first line, and the check of all these; see `checks`."""

A, B, C, D, E, F = (
    0x9E3779B97F4A7C15,
    0xBF58476D1CE4E5B9,
    0x94D049BB133111EB,
    0xD6E8FEB86659FD93,
    0xA0761D6478BD642F,
    0xE7037ED1A0B428DB,
)
"""
A check is the upper half of a 64-bit sum: each column times an odd number of its own, so that a missing one is noticed, plus one
number more, so that zeros are not a tick. Unlike a CRC, it takes only some milliseconds for a million records.
"""

Records = npt.NDArray[np.void]


@dataclass(frozen=True, slots=True)
class Segment:
    """
    One file of the journal: a line of JSON with its instruments, padded to the size of whole records, then ticks.

    Attributes:
        path: the file.
        instruments: the decimals of each instrument by its id, in the order of their indexes.
        begin: where the ticks begin, in bytes.
        count: how many whole ticks it holds.
        oldest_ms: the oldest time in it, in milliseconds since 1970.
        newest_ms: the newest one.
    """

    path: Path
    instruments: Mapping[str, int]
    begin: int
    count: int
    oldest_ms: int
    newest_ms: int

    def records(self) -> Records:
        """Return its ticks, in the order in which they arrived; none if the file was removed meanwhile."""
        try:
            with self.path.open("rb") as file:
                file.seek(self.begin)
                return np.fromfile(file, COLUMNS, self.count)
        except FileNotFoundError:
            return np.empty(0, COLUMNS)

    @property
    def number(self) -> int:
        """Its number: a file has a higher one than those that were begun before."""
        return int(self.path.stem)

    def ticks_of(self, instrument_id: str, from_ms: int, to_ms: int, archived: Sequence[ArchivedDay] = ()) -> PastTicks:
        """
        Return the ticks of one of its instruments from one time to another, with the decimals that they were written with.

        Args:
            instrument_id: the instrument.
            from_ms: the first time, in milliseconds since 1970.
            to_ms: the last time.
            archived: ticks that these days have are left out.
        """
        records = self.records()
        is_wanted = records["instrument"] == list(self.instruments).index(instrument_id)
        rows = np.flatnonzero(is_wanted & (records["epoch_ms"] >= from_ms) & (records["epoch_ms"] <= to_ms))
        records = records[rows]
        if archived:
            records = records[self.is_left(records["epoch_ms"], rows, places_of(archived))]
        return PastTicks(instrument_id, *(records[name] for name in ("epoch_ms", "price", "ask", "bid")))

    def is_left(self, epoch_ms: Integers, rows: npt.NDArray[np.intp], archived: Mapping[int, Place]) -> npt.NDArray[np.bool_]:
        """
        Return which ticks of an instrument are not in the archive.

        Args:
            epoch_ms: their times.
            rows: how many ticks of this file are before each.
            archived: by day, up to which place of the journal its ticks are in the archive.
        """
        left = np.ones(len(rows), np.bool_)
        days = epoch_ms // DAY_MS
        for day in np.unique(days).tolist() if archived else ():
            place = archived.get(day)
            if place is not None and place.segment >= self.number:
                left &= (days != day) | (rows >= place.rows if place.segment == self.number else False)
        return left

    def is_archived(self, archived: Mapping[int, Place]) -> bool:
        """Return whether all ticks that it can have of an instrument are in the archive, of which `archived` says the same as above."""
        end = Place(self.number, self.count)
        days = range(self.oldest_ms // DAY_MS, self.newest_ms // DAY_MS + 1)
        return len(days) <= len(archived) and all((place := archived.get(day)) is not None and place >= end for day in days)

    def by_instrument(self, records: Records) -> Iterator[tuple[str, int, npt.NDArray[np.intp]]]:
        """Yield each instrument that has ticks, its decimals, and the places of its ticks, in the order in which they arrived."""
        place = records["instrument"].astype(np.min_scalar_type(len(self.instruments)))
        order = np.argsort(place, kind="stable")
        bounds = np.searchsorted(place[order], np.arange(len(self.instruments) + 1))
        for (instrument_id, pip_size), start, stop in zip(self.instruments.items(), bounds[:-1], bounds[1:], strict=True):
            if start < stop:
                yield instrument_id, pip_size, order[start:stop]


def segments(folder: Path) -> list[Segment]:
    """
    Return the files of a journal with the ticks that they have now, oldest first; a process may be writing to it.

    Raises:
        JournalError: there is no such folder.
    """
    if not folder.is_dir():
        raise JournalError(f"there is no journal {folder}; it is the folder `journal` in the data directory of a server")
    return [segment for path in sorted(folder.glob("[0-9]*.ticks")) if (segment := opened(path)) is not None]


def opened(path: Path) -> Segment | None:
    """Return a file of the journal with its complete ticks; None, and a warning, if it is not such a file."""
    try:
        with path.open("rb") as file:
            line = file.readline(1 << 20)
            header = json.loads(line)
            records = np.fromfile(file, COLUMNS)
        instruments = dict(header["instruments"])
        if header["pricewire"] != "ticks" or header["version"] != 1 or len(line) % COLUMNS.itemsize:
            raise ValueError("it begins as no file of this version does")
    except (OSError, ValueError, KeyError, TypeError) as error:
        logger.warning("%s is no file of the journal, and is not read: %s", path, error)
        return None
    bad = np.flatnonzero((records["check"] != checks(records)) | (records["instrument"] >= len(instruments)))
    if len(bad):
        logger.warning("%s ends after %d ticks: the next one was half written", path, bad[0])
        records = records[: bad[0]]
    epoch_ms = records["epoch_ms"]
    oldest_ms, newest_ms = int(epoch_ms.min(initial=LATEST_MS)), int(epoch_ms.max(initial=EARLIEST_MS))
    return Segment(path, instruments, len(line), len(records), oldest_ms, newest_ms)


def checks(records: Records) -> npt.NDArray[np.uint32]:
    """Return the right check of each record."""
    total = np.full(len(records), F, np.uint64)
    for name, factor in (("epoch_ms", A), ("price", B), ("ask", C), ("bid", D), ("instrument", E)):
        total += records[name].astype(np.uint64) * np.uint64(factor)
    return (total >> np.uint64(32)).astype(np.uint32)


def rescaled(pips: Integers, decimals: int) -> Integers:
    """Return prices with so many more decimals; with fewer, they are rounded half to even."""
    if not decimals:
        return pips
    values: Integers = pips * 10**decimals if decimals > 0 else np.rint(pips / 10**-decimals).astype(np.int64)
    return values


def shifted(past: PastTicks, decimals: int) -> PastTicks:
    """Return ticks with so many more decimals than they were written with; with fewer, prices are rounded half to even."""
    return PastTicks(past.instrument_id, past.epoch_ms, *(rescaled(pips, decimals) for pips in (past.price, past.ask, past.bid)))


def cut(past: PastTicks, from_ms: int, to_ms: int) -> PastTicks:
    """Return those ticks, in the order of their times, that are from one time to another, in milliseconds since 1970."""
    first, last = np.searchsorted(past.epoch_ms, from_ms, "left"), np.searchsorted(past.epoch_ms, to_ms, "right")
    return PastTicks(past.instrument_id, *(column[first:last] for column in (past.epoch_ms, past.price, past.ask, past.bid)))


def places_of(archived: Sequence[ArchivedDay]) -> Mapping[int, Place]:
    """Return up to which place of the journal the ticks of each day are in the archive."""
    return {day.day: day.through for day in archived}


def joined(instrument_id: str, parts: Sequence[PastTicks]) -> PastTicks:
    """Return the parts of one instrument's ticks as one."""
    if len(parts) == 1:
        return parts[0]
    names = ("epoch_ms", "price", "ask", "bid")
    return PastTicks(instrument_id, *(np.concatenate([getattr(part, name) for part in parts]) for name in names))
