"""The journal: every tick is written to a file before anybody sees it, in the order in which they arrive."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import json
import logging
import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from pricewire.errors import JournalError
from pricewire.market.archived_days import NOWHERE, ArchivedDay, TickArchive, overlapping
from pricewire.market.archiver import archive_closed, are_proven
from pricewire.market.candles import DAY_MS
from pricewire.market.feed import EARLIEST_MS, LATEST_MS, PastTicks
from pricewire.market.pips import quantum_of
from pricewire.market.segment import COLUMNS, RECORD, A, B, C, D, E, F, Segment, checks, cut, joined, places_of, segments, shifted
from pricewire.protocol.messages import Instrument, Tick

logger = logging.getLogger(__name__)

KEEP_S = 86_400.0
"""How long ticks are kept by default, in seconds: a day."""

SYNC_S = 1.0
"""How often added ticks are synced to the disk, in seconds: the most that a power cut can lose."""

SEGMENT_RECORDS = 1 << 20
"""How many ticks a file holds at most: 40 MiB."""

SEGMENTS_KEPT = 24
"""A file takes ticks for at most this fraction of the time that ticks are kept (1/24), so that old files can be removed in time."""

PRUNE_S = 3600.0
"""How often old files are removed, in seconds."""


class Journal:
    """
    The ticks of some instruments in a folder of files that are only appended to.

    When `add` returns, the operating system has the tick, so a process that is killed loses none. When `sync` returns, and a second
    later at the latest, it is on the disk, so a power cut loses no more than that second. A record that was half written is left out
    when the files are read. Each process starts a file of its own.

    With an archive, days that are closed are written there, and what is read is read from there; a file is removed only when the archive
    has its ticks.
    """

    def __init__(
        self, folder: Path, instruments: Sequence[Instrument], *, keep_s: float = KEEP_S, archive: TickArchive | None = None
    ) -> None:
        """
        Open a journal of some instruments, or make it; no other process may have it open.

        Args:
            folder: where it is.
            instruments: whose ticks are written to it.
            keep_s: how long its files are kept, in seconds.
            archive: where closed days go; None for nowhere.

        Raises:
            JournalError: the folder cannot be used, or another process has it.
        """
        self._folder = folder
        self._keep_s = keep_s
        self.archive = archive
        self._archived: set[Path] = set()
        self._is_closed = False
        self._instruments = {instrument.id: instrument.pip_size for instrument in instruments}
        self._places = {instrument_id: place for place, instrument_id in enumerate(self._instruments)}
        self._file = -1
        self._path = folder
        self._begin = self._end = 0
        self._full_at = 0
        self._age_out = 0.0
        self._oldest_ms, self._newest_ms = LATEST_MS, EARLIEST_MS
        self._unsynced: list[int] = []
        self._added = self._durable = 0
        self._syncing: asyncio.Task[None] | None = None
        self._failure = ""
        self._lock = lock(folder)
        self._segments = segments(folder)

    def add(self, instrument_id: str, epoch_ms: int, price: int, ask: int, bid: int) -> None:
        """
        Write a tick.

        Args:
            instrument_id: whose.
            epoch_ms: its time, in milliseconds since 1970.
            price: the middle price, in pips.
            ask: what one pays to buy, in pips.
            bid: what one gets for selling, in pips.

        Raises:
            JournalError: it cannot be written, for instance to a full disk. The journal is unchanged, and the next tick may be tried.
        """
        place = self._places[instrument_id]
        check = (epoch_ms * A + price * B + ask * C + bid * D + place * E + F) >> 32 & 0xFFFFFFFF
        self._write(RECORD.pack(epoch_ms, price, ask, bid, place, check), epoch_ms, epoch_ms)

    def extend(self, past: PastTicks) -> None:
        """
        Write many ticks of an instrument, oldest first.

        Raises:
            JournalError: a part cannot be written; the parts before it are in the journal.
        """
        place = self._places[past.instrument_id]
        for start in range(0, len(past.epoch_ms), 1 << 16):
            part = slice(start, start + (1 << 16))
            records = np.empty(len(past.epoch_ms[part]), COLUMNS)
            for name in ("epoch_ms", "price", "ask", "bid"):
                records[name] = getattr(past, name)[part]
            records["instrument"] = place
            records["check"] = checks(records)
            self._write(records.tobytes(), int(records["epoch_ms"][0]), int(records["epoch_ms"][-1]))

    async def sync(self) -> None:
        """
        Return when every tick that was added is on the disk; callers that wait at the same time share one sync.

        Raises:
            JournalError: the disk does not take them. Nothing can be added any more then, since the system takes what the disk has
                refused once for written.
        """
        added = self._added
        while self._durable < added:
            if self._failure:
                raise JournalError(self._failure)
            if self._syncing is None:
                self._syncing = asyncio.create_task(self._sync(), name="journal sync")
            syncing = self._syncing
            # It goes on for others where a caller is cancelled.
            await asyncio.wait([syncing])
            syncing.result()

    async def run(self) -> None:
        """Sync every second, and archive closed days and remove old files every hour, until it is cancelled or the disk refuses."""
        tidying = asyncio.create_task(self._tidy_again_and_again(), name="journal tidying")
        try:
            while True:
                await self.sync()
                await asyncio.sleep(SYNC_S)
        except JournalError as error:
            logger.critical("%s", error)
        finally:
            tidying.cancel()
            await asyncio.wait([tidying])

    async def tidy(self, now_ms: int) -> None:
        """Move what is closed at a time to the archive, and remove the files that are too old, and needed no more."""
        before_ms = now_ms - round(self._keep_s * 1000)
        if self.archive is not None:
            # What was read before these files were in the archive is read from them: they stay until the next time.
            old = [segment for segment in self._segments if segment.newest_ms < before_ms and segment.path in self._archived]
            removable, self._archived = await asyncio.to_thread(self._archive, self.archive, old, self._all(), before_ms, now_ms)
            self._remove([segment for segment in old if segment.path in removable])
        else:
            self.prune(before_ms)

    def read(self, from_ms: int = EARLIEST_MS, to_ms: int = LATEST_MS) -> dict[str, PastTicks]:
        """
        Return the ticks from one time to another, in milliseconds since 1970, by their instruments, oldest first; blocking.

        Prices have the decimals that their instrument has now, or those it had, if it does not exist any more.

        Raises:
            JournalError: a day of the archive cannot be read.
        """
        parts: dict[str, list[PastTicks]] = {}
        archived = {instrument_id: self.days_of(instrument_id) for instrument_id in self._instruments}
        for instrument_id, days in archived.items():
            for day in reversed(overlapping(days, from_ms, to_ms)):
                past = shifted(self._archived_ticks(day, from_ms, to_ms), self._instruments[instrument_id] - day.pip_size)
                if len(past.epoch_ms):
                    parts.setdefault(instrument_id, []).append(past)
        for segment in self._all():
            if segment.newest_ms < from_ms:
                continue
            records = segment.records()
            epoch_ms = np.ascontiguousarray(records["epoch_ms"])
            is_wanted = (epoch_ms >= from_ms) & (epoch_ms <= to_ms)
            for instrument_id, pip_size, rows in segment.by_instrument(records):
                rows = rows[is_wanted[rows]]
                rows = rows[segment.is_left(epoch_ms[rows], rows, places_of(archived.get(instrument_id, ())))]
                if len(rows):
                    columns = (np.ascontiguousarray(records[name])[rows] for name in ("epoch_ms", "price", "ask", "bid"))
                    shift = self._instruments.get(instrument_id, pip_size) - pip_size
                    parts.setdefault(instrument_id, []).append(shifted(PastTicks(instrument_id, *columns), shift))
        return {instrument_id: joined(instrument_id, those) for instrument_id, those in parts.items()}

    async def between(self, instrument_id: str, from_ms: int, to_ms: int, newest: int | None = None) -> list[Tick]:
        """
        Return an instrument's ticks from one time to another, in milliseconds since 1970, oldest first; the newest, where only so many are
        wanted.

        Raises:
            JournalError: a day of the archive cannot be read.
        """
        return await asyncio.to_thread(self._between, instrument_id, from_ms, to_ms, newest)

    def segments_of(self, instrument_id: str, from_ms: int, to_ms: int, archived: Sequence[ArchivedDay] = ()) -> list[Segment]:
        """
        Return the files that may have ticks of an instrument from one time to another, and which these days have not, as they are now,
        newest first.
        """
        places = places_of(archived)
        return [
            segment
            for segment in reversed(self._all())
            if instrument_id in segment.instruments
            and segment.oldest_ms <= to_ms
            and segment.newest_ms >= from_ms
            and not segment.is_archived(places)
        ]

    def days_of(self, instrument_id: str) -> Sequence[ArchivedDay]:
        """Return the days of an instrument that are in the archive now, oldest first."""
        return () if self.archive is None else self.archive.days(instrument_id)

    def has_seen(self, tick: Tick) -> bool:
        """Return whether a tick that was read from it was written to it, and not imported into its archive."""
        days = self.days_of(tick.instrument_id)
        place = places_of(days).get(tick.epoch_ms // DAY_MS, NOWHERE)
        return place != NOWHERE or bool(self.segments_of(tick.instrument_id, tick.epoch_ms, tick.epoch_ms, days))

    def prune(self, before_ms: int) -> None:
        """Remove the files whose ticks are all older than a time, in milliseconds since 1970."""
        self._remove([segment for segment in self._segments if segment.newest_ms < before_ms])

    def close(self) -> None:
        """Sync what was added, and let another process have the journal."""
        self._is_closed = True
        for file in [*self._unsynced, self._file]:
            if file >= 0:
                with contextlib.suppress(OSError):
                    os.fdatasync(file)
                os.close(file)
        self._unsynced, self._file = [], -1
        os.close(self._lock)

    def _remove(self, old: Sequence[Segment]) -> None:
        for segment in old:
            segment.path.unlink(missing_ok=True)
            self._segments.remove(segment)

    async def _tidy_again_and_again(self) -> None:
        while True:
            try:
                await self.tidy(time.time_ns() // 1_000_000)
            except (JournalError, OSError) as error:
                logger.error("the journal %s cannot be tidied: %s", self._folder, error)
            await asyncio.sleep(PRUNE_S)

    def _archive(
        self, archive: TickArchive, old: Sequence[Segment], every: Sequence[Segment], before_ms: int, now_ms: int
    ) -> tuple[set[Path], set[Path]]:
        """Archive closed days; return which of the old files can be removed, and which of all have all of their ticks in the archive."""
        proven = are_proven(old, archive)
        known = self._archived
        archived = archive_closed([each for each in every if each.path not in known], archive, before_ms, lambda: self._is_closed)
        archive.tidy(now_ms)
        # The last file may get more.
        return proven, known | (archived - {each.path for each in every[-1:]})

    def _archived_ticks(self, day: ArchivedDay, from_ms: int, to_ms: int) -> PastTicks:
        """Return the ticks of a day of the archive from one time to another."""
        assert self.archive is not None, "it has the day"  # noqa: S101
        past = self.archive.ticks(day)
        return cut(past, from_ms, to_ms)

    def _write(self, data: bytes, oldest_ms: int, newest_ms: int) -> None:
        if self._failure:
            raise JournalError(self._failure)
        try:
            if self._end >= self._full_at or time.monotonic() >= self._age_out:
                self._begin_segment()
            written = os.pwrite(self._file, data, self._end)
            # A full disk takes a part, and the next call says why. The next tick overwrites that part.
            while written < len(data):
                written += os.pwrite(self._file, data[written:], self._end + written)
        except OSError as error:
            raise JournalError(f"the journal {self._folder} cannot be written: {error.strerror}") from None
        self._end += len(data)
        self._added += len(data)
        if oldest_ms < self._oldest_ms:
            self._oldest_ms = oldest_ms
        if newest_ms > self._newest_ms:
            self._newest_ms = newest_ms

    def _begin_segment(self) -> None:
        header = json.dumps({"pricewire": "ticks", "version": 1, "instruments": self._instruments}).encode()
        header = header.ljust(-(-(len(header) + 1) // COLUMNS.itemsize) * COLUMNS.itemsize - 1) + b"\n"
        # Sorted after all others, even if the clock was set back.
        before = self._all()
        number = max(
            time.time_ns() // 1_000_000,
            before[-1].number + 1 if before else 0,
            self.archive.newest_segment + 1 if self.archive is not None else 0,
        )
        path = self._folder / f"{number:015d}.ticks"
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            if os.pwrite(file, header, 0) < len(header):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            directory = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        except OSError:
            os.close(file)
            path.unlink(missing_ok=True)
            raise
        if self._file >= 0:
            self._segments.append(self._current())
            self._unsynced.append(self._file)
        self._file, self._path = file, path
        self._begin = self._end = len(header)
        self._full_at = self._begin + SEGMENT_RECORDS * COLUMNS.itemsize
        self._age_out = time.monotonic() + self._keep_s / SEGMENTS_KEPT
        self._oldest_ms, self._newest_ms = LATEST_MS, EARLIEST_MS

    def _current(self) -> Segment:
        count = (self._end - self._begin) // COLUMNS.itemsize
        return Segment(self._path, self._instruments, self._begin, count, self._oldest_ms, self._newest_ms)

    def _between(self, instrument_id: str, from_ms: int, to_ms: int, newest: int | None) -> list[Tick]:
        parts: list[list[Tick]] = []
        missing = newest
        days = self.days_of(instrument_id)
        for part, pip_size in self._parts(instrument_id, from_ms, to_ms, days):
            first = 0
            if missing is not None:
                first = max(0, len(part.epoch_ms) - missing)
                missing -= len(part.epoch_ms) - first
            one = quantum_of(pip_size)
            columns = (column[first:].tolist() for column in (part.epoch_ms, part.price, part.ask, part.bid))
            parts.append(
                [
                    Tick(instrument_id, epoch_ms, price * one, ask * one, bid * one)
                    for epoch_ms, price, ask, bid in zip(*columns, strict=True)
                ]
            )
            if missing == 0:
                break
        return [tick for part in reversed(parts) for tick in part]

    def _parts(self, instrument_id: str, from_ms: int, to_ms: int, days: Sequence[ArchivedDay]) -> Iterator[tuple[PastTicks, int]]:
        """Yield the ticks of each file, and each day of the archive, with their decimals, newest first."""
        for segment in self.segments_of(instrument_id, from_ms, to_ms, days):
            yield segment.ticks_of(instrument_id, from_ms, to_ms, days), segment.instruments[instrument_id]
        for day in overlapping(days, from_ms, to_ms):
            yield self._archived_ticks(day, from_ms, to_ms), day.pip_size

    def _all(self) -> list[Segment]:
        return [*self._segments, self._current()] if self._file >= 0 else list(self._segments)

    async def _sync(self) -> None:
        added, ended = self._added, list(self._unsynced)
        # The thread has files of its own: the journal may be closed before it is done, and another file get the number.
        files = [os.dup(file) for file in [*ended, self._file]]
        try:
            for file in files:
                await asyncio.to_thread(os.fdatasync, file)
        except OSError as error:
            self._failure = f"the journal {self._folder} cannot be brought to the disk: {error.strerror}; start the server again"
            raise JournalError(self._failure) from None
        finally:
            self._syncing = None
            for file in files:
                os.close(file)
        for file in ended:
            if file in self._unsynced:
                self._unsynced.remove(file)
                os.close(file)
        self._durable = added


def lock(folder: Path) -> int:
    """
    Take a journal for this process, until the returned file is closed; its folder is created if it is missing.

    Raises:
        JournalError: the folder cannot be used, or another process has it.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise JournalError(f"the journal {folder} cannot be opened: {error.strerror}") from None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(file)
        raise JournalError(f"the journal {folder} is in use by another process: give this one another --data-dir") from None
    return file
