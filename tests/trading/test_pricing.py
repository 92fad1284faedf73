"""Prices: beside QuantLib, a recursion over ticks and a simulation; in their limits, and by what must hold of any."""

from __future__ import annotations

import math

import numpy as np
import pytest
import QuantLib  # type: ignore[import-untyped]
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import ndtr

from pricewire.trading.columns import Columns
from pricewire.trading.pricing import (
    QUOTE_COLUMNS,
    SIDES,
    bid_units,
    default_offset,
    edge_shift,
    make_quote,
    payout_units,
    place_margin,
    price_one,
    price_quotes,
    price_units,
    tick_margin,
    win_probability,
)
from pricewire.trading.volatility import Moves
from support.exact_prices import exact_above, exact_touch

TODAY = QuantLib.Date(1, 6, 2026)
DAYS = QuantLib.Actual365Fixed()

SPOT = st.integers(1000, 10**7)
DEVIATION = st.floats(-6.0, -2.0).map(lambda exponent: 10.0**exponent)
TICKS = st.integers(1, 10**6)
DEVIATIONS = st.floats(-4.0, 4.0)

EXACT = 1e-4
"""How far a price may be from the exact one."""


def above(spot: float, barrier: float, deviation: float, ticks: float, *, allow_equals: bool = False) -> float:
    """Return the probability that a contract pays that wins above a barrier."""
    shift = edge_shift(wins_above=True, allow_equals=allow_equals)
    return float(win_probability(spot, np.array([barrier]), shift, deviation, np.array([float(ticks)]), 1.0, np.array([False]))[0])


def touch(spot: float, barrier: float, deviation: float, ticks: float) -> float:
    """Return the probability that a contract pays on touching a barrier."""
    return float(win_probability(spot, np.array([barrier]), 0.0, deviation, np.array([float(ticks)]), 1.0, np.array([True]))[0])


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
@pytest.mark.parametrize("distance", [-2.0, -0.3, 0.3, 2.0])
def test_with_very_many_ticks_and_pips_they_are_quantlib_s(volatility: float, days: int, distance: float) -> None:
    QuantLib.Settings.instance().evaluationDate = TODAY
    spot, years, ticks = 1e9, days / 365, 10**10
    barrier = float(np.rint(spot * math.exp(distance * volatility * math.sqrt(years))))
    deviation = volatility * math.sqrt(years / ticks)
    assert above(spot, barrier, deviation, ticks) == pytest.approx(quantlib_above(spot, barrier, volatility, days), abs=1e-6)
    assert touch(spot, barrier, deviation, ticks) == pytest.approx(quantlib_touch(spot, barrier, volatility, days), abs=1e-5)


@pytest.mark.parametrize("deviation", [1.2e-5, 4e-5, 2.5e-4, 5e-3])
@pytest.mark.parametrize("ticks", [1, 2, 3, 10, 131])
def test_they_are_those_of_a_recursion_over_ticks(deviation: float, ticks: int) -> None:
    spot = 125_000.0
    for distance in (-3, -1, -0.3, -0.03, 0.03, 0.3, 1, 3):
        barrier = float(np.rint(spot * math.exp(distance * deviation * math.sqrt(ticks))))
        barrier += float(np.sign(distance)) if barrier == spot else 0.0
        exact = exact_touch(spot, barrier, deviation, ticks, points=8 if deviation < 1e-4 else 2)
        assert touch(spot, barrier, deviation, ticks) == pytest.approx(exact, abs=EXACT)
        for allow_equals in (False, True):
            exact = exact_above(spot, barrier, deviation, ticks, allow_equals=allow_equals)
            assert above(spot, barrier, deviation, ticks, allow_equals=allow_equals) == pytest.approx(exact, abs=EXACT)


