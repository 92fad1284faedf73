"""Amounts: exact, rounded once, and printed with all their decimals."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.errors import InvalidProposalError
from pricewire.trading.money import (
    DECIMALS,
    checked_amount,
    from_units,
    to_amount,
    to_signed_text,
    to_text,
    to_units,
    units_text,
)

CURRENCY = st.sampled_from(sorted(DECIMALS))
UNITS = st.integers(-(10**15), 10**15)


def test_zero_shows_the_currency_s_decimals() -> None:
    assert to_text(to_amount(0, "BTC")) == units_text(0, "BTC") == "0.00000000"
    assert to_text(to_amount(0, "USD")) == "0.00"
    assert to_text(to_amount(0, "JPY")) == units_text(0, "JPY") == "0"


def test_a_profit_always_has_its_sign() -> None:
    shown = [to_signed_text(Decimal(text)) for text in ("12.57", "-3.00", "0.00", "-0.30", "0")]
    assert shown == ["+12.57", "-3.00", "+0.00", "-0.30", "+0"]


@given(UNITS, CURRENCY)
def test_units_and_amounts_are_the_same(units: int, currency: str) -> None:
    amount = from_units(units, currency)
    assert to_units(amount, currency) == units
    assert units_text(units, currency) == to_text(amount)
    assert Decimal(units_text(units, currency)) == amount
    assert Decimal(to_signed_text(amount)) == amount
    assert to_amount(amount, currency) == amount


@given(st.decimals(-(10**9), 10**9, places=10), CURRENCY)
def test_an_amount_is_rounded_half_even(value: Decimal, currency: str) -> None:
    scale = 10 ** DECIMALS[currency]
    assert to_amount(value, currency) * scale == (value * scale).to_integral_value(ROUND_HALF_EVEN)


@pytest.mark.parametrize(("value", "text"), [("0.125", "0.12"), ("0.135", "0.14"), ("-0.125", "-0.12"), ("2.675", "2.68")])
def test_halves_go_to_the_even_cent(value: str, text: str) -> None:
    assert to_text(to_amount(Decimal(value), "USD")) == text


@pytest.mark.parametrize(
    ("value", "currency", "message"),
    [
        ("10", "XXX", "currency 'XXX' is none of USD, EUR"),
        ("10.001", "USD", "stake 10.001 has more decimals than USD, which has 2"),
        ("1.5", "JPY", "has more decimals than JPY"),
        ("NaN", "USD", "stake 'NaN' is not an amount"),
        ("Infinity", "USD", "is not an amount"),
        ("1e400", "USD", "is not an amount"),
        ("1e-100000000", "USD", "is not an amount"),
    ],
)
def test_what_is_no_amount_is_refused(value: str, currency: str, message: str) -> None:
    with pytest.raises(InvalidProposalError, match=message):
        checked_amount(Decimal(value), currency, "stake")


def test_an_amount_gets_its_decimals() -> None:
    assert to_text(checked_amount(Decimal("1e1"), "USD", "stake")) == "10.00"
    assert to_text(checked_amount(Decimal("0.5000000000"), "USD", "stake")) == "0.50"
