"""The journal: every tick is written to a file before anybody sees it, in the order in which they arrive."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import fcntl
import json
import logging
import os
import struct
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pricewire.errors import JournalError
from pricewire.market.feed import EARLIEST_MS, LATEST_MS, PastTicks
from pricewire.market.pips import Integers, quantum_of
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

    def ticks_of(self, instrument_id: str, from_ms: int, to_ms: int) -> PastTicks:
        """Return the ticks of one of its instruments from one time to another, with the decimals that they were written with."""
        records = self.records()
        is_wanted = records["instrument"] == list(self.instruments).index(instrument_id)
        records = records[is_wanted & (records["epoch_ms"] >= from_ms) & (records["epoch_ms"] <= to_ms)]
        return PastTicks(instrument_id, *(records[name] for name in ("epoch_ms", "price", "ask", "bid")))


class Journal:
    """
    The ticks of some instruments in a folder of files that are only appended to.

    When `add` returns, the operating system has the tick, so a process that is killed loses none. When `sync` returns, and a second
    later at the latest, it is on the disk, so a power cut loses no more than that second. A record that was half written is left out
    when the files are read. Each process starts a file of its own.
    """

    def __init__(self, folder: Path, instruments: Sequence[Instrument], *, keep_s: float = KEEP_S) -> None:
        """
        Open a journal of some instruments, or make it; no other process may have it open. Ticks are kept for so many seconds.

        Raises:
            JournalError: the folder cannot be used, or another process has it.
        """
        self._folder = folder
        self._keep_s = keep_s
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
            await asyncio.shield(self._syncing)

    async def run(self) -> None:
        """Sync every second and remove old files every hour, until it is cancelled or the disk refuses."""
        next_prune = time.monotonic()
        while True:
            try:
                await self.sync()
                if time.monotonic() >= next_prune:
                    self.prune(time.time_ns() // 1_000_000 - round(self._keep_s * 1000))
                    next_prune = time.monotonic() + PRUNE_S
            except JournalError as error:
                logger.critical("%s", error)
                return
            await asyncio.sleep(SYNC_S)

    def read(self, from_ms: int = EARLIEST_MS, to_ms: int = LATEST_MS) -> dict[str, PastTicks]:
        """
        Return the ticks from one time to another, in milliseconds since 1970, by their instruments, oldest first; blocking.

        Prices have the decimals that their instrument has now, or those it had, if it does not exist any more.
        """
        parts: dict[str, list[PastTicks]] = {}
        for segment in self._all():
            if segment.newest_ms < from_ms:
                continue
            records = segment.records()
            epoch_ms = np.ascontiguousarray(records["epoch_ms"])
            place = records["instrument"].astype(np.min_scalar_type(len(segment.instruments)))
            # By instrument, and for each in the order in which the ticks arrived.
            order = np.argsort(place, kind="stable")
            if not (from_ms <= epoch_ms.min(initial=from_ms) and epoch_ms.max(initial=to_ms) <= to_ms):
                order = order[(epoch_ms[order] >= from_ms) & (epoch_ms[order] <= to_ms)]
            columns = [np.ascontiguousarray(records[name])[order] for name in ("epoch_ms", "price", "ask", "bid")]
            bounds = np.searchsorted(place[order], np.arange(len(segment.instruments) + 1))
            for (instrument_id, pip_size), start, stop in zip(segment.instruments.items(), bounds[:-1], bounds[1:], strict=True):
                if start < stop:
                    shift = self._instruments.get(instrument_id, pip_size) - pip_size
                    part = PastTicks(instrument_id, *(column[start:stop] for column in columns))
                    parts.setdefault(instrument_id, []).append(shifted(part, shift) if shift else part)
        return {instrument_id: joined(instrument_id, those) for instrument_id, those in parts.items()}

    async def between(self, instrument_id: str, from_ms: int, to_ms: int, newest: int | None = None) -> list[Tick]:
        """
        Return an instrument's ticks from one time to another, in milliseconds since 1970, oldest first; the newest, where only so many are
        wanted.
        """
        return await asyncio.to_thread(self._between, instrument_id, from_ms, to_ms, newest)

    def segments_of(self, instrument_id: str, from_ms: int, to_ms: int) -> list[Segment]:
        """Return the files that may have ticks of an instrument from one time to another, as they are now, newest first."""
        return [
            segment
            for segment in reversed(self._all())
            if instrument_id in segment.instruments and segment.oldest_ms <= to_ms and segment.newest_ms >= from_ms
        ]

    def prune(self, before_ms: int) -> None:
        """Remove the files whose ticks are all older than a time, in milliseconds since 1970."""
        for segment in [segment for segment in self._segments if segment.newest_ms < before_ms]:
            segment.path.unlink(missing_ok=True)
            self._segments.remove(segment)

    def close(self) -> None:
        """Sync what was added, and let another process have the journal."""
        for file in [*self._unsynced, self._file]:
            if file >= 0:
                with contextlib.suppress(OSError):
                    os.fdatasync(file)
                os.close(file)
        self._unsynced, self._file = [], -1
        os.close(self._lock)

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
        number = max(time.time_ns() // 1_000_000, int(before[-1].path.stem) + 1 if before else 0)
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
        for segment in self.segments_of(instrument_id, from_ms, to_ms):
            part = segment.ticks_of(instrument_id, from_ms, to_ms)
            first = 0
            if missing is not None:
                first = max(0, len(part.epoch_ms) - missing)
                missing -= len(part.epoch_ms) - first
            one = quantum_of(segment.instruments[instrument_id])
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


def shifted(past: PastTicks, decimals: int) -> PastTicks:
    """Return ticks with so many more decimals than they were written with; with fewer, prices are rounded half to even."""

    def column(pips: Integers) -> Integers:
        values: Integers = pips * 10**decimals if decimals > 0 else np.rint(pips / 10**-decimals).astype(np.int64)
        return values

    return PastTicks(past.instrument_id, past.epoch_ms, column(past.price), column(past.ask), column(past.bid))


def joined(instrument_id: str, parts: Sequence[PastTicks]) -> PastTicks:
    """Return the parts of one instrument's ticks as one."""
    if len(parts) == 1:
        return parts[0]
    names = ("epoch_ms", "price", "ask", "bid")
    return PastTicks(instrument_id, *(np.concatenate([getattr(part, name) for part in parts]) for name in names))
