"""The browser's benchmark runs: every decoder finds every event, and every page shows prices. Nothing depends on how fast."""

from __future__ import annotations

import sys

import pytest

if sys.platform != "linux":
    pytest.skip("the benchmarks read Linux's /proc and use its epoll", allow_module_level=True)

from bench.machine import Placement
from bench.page import LOADS

from bench import browser


def test_a_quick_run_makes_a_report() -> None:
    report = browser.run(Placement(None, None), browser.QUICK, lambda _: None)
    assert [len(table.rows) for table in report.tables] == [2, 2, len(LOADS)]
    assert report.notes == []
