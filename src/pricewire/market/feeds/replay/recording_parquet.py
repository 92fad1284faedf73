"""Reads recordings in Parquet."""

from __future__ import annotations

from array import array
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pricewire.errors import FeedError
from pricewire.market.feed import EARLIEST_MS, LATEST_MS
from pricewire.market.feeds.replay.recording_columns import Columns, find_columns
from pricewire.market.feeds.replay.recording_rows import RecordedRows
from pricewire.market.feeds.replay.recording_times import epoch_ms_of_datetime, parse_time, parse_zone
from pricewire.market.pips import Floats, Integers

UNITS_PER_MS = {"ms": 1, "us": 1_000, "ns": 1_000_000}

QUARTER = timedelta(minutes=15)
QUARTER_MS = 900_000
DAY_MS = 86_400_000
LOCAL_EPOCH = datetime(1970, 1, 1)

NO_TIME = -(2**63)
"""Stands for a time that is missing or cannot be read, among times in milliseconds."""


def read_parquet(path: Path, timezone: str | None = None) -> RecordedRows:
    """
    Return the rows of a file, and what is wrong with those that cannot be read.

    Args:
        path: a Parquet file.
        timezone: of times that name none; by default UTC.

    Raises:
        FeedError: the file is not Parquet, its columns are not known or are there twice, or there is no such time zone.
        OSError: it cannot be read.
    """
    zone = parse_zone(timezone or "UTC")
    try:
        file = pq.ParquetFile(path)
        names = file.schema_arrow.names
        columns = find_columns(names)
        places = {columns.time, columns.bid, columns.ask, columns.date, columns.symbol} - {None}
        needed = [name for place, name in enumerate(names) if place in places]
        if (twice := next((name for name in needed if names.count(name) > 1), None)) is not None:
            raise FeedError(f"several columns are called {twice!r}: leave one of them in the file")
        return rows_of(file.read(columns=needed), names, columns, zone)
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise FeedError(f"the file is not Parquet that can be read: {error}") from error


def rows_of(table: pa.Table, names: list[str], columns: Columns, zone: tzinfo) -> RecordedRows:
    """Return the rows of a table; `columns` gives the places of its columns in `names`."""
    time = table.column(names[columns.time])
    date = None if columns.date is None else table.column(names[columns.date])
    epoch_ms = times(time, zone) if date is None else times_of_dates(date, time, zone)
    bid, ask = prices(table.column(names[columns.bid])), prices(table.column(names[columns.ask]))
    symbols: list[str | None]
    symbols = [""] * len(table) if columns.symbol is None else texts(table.column(names[columns.symbol]))
    known = epoch_ms != NO_TIME
    rows = RecordedRows("row")
    rows.number = array("q", (np.flatnonzero(known) + 1).tobytes())
    rows.epoch_ms = array("q", epoch_ms[known].tobytes())
    rows.bid = array("d", bid[known].tobytes())
    rows.ask = array("d", ask[known].tobytes())
    rows.symbol = [symbol or "" for symbol, kept in zip(symbols, known.tolist(), strict=True) if kept]
    for place in np.flatnonzero(~known).tolist():
        rows.refuse(place + 1, "the time is missing or of no known form")
    return rows