@pytest.mark.parametrize(("deviation", "ticks", "offset"), [(1.8e-5, 5, 2), (1.8e-5, 1, 1), (2.5e-4, 3, 40), (2.5e-4, 60, 1)])
def test_they_are_those_of_a_simulation(deviation: float, ticks: int, offset: int) -> None:
    paths, spot = 200_000, 125_000
    random = np.random.default_rng(11)
    # What lies anywhere in the pip is published as the spot, and what follows as whole pips.
    logs = np.log(spot + random.uniform(-0.5, 0.5, paths))
    touched, published = np.zeros(paths, bool), np.zeros(paths)
    for _ in range(ticks):
        logs += deviation * random.standard_normal(paths) - deviation**2 / 2
        published = np.rint(np.exp(logs))
        touched |= published >= spot + offset
    error = 4 * 0.5 / math.sqrt(paths)
    assert touch(spot, spot + offset, deviation, ticks) == pytest.approx(touched.mean(), abs=error)
    assert above(spot, spot + offset, deviation, ticks) == pytest.approx((published > spot + offset).mean(), abs=error)
    assert above(spot, spot + offset, deviation, ticks, allow_equals=True) == pytest.approx((published >= spot + offset).mean(), abs=error)


@settings(max_examples=300)
@given(SPOT, st.floats(-6.0, 0.477), TICKS, DEVIATIONS, st.booleans(), st.booleans())
def test_they_are_probabilities(spot: int, exponent: float, ticks: int, distance: float, is_touch: bool, wins_above: bool) -> None:
    # From a millionth to three in all.
    total = 10.0**exponent
    barrier = np.array([max(1.0, float(np.rint(spot * math.exp(distance * total))))])
    arguments = (total / math.sqrt(ticks), np.array([float(ticks)]), 1.0 if wins_above else -1.0, np.array([is_touch]))
    with np.errstate(all="raise", under="ignore"):
        (probability,) = win_probability(float(spot), barrier, 0.5, *arguments)
    assert 0 <= probability <= 1


@given(SPOT, DEVIATION, TICKS, st.tuples(st.integers(-500, 500), st.integers(-500, 500)).map(sorted))
def test_a_further_barrier_is_less_likely(spot: int, deviation: float, ticks: int, offsets: list[int]) -> None:
    near, far = (above(spot, spot + offset, deviation, ticks) for offset in offsets)
    assert 0 <= far <= near + 1e-9 <= 1 + 1e-9
    near, far = (touch(spot, spot + offset, deviation, ticks) for offset in sorted(map(abs, offsets)))
    assert 0 <= far <= near + 1e-9 <= 1 + 1e-9


@given(st.integers(10**5, 10**7), st.floats(1e-5, 1e-3), st.integers(1, 2000), st.integers(1, 500), st.sampled_from([1, -1]))
def test_touching_is_at_least_as_likely_as_ending_there_and_more_so_with_each_tick(
    spot: int, deviation: float, ticks: int, offset: int, side: int
) -> None:
    barrier = spot + side * offset
    beyond = above(spot, barrier, deviation, ticks, allow_equals=True)
    beyond = beyond if side > 0 else 1 - above(spot, barrier, deviation, ticks)
    touched = touch(spot, barrier, deviation, ticks)
    assert beyond - EXACT <= touched <= touch(spot, barrier, deviation, ticks + 1) + EXACT


@given(SPOT, DEVIATION, TICKS, st.integers(-500, 500), st.booleans())
def test_the_two_sides_leave_only_equality_out(spot: int, deviation: float, ticks: int, offset: int, allow_equals: bool) -> None:
    barrier = np.array([float(spot + offset)] * 2)

    def sides(above_equals: bool, below_equals: bool) -> float:
        shifts = [edge_shift(wins_above=True, allow_equals=above_equals), edge_shift(wins_above=False, allow_equals=below_equals)]
        none = np.array([False, False])
        return float(
            win_probability(float(spot), barrier, np.array(shifts), deviation, np.full(2, float(ticks)), np.array([1.0, -1.0]), none).sum()
        )

    assert sides(allow_equals, not allow_equals) == pytest.approx(1, abs=1e-9)
    equal = above(spot, spot + offset, deviation, ticks, allow_equals=True) - above(spot, spot + offset, deviation, ticks)
    assert sides(True, True) == pytest.approx(1 + equal, abs=1e-9)
    assert sides(False, False) == pytest.approx(1 - equal, abs=1e-9)


