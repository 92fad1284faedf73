"""Recording the past: the ticks of a server's journal into a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
from rich.console import Console

from pricewire.cli.recording import PARQUET, sole_writer
from pricewire.cli.recording_file import RecordingFile
from pricewire.errors import RecordingError
from pricewire.market.feed import EARLIEST_MS, LATEST_MS
from pricewire.market.segment import Segment, segments
from pricewire.table import TICKS

CURSOR = "journal"
"""Begins the cursor of a file recorded from a journal; the journal's file follows, and how many ticks of it were looked at."""


def record_journal(
    folder: Path, instruments: Sequence[str], to: Path, console: Console, *, since: datetime | None = None, until: datetime | None = None
) -> None:
    """
    Record the ticks that a journal has, in the order in which they arrived; a server may be writing to it.

    Args:
        folder: the journal.
        instruments: whose ticks.
        to: the Parquet file; one that was recorded from the journal is continued, where no range is given.
        console: where messages go.
        since: the first time of interest, in UTC where it has no zone; by default all that there is.
        until: the last time of interest, likewise.

    Raises:
        JournalError: the journal cannot be read.
        RecordingError: it has no tick of an instrument, or the file is none of Parquet, or cannot be written or continued.
    """
    if to.suffix.lower() not in PARQUET:
        raise RecordingError(f"--to {to}: what is recorded from a journal is a .parquet file; name such a file")
    found = segments(folder)
    known = {name for segment in found for name in segment.instruments}
    for instrument_id in instruments:
        if instrument_id not in known:
            shown = f"it has {', '.join(sorted(known))}" if known else "it is empty"
            raise RecordingError(f"the journal {folder} has no ticks of {instrument_id!r}; {shown}")
    with sole_writer(to):
        file = RecordingFile(to)
        is_range = since is not None or until is not None
        if file.rows and is_range:
            raise RecordingError(f"{to} is there already; a range of time goes into a new file")
        start = place_of(file)
        parts, cursor = [TICKS.empty_table()], file.cursor
        for segment in found:
            if segment.path.stem < start[0]:
                continue
            first = start[1] if segment.path.stem == start[0] else 0
            parts += tables(segment, first, set(instruments), epoch_ms(since, EARLIEST_MS), epoch_ms(until, LATEST_MS))
            cursor = f"{CURSOR} {segment.path.stem} {segment.count}"
        table = pa.concat_tables(parts)
        file.append_table(table, "" if is_range else cursor)
    console.print(f"{len(table)} ticks recorded, {file.rows} in {to}", markup=False, highlight=False, soft_wrap=True)


def place_of(file: RecordingFile) -> tuple[str, int]:
    """
    Return the file of the journal where a recording stopped, and how many of its ticks were looked at.

    Raises:
        RecordingError: it was not recorded from a journal.
    """
    match file.cursor.split():
        case [kind, stem, count] if kind == CURSOR:
            return stem, int(count)
        case [] if not file.rows:
            return "", 0
    raise RecordingError(f"{file.path} cannot be continued: it was not recorded from a journal as a whole; name another file")


def tables(segment: Segment, first: int, instruments: set[str], from_ms: int, to_ms: int) -> Iterator[pa.Table]:
    """Yield the ticks of some instruments in a file of a journal, from its tick number `first` on and within a span of time."""
    records = segment.records()[first:]
    names = list(segment.instruments)
    scales = np.array([10.0**pip_size for pip_size in segment.instruments.values()])
    is_wanted = np.isin(records["instrument"], [place for place, name in enumerate(names) if name in instruments])
    records = records[is_wanted & (records["epoch_ms"] >= from_ms) & (records["epoch_ms"] <= to_ms)]
    if len(records):
        scale = scales[records["instrument"]]
        columns = [pa.array(records["epoch_ms"], TICKS.field("time").type), pa.array(np.array(names)[records["instrument"]], pa.string())]
        columns += [pa.array(records[name] / scale) for name in ("bid", "ask", "price")]
        yield pa.table(columns, schema=TICKS)


def epoch_ms(moment: datetime | None, default: int) -> int:
    """Return a time in milliseconds since 1970; in UTC where it has no zone."""
    if moment is None:
        return default
    return round((moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)).timestamp() * 1000)
