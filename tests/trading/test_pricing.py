"""Prices: beside QuantLib's, in their limits, and by what must hold of any."""

from __future__ import annotations

import math

import numpy as np
import pytest
import QuantLib  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st

from pricewire.trading.pricing import (
    bid_units,
    default_offset,
    edge_shift,
    payout_units,
    price_units,
    touch_probability,
    win_probability,
)
from support.formulas import above_probability

TODAY = QuantLib.Date(1, 6, 2026)
DAYS = QuantLib.Actual365Fixed()

SPOT = st.floats(1.0, 1e6)
VOLATILITY = st.floats(0.01, 3.0)
YEARS = st.floats(1e-8, 1.0)
DEVIATIONS = st.floats(-4.0, 4.0)


def process(spot: float, volatility: float) -> QuantLib.BlackScholesProcess:
    flat = QuantLib.YieldTermStructureHandle(QuantLib.FlatForward(TODAY, 0.0, DAYS))
    variance = QuantLib.BlackVolTermStructureHandle(QuantLib.BlackConstantVol(TODAY, QuantLib.NullCalendar(), volatility, DAYS))
    return QuantLib.BlackScholesProcess(QuantLib.QuoteHandle(QuantLib.SimpleQuote(spot)), flat, variance)


def quantlib_above(spot: float, barrier: float, volatility: float, days: int) -> float:
    option = QuantLib.VanillaOption(
        QuantLib.CashOrNothingPayoff(QuantLib.Option.Call, barrier, 1.0), QuantLib.EuropeanExercise(TODAY + days)
    )
    option.setPricingEngine(QuantLib.AnalyticEuropeanEngine(process(spot, volatility)))
    return float(option.NPV())


def quantlib_touch(spot: float, barrier: float, volatility: float, days: int) -> float:
    kind = QuantLib.Option.Call if barrier > spot else QuantLib.Option.Put
    at_expiry = True
    option = QuantLib.VanillaOption(
        QuantLib.CashOrNothingPayoff(kind, barrier, 1.0), QuantLib.AmericanExercise(TODAY, TODAY + days, at_expiry)
    )
    option.setPricingEngine(QuantLib.AnalyticDigitalAmericanEngine(process(spot, volatility)))
    return float(option.NPV())


@pytest.mark.parametrize("volatility", [0.1, 0.5, 1.0])
@pytest.mark.parametrize("days", [1, 30, 365])
@pytest.mark.parametrize("distance", [-2.0, -0.3, -0.01, 0.01, 0.3, 2.0])
def test_the_formulas_agree_with_quantlib(volatility: float, days: int, distance: float) -> None:
    QuantLib.Settings.instance().evaluationDate = TODAY
    spot, years = 1250.0, days / 365
    barrier = spot * math.exp(distance * volatility * math.sqrt(years))
    assert above_probability(spot, barrier, volatility, years) == pytest.approx(quantlib_above(spot, barrier, volatility, days), abs=1e-12)
    assert touch_probability(spot, barrier, volatility, years) == pytest.approx(quantlib_touch(spot, barrier, volatility, days), abs=1e-12)


@given(SPOT, VOLATILITY, YEARS, st.tuples(DEVIATIONS, DEVIATIONS).map(sorted))
def test_a_further_barrier_is_less_likely(spot: float, volatility: float, years: float, deviations: list[float]) -> None:
    barriers = spot * np.exp(np.array(deviations) * volatility * math.sqrt(years))
    near, far = above_probability(spot, barriers, volatility, years)
    assert 0 <= far <= near <= 1
    near, far = touch_probability(spot, spot * np.exp(np.abs(np.log(barriers / spot))), volatility, years)[np.argsort(np.abs(deviations))]
    assert 0 <= far <= near <= 1


@given(SPOT, VOLATILITY, YEARS, DEVIATIONS)
def test_touching_is_at_least_as_likely_as_ending_beyond(spot: float, volatility: float, years: float, deviation: float) -> None:
    barrier = spot * math.exp(deviation * volatility * math.sqrt(years))
    above = float(above_probability(spot, barrier, volatility, years))
    beyond = above if barrier > spot else 1 - above
    assert beyond - 1e-12 <= float(touch_probability(spot, barrier, volatility, years)) <= 1


