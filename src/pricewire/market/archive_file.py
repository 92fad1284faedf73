"""One file of the archive: a day's ticks of an instrument in Parquet, and its minutes in another one beside it."""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pricewire.errors import JournalError
from pricewire.market.archived_days import ArchivedDay, Place
from pricewire.market.candles import DAY_MS, MINUTE_MS, rows_of_ticks
from pricewire.market.feed import PastTicks
from pricewire.market.pips import Integers

TICKS = ("epoch_ms", "price", "ask", "bid")
"""The columns of ticks: times in milliseconds since 1970, prices in pips."""

MINUTES = ("start", "open", "high", "low", "close")
"""The columns of minutes, as those of `candles.grouped`."""

ROW_GROUP = 16_384
"""How many rows are compressed together."""

METADATA = b"pricewire"
"""The entry of a file's metadata that says what it is, in JSON."""


class Facts(NamedTuple):
    """
    What a file of ticks says of itself.

    Attributes:
        instrument_id: whose ticks.
        pip_size: the decimals of its prices.
        check: the CRC-32 of its columns.
        through: the day's ticks before this place of the journal are in it.
    """

    instrument_id: str
    pip_size: int
    check: int
    through: Place


def path_of(folder: Path, instrument_id: str, day: int) -> Path:
    """Return where a day's ticks are: `instrument=EURUSD/2026-11-28.parquet`."""
    return folder / f"instrument={instrument_id}" / f"{datetime.fromtimestamp(day * 86_400, UTC):%Y-%m-%d}.parquet"


def minutes_path(path: Path) -> Path:
    """Return where the minutes of a day are, from where its ticks are."""
    return path.with_suffix(".minutes")


def look(path: Path, instrument_id: str, day: int) -> ArchivedDay:
    """Return what a file of ticks is; where it cannot be read, with the reason."""
    try:
        metadata = pq.read_metadata(path)
        facts = facts_of(metadata.metadata)
        if facts.instrument_id != instrument_id:
            raise ValueError(f"it has ticks of {facts.instrument_id!r}")
        return ArchivedDay(instrument_id, day, path, facts.pip_size, metadata.num_rows, facts.through)
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError) as error:
        return ArchivedDay(instrument_id, day, path, 0, 0, Place(0, 0), fault(path, error))


def read(day: ArchivedDay) -> PastTicks:
    """
    Return the ticks of a day, of which not even a bit may have changed since they were written.

    Raises:
        JournalError: they cannot be read, or have changed.
    """
    if day.fault:
        raise JournalError(day.fault)
    return read_file(day.path, day.instrument_id)


def read_file(path: Path, instrument_id: str) -> PastTicks:
    """
    Return the ticks of a file of an instrument.

    Raises:
        JournalError: they cannot be read, or have changed since they were written.
    """
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            table = file.read(list(TICKS), use_threads=False)
            facts = facts_of(file.metadata.metadata)
        past = PastTicks(instrument_id, *(np.asarray(table[name].to_numpy(), np.int64) for name in TICKS))
        if check_of(past) != facts.check:
            raise ValueError("its ticks are not those that were written")
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError) as error:
        raise JournalError(fault(path, error)) from error
    return past


def write(path: Path, past: PastTicks, pip_size: int, through: Place) -> None:
    """
    Write a day's ticks and minutes, in place of those that were there. Whatever happens, either the old ticks or the new ones are there.

    Raises:
        JournalError: they cannot be written, or what was written does not read the same.
    """
    facts = {
        "version": 1,
        "instrument_id": past.instrument_id,
        "pip_size": pip_size,
        "check": check_of(past),
        "segment": through.segment,
        "rows": through.rows,
    }
    new = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        sync(path.parent.parent)
        store(new, {name: getattr(past, name) for name in TICKS}, facts)
        if not equal(read_file(new, past.instrument_id), past):
            raise JournalError(f"{new} does not read as it was written")
        # Minutes are those of the ticks beside them, or missing.
        minutes_path(path).unlink(missing_ok=True)
        sync(path.parent)
        new.replace(path)
        sync(path.parent)
        write_minutes(path, past)
    except (OSError, pa.ArrowException) as error:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)
        raise JournalError(f"the archive's file {path} cannot be written: {error}") from None


def write_minutes(path: Path, past: PastTicks) -> None:
    """
    Write the minutes of a day, whose ticks are in a file.

    Raises:
        OSError: they cannot be written.
    """
    rows, target = rows_of_ticks(past.epoch_ms, past.price, MINUTE_MS), minutes_path(path)
    new = target.with_name(f".{target.name}.new")
    try:
        store(new, {name: rows[:, column] for column, name in enumerate(MINUTES)}, {})
        new.replace(target)
        sync(target.parent)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def store(path: Path, columns: dict[str, Integers], facts: dict[str, object]) -> None:
    """Write a table of whole numbers, and bring it to the disk."""
    table = pa.table({name: pa.array(np.ascontiguousarray(column)) for name, column in columns.items()})
    with path.open("wb") as sink:
        pq.write_table(
            table.replace_schema_metadata({METADATA: json.dumps(facts).encode()}),
            sink,
            compression="zstd",
            use_dictionary=False,
            column_encoding=dict.fromkeys(columns, "DELTA_BINARY_PACKED"),
            row_group_size=ROW_GROUP,
            write_page_checksum=True,
        )
        sink.flush()
        os.fsync(sink.fileno())


def facts_of(metadata: dict[bytes, bytes] | None) -> Facts:
    """
    Return what a file says of itself.

    Raises:
        ValueError: it is no file of this version.
        KeyError: it lacks something.
    """
    found = json.loads((metadata or {})[METADATA])
    if found["version"] != 1:
        raise ValueError(f"it is of version {found['version']}, and only version 1 is read")
    return Facts(found["instrument_id"], int(found["pip_size"]), int(found["check"]), Place(int(found["segment"]), int(found["rows"])))


def check_of(past: PastTicks) -> int:
    """Return the CRC-32 of ticks."""
    check = 0
    for name in TICKS:
        check = zlib.crc32(np.ascontiguousarray(getattr(past, name), np.dtype("<i8")).data, check)
    return check


def equal(one: PastTicks, other: PastTicks) -> bool:
    """Return whether ticks are the same."""
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in TICKS)


def day_of(path: Path) -> int:
    """
    Return the day of a file of ticks by its name, counted from 1970.

    Raises:
        ValueError: its name is no date.
    """
    return round(datetime.strptime(path.stem, "%Y-%m-%d").replace(tzinfo=UTC).timestamp() * 1000) // DAY_MS


def fault(path: Path, error: Exception) -> str:
    """Return what to say of a file that cannot be read."""
    reason = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split()) or type(error).__name__
    return f"the archive's file {path} cannot be read: {reason}; bring it back from a copy, or move it away"


def sync(folder: Path) -> None:
    """Bring the names in a folder to the disk."""
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
