from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.market.feeds.simulated.brownian import YEAR_S, BrownianPrice, quote


def path(seed: int = 1, start: float = 1000.0, volatility: float = 1.0) -> BrownianPrice:
    return BrownianPrice(np.random.default_rng(seed), start, volatility)


@pytest.mark.parametrize("step_s", [1.0, 2.0, 0.001])
def test_the_variance_of_a_step_is_that_of_its_time(step_s: float) -> None:
    steps = 400_000
    logs = np.diff(np.log(path(volatility=0.75).walk(steps, step_s)))
    expected = 0.75**2 * step_s / YEAR_S
    # The estimate of a variance from n normals has a relative standard error of sqrt(2/n) = 0.0022 here.
    assert logs.var() == pytest.approx(expected, rel=0.01)
    assert abs(logs.mean() + expected / 2) < 4 * math.sqrt(expected / steps)


def test_the_expectation_stays_what_it_is() -> None:
    # Steps of a month, so that without the drift of -s²t/2 the mean would be off by 4 %, far more than the error of 0.1 %.
    ends = [path(seed).walk(1, YEAR_S / 12)[0] for seed in range(2000)]
    many = np.concatenate([ends, *(path(10_000 + seed).walk(1, YEAR_S / 12) for seed in range(20_000))])
    assert many.mean() == pytest.approx(1000.0, abs=4 * many.std() / math.sqrt(len(many)))
    assert math.exp(np.log(many).mean()) == pytest.approx(1000 * math.exp(-1 / 24), rel=0.01)


@given(st.lists(st.integers(0, 50), max_size=10))
def test_the_prices_do_not_depend_on_how_they_are_asked_for(parts: list[int]) -> None:
    at_once = path().walk(sum(parts), 1.0)
    price = path()
    in_parts = [each for part in parts for each in price.walk(part, 1.0).tolist()]
    assert in_parts == at_once.tolist()


def test_quotes_have_at_least_one_pip_each_side() -> None:
    mids, halves = quote(np.array([0.00001, 0.5, 1250.004, 1e6]), 1.0, 2)
    assert halves.tolist()[:2] == [1, 1]
    assert (mids - halves > 0).all()
    assert mids.tolist()[2] == 125000


def test_the_spread_grows_with_the_price_and_with_the_volatility() -> None:
    prices = np.array([1000.0, 10_000.0])
    _, calm = quote(prices, 0.1, 4)
    _, wild = quote(prices, 1.0, 4)
    assert calm[1] == pytest.approx(10 * calm[0], rel=0.05)
    assert wild[0] == pytest.approx(10 * calm[0], rel=0.05)
