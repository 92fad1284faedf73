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


def test_no_cell_is_cut_where_names_of_columns_are_long() -> None:
    columns = ["server", "deliveries per CPU second, 1 per flush", "20 per flush", "events per chunk", "p50 ms at 50 events/s", "p99 ms"]
    rows = [["Centrifugo, WebSocket", "133,000", "2,894,000", "1.00", "2075.8", "3669.7"], ["sse-starlette", "1", "2", "3", "4", "5"]]
    out = io.StringIO()
    show(Report("names", [Table("Figures", columns, rows)], {}, []), Console(file=out, width=80))
    assert "…" not in out.getvalue()
    assert all(cell in out.getvalue() for row in rows for cell in row)
    assert all(line[-1] in "┓┃┩│┘┘s" for line in out.getvalue().splitlines() if line[0] in "┏┃┡│└"), "no line is cut"


def test_a_table_of_one_column_is_shown() -> None:
    out = io.StringIO()
    show(Report("narrow", [Table("Names", ["name"], [["a"]])], {}, []), Console(file=out, width=80))
    assert "a" in out.getvalue()
