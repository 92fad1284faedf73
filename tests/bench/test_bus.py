"""The benchmark of the bus comes to its end, with every event on both ways."""

from __future__ import annotations

import sys
from typing import Any

import pytest

if sys.platform != "linux":
    pytest.skip("the benchmarks use Linux's /proc", allow_module_level=True)

from bench.bus import Settings, run
from bench.machine import Placement


def test_the_bus_is_measured_on_both_ways() -> None:
    settings = Settings(rate=1000, calm_rate=500, seconds=0.2, kills=0, judge=False)
    figures: dict[str, Any] = run(Placement(None, None), settings, lambda _: None).figures
    assert figures["cost"]["events"] == 200
    assert 0 < figures["cost"]["hub"] < figures["cost"]["in all"]
    assert all(figures[f"delay over {name}, ms"]["p50"] > 0 for name in ("memory", "NATS"))