def test_without_ticks_or_volatility_nothing_moves() -> None:
    for deviation, ticks in ((0.0, 10), (1e-3, 0)):
        with np.errstate(all="raise", under="ignore"):
            assert [above(100, barrier, deviation, ticks) for barrier in (99, 100, 101)] == pytest.approx([1, 0, 0], abs=1e-2)
            assert [above(100, barrier, deviation, ticks, allow_equals=True) for barrier in (99, 100, 101)] == pytest.approx(
                [1, 1, 0], abs=1e-2
            )
            assert [touch(100, barrier, deviation, ticks) for barrier in (99, 100, 101)] == [0.0, 1.0, 0.0]


def test_a_barrier_at_the_price_is_touched() -> None:
    assert touch(125_000, 125_000, 2.5e-4, 5) == 1.0


@given(SPOT, DEVIATION, TICKS, st.integers(-500, 500), st.sampled_from([1.0, -1.0]))
def test_a_table_is_priced_as_each_of_its_rows(spot: int, deviation: float, ticks: int, offset: int, sign: float) -> None:
    barriers, left = np.array([float(spot + offset)] * 3 + [float(spot)]), np.array([ticks, ticks, 1, ticks], float)
    is_touch = np.array([False, True, True, True])
    priced = win_probability(float(spot), barriers, 0.5, deviation, left, np.full(4, sign), is_touch)
    expected = [
        above(spot, spot + offset, deviation, ticks),
        touch(spot, spot + offset, deviation, ticks),
        touch(spot, spot + offset, deviation, 1),
        1.0,
    ]
    assert priced.tolist() == pytest.approx(expected if sign > 0 else [1 - each for each in expected], abs=1e-9)


MOVES = Moves(volatility=1.0, interval_ms=2000.0, is_regular=True, margin=0.0)
TICK = MOVES.tick_deviation


def quoted(barrier: str | None, *, duration: int = 15, unit: str = "seconds", is_touch: bool = False, elapsed_ms: int = 0) -> float:
    """Return the probability of the first side of a quote at 1,250.00, with a tick each two seconds."""
    quote = make_quote(
        duration=duration,
        unit=unit,  # type: ignore[arg-type]
        barrier=barrier,
        allow_equals=False,
        pip_size=2,
        has_barrier=barrier is not None,
        is_touch=is_touch,
    )
    return float(price_one(quote, 125_000.0, MOVES, elapsed_ms).first[0])


def test_a_barrier_that_is_a_price_is_a_tick_further_away_than_one_that_counts_from_the_entry() -> None:
    offset, price = quoted("+0.40", duration=1, unit="ticks"), quoted("1250.40", duration=1, unit="ticks")
    assert offset == pytest.approx(exact_above(125_000, 125_040, TICK, 1, allow_equals=False), abs=EXACT)
    assert price == pytest.approx(exact_above(125_000, 125_040, TICK, 2, allow_equals=False), abs=EXACT)
    touched = quoted("1250.40", duration=5, unit="ticks", is_touch=True)
    assert touched == pytest.approx(exact_touch(125_000, 125_040, TICK, 6), abs=EXACT)


@pytest.mark.parametrize(("elapsed_ms", "last"), [(0, 7), (999, 7), (1000, 8), (1999, 8)])
def test_a_duration_in_time_has_the_ticks_that_come_in_it(elapsed_ms: int, last: int) -> None:
    # Bought so long after a tick, the entry is the next tick, and the end lies after the seventh or the eighth.
    for barrier, ticks in (("1250.40", last), ("+0.40", last - 1)):
        assert quoted(barrier, elapsed_ms=elapsed_ms) == pytest.approx(
            exact_above(125_000, 125_040, TICK, ticks, allow_equals=False), abs=EXACT
        )
        assert quoted(barrier, elapsed_ms=elapsed_ms, is_touch=True) == pytest.approx(exact_touch(125_000, 125_040, TICK, ticks), abs=EXACT)


