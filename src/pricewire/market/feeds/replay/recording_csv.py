"""Reads recordings in CSV."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, tzinfo
from itertools import chain
from pathlib import Path

from pricewire.errors import FeedError
from pricewire.market.feeds.replay.recording_columns import Columns, columns_without_header, find_columns, is_header
from pricewire.market.feeds.replay.recording_rows import RecordedRows
from pricewire.market.feeds.replay.recording_times import COMPACT, HISTDATA_ZONE, parse_time, parse_zone

DELIMITERS = ",;\t|"

NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
"""A price as text. `float` alone would also take `nan`, `1_000` and the digits of other scripts."""


def read_csv(path: Path, timezone: str | None = None) -> RecordedRows:
    """
    Return the rows of a file, and what is wrong with those that cannot be read.

    Args:
        path: a CSV file with or without a header; delimited by comma, semicolon, tab or `|`.
        timezone: of times that name none; by default UTC, and New York without daylight saving for HistData's compact form.

    Raises:
        FeedError: the file is empty, its columns are not known, or there is no such time zone.
        OSError: it cannot be read.
    """
    zone = None if timezone is None else parse_zone(timezone)
    # What is not UTF-8 fails where it matters, and must not stop the rest.
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return read_lines(file, zone)


def read_lines(lines: Iterable[str], zone: tzinfo | None = None) -> RecordedRows:
    """
    Return the rows of lines.

    Args:
        lines: of a file; empty ones are passed over.
        zone: of times that name none; by default as in `read_csv`.

    Raises:
        FeedError: there is no line, or its columns are not known.
    """
    numbered = ((number, line) for number, line in enumerate(lines, start=1) if not line.isspace())
    first = next(numbered, None)
    if first is None:
        raise FeedError("the file is empty")
    delimiter = max(DELIMITERS, key=first[1].count)
    cells = split(first[1], delimiter)
    header = is_header(cells)
    columns = find_columns(cells) if header else columns_without_header(len(cells))
    rows = RecordedRows("line")
    rest: Iterator[tuple[int, str]] = numbered if header else chain([first], numbered)
    for number, line in rest:
        try:
            read_line(rows, number, split(line, delimiter), columns, zone)
        except ValueError as error:
            rows.refuse(number, str(error))
    return rows


def split(line: str, delimiter: str) -> list[str]:
    """Return a line's cells. None is quoted over the delimiter in a recording; a stray quotation mark does not swallow the rest."""
    return [cell.strip().strip('"') for cell in line.split(delimiter)]


def read_line(rows: RecordedRows, number: int, cells: list[str], columns: Columns, zone: tzinfo | None) -> None:
    """
    Add a line's row to `rows`.

    Raises:
        ValueError: something is wrong with it.
    """
    try:
        time = cells[columns.time] if columns.date is None else f"{cells[columns.date]} {cells[columns.time]}"
        bid, ask = cells[columns.bid], cells[columns.ask]
        symbol = "" if columns.symbol is None else cells[columns.symbol]
    except IndexError:
        raise ValueError(f"there are only {len(cells)} columns") from None
    for price in (bid, ask):
        if NUMBER.fullmatch(price) is None:
            raise ValueError(f"price {price!r} is not a number")
    try:
        epoch_ms = parse_time(time, zone or (HISTDATA_ZONE if COMPACT.fullmatch(time) else UTC))
        rows.add(number, symbol, epoch_ms, float(bid), float(ask))
    except (ValueError, OverflowError):
        raise ValueError(f"time {time!r} is of no known form") from None