def times(column: pa.ChunkedArray[Any], zone: tzinfo) -> Integers:
    """Return a column of times in milliseconds since 1970, `NO_TIME` where there is none."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        numbers = filled(column.cast(pa.int64()), 0)
        found = numbers * 1000 if kind.unit == "s" else numbers // UNITS_PER_MS[kind.unit]
        if kind.tz is None:
            found = from_local(found, zone)
        return np.where(column.is_valid().to_numpy(), found, NO_TIME)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return times_of_numbers(column)
    return times_of_texts(texts(column), zone)


def from_local(epoch_ms: Integers, zone: tzinfo) -> Integers:
    """
    Return times in milliseconds since 1970 in UTC.

    Args:
        epoch_ms: milliseconds since the beginning of 1970 by the clocks of `zone`. Of an hour that they show twice, the first is meant.
        zone: whose clocks.
    """
    # Clocks are only ever set on quarters of an hour, so one look at the zone for each does, instead of one for each row.
    # What no zone brings to a time that can be used is left as it is: Python's dates end before those of Parquet do.
    near = (epoch_ms >= EARLIEST_MS - DAY_MS) & (epoch_ms < LATEST_MS + DAY_MS)
    quarters, places = np.unique(epoch_ms[near] // QUARTER_MS, return_inverse=True)
    shifts = [epoch_ms_of_datetime(LOCAL_EPOCH + int(quarter) * QUARTER, zone) for quarter in quarters]
    found = epoch_ms.copy()
    found[near] = np.array(shifts, np.int64)[places] + epoch_ms[near] % QUARTER_MS
    return found


def times_of_numbers(column: pa.ChunkedArray[Any]) -> Integers:
    """Return numbers since 1970 in milliseconds; seconds, milli-, micro- and nanoseconds are told apart by their size."""
    numbers = filled(column, 0)
    if np.issubdtype(numbers.dtype, np.floating):
        numbers = np.where(np.abs(numbers) < 2.0**62, numbers, 0)  # what is not finite, too
        seconds = np.abs(numbers) < 1e11
        # By way of whole microseconds, or a float just below a millisecond would lose it.
        micros = np.rint(np.where(seconds, numbers * 1e6, 0)).astype(np.int64)
        numbers = np.where(seconds, micros // 1000, scaled_down(numbers.astype(np.int64)))
    else:
        numbers = numbers.astype(np.int64)
        numbers = np.where(np.abs(numbers) < 100_000_000_000, numbers * 1000, scaled_down(numbers))
    return np.where(column.is_valid().to_numpy() & (numbers != 0), numbers, NO_TIME)


def scaled_down(numbers: Integers) -> Integers:
    """Return milli-, micro- and nanoseconds in milliseconds."""
    sizes = np.abs(numbers)
    divisors: Integers = np.select([sizes < 10**14, sizes < 10**17], [1, 1000], 1_000_000)
    return numbers // divisors


def times_of_texts(cells: list[str | None], zone: tzinfo) -> Integers:
    """Return times as text in milliseconds since 1970, `NO_TIME` where there is none or it is of no known form."""
    found = np.full(len(cells), NO_TIME, np.int64)
    for place, text in enumerate(cells):
        if text is not None:
            try:
                found[place] = parse_time(text.strip(), zone)
            except (ValueError, OverflowError):
                continue
    return found


def times_of_dates(dates: pa.ChunkedArray[Any], clocks: pa.ChunkedArray[Any], zone: tzinfo) -> Integers:
    """Return the times of days and times of day in milliseconds since 1970, `NO_TIME` where one is missing."""
    pairs = zip(texts(dates), texts(clocks), strict=True)
    return times_of_texts([None if None in pair else f"{pair[0]} {pair[1]}" for pair in pairs], zone)


def prices(column: pa.ChunkedArray[Any]) -> Floats:
    """Return a column of prices as floats, NaN where there is none."""
    try:
        return filled(column.cast(pa.float64()), np.nan).astype(np.float64)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return np.array([number_or_nan(text) for text in texts(column)])


def number_or_nan(text: str | None) -> float:
    """Return a cell as a float, NaN where it is not a number."""
    try:
        return np.nan if text is None else float(text)
    except ValueError:
        return np.nan


def texts(column: pa.ChunkedArray[Any]) -> list[str | None]:
    """
    Return a column as text, None where there is no value. Arrow writes it, as its dates and spans go further than Python's.

    Raises:
        FeedError: the column has no text, a list for instance.
    """
    try:
        return column.cast(pa.string()).to_pylist()
    except pa.ArrowException as error:
        raise FeedError(f"a column of type {column.type} is no time, price or symbol") from error


def filled(column: pa.ChunkedArray[Any], missing: float) -> npt.NDArray[Any]:
    """Return a column as an array, `missing` where it has no value."""
    untyped: Any = column  # the stubs let nothing be filled into a column of any type
    return np.asarray(untyped.fill_null(missing))
