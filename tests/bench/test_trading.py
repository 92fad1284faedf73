"""The benchmarks of trading run, and every stream gets every update."""

from __future__ import annotations

import sys

import pytest

if sys.platform != "linux":
    pytest.skip("the benchmarks read Linux's /proc and use its epoll", allow_module_level=True)

from bench.machine import Placement

from bench import positions, pricing, purchases, quotes, simulated


def test_pricing_makes_a_report() -> None:
    report = pricing.run(Placement(None, None), pricing.QUICK, lambda step: None)
    assert len(report.tables[0].rows) == 6
    assert report.notes == []


def test_simulated_prices_make_a_report() -> None:
    report = simulated.run(Placement(None, None), simulated.QUICK, lambda step: None)
    assert len(report.tables[0].rows) == 4
    assert report.notes == []


def test_positions_reach_every_stream() -> None:
    settings = positions.Settings(accounts=5, each=3, ticks=2, judge=False)
    report = positions.run(Placement(None, None), settings, lambda step: None)
    assert report.notes == []


def test_quotes_are_measured_and_more_of_them_refused() -> None:
    report = quotes.run(Placement(None, None), quotes.QUICK, lambda step: None)
    assert [row[0] for row in report.tables[0].rows] == ["none", "250", "opening", "refusing"]
    assert report.notes == []


def test_purchases_are_answered_on_both_databases() -> None:
    settings = purchases.Settings(buyers=(2,), seconds=0.2, rates={"SQLite": (20,), "PostgreSQL": (20,)})
    report = purchases.run(Placement(None, None), settings, lambda step: None)
    assert [row[:2] for row in report.tables[0].rows] == [[name, buyers] for name in ("SQLite", "PostgreSQL") for buyers in ("2", "20/s")]
    assert len(report.notes) == 1
