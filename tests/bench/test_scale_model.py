"""What is said of a million streams agrees with what was measured of thousands, and stands so in the documentation."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.scale_model import BUSY, Costs, Demand, plan, rows, stream_us

SCALING = Path(__file__).parents[2] / "docs/scaling.md"


@pytest.mark.parametrize(
    ("demand", "lowest", "highest"),
    [
        (Demand(2000, ticks=5.0, pace_s=0.25), 0.28, 0.32),
        # The costs were not computed from this one.
        (Demand(5000, ticks=11.0, pace_s=0.1, groups=50), 0.28, 0.57),
    ],
    ids=["250 ms", "100 ms, 50 groups"],
)
def test_measured_floors_are_computed_within_their_spread(demand: Demand, lowest: float, highest: float) -> None:
    assert lowest <= demand.streams * stream_us(demand, Costs()) / 1e6 <= highest


def test_the_documentation_has_the_table() -> None:
    assert "\n".join(rows()) in SCALING.read_text()


@pytest.mark.parametrize("streams", [1000, 100_000, 1_000_000])
def test_each_gateway_keeps_within_its_core_and_all_streams_have_one(streams: int) -> None:
    fleet = plan(Demand(streams))
    assert fleet.busy <= BUSY + 0.001
    assert fleet.gateways * fleet.streams_each >= streams
    assert fleet.gateways == 1 or (fleet.gateways - 1) * fleet.streams_each < streams


def test_more_contracts_than_a_gateway_can_read_are_said() -> None:
    with pytest.raises(ValueError, match=r"take 0\.72 of each gateway's core"):
        plan(Demand(1_000_000, contracts=100_000))
