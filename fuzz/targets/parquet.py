"""Recordings in Parquet: any bytes, damaged files, and whole files of any columns."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fuzz.source import Source
from fuzz.targets.files import as_file
from fuzz.targets.recordings import ZONES, replay

NAMES = ("timestamp", "time", "date", "bid", "ask", "price", "symbol", "BID", "note", "")

KINDS: tuple[Any, ...] = (
    pa.int64(),
    pa.int32(),
    pa.uint64(),
    pa.float64(),
    pa.float32(),
    pa.string(),
    pa.binary(),
    pa.bool_(),
    pa.null(),
    pa.timestamp("s"),
    pa.timestamp("ms"),
    pa.timestamp("us", tz="UTC"),
    pa.timestamp("ns", tz="America/New_York"),
    pa.date32(),
    pa.time64("us"),
    pa.decimal128(12, 4),
    pa.list_(pa.int64()),
    pa.struct([("bid", pa.float64())]),
    pa.dictionary(pa.int32(), pa.string()),
    pa.duration("ms"),
    pa.large_string(),
    pa.float16(),
)

LIKELY = {"timestamp": (0, 3, 5, 9, 10, 11, 12), "bid": (0, 3, 5, 15), "ask": (0, 3, 5, 15)}
"""What some columns usually are."""


def check(data: bytes) -> None:
    """Read a recording. The first byte says what it is: the rest as it is, or a file made by it, perhaps with a few bytes changed."""
    source = Source(data)
    form, zone = source.number() % 4, source.choose(ZONES)
    if form == 0:
        content = source.rest()
    else:
        content = write(table(source))
        if form == 1:
            content = damage(content, source)
    replay(as_file(content, "ticks.parquet"), zone)


def table(source: Source) -> pa.Table:
    """Return a table of up to six columns and eight rows."""
    rows = source.number() % 9
    columns, names = [], []
    for number in range(source.number() % 7):
        name = ("timestamp", "bid", "ask")[number] if number < 3 and source.number() % 8 else source.choose(NAMES)
        usual = LIKELY.get(name)
        kind = KINDS[source.choose(usual)] if usual is not None and source.number() % 4 else source.choose(KINDS)
        columns.append(column(kind, rows, source))
        names.append(name)
    return pa.Table.from_arrays(columns, names=names)


def column(kind: pa.DataType, rows: int, source: Source) -> pa.Array[Any]:
    """Return a column of a type with values of all sizes, some of them missing."""
    size = source.choose((1, 2, 4, 5, 6, 8))
    numbers = [None if source.number() % 16 == 0 else source.number(size) for _ in range(rows)]
    made: pa.Array[Any] | None = None
    for values in (numbers, [None if number is None else str(number) for number in numbers]):
        try:
            made = pa.array(values, pa.string() if isinstance(values[0] if values else "", str) else pa.int64()).cast(kind)
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OverflowError):
            continue
        break
    untyped: Any = pa  # the stubs know no type that is only known at run time
    empty: pa.Array[Any] = untyped.nulls(rows, kind)
    return empty if made is None else made


def write(content: pa.Table) -> bytes:
    """Return a table as a file; of what Parquet does not know, nothing."""
    file = io.BytesIO()
    try:
        pq.write_table(content, file, compression="none", use_dictionary=False)
    except (pa.ArrowNotImplementedError, pa.ArrowInvalid):
        return b""
    return file.getvalue()


def damage(content: bytes, source: Source) -> bytes:
    """Return a file with some of its bytes changed, and perhaps cut off."""
    changed = bytearray(content)
    for _ in range(source.number() % 8):
        if changed:
            # From the end, where Parquet has what it knows of the rest.
            changed[-1 - source.number(2) % len(changed)] = source.number()
    return bytes(changed[: len(changed) - source.number() % 4])
