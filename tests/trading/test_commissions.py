"""Commissions: the rule that names a contract best is its own."""

from __future__ import annotations

import pytest

from pricewire.errors import InvalidProposalError
from pricewire.protocol.trading_messages import DurationUnit
from pricewire.trading.commissions import COMMISSION, Commissions

RULES = {"touch": 0.02, "touch:R_100": 0.03, "touch:*:5t": 0.04, "touch:*:60s": 0.05, "touch:R_100:2m": 0.06, "high_low:R_50:1h": 0.07}


@pytest.mark.parametrize(
    ("product_id", "instrument_id", "duration", "unit", "commission"),
    [
        ("rise_fall", "R_100", 5, "ticks", COMMISSION),
        ("touch", "R_50", 6, "ticks", 0.02),
        ("touch", "R_50", 5, "ticks", 0.04),
        ("touch", "R_50", 61, "seconds", 0.02),
        ("touch", "R_50", 1, "minutes", 0.05),
        ("touch", "R_100", 5, "ticks", 0.03),
        ("touch", "R_100", 2, "minutes", 0.06),
        ("touch", "R_100", 60, "seconds", 0.06),
        ("touch", "R_100", 3, "minutes", 0.03),
        ("high_low", "R_50", 60, "minutes", 0.07),
        ("high_low", "R_50", 2, "hours", COMMISSION),
        ("high_low", "R_25", 1, "minutes", COMMISSION),
    ],
)
def test_an_instrument_goes_before_a_duration_and_the_shortest_duration_before_others(
    product_id: str, instrument_id: str, duration: int, unit: DurationUnit, commission: float
) -> None:
    for rules in (RULES, dict(reversed(RULES.items()))):
        assert Commissions(rules).of(product_id, instrument_id, duration, unit) == commission


@pytest.mark.parametrize(
    ("text", "commission", "message"),
    [
        ("high_low", 0.0049, "commission 0.0049 of high_low is not between 0.005 and 1"),
        ("high_low", 0, "commission 0 of high_low is not between 0.005 and 1"),
        ("touch:R_100", 1, "commission 1 of touch:R_100 is not between 0.005 and 1"),
        ("touch", float("nan"), "is not between 0.005 and 1"),
        ("lottery", 0.5, "product 'lottery' is none of rise_fall, high_low, touch"),
        ("touch:R 100", 0.02, "'R 100' is no instrument; write '\\*' for all of them"),
        ("touch:R_100:", 0.02, "duration '' is not a number and a unit"),
        ("touch:R_100:5", 0.02, "duration '5' is not a number and a unit"),
        ("touch::5t", 0.02, "'' is no instrument"),
    ],
)
def test_a_rule_that_cannot_be_read_is_named(text: str, commission: float, message: str) -> None:
    with pytest.raises(InvalidProposalError, match=message):
        Commissions({text: commission})
