from __future__ import annotations

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.errors import FeedError
from pricewire.market.feed import PastTicks
from pricewire.market.feeds.simulated.brownian import YEAR_S
from pricewire.market.feeds.simulated.instruments import SIMULATED, SimulatedInstrument
from pricewire.market.feeds.simulated.path import DAY_NS, ORIGIN_NS, SimulatedPath
from pricewire.market.pips import MOST_PIPS

SECRET = bytes(range(32))
R_100 = next(each for each in SIMULATED if each.instrument.id == "R_100")
FAST_100 = next(each for each in SIMULATED if each.instrument.id == "1HZ100V")
SECOND_NS = 1_000_000_000


def path(simulated: SimulatedInstrument = FAST_100, secret: bytes = SECRET, interval_ns: int | None = None) -> SimulatedPath:
    return SimulatedPath(simulated, secret, interval_ns or simulated.interval_ms * 1_000_000)


def rows(past: PastTicks) -> list[tuple[int, ...]]:
    return list(zip(*(column.tolist() for column in (past.epoch_ms, past.price, past.ask, past.bid)), strict=True))


@given(
    st.integers(0, 4_000_000_000),
    st.lists(st.integers(1, 3000), min_size=1, max_size=6),
    st.sampled_from([SECOND_NS, 2 * SECOND_NS, 50_000_000, 666_666_667]),
)
def test_any_partition_of_a_range_gives_the_same_ticks(second: int, parts: list[int], interval_ns: int) -> None:
    first = path(interval_ns=interval_ns).step_at(second * SECOND_NS)
    whole = rows(path(interval_ns=interval_ns).ticks(first, first + sum(parts) - 1))
    asked = path(interval_ns=interval_ns)
    ends = np.cumsum([first, *parts]).tolist()
    assert [row for start, end in itertools.pairwise(ends) for row in rows(asked.ticks(start, end - 1))] == whole


def test_ticks_are_due_at_the_multiples_of_their_interval() -> None:
    one = path(R_100)
    step = one.step_at(ORIGIN_NS + 1_999_999_999)
    assert one.due_ns(step) == ORIGIN_NS
    assert one.ticks(step, step + 2).epoch_ms.tolist() == [ORIGIN_NS // 1_000_000 + 2000 * place for place in range(3)]
    assert rows(one.ticks(step, step - 1)) == []


@pytest.mark.parametrize("interval_ns", [DAY_NS * 3, DAY_NS, SECOND_NS, 250_000, 1])
def test_it_begins_at_its_start_price(interval_ns: int) -> None:
    one = path(interval_ns=interval_ns)
    distance = max(2 * DAY_NS, 2 * interval_ns)
    around = one.prices(one.step_at(ORIGIN_NS), one.step_at(ORIGIN_NS))[0]
    # Two days move it by 7 %.
    assert math.log(around / FAST_100.start_price) == pytest.approx(0, abs=5 * math.sqrt(distance / 1e9 / YEAR_S))


@pytest.mark.parametrize("each", SIMULATED[::4], ids=lambda each: each.instrument.id)
def test_the_realised_volatility_is_that_of_the_name_within_a_thousandth(each: SimulatedInstrument) -> None:
    one, steps = path(each), 10_000_000
    first = one.step_at(ORIGIN_NS)
    # A million at a time, to keep it small; the estimate has a standard error of sqrt(1/2n) = 0.022 %.
    squares = sum(
        float(np.sum(np.diff(np.log(one.prices(start, start + 1_000_000))) ** 2)) for start in range(first, first + steps, 1_000_000)
    )
    assert math.sqrt(squares / steps * YEAR_S / (each.interval_ms / 1000)) == pytest.approx(each.volatility, rel=0.001)


def test_the_expectation_stays_what_it_is() -> None:
    # Steps of a month, so that without the drift of -s²t/2 the mean would be off by 4 %, far more than the error of 0.3 %.
    month_ns = YEAR_S // 12 * SECOND_NS
    ends = []
    for number in range(8000):
        one = path(secret=number.to_bytes(32, "big"), interval_ns=month_ns)
        before, after = one.prices(one.step_at(ORIGIN_NS), one.step_at(ORIGIN_NS) + 1)
        ends.append(after / before)
    assert np.mean(ends) == pytest.approx(1, abs=4 * np.std(ends) / math.sqrt(len(ends)))
    assert np.mean(np.log(ends)) == pytest.approx(-1 / 24, abs=4 * math.sqrt(1 / 12 / len(ends)))


def test_instruments_intervals_and_secrets_have_paths_of_their_own() -> None:
    paths = [path(each) for each in SIMULATED]
    paths += [path(interval_ns=500_000_000), path(secret=bytes(reversed(SECRET))), path(secret=bytes([1, *SECRET[1:]]))]
    steps = [one.step_at(ORIGIN_NS) for one in paths]
    changes = [np.diff(np.log(one.prices(step, step + 200_000))) for one, step in zip(paths, steps, strict=True)]
    correlations = np.corrcoef(changes) - np.eye(len(paths))
    # A standard error of 0.0022, 78 pairs.
    assert np.abs(correlations).max() < 0.01


@pytest.mark.parametrize("years", [-56, -1, 0, 1, 10, 50])
@pytest.mark.parametrize("each", SIMULATED, ids=lambda each: each.instrument.id)
def test_a_price_is_positive_at_any_time(each: SimulatedInstrument, years: int) -> None:
    one = path(each)
    first = one.step_at(ORIGIN_NS + years * YEAR_S * SECOND_NS)
    past = one.ticks(first, first + 1000)
    assert (past.bid > 0).all()
    assert (past.bid < past.price).all()
    assert (past.price < past.ask).all()
    assert (past.ask < MOST_PIPS).all()


def test_two_processes_agree() -> None:
    code = (
        "from pricewire.market.feeds.simulated.path import *; from pricewire.market.feeds.simulated.instruments import SIMULATED;"
        "one = SimulatedPath(SIMULATED[-1], bytes(range(32)), 10**9);"
        "print(one.ticks(1_795_000_000, 1_795_000_999).price.tolist())"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120).stdout
    assert path().ticks(1_795_000_000, 1_795_000_999).price.tolist() == list(map(int, printed.strip()[1:-1].split(", ")))


def test_a_release_does_not_change_the_prices() -> None:
    # Where this has to change, open contracts meet other prices at the restart: then the changelog says so.
    assert path(R_100).ticks(897_500_000, 897_500_004).price.tolist() == [66620, 66636, 66593, 66600, 66613]


def test_a_secret_of_another_length_is_refused() -> None:
    with pytest.raises(FeedError, match="a secret of 5 bytes"):
        path(secret=b"short")
