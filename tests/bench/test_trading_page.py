"""The benchmark of the trading page runs, and finds growth where there is some. Nothing depends on how fast."""

from __future__ import annotations

import pytest
from bench.machine import Placement

from bench import trading_page


def test_the_page_is_visited_loaded_and_watched() -> None:
    report = trading_page.run(Placement(None, None), trading_page.QUICK, lambda _: None)
    assert report.notes == []
    (table,) = report.tables
    assert [row[0] for row in table.rows][:2] == ["first paint, median", "everything live, median"]
    visits = report.figures["visits"]
    assert isinstance(visits, list)
    assert 0 < visits[0]["first_paint_ms"] <= visits[0]["live_ms"]
    assert visits[0]["blank_ms"] > 0


@pytest.mark.parametrize(("heap", "growth"), [([9.0, 5.0, 5.0, 5.0], 0.0), ([1.0, 2.0, 3.0, 4.0, 5.0], 60.0)])
def test_growth_is_that_of_the_second_half(heap: list[float], growth: float) -> None:
    assert trading_page.growth_per_hour(heap, len(heap) - 1) == pytest.approx(growth)
