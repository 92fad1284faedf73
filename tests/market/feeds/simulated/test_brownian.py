from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.market.feeds.simulated.brownian import BrownianPath, quote
from pricewire.market.feeds.simulated.keystream import Keystream
from pricewire.market.pips import MOST_PIPS, Floats

SPAN = 64


def path(purpose: str = "X", span_level: int = 6, origin: int = 5) -> BrownianPath:
    return BrownianPath(Keystream(bytes(range(32)), purpose), span_level, origin)


@given(st.integers(0, 1000), st.lists(st.integers(1, 100), min_size=1, max_size=8), st.integers(0, 6))
def test_the_path_does_not_depend_on_how_it_is_asked_for(first: int, parts: list[int], level: int) -> None:
    at_once = path().values(first, first + sum(parts) - 1, level)
    asked = path()
    ends = np.cumsum([first, *parts]).tolist()
    pieces = [asked.values(start, end - 1, level) for start, end in itertools.pairwise(ends)]
    # To the last bit, in whichever order.
    assert np.concatenate(pieces).tolist() == at_once.tolist()
    backwards = [asked.values(start, end - 1, level) for start, end in list(itertools.pairwise(ends))[::-1]][::-1]
    assert np.concatenate(backwards).tolist() == at_once.tolist()


@pytest.mark.parametrize("level", [1, 2, 6])
def test_fewer_points_are_points_of_the_same_path(level: int) -> None:
    assert path().values(100 >> level, 1000 >> level, level).tolist() == path().values(100 >> level << level, 1000, 0)[:: 2**level].tolist()


def test_it_is_zero_at_its_origin() -> None:
    assert path().values(5 * SPAN, 5 * SPAN).tolist() == [0.0]
    assert path(span_level=0).values(3, 7).tolist()[2] == 0.0


def increments(purpose: str, steps: int = 2**20) -> Floats:
    return np.diff(path(purpose).values(0, steps))


def test_steps_are_standard_normal_and_independent() -> None:
    steps = increments("X")
    count = len(steps)
    assert abs(steps.mean()) < 4 / np.sqrt(count)
    assert steps.var() == pytest.approx(1, abs=4 * np.sqrt(2 / count))
    for lag in (1, 2, 3, 7, 8, 16, 32, SPAN // 2, SPAN, 2 * SPAN):
        assert abs(np.mean(steps[lag:] * steps[:-lag])) < 4 / np.sqrt(count), lag


@pytest.mark.parametrize("period", [SPAN, SPAN // 2, SPAN // 4, 2], ids=["span", "middle", "quarter", "pair"])
def test_no_joint_shows(period: int) -> None:
    # The last step before a joint and the first after it, of spans, and of the pieces of each level.
    steps = increments("X")
    before, after = steps[period - 1 : -1 : period], steps[period::period]
    count = min(len(before), len(after))
    before, after = before[:count], after[:count]
    error = 4 / np.sqrt(count)
    assert abs(np.mean(before * after)) < error
    assert before.var() == pytest.approx(1, abs=error * np.sqrt(2))
    assert after.var() == pytest.approx(1, abs=error * np.sqrt(2))


def test_the_change_over_any_time_has_its_variance() -> None:
    values = path().values(0, 2**20)
    for length in (3, SPAN // 2, SPAN - 1, SPAN, SPAN + 1, 5 * SPAN):
        changes = np.diff(values[::length]) / np.sqrt(length)
        assert changes.var() == pytest.approx(1, abs=5 * np.sqrt(2 / len(changes)))


def test_paths_of_other_purposes_are_independent() -> None:
    one, other = increments("X"), increments("Y")
    for shift in (0, 1, SPAN):
        assert abs(np.corrcoef(one[shift:], other[: len(other) - shift])[0, 1]) < 4 / np.sqrt(len(one))


def test_quotes_have_at_least_one_pip_each_side() -> None:
    mids, halves = quote(np.array([0.00001, 0.5, 1250.004, 1e6, 1e300]), 1.0, 2)
    assert halves.tolist()[:2] == [1, 1]
    assert (mids - halves > 0).all()
    assert (mids + halves < MOST_PIPS).all()
    assert mids.tolist()[2] == 125000


def test_the_spread_grows_with_the_price_and_with_the_volatility() -> None:
    prices = np.array([1000.0, 10_000.0])
    _, calm = quote(prices, 0.1, 4)
    _, wild = quote(prices, 1.0, 4)
    assert calm[1] == pytest.approx(10 * calm[0], rel=0.05)
    assert wild[0] == pytest.approx(10 * calm[0], rel=0.05)
