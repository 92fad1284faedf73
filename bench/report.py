"""What a benchmark prints, and the file that it leaves."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import rich.table
from rich.console import Console

from bench.machine import Placement, describe, versions

RESULTS = Path(__file__).with_name("results")

Progress = Callable[[str], None]
"""Told what is being done."""


@dataclass(slots=True)
class Table:
    """
    A table of texts; the first column names the row.

    Attributes:
        title: what it shows.
        columns: their names.
        rows: their cells.
        sections: after how many rows there is a line.
    """

    title: str
    columns: list[str]
    rows: list[list[str]] = field(default_factory=list)
    sections: list[int] = field(default_factory=list)


@dataclass(slots=True)
class Report:
    """
    What a benchmark found.

    Attributes:
        name: of the benchmark, and of its file.
        tables: for the eye.
        figures: for the file.
        notes: what was left out, what went wrong, and which expectations were met.
    """

    name: str
    tables: list[Table]
    figures: dict[str, object]
    notes: list[str]


def show(report: Report, console: Console) -> None:
    """Print the tables and the notes; a table that is too wide for the terminal in parts, each with its first column."""
    for table in report.tables:
        widths = least_widths(table)
        for part, columns in enumerate(parts(table, console.width)):
            drawn = rich.table.Table(title=table.title if part == 0 else f"{table.title}, continued", title_justify="left")
            for number in columns:
                drawn.add_column(table.columns[number], justify="right" if number else "left", width=widths[number])
            for number, row in enumerate(table.rows, 1):
                drawn.add_row(*(row[column] for column in columns), end_section=number in table.sections)
            console.print(drawn)
    for note in report.notes:
        console.print(f"- {note}", highlight=False)


def least_widths(table: Table) -> list[int]:
    """Return how many characters each column needs: its longest cell, or the longest word of its name."""
    return [
        max([max(map(len, name.split()), default=0), *(len(row[number]) for row in table.rows)])
        for number, name in enumerate(table.columns)
    ]


def parts(table: Table, width: int) -> list[list[int]]:
    """
    Return which columns of a table stand beside each other in so many characters: the first in each part, and every other one in one.

    A name of several words may be broken between them; a cell is never.
    """
    widths = [3 + least for least in least_widths(table)]
    result: list[list[int]] = []
    left = 0
    for number in range(1, len(widths)):
        if not result or widths[number] > left:
            result.append([0])
            left = width - 1 - widths[0]
        result[-1].append(number)
        left -= widths[number]
    return result or [[0]]


def save(report: Report, placement: Placement, *, quick: bool, directory: Path = RESULTS) -> Path:
    """Write the figures with all that is needed to understand them; return where."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{report.name}.json"
    content = {
        "benchmark": report.name,
        "quick": quick,
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": ["python", "-m", "bench", *sys.argv[1:]],
        "machine": describe(),
        "versions": versions(),
        "cores": {"servers": sorted(placement.servers or ()), "readers": sorted(placement.readers or ())},
        "notes": report.notes,
        **report.figures,
    }
    path.write_text(json.dumps(content, indent=2) + "\n")
    return path


def thousands(number: float) -> str:
    """Show a rate."""
    return f"{round(number, -3):,.0f}" if number >= 10_000 else f"{number:,.0f}"


def ratio(number: float) -> str:
    """Show a multiple."""
    return f"{number:.2f}" if number < 10 else f"{number:.0f}"


def ratio_of(part: float, whole: float) -> str:
    """Show a multiple, or that there is none."""
    return ratio(part / whole) if whole else "-"


def verdict(reached: float, at_most: float) -> str:
    """Say what was reached, and whether that is within what was expected."""
    return f"{reached:.2f}, {'reached' if reached <= at_most else 'MISSED'}"
