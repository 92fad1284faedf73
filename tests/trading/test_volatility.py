"""Volatility: found again in made prices, and known where it is known."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest

from pricewire.protocol.messages import Tick
from pricewire.trading.volatility import BOUNDS, LEAST_CHANGES, MOST_UNLIKE, YEAR_MS, Moves, Volatility
from support.contract_maker import BUY_TIME

PRICE = Decimal(1000)


def ticks(volatility: float, count: int, steps_ms: list[int]) -> list[Tick]:
    random = np.random.default_rng(3)
    steps = np.resize(steps_ms, count)
    logs = np.cumsum(volatility * np.sqrt(steps / (365 * 86_400_000)) * random.standard_normal(count))
    prices = [Decimal(f"{price:.6f}") for price in 1000 * np.exp(logs)]
    return [Tick("X", BUY_TIME + int(at), price, price, price) for at, price in zip(np.cumsum(steps), prices, strict=True)]


def load(estimate: Volatility, ticks: list[Tick]) -> None:
    for tick in ticks:
        estimate.add(tick)


@pytest.mark.parametrize("steps_ms", [[1000], [10, 10, 4000, 80]])
def test_the_volatility_of_made_prices_is_found_again(steps_ms: list[int]) -> None:
    estimate = Volatility()
    load(estimate, ticks(0.6, 4000, steps_ms))
    assert estimate.annual == pytest.approx(0.6, rel=0.25)
    assert estimate.interval_ms == pytest.approx(np.mean(steps_ms), rel=0.05)


def test_ticks_of_one_time_count_as_the_ticks_that_they_are() -> None:
    estimate = Volatility()
    made = [msgspec.structs.replace(each, epoch_ms=each.epoch_ms // 1000 * 1000) for each in ticks(0.6, 4000, [250])]
    load(estimate, made)
    moves = estimate.moves
    assert moves is not None
    assert not moves.is_regular
    assert moves.interval_ms == pytest.approx(250, rel=0.05)
    assert moves.tick_deviation == pytest.approx(0.6 * np.sqrt(250 / YEAR_MS), rel=0.15)


@pytest.mark.parametrize("known", [None, 0.6])
def test_of_a_feed_without_times_nothing_is_estimated(known: float | None) -> None:
    estimate = Volatility(known)
    for each in ticks(0.6, 100, [250]):
        estimate.add(msgspec.structs.replace(each, epoch_ms=BUY_TIME))
        assert estimate.annual == known
        assert (estimate.moves is None) == (known is None)
        assert not estimate.is_regular
    # Once it has times, it is as any other.
    load(estimate, ticks(0.6, 3000, [250]))
    assert estimate.annual == pytest.approx(0.6, rel=0.25)
    assert estimate.interval_ms == 250


def changing(changes: np.ndarray[Any, np.dtype[np.float64]], steps_ms: np.ndarray[Any, np.dtype[np.float64]]) -> Volatility:
    """Return an estimate of prices near 1000.00 that change by so many pips, after so many milliseconds."""
    estimate = Volatility(pip=0.01)
    times = BUY_TIME + np.cumsum(np.maximum(np.rint(steps_ms), 1))
    for at, pips in zip(times, np.rint(100_000 + np.cumsum(changes)), strict=True):
        price = Decimal(int(pips)).scaleb(-2)
        estimate.add(Tick("X", int(at), price, price, price))
    return estimate


@pytest.mark.parametrize("pips", [0.5, 1.0, 3.0, 20.0])
@pytest.mark.parametrize(("count", "most"), [(60, 0.02), (300, 0.005), (3000, 0.003)])
@pytest.mark.parametrize("is_regular", [True, False])
def test_normally_distributed_changes_are_as_prices_say(pips: float, count: int, most: float, is_regular: bool) -> None:
    random = np.random.default_rng(11)
    found = []
    for _ in range(10):
        steps = np.full(count, 1000.0) if is_regular else 1000 * random.exponential(1.0, count)
        moves = changing(pips * np.sqrt(steps / 1000) * random.standard_normal(count), steps).moves
        # Of a few that move little it is not known how much.
        assert moves is not None or (pips <= 1 and count < 3000)
        if moves is not None:
            found.append(moves.unlike)
    assert not found or np.mean(found) < most


def test_uneven_changes_have_a_margin_and_very_uneven_ones_are_not_sold_on() -> None:
    random = np.random.default_rng(12)
    steps = np.full(6000, 1000.0)

    def unlike(changes: np.ndarray[Any, np.dtype[np.float64]]) -> float:
        moves = changing(changes, steps).moves
        assert moves is not None
        return moves.unlike

    assert 0.01 < unlike(5 * random.standard_t(5, 6000)) < MOST_UNLIKE
    assert unlike(5 * random.standard_t(2.2, 6000)) > MOST_UNLIKE
    # A quote that is asked for every second and has mostly not changed.
    assert unlike(np.where(random.random(6000) < 0.75, 0, 4 * random.standard_normal(6000))) > MOST_UNLIKE
    # Calm and busy times in turn.
    assert unlike(np.where(np.arange(6000) % 400 < 60, 20, 2) * random.standard_normal(6000)) > MOST_UNLIKE


def in_pips(pips: float, count: int, seed: int = 5) -> list[Tick]:
    """Return ticks whose price moves so many pips of a hundredth with each, rounded to these."""
    random = np.random.default_rng(seed)
    moved = 100_000 + np.cumsum(pips * random.standard_normal(count))
    prices = [Decimal(int(price)).scaleb(-2) for price in np.rint(moved)]
    return [Tick("X", BUY_TIME + 1000 * number, price, price, price) for number, price in enumerate(prices)]


@pytest.mark.parametrize("pips", [0.2, 0.36, 0.5, 0.7, 1.0, 2.0, 10.0])
def test_the_volatility_of_prices_that_move_few_pips_is_found_again(pips: float) -> None:
    true = pips / 100_000 * np.sqrt(YEAR_MS / 1000)
    found = []
    for seed in range(12):
        estimate = Volatility(pip=0.01)
        load(estimate, in_pips(pips, 6000, seed))
        found.append(estimate.annual or 0.0)
    assert np.mean(found) == pytest.approx(true, rel=0.04)


@pytest.mark.parametrize("count", [LEAST_CHANGES + 1, 60, 200])
def test_a_few_changes_that_are_large_by_chance_are_not_taken_for_usual(count: int) -> None:
    for seed in range(100):
        estimate = Volatility(pip=0.01)
        load(estimate, in_pips(0.4, count, seed))
        assert estimate.annual is None


def test_of_a_price_that_hardly_moves_it_is_not_known() -> None:
    for pips in (0.0, 0.03):
        estimate = Volatility(pip=0.01)
        load(estimate, in_pips(pips, 2000))
        assert estimate.annual is None
        assert estimate.moves is None


def test_where_ticks_move_few_pips_fewer_count_and_the_margin_is_wider() -> None:
    fine, coarse = Volatility(pip=0.01), Volatility(pip=0.01)
    load(fine, in_pips(5.0, 1000))
    load(coarse, in_pips(0.4, 1000))
    assert fine.moves is not None
    assert coarse.moves is not None
    assert coarse.moves.margin > 3 * fine.moves.margin


def test_it_is_not_known_of_a_few_ticks() -> None:
    estimate = Volatility()
    few = ticks(0.6, LEAST_CHANGES + 2, [1000])
    load(estimate, few[:LEAST_CHANGES])
    assert estimate.annual is None
    load(estimate, few[LEAST_CHANGES:])
    assert estimate.annual is not None


def test_what_is_known_is_not_estimated() -> None:
    estimate = Volatility(1.0)
    assert (estimate.annual, estimate.interval_ms) == (1.0, 1000)
    load(estimate, ticks(0.2, 300, [2000]))
    assert (estimate.annual, estimate.interval_ms) == (1.0, 2000)


def test_a_price_that_stands_still_or_jumps_stays_within_bounds() -> None:
    still, wild = Volatility(), Volatility()
    made = ticks(0.0, 100, [1000])
    load(still, made)
    load(wild, ticks(1000.0, 100, [1]))
    assert (still.annual, wild.annual) == BOUNDS


def test_a_closed_market_and_late_ticks_do_not_count() -> None:
    estimate, other = Volatility(), Volatility()
    made = ticks(0.5, 200, [1000])
    load(estimate, made)
    load(other, made[:100])
    load(other, made[:50])
    later = [Tick("X", tick.epoch_ms + 172_800_000, tick.price * 2, tick.ask, tick.bid) for tick in made[100:]]
    load(other, later)
    assert other.annual == pytest.approx(estimate.annual, rel=0.02)


def test_outages_do_not_make_the_pace_look_slower() -> None:
    known, estimate = Volatility(1.0), Volatility()
    at = BUY_TIME
    for number in range(400):
        # Half an hour is missing, again and again.
        at += 1_800_000 if number % 80 == 79 else 1000
        price = Decimal(1000 + number % 2)
        for each in (known, estimate):
            each.add(Tick("X", at, price, price, price))
    assert (known.is_regular, known.interval_ms) == (True, 1000)
    assert known.moves is not None
    assert known.moves[:4] == (1.0, 1000.0, True, 0.0)
    # A gap counts as two minutes at most. So there are 394 intervals of a second and five of 120.
    assert known.moves[4:7] == pytest.approx((5 / 399, 5 * 119 / 399, (394 + 5 * 120**2) / (394 + 5 * 120) / 2))
    assert estimate.interval_ms == 1000


def test_where_no_tick_is_lost_nothing_is_doubted() -> None:
    regular = Volatility(1.0)
    load(regular, ticks(1.0, 100, [2000]))
    assert regular.moves == Moves(volatility=1.0, interval_ms=2000.0, is_regular=True, margin=0.0)


def test_a_tick_is_farther_from_a_moment_where_ticks_come_in_bursts() -> None:
    even, bursts = Volatility(), Volatility()
    random = np.random.default_rng(9)
    load(even, ticks_at([max(1, int(step)) for step in random.exponential(1000, 3000)]))
    load(bursts, ticks(1.0, 3000, [100, 100, 100, 3700]))
    assert even.moves is not None
    assert bursts.moves is not None
    assert even.moves.wait == pytest.approx(1.0, abs=0.25)
    assert bursts.moves.wait == pytest.approx((3 * 100**2 + 3700**2) / 4000 / 1000 / 2, rel=0.05)


def test_ticks_at_times_of_their_own_are_irregular_and_an_outage_counts_as_a_few_of_them() -> None:
    random = np.random.default_rng(5)
    steps = [max(1, int(step)) for step in random.exponential(1000, 600)]
    estimate, other = Volatility(), Volatility()
    for each, outage_ms in ((estimate, 0), (other, 1_800_000)):
        steps[-1] += outage_ms
        load(each, ticks_at(steps))
    assert not estimate.is_regular
    assert other.interval_ms == pytest.approx(estimate.interval_ms, rel=0.03)
    assert other.annual == pytest.approx(estimate.annual, rel=0.03)


def ticks_at(steps_ms: list[int]) -> list[Tick]:
    random = np.random.default_rng(6)
    logs = np.cumsum(1e-4 * np.sqrt(steps_ms) * random.standard_normal(len(steps_ms)))
    prices = [Decimal(f"{price:.6f}") for price in 1000 * np.exp(logs)]
    return [Tick("X", BUY_TIME + int(at), price, price, price) for at, price in zip(np.cumsum(steps_ms), prices, strict=True)]


def test_times_that_are_rounded_are_regular_and_a_few_gaps_leave_them_so() -> None:
    rounded = Volatility(1.0)
    load(rounded, [Tick("X", BUY_TIME + number * 1000 // 3, PRICE, PRICE, PRICE) for number in range(100)])
    assert rounded.is_regular
    assert rounded.interval_ms in (333, 334)
    faster = Volatility(1.0)
    load(faster, [Tick("X", BUY_TIME + number * 1000, PRICE, PRICE, PRICE) for number in range(100)])
    load(faster, [Tick("X", BUY_TIME + 99_000 + number * 200, PRICE, PRICE, PRICE) for number in range(1, 40)])
    assert (faster.is_regular, faster.interval_ms) == (True, 200)


def test_what_is_estimated_has_a_margin_that_falls_with_what_is_known() -> None:
    few, many = Volatility(), Volatility()
    made = ticks(0.6, 1000, [1000])
    load(few, made[:50])
    load(many, made)
    assert few.moves is not None
    assert many.moves is not None
    assert few.moves.margin == pytest.approx(0.5 / 98**0.5, abs=0.001)
    assert many.moves.margin == pytest.approx(0.5 / 1998**0.5, abs=0.002)
    assert many.moves.tick_deviation == pytest.approx(many.moves.volatility * (1000 / YEAR_MS) ** 0.5)
    assert Volatility().moves is None


@pytest.mark.parametrize("known", [None, 1.0])
@pytest.mark.parametrize("steps_ms", [[1000], [10, 10, 4000, 80], [1000] * 60 + [50_000]])
def test_how_a_price_moves_is_said_anew_after_each_tick(known: float | None, steps_ms: list[int]) -> None:
    asked = Volatility(known)
    made = ticks(0.6, 200, steps_ms)
    for count, tick in enumerate(made, 1):
        asked.add(tick)
        fresh = Volatility(known)
        load(fresh, made[:count])
        assert asked.moves == fresh.moves
