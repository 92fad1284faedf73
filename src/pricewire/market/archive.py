"""The archive: the closed days of a journal as Parquet, of years, whose candles DuckDB makes of the minutes of each day."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from functools import cached_property
from itertools import groupby
from pathlib import Path

import duckdb
import numpy as np

from pricewire.errors import JournalError
from pricewire.market.archive_file import MINUTES, day_of, look, minutes_path, path_of, read, write, write_minutes
from pricewire.market.archived_days import NOWHERE, ArchivedDay, Place
from pricewire.market.candles import COLUMNS, DAY_MS, MINUTE_MS, OPEN, merged, rows_of_ticks
from pricewire.market.feed import EARLIEST_MS, PastTicks
from pricewire.market.pips import Integers
from pricewire.market.segment import joined, rescaled, shifted

logger = logging.getLogger(__name__)

CANDLES = """
    SELECT start - start % $span AS start, arg_min(open, start) AS open, max(high) AS high, min(low) AS low, arg_max(close, start) AS close
    FROM read_parquet($files) WHERE start BETWEEN $from_ms AND $to_ms GROUP BY ALL ORDER BY ALL
"""
"""Candles of minutes; `candles.merged` makes the same ones."""

DUCKDB: dict[str, str | bool | int | float | list[str]] = {
    "threads": 1,
    "memory_limit": "256MB",
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}
"""One thread: the others of the machine's are for streams. A year of minutes takes some 10 MB."""


