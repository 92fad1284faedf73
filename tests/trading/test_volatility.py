"""Volatility: found again in made prices, and known where it is known."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from pricewire.protocol.messages import Tick
from pricewire.trading.volatility import BOUNDS, LEAST_CHANGES, Volatility
from support.contract_maker import BUY_TIME


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
