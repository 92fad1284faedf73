"""The products' terms, and what is refused with which words."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from pricewire.errors import InvalidProposalError
from pricewire.protocol.trading_messages import DurationUnit
from pricewire.trading.durations import DURATIONS, UNIT_MS, check_duration
from pricewire.trading.money import DECIMALS
from pricewire.trading.products import (
    DEFAULT_STAKES,
    STAKES,
    Products,
    checked_barrier,
    checked_payout,
    checked_stake,
)


def test_the_products_and_their_sides() -> None:
    products = Products()
    assert [product.id for product in products.listed().products] == ["rise_fall", "high_low", "touch"]
    assert [products.terms(product.id).variants for product in products.listed().products] == [
        ("rise", "fall"),
        ("higher", "lower"),
        ("touch", "no_touch"),
    ]
    with pytest.raises(InvalidProposalError, match="product 'asian' is none of rise_fall, high_low, touch"):
        products.terms("asian")


def test_a_configuration_has_the_members_of_the_surface() -> None:
    config: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(Products().config("rise_fall")))
    assert config["defaults"] == {
        "product_id": "rise_fall",
        "duration": 5,
        "duration_unit": "minutes",
        "allow_equals": False,
        "stake": 10.0,
        "variants": ["rise", "fall"],
    }
    validations = config["validations"]
    assert validations["durations"]["supported_units"] == ["ticks", "seconds", "minutes", "hours", "days"]
    assert validations["durations"]["ticks"] == {"min": 1, "max": 10}
    assert validations["stake"] == {"min": "1.00", "max": "50000.00"}
    assert validations["payout"] == {"min": "1.00", "max": "100000.00"}


def test_a_configuration_in_another_currency() -> None:
    validations = Products().config("touch", "BTC").validations
    assert (validations.stake.min, validations.payout.max) == ("0.00001000", "1.00000000")
    with pytest.raises(InvalidProposalError, match="currency 'XXX' is none of USD"):
        Products().config("touch", "XXX")
    assert set(STAKES) == set(DECIMALS) == set(DEFAULT_STAKES)


@pytest.mark.parametrize("currency", list(DECIMALS))
def test_a_form_begins_with_a_stake_that_may_be_bought_in_its_currency(currency: str) -> None:
    config = Products().config("rise_fall", currency)
    stake = Decimal(str(config.defaults.stake))
    assert Decimal(config.validations.stake.min) <= checked_stake(stake, currency) <= Decimal(config.validations.stake.max)


@pytest.mark.parametrize("unit", list(DURATIONS))
def test_durations_within_bounds_are_allowed(unit: DurationUnit) -> None:
    allowed = DURATIONS[unit]
    check_duration(allowed.min, unit)
    check_duration(allowed.max, unit)
    for duration in (allowed.min - 1, allowed.max + 1):
        with pytest.raises(InvalidProposalError, match=f"duration {duration} is not {allowed.min} to {allowed.max} {unit}"):
            check_duration(duration, unit)
    assert unit == "ticks" or unit in UNIT_MS


def test_stakes_and_payouts_within_bounds_are_allowed() -> None:
    assert f"{checked_stake(Decimal(1), 'USD'):f}" == "1.00"
    assert f"{checked_payout(Decimal(100_000), 'USD'):f}" == "100000.00"
    with pytest.raises(InvalidProposalError, match=re.escape("stake 0.99 is not 1.00 to 50000.00 USD")):
        checked_stake(Decimal("0.99"), "USD")
    with pytest.raises(InvalidProposalError, match=re.escape("payout 100000.01 is not 1.00 to 100000.00 USD")):
        checked_payout(Decimal("100000.01"), "USD")
    with pytest.raises(InvalidProposalError, match="more decimals"):
        checked_stake(Decimal("1.001"), "USD")


@pytest.mark.parametrize("barrier", [None, "+0.5", "-99.99", "100.00", "0.01"])
def test_a_barrier_that_can_be_traded(barrier: str | None) -> None:
    assert checked_barrier(barrier, Products().terms("high_low"), 2, Decimal("100.00")) == barrier


@pytest.mark.parametrize(
    ("product_id", "barrier", "message"),
    [
        ("rise_fall", "+1", "barrier +1: rise_fall has none"),
        ("touch", "+0.005", "barrier +0.005 has more than the 2 decimals"),
        ("touch", "+0.00", "barrier +0.00 is the spot itself"),
        ("touch", "-100", "barrier -100 is not above zero; the price is 100.00 now"),
        ("high_low", "0", "barrier 0 is not above zero"),
    ],
)
def test_a_barrier_that_cannot(product_id: str, barrier: str, message: str) -> None:
    with pytest.raises(InvalidProposalError, match=re.escape(message)):
        checked_barrier(barrier, Products().terms(product_id), 2, Decimal("100.00"))