class Archive:
    """
    A folder with a file for each day and instrument, and one with its minutes. One process writes to it; others may read.

    Can be called from any thread.

    Args:
        folder: where it is; it is made where it is missing, by the first day.
        keep_days: how long days are kept, in days; None for ever.

    Raises:
        JournalError: the folder cannot be read.
    """

    def __init__(self, folder: Path, keep_days: float | None = None) -> None:
        self._folder = folder
        self._keep_days = keep_days
        self._days: dict[str, tuple[ArchivedDay, ...]] = {}
        self._writing = threading.Lock()
        try:
            folders = [each for each in folder.iterdir() if each.is_dir()] if folder.exists() else []
            for each in sorted(folders):
                key, _, instrument_id = each.name.partition("=")
                if key == "instrument" and instrument_id:
                    self._days[instrument_id] = tuple(found(each, instrument_id))
        except OSError as error:
            raise JournalError(f"the archive {folder} cannot be read: {error.strerror}") from None
        for day in (day for days in self._days.values() for day in days if day.fault):
            logger.error("%s", day.fault)

    @cached_property
    def _database(self) -> duckdb.DuckDBPyConnection:
        """Begun by the first query: an import has none."""
        return duckdb.connect(config=DUCKDB)

    @property
    def instruments(self) -> Sequence[str]:
        """The ids of the instruments that it has days of."""
        return list(self._days)

    @property
    def newest_segment(self) -> int:
        """The highest number of a file of the journal that it has ticks of; 0 where there is none."""
        return max((day.through.segment for days in self._days.values() for day in days), default=0)

    def days(self, instrument_id: str) -> Sequence[ArchivedDay]:
        """Return what there is of an instrument, oldest first."""
        return self._days.get(instrument_id, ())

    def ticks(self, day: ArchivedDay) -> PastTicks:
        """
        Return a day's ticks, with its decimals.

        Raises:
            JournalError: they cannot be read, or have changed since they were written.
        """
        past = read(day)
        # Ticks that were added since this day was looked at are those of the journal then.
        return PastTicks(past.instrument_id, *(column[: day.rows] for column in (past.epoch_ms, past.price, past.ask, past.bid)))

    def candles(self, days: Sequence[ArchivedDay], granularity_s: int, pip_size: int, from_ms: int, to_ms: int) -> Integers:
        """
        Return the candles of some days of an instrument as rows, oldest first.

        Args:
            days: in any order; one that cannot be read is logged and left out.
            granularity_s: the span of a candle, in seconds, a divisor of a day.
            pip_size: the decimals of the prices.
            from_ms: when the first minute of interest begins, in milliseconds since 1970.
            to_ms: when the last one does.
        """
        parts: list[Integers] = [np.empty((0, COLUMNS), np.int64)]
        ordered = sorted((day for day in days if not day.fault), key=lambda day: day.day)
        for own, run in groupby(ordered, key=lambda day: day.pip_size):
            rows = self._rows(list(run), granularity_s, from_ms, to_ms)
            rows[:, OPEN:] = rescaled(rows[:, OPEN:], pip_size - own)
            parts.append(rows)
        return np.vstack(parts)

    def add(self, past: PastTicks, pip_size: int, through: Place = NOWHERE) -> None:
        """
        Put ticks of an instrument, all of one day, to those that the day has.

        Args:
            past: the ticks, in the order of their times.
            pip_size: their decimals.
            through: the day's ticks before this place of the journal are in it then.

        Raises:
            JournalError: the day's file cannot be read or written; it is as it was then.
        """
        day = int(past.epoch_ms[0]) // DAY_MS
        before = next((each for each in self.days(past.instrument_id) if each.day == day), None)
        if before is not None:
            most = max(pip_size, before.pip_size)
            parts = [shifted(read(before), most - before.pip_size), shifted(past, most - pip_size)]
            past, pip_size, through = joined(past.instrument_id, parts), most, max(before.through, through)
            if (np.diff(past.epoch_ms) < 0).any():
                # What was imported was of a time that the journal had not seen yet.
                order = np.argsort(past.epoch_ms, kind="stable")
                past = PastTicks(past.instrument_id, *(column[order] for column in (past.epoch_ms, past.price, past.ask, past.bid)))
        self.put(past, pip_size, through)

    def put(self, past: PastTicks, pip_size: int, through: Place) -> None:
        """
        Write ticks of an instrument, all of one day, in place of those that the day has.

        Raises:
            JournalError: they cannot be written; the day is as it was then.
        """
        day = int(past.epoch_ms[0]) // DAY_MS
        path = path_of(self._folder, past.instrument_id, day)
        with self._writing:
            write(path, past, pip_size, through)
            kept = {each.day: each for each in self.days(past.instrument_id)}
            kept[day] = ArchivedDay(past.instrument_id, day, path, pip_size, len(past.epoch_ms), through)
            self._days[past.instrument_id] = tuple(kept[each] for each in sorted(kept))

    def prove(self, day: ArchivedDay) -> None:
        """
        Read a day whole, from its file.

        Raises:
            JournalError: not all that was written is there.
        """
        read(day)

    def tidy(self, now_ms: int) -> None:
        """
        Remove the days that are not kept any longer at a time, in milliseconds since 1970, and write minutes that are missing, since a
        process was killed before it could.

        Raises:
            JournalError: a file cannot be read, written or removed.
        """
        before_ms = EARLIEST_MS if self._keep_days is None else now_ms - round(self._keep_days * DAY_MS)
        with self._writing:
            for instrument_id, days in list(self._days.items()):
                for day in days:
                    try:
                        if day.to_ms < before_ms:
                            minutes_path(day.path).unlink(missing_ok=True)
                            day.path.unlink(missing_ok=True)
                        elif not day.fault and not minutes_path(day.path).exists():
                            write_minutes(day.path, read(day))
                    except OSError as error:
                        raise JournalError(f"the archive's file {day.path} cannot be tidied: {error.strerror}") from None
                self._days[instrument_id] = tuple(day for day in days if day.to_ms >= before_ms)

    def _rows(self, days: Sequence[ArchivedDay], granularity_s: int, from_ms: int, to_ms: int) -> Integers:
        """Return candles of days that have the same decimals."""
        files = [str(minutes_path(day.path)) for day in days]
        parameters = {"span": granularity_s * 1000, "files": files, "from_ms": from_ms, "to_ms": to_ms}
        try:
            with self._database.cursor() as cursor:
                columns = cursor.execute(CANDLES, parameters).fetchnumpy()
            return np.column_stack([np.asarray(columns[name], np.int64) for name in MINUTES])
        except duckdb.Error as error:
            if len(days) > 1:
                # One of them: the others are read one by one.
                return np.vstack([self._rows([day], granularity_s, from_ms, to_ms) for day in days])
            logger.warning("%s cannot be read, and the ticks beside it are: %s", files[0], str(error).splitlines()[0])
        try:
            past = read(days[0])
        except JournalError as error:
            logger.error("%s; a history is without this day", error)
            return np.empty((0, COLUMNS), np.int64)
        minutes = rows_of_ticks(past.epoch_ms, past.price, MINUTE_MS)
        return merged(minutes[(minutes[:, 0] >= from_ms) & (minutes[:, 0] <= to_ms)], granularity_s * 1000)


def found(folder: Path, instrument_id: str) -> list[ArchivedDay]:
    """Return the days in the folder of an instrument, oldest first; files of other names are left alone."""
    days = []
    for path in sorted(folder.glob("[0-9]*.parquet")):
        try:
            day = day_of(path)
        except ValueError:
            logger.warning("%s is no file of the archive, and is not read: its name is no date", path)
            continue
        days.append(look(path, instrument_id, day))
    return days
