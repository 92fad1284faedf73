"""The benchmark of histories runs: every request has the rows that it should have."""

from __future__ import annotations

import sys

import pytest

if sys.platform != "linux":
    pytest.skip("the benchmarks read Linux's /proc", allow_module_level=True)

from bench.machine import Placement

from bench import history


def test_each_request_brings_its_rows() -> None:
    report = history.run(Placement(None, None), history.QUICK, lambda step: None)
    assert [row[3] for row in report.tables[0].rows] == ["600", "600", "5", "60"]
