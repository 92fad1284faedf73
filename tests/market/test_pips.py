from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.errors import FeedError
from pricewire.market.pips import Number, middle, middles, quantum_of, rounded

CENT = Decimal("0.01")


@pytest.mark.parametrize(("pip_size", "expected"), [(0, "1"), (2, "0.01"), (5, "0.00001")])
def test_a_pip_has_as_many_decimals_as_the_pip_size(pip_size: int, expected: str) -> None:
    assert str(quantum_of(pip_size)) == expected


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (1.005, "1.00"),  # the float means 1.005, a tie, although it is a little less
        (1.015, "1.02"),
        ("1.025", "1.02"),
        (Decimal("1.0251"), "1.03"),
        (7, "7.00"),
        (1e-9, "0.00"),
    ],
)
def test_prices_are_rounded_half_even(number: Number, expected: str) -> None:
    assert str(rounded(number, CENT)) == expected


@pytest.mark.parametrize("number", ["a price", "", None, "Infinity", float("inf"), 10**40])
def test_what_is_no_price_is_refused(number: Number) -> None:
    with pytest.raises(FeedError, match="cannot be read as a price"):
        rounded(number, CENT)


@given(st.lists(st.tuples(st.integers(1, 10**12), st.integers(0, 10**6)), min_size=1))
def test_middles_in_pips_are_the_middles_of_the_prices(quotes: list[tuple[int, int]]) -> None:
    bids = np.array([bid for bid, _ in quotes])
    asks = np.array([bid + spread for bid, spread in quotes])
    expected = [middle(bid * CENT, (bid + spread) * CENT, CENT) for bid, spread in quotes]
    assert [pips * CENT for pips in middles(bids, asks).tolist()] == expected


def test_a_spread_of_an_odd_number_of_pips_leaves_every_price() -> None:
    bids = np.arange(100, 120)
    for spread in (1, 2, 3):
        assert np.diff(middles(bids, bids + spread)).tolist() == [1] * 19
        assert middle(Decimal("1.00"), Decimal("1.00") + spread * CENT, CENT) == Decimal("1.00") + (spread + 1) // 2 * CENT