def test_bought_after_a_tick_should_have_come_its_entry_is_the_one_after_that_but_where_the_barrier_is_a_price() -> None:
    assert quoted("+0.40", elapsed_ms=2500) == pytest.approx(exact_above(125_000, 125_040, TICK, 8 - 2, allow_equals=False), abs=EXACT)
    assert quoted("1250.40", duration=1, unit="ticks", elapsed_ms=2500) == pytest.approx(
        exact_above(125_000, 125_040, TICK, 2, allow_equals=False), abs=EXACT
    )


def test_irregular_ticks_are_estimated() -> None:
    columns = Columns[int](QUOTE_COLUMNS)
    for number, barrier in enumerate(("+0.40", "1250.40")):
        terms = {"allow_equals": False, "pip_size": 2, "has_barrier": True, "is_touch": False}
        columns.add(number, make_quote(duration=60, unit="seconds", barrier=barrier, **terms)._asdict())  # type: ignore[arg-type]
    priced = price_quotes(columns, 125_000.0, MOVES._replace(is_regular=False, margin=0.02))
    assert (priced.looks.tolist(), priced.margin.tolist()) == ([28.5, 28.5], [0.03, 0.03])
    expected = [exact_above(125_000, 125_040, TICK, ticks, allow_equals=False) for ticks in (28.5, 29.5)]
    assert priced.first.tolist() == pytest.approx(expected, abs=EXACT)
    # Four seconds without a tick, two intervals, have moved the price that a barrier as a price is compared with.
    later = price_quotes(columns, 125_000.0, MOVES._replace(is_regular=False), 4000.0)
    expected = [exact_above(125_000, 125_040, TICK, ticks, allow_equals=False) for ticks in (28.5, 31.5)]
    assert later.first.tolist() == pytest.approx(expected, abs=EXACT)


@pytest.mark.parametrize("barrier", [125_001, 124_999, 125_040, 124_900, 125_400])
@pytest.mark.parametrize("deviation", [TICK, 0.6 / 125_000, 0.004])
@pytest.mark.parametrize(("ticks", "waited"), [(1, 0.5), (1, 7.0), (6, 0.01), (6, 3.0), (40, 4.0)])
def test_what_was_waited_for_is_one_look_of_a_touch(barrier: int, deviation: float, ticks: int, waited: float) -> None:
    priced = win_probability(
        125_000.0, np.array([float(barrier)]), 0.0, deviation, np.array([ticks + waited]), SIDES, np.array([True]), np.array([waited])
    )
    exact = exact_touch(125_000, barrier, deviation, ticks, waited=waited)
    assert priced.ravel().tolist() == pytest.approx([exact, 1 - exact], abs=2e-4)


def test_each_side_of_an_irregular_tick_that_is_awaited_has_the_price_of_what_makes_it_likelier() -> None:
    moves = MOVES._replace(is_regular=False)
    quote = make_quote(duration=20, unit="seconds", barrier="1250.01", allow_equals=True, pip_size=2, has_barrier=True, is_touch=True)
    at_once, later = (price_one(quote, 125_000.0, moves, elapsed_ms) for elapsed_ms in (0.0, 8000.0))
    # Touched at one of the ticks that are on their way; and not, as none has come.
    assert later.first[0] > at_once.first[0]
    assert later.second[0] > 1.4 * at_once.second[0]


