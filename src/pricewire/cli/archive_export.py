"""Exporting: the ticks of a data directory in the columns of a recording."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pricewire.cli.archived_ticks import JOURNALS, archived_ticks
from pricewire.cli.history import FOLDER
from pricewire.cli.record_journal import epoch_ms
from pricewire.errors import RecordingError
from pricewire.market.archive import Archive
from pricewire.market.feed import EARLIEST_MS, LATEST_MS, PastTicks
from pricewire.market.pips import Integers
from pricewire.market.segment import segments
from pricewire.table import TICKS

Parts = Iterator[tuple[PastTicks, int]]
"""Ticks, and the decimals of their prices."""


def export(
    data_dir: Path, instruments: Sequence[str], output: Path | None, *, is_parquet: bool, start: datetime | None, end: datetime | None
) -> None:
    """
    Write ticks to a file, which is complete or as it was before.

    Args:
        data_dir: the server's data directory.
        instruments: whose ticks.
        output: the file; None for the standard output.
        is_parquet: whether it is Parquet, not CSV.
        start: the first time of interest; None for all.
        end: the time before which ticks are of interest; None for all.

    Raises:
        RecordingError: there is no tick of an instrument, or the file cannot be written.
        JournalError: a day of the archive cannot be read.
    """
    from_ms, to_ms = epoch_ms(start, EARLIEST_MS), epoch_ms(end, LATEST_MS) - 1
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

    write = write_parquet if is_parquet else write_csv
    if output is None:
        try:
            write(sys.stdout.buffer, parts())
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            # Who reads has enough, as `head` does. What is left in the buffer must not be written at the process's end either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return
    new = output.with_name(f".{output.name}.new")
    try:
        with new.open("wb") as file:
            write(file, parts())
            file.flush()
            os.fsync(file.fileno())
        new.replace(output)
    except OSError as error:
        raise RecordingError(f"{output} cannot be written: {error.strerror}") from None
    finally:
        with contextlib.suppress(OSError):
            new.unlink(missing_ok=True)


def write_parquet(file: BinaryIO, parts: Parts) -> None:
    """Write ticks in Parquet, as `pricewire record` does."""
    with pq.ParquetWriter(file, TICKS, compression="zstd") as writer:
        for past, pip_size in parts:
            columns = [pa.array(past.epoch_ms, TICKS.field("time").type), pa.array([past.instrument_id] * len(past.epoch_ms), pa.string())]
            columns += [pa.array(pips / 10.0**pip_size) for pips in (past.bid, past.ask, past.price)]
            writer.write_table(pa.table(columns, schema=TICKS))


def write_csv(file: BinaryIO, parts: Parts) -> None:
    """Write ticks in CSV; prices are exact."""
    file.write(f"{','.join(TICKS.names)}\n".encode())
    for past, pip_size in parts:
        times = np.datetime_as_string(past.epoch_ms.astype("datetime64[ms]"), unit="ms").tolist()
        prices = (texts(pips, pip_size) for pips in (past.bid, past.ask, past.price))
        lines = (f"{time}Z,{past.instrument_id},{bid},{ask},{price}\n" for time, bid, ask, price in zip(times, *prices, strict=True))
        file.write("".join(lines).encode())


def texts(pips: Integers, pip_size: int) -> list[str]:
    """Return prices in decimal notation."""
    if not pip_size:
        return [str(each) for each in pips.tolist()]
    one = 10**pip_size
    return [f"{each // one}.{each % one:0{pip_size}}" for each in pips.tolist()]
