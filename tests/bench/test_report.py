"""What benchmarks print."""

from __future__ import annotations

import io

import pytest
from bench.report import Report, Table, show
from rich.console import Console


@pytest.mark.parametrize("width", [60, 80, 200])
def test_a_table_is_readable_however_narrow_the_terminal(width: int) -> None:
    columns = ["", *(f"figure number {number}" for number in range(12))]
    rows = [[f"server {row}", *(f"<{row}.{number} million>" for number in range(12))] for row in range(3)]
    out = io.StringIO()
    show(Report("wide", [Table("Figures", columns, rows, [1])], {}, []), Console(file=out, width=width))
    text = out.getvalue()
    assert all(len(line) <= width for line in text.splitlines())
    for row in rows:
        assert all(text.count(cell) == 1 for cell in row[1:]), "no cell is cut"
    assert "…" not in text
    assert text.count("Figures") == text.count("server 0")


def test_a_table_of_one_column_is_shown() -> None:
    out = io.StringIO()
    show(Report("narrow", [Table("Names", ["name"], [["a"]])], {}, []), Console(file=out, width=80))
    assert "a" in out.getvalue()