@given(st.integers(100, 10**7), VOLATILITY, YEARS, st.integers(-1000, 1000), st.booleans())
def test_the_two_sides_leave_only_equality_out(spot: int, volatility: float, years: float, offset: int, allow_equals: bool) -> None:
    barrier = max(2.0, spot + offset)
    none = np.array([False, False])

    def sides(above_equals: bool, below_equals: bool) -> float:
        edges = [
            barrier + edge_shift(wins_above=True, allow_equals=above_equals),
            barrier + edge_shift(wins_above=False, allow_equals=below_equals),
        ]
        return float(win_probability(spot, np.array(edges), volatility, years, np.array([1.0, -1.0]), none).sum())

    assert sides(allow_equals, not allow_equals) == pytest.approx(1, abs=1e-12)
    equal = float(above_probability(spot, barrier - 0.5, volatility, years) - above_probability(spot, barrier + 0.5, volatility, years))
    assert sides(True, True) == pytest.approx(1 + equal, abs=1e-12)
    assert sides(False, False) == pytest.approx(1 - equal, abs=1e-12)


def test_equality_is_as_likely_as_a_count_of_rounded_prices_says() -> None:
    spot, volatility, years = 9400_00, 0.10, 1 / (365 * 86_400)
    random = np.random.default_rng(7)
    variance = volatility**2 * years
    exits = np.rint(spot * np.exp(math.sqrt(variance) * random.standard_normal(400_000) - variance / 2))
    strict, equals = spot + edge_shift(wins_above=True, allow_equals=False), spot + edge_shift(wins_above=True, allow_equals=True)
    assert above_probability(spot, strict, volatility, years) == pytest.approx((exits > spot).mean(), abs=0.003)
    assert above_probability(spot, equals, volatility, years) == pytest.approx((exits >= spot).mean(), abs=0.003)
    assert above_probability(spot, equals, volatility, years) - above_probability(spot, strict, volatility, years) > 0.02


@pytest.mark.parametrize(("volatility", "years"), [(1.0, 0.0), (0.0, 1.0), (1.0, 1e-300)])
def test_without_time_or_volatility_nothing_moves(volatility: float, years: float) -> None:
    with np.errstate(all="raise", under="ignore"):
        assert above_probability(100.0, np.array([99.5, 100.0, 100.5]), volatility, years).tolist() == [1.0, 0.5, 0.0]
        assert touch_probability(100.0, np.array([99.5, 100.0, 100.5]), volatility, years).tolist() == [0.0, 1.0, 0.0]


@given(SPOT, SPOT, VOLATILITY, YEARS, st.sampled_from([1.0, -1.0]))
def test_a_table_is_priced_as_each_of_its_rows(spot: float, edge: float, volatility: float, years: float, sign: float) -> None:
    edges, is_touch = np.array([edge, edge, spot]), np.array([False, True, True])
    priced = win_probability(spot, edges, volatility, np.array([years, years, years]), np.full(3, sign), is_touch)
    above, touched = float(above_probability(spot, edge, volatility, years)), float(touch_probability(spot, edge, volatility, years))
    expected = [above, touched, 1.0] if sign > 0 else [1 - above, 1 - touched, 0.0]
    assert priced.tolist() == pytest.approx(expected, abs=1e-12)


@given(st.integers(1, 10**8), st.floats(0, 1), st.floats(0.001, 0.5))
def test_a_payout_costs_its_stake(stake: int, probability: float, commission: float) -> None:
    payout = payout_units(stake, probability, commission)
    assert abs(payout * (probability + commission) - stake) <= (probability + commission) / 2 + 1e-6
    assert abs(price_units(payout, probability, commission) - stake) <= (probability + commission) / 2 + 0.5 + 1e-6
    bid = int(bid_units(np.array([float(payout)]), np.array([probability]), np.array([commission]))[0])
    assert 0 <= bid <= stake


@settings(max_examples=30)
@given(st.integers(100, 10**7), VOLATILITY, YEARS)
def test_the_default_barrier_is_a_deviation_away_and_at_least_a_pip(spot: int, volatility: float, years: float) -> None:
    offset = float(default_offset(float(spot), volatility, years))
    assert offset == int(offset) >= 1
    assert offset == 1 or abs(offset - spot * volatility * math.sqrt(years)) <= 0.5
