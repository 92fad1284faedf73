"""Exporting: the ticks of a data directory in the columns of a recording, or the candles that they make."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import groupby
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pricewire.cli.archived_ticks import JOURNALS, archived_ticks
from pricewire.cli.history import FOLDER
from pricewire.cli.record_journal import epoch_ms
from pricewire.errors import RecordingError
from pricewire.market.archive import Archive
from pricewire.market.candles import CLOSE, COLUMNS, HIGH, LOW, OPEN, START, merged, rows_of_ticks
from pricewire.market.feed import EARLIEST_MS, LATEST_MS, PastTicks
from pricewire.market.pips import Integers
from pricewire.market.segment import rescaled, segments
from pricewire.table import CANDLES, TICKS

Parts = Iterator[tuple[PastTicks, int]]
"""Ticks, and the decimals of their prices."""


class Prices(NamedTuple):
    """
    A column of prices.

    Attributes:
        pips: the prices, in pips.
        pip_size: their decimals.
    """

    pips: Integers
    pip_size: int


Batch = Sequence[Integers | Prices | str | int]
"""Some rows, by their columns: times in milliseconds since 1970, prices, or what is the same in each row. The first column is of times."""


def export(
    data_dir: Path,
    instruments: Sequence[str],
    output: Path | None,
    *,
    is_parquet: bool,
    start: datetime | None,
    end: datetime | None,
    granularity_s: int | None = None,
) -> None:
    """
    Write ticks or candles to a file, which is complete or as it was before.

    Args:
        data_dir: the server's data directory.
        instruments: whose ticks.
        output: the file; None for the standard output.
        is_parquet: whether it is Parquet, not CSV.
        start: the first time of interest; None for all. A candle that it falls into is whole.
        end: the time before which ticks are of interest, likewise.
        granularity_s: the span of candles, in seconds; None for ticks.

    Raises:
        RecordingError: there is no tick of an instrument, or the file cannot be written.
        JournalError: a day of the archive cannot be read.
    """
    from_ms, to_ms = epoch_ms(start, EARLIEST_MS), epoch_ms(end, LATEST_MS) - 1
    if granularity_s is not None:
        span_ms = granularity_s * 1000
        from_ms, to_ms = from_ms - from_ms % span_ms, to_ms - to_ms % span_ms + span_ms - 1
    # The archive first: what comes into it meanwhile is in the journal for an hour more.
    archive = Archive(data_dir / FOLDER)
    own = next((segments(data_dir / name) for name in JOURNALS if (data_dir / name).is_dir()), [])
    known = {*archive.instruments, *(name for segment in own for name in segment.instruments)}
    for instrument_id in instruments:
        if instrument_id not in known:
            raise RecordingError(f"{data_dir} has no ticks of {instrument_id!r}; it has {', '.join(sorted(known)) or 'none at all'}")

    def parts() -> Parts:
        for instrument_id in instruments:
            yield from archived_ticks(archive.days(instrument_id), own, instrument_id, from_ms, to_ms, archive)

    schema = TICKS if granularity_s is None else CANDLES
    batches = map(ticks_batch, parts()) if granularity_s is None else candle_batches(parts(), granularity_s)
    write = write_parquet if is_parquet else write_csv
    if output is None:
        try:
            write(sys.stdout.buffer, schema, batches)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            # Who reads has enough, as `head` does. What is left in the buffer must not be written at the process's end either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    new = output.with_name(f".{output.name}.new")
    try:
        with new.open("wb") as file:
            write(file, schema, batches)
            file.flush()
            os.fsync(file.fileno())
        new.replace(output)
    except OSError as error:
        raise RecordingError(f"{output} cannot be written: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)


def ticks_batch(part: tuple[PastTicks, int]) -> Batch:
    """Return ticks by the columns of `TICKS`."""
    past, pip_size = part
    return [past.epoch_ms, past.instrument_id, *(Prices(pips, pip_size) for pips in (past.bid, past.ask, past.price))]


def candle_batches(parts: Parts, granularity_s: int) -> Iterator[Batch]:
    """Yield the candles of ticks by the columns of `CANDLES`; those of an instrument have to follow on each other."""
    span_ms = granularity_s * 1000

    def batch(instrument_id: str, rows: Integers, pip_size: int) -> Batch:
        prices = (Prices(rows[:, column], pip_size) for column in (OPEN, HIGH, LOW, CLOSE))
        return [rows[:, START], instrument_id, granularity_s, *prices, rows[:, START] + span_ms]

    for instrument_id, own in groupby(parts, key=lambda part: part[0].instrument_id):
        # The newest candle may go on in the next part.
        newest, decimals = np.empty((0, COLUMNS), np.int64), 0
        for past, pip_size in own:
            rows, most = rows_of_ticks(past.epoch_ms, past.price, span_ms), max(decimals, pip_size)
            newest[:, OPEN:] = rescaled(newest[:, OPEN:], most - decimals)
            rows[:, OPEN:] = rescaled(rows[:, OPEN:], most - pip_size)
            rows = merged(np.vstack([newest, rows]), span_ms)
            yield batch(instrument_id, rows[:-1], most)
            newest, decimals = rows[-1:].copy(), most
        yield batch(instrument_id, newest, decimals)


def write_parquet(file: BinaryIO, schema: pa.Schema, batches: Iterable[Batch]) -> None:
    """Write rows in Parquet, as `pricewire record` does."""
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        for batch in batches:
            count = len(batch[0])  # type: ignore[arg-type] # it has times
            columns = [arrow_column(each, field, count) for each, field in zip(batch, schema, strict=True)]
            writer.write_table(pa.table(columns, schema=schema))


def arrow_column(column: Integers | Prices | str | int, field: pa.Field[Any], count: int) -> pa.Array[Any]:
    """Return a column of so many rows for Parquet."""
    if isinstance(column, Prices):
        return pa.array(column.pips / 10.0**column.pip_size)
    made: pa.Array[Any] = pa.array([column] * count if isinstance(column, str | int) else column, field.type)
    return made


def write_csv(file: BinaryIO, schema: pa.Schema, batches: Iterable[Batch]) -> None:
    """Write rows in CSV; prices are exact."""
    file.write(f"{','.join(schema.names)}\n".encode())
    for batch in batches:
        count = len(batch[0])  # type: ignore[arg-type] # it has times
        lines = zip(*(text_column(each, count) for each in batch), strict=True)
        file.write("".join(f"{','.join(line)}\n" for line in lines).encode())


def text_column(column: Integers | Prices | str | int, count: int) -> list[str]:
    """Return a column of so many rows for CSV."""
    if isinstance(column, Prices):
        return texts(column.pips, column.pip_size)
    if isinstance(column, str | int):
        return [str(column)] * count
    return [f"{time}Z" for time in np.datetime_as_string(column.astype("datetime64[ms]"), unit="ms").tolist()]


def texts(pips: Integers, pip_size: int) -> list[str]:
    """Return prices in decimal notation."""
    if not pip_size:
        return [str(each) for each in pips.tolist()]
    one = 10**pip_size
    return [f"{each // one}.{each % one:0{pip_size}}" for each in pips.tolist()]