@pytest.mark.parametrize("barrier", ["1249.50", "1250.50"])
def test_ticks_that_are_on_their_way_are_among_those_that_a_price_is_away(barrier: str) -> None:
    moves = MOVES._replace(is_regular=False)
    quote = make_quote(duration=5, unit="ticks", barrier=barrier, allow_equals=False, pip_size=2, has_barrier=True, is_touch=False)
    priced = price_one(quote, 125_000.0, moves, 3 * moves.interval_ms)
    # Five ticks and the entry, or what three more have moved, too.
    above = [exact_above(125_000, int(barrier.replace(".", "")), TICK, ticks, allow_equals=False) for ticks in (6, 9)]
    below = [1 - exact_above(125_000, int(barrier.replace(".", "")), TICK, ticks, allow_equals=True) for ticks in (6, 9)]
    assert priced.first[0] == pytest.approx(max(above), abs=EXACT)
    assert priced.second[0] == pytest.approx(max(below), abs=EXACT)


def test_what_is_lost_adds_a_margin_that_no_contract_has_where_nothing_is() -> None:
    in_ticks, looks = np.array([True, True, False, False]), np.array([1.0, 10.0, 6.0, 1800.0])
    assert tick_margin(MOVES, in_ticks, looks).tolist() == [0.0] * 4
    # Outages of 43 s on the average after a tick in fifty, as in the benchmark `edge`.
    outages = tick_margin(MOVES._replace(odd=0.02, excess=0.41, wait=4.6), in_ticks, looks).tolist()
    assert outages == pytest.approx([0.5 * 0.02 * 3, 0.25 * math.log(1.41), 0.5 * 0.02 * 8, 0.0027], abs=0.0002)
    bursts = MOVES._replace(is_regular=False, wait=3.0)
    assert tick_margin(bursts, in_ticks, looks).tolist() == pytest.approx([0.03] * 4)


@pytest.mark.parametrize("pips", [0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 3.0, 4.9])
@pytest.mark.parametrize("ticks", [1, 2, 5, 30])
def test_who_knows_where_the_price_has_come_from_knows_no_more_than_the_margin(pips: float, ticks: int) -> None:
    deviation = pips / 100_000
    # Within half a pip of the newest price, which is as many pips above the one before as it usually moves, at least one.
    step = max(1, round(pips))
    nodes = (np.arange(2000) + 0.5) / 2000 - 0.5
    density = ndtr((nodes + step + 0.5) / pips) - ndtr((nodes + step - 0.5) / pips)
    margin = place_margin(pips, np.array([float(ticks)]))[0]
    for barrier in range(99_996, 100_006):
        edge = barrier + 0.5
        known = (density / density.sum() * ndtr((100_000 + nodes - edge) / (pips * math.sqrt(ticks)))).sum()
        priced = win_probability(100_000.0, np.array([float(barrier)]), 0.5, deviation, np.array([float(ticks)]), 1.0, np.array([False]))[0]
        assert abs(priced - known) <= margin + 1e-5, barrier
    assert place_margin(5.0, np.array([1.0]))[0] == 0 == place_margin(pips, np.array([0.0]))[0]


@given(st.integers(1, 10**8), st.floats(0, 1), st.floats(0.001, 0.5))
def test_a_payout_costs_its_stake(stake: int, probability: float, commission: float) -> None:
    payout = payout_units(stake, probability, commission)
    assert abs(payout * (probability + commission) - stake) <= (probability + commission) / 2 + 1e-6
    assert abs(price_units(payout, probability, commission) - stake) <= (probability + commission) / 2 + 0.5 + 1e-6
    bid = int(bid_units(np.array([float(payout)]), np.array([probability]), np.array([commission]))[0])
    assert 0 <= bid <= stake


@settings(max_examples=30)
@given(SPOT, DEVIATION, TICKS)
def test_the_default_barrier_is_a_deviation_away_and_at_least_a_pip(spot: int, deviation: float, ticks: int) -> None:
    offset = float(default_offset(float(spot), deviation, ticks))
    assert offset == int(offset) >= 1
    assert offset == 1 or abs(offset - spot * deviation * math.sqrt(ticks)) <= 0.5
