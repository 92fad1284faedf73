from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np
import pytest

from pricewire.errors import FeedError
from pricewire.market.feed import PastTicks
from pricewire.market.feeds.simulated.brownian import YEAR_S
from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.market.feeds.simulated.instruments import SIMULATED, SimulatedInstrument
from pricewire.protocol.messages import Tick
from support.fake_market import START_NS, FakeClock, SelfMovingClock

R_100 = next(each for each in SIMULATED if each.instrument.id == "R_100")
FAST_100 = next(each for each in SIMULATED if each.instrument.id == "1HZ100V")


def feed_of(
    *instruments: SimulatedInstrument, seed: int | None = 7, rate: float = 1.0, history_s: int = 600, start_ns: int = START_NS
) -> tuple[SimulatedFeed, SelfMovingClock]:
    clock = SelfMovingClock(start_ns)
    return SimulatedFeed(seed, rate, instruments=instruments or SIMULATED, history_s=history_s, clock=clock), clock


async def first(feed: SimulatedFeed, count: int) -> list[Tick]:
    ticks: list[Tick] = []
    async for tick in feed:
        ticks.append(tick)
        if len(ticks) == count:
            break
    return ticks


def prices(ticks: Sequence[Tick], instrument_id: str) -> list[str]:
    return [f"{tick.bid} {tick.price} {tick.ask}" for tick in ticks if tick.instrument_id == instrument_id]


async def test_the_same_seed_brings_the_same_prices_whenever_it_starts() -> None:
    one, _ = feed_of()
    other, _ = feed_of(start_ns=START_NS + 123_456_789_012_345)
    ticks, others = await first(one, 300), await first(other, 300)
    for each in SIMULATED:
        some, more = prices(ticks, each.instrument.id), prices(others, each.instrument.id)
        both = min(len(some), len(more))
        assert both > 15
        assert some[:both] == more[:both]


async def test_another_seed_brings_other_prices() -> None:
    one, _ = feed_of(R_100, seed=1)
    other, _ = feed_of(R_100, seed=2)
    assert prices(await first(one, 5), "R_100") != prices(await first(other, 5), "R_100")


async def test_an_instrument_s_prices_do_not_depend_on_the_others() -> None:
    alone, _ = feed_of(R_100)
    among, _ = feed_of()
    both = 20
    assert prices(await first(alone, both), "R_100") == prices(await first(among, 400), "R_100")[:both]


def test_instruments_move_each_by_itself() -> None:
    moves = [np.sign(np.diff(past.price[-40_000:])) for past in SimulatedFeed(7, clock=FakeClock()).history()]
    for one, other in combinations(moves, 2):
        # Of 40,000 signs, the correlation has a standard error of 0.005.
        assert abs(np.mean(one[-39_000:] * other[-39_000:])) < 0.03


async def test_without_a_seed_one_is_drawn_and_told() -> None:
    drawn, _ = feed_of(R_100, seed=None)
    again, _ = feed_of(R_100, seed=drawn.seed)
    assert prices(await first(drawn, 5), "R_100") == prices(await first(again, 5), "R_100")
    assert SimulatedFeed().seed != SimulatedFeed().seed


async def test_ticks_come_at_the_multiples_of_their_interval() -> None:
    feed, _ = feed_of(R_100, FAST_100)
    ticks = await first(feed, 30)
    for each in (R_100, FAST_100):
        epochs = [tick.epoch_ms for tick in ticks if tick.instrument_id == each.instrument.id]
        assert all(epoch % each.interval_ms == 0 for epoch in epochs)
        assert {after - before for before, after in pairwise(epochs)} == {each.interval_ms}
    assert [tick.epoch_ms for tick in ticks] == sorted(tick.epoch_ms for tick in ticks)


async def test_a_tick_comes_neither_before_nor_long_after_its_time() -> None:
    feed, clock = feed_of(R_100)
    count = 0
    async for tick in feed:
        assert 0 <= clock.now_ns() - tick.epoch_ms * 1_000_000 < 10_000
        count += 1
        if count == 2000:
            break
    # No drift, although every sleep took a microsecond too long.
    assert clock.now_ns() - START_NS == pytest.approx(2000 * 2e9, abs=2e9)


async def test_the_price_is_the_middle_with_the_decimals_of_the_instrument() -> None:
    feed, _ = feed_of()
    pip_sizes = {instrument.id: instrument.pip_size for instrument in feed.instruments}
    for tick in await first(feed, 100):
        assert tick.bid < tick.price < tick.ask
        assert tick.bid + tick.ask == 2 * tick.price
        for price in (tick.bid, tick.price, tick.ask):
            assert -int(price.as_tuple().exponent) == pip_sizes[tick.instrument_id]


def test_there_is_a_day_of_history_up_to_the_first_tick() -> None:
    feed = SimulatedFeed(7, clock=FakeClock())
    past = {each.instrument_id: each for each in feed.history()}
    assert {each.instrument.id for each in SIMULATED} == past.keys()
    for each in SIMULATED:
        epochs = past[each.instrument.id].epoch_ms
        assert len(epochs) == 86_400_000 // each.interval_ms
        assert set(np.diff(epochs).tolist()) == {each.interval_ms}


@pytest.mark.parametrize("rate", [1.0, 2.5, 1000.0, 0.5])
async def test_the_history_ends_one_interval_before_the_first_tick(rate: float) -> None:
    feed, _ = feed_of(R_100, rate=rate)
    (past,) = feed.history()
    (tick,) = await first(feed, 1)
    assert tick.epoch_ms - past.epoch_ms[-1] == 2000 / rate
    assert past.epoch_ms[-1] <= START_NS // 1_000_000
    # At a high rate as many as usual, and the rest of one usual interval.
    assert len(past.epoch_ms) <= 600 / 2 * 1.25 + rate
    assert past.epoch_ms[-1] - past.epoch_ms[0] == pytest.approx(600_000, abs=6000)


async def test_the_live_prices_follow_on_the_history() -> None:
    # The same path, seen once as history and once live: start a second feed with as much less history as the first one's live ticks.
    long, _ = feed_of(R_100, history_s=1000)
    (past,) = long.history()
    short, _ = feed_of(R_100, history_s=600)
    (less,) = short.history()
    live = await first(short, 200)
    assert past.price[:300].tolist() == less.price.tolist()
    assert past.price[300:].tolist() == [int(tick.price * 100) for tick in live]
    assert past.bid[300:].tolist() == [int(tick.bid * 100) for tick in live]
    assert past.ask[300:].tolist() == [int(tick.ask * 100) for tick in live]


async def test_the_live_prices_are_the_same_where_nobody_asked_for_the_history() -> None:
    asked, _ = feed_of(R_100)
    list(asked.history())
    not_asked, _ = feed_of(R_100)
    assert await first(asked, 5) == await first(not_asked, 5)


def per_second(past: PastTicks) -> float:
    """Return the variance of the logarithm per second of time."""
    span_ms = past.epoch_ms[-1] - past.epoch_ms[0]
    return float(np.sum(np.diff(np.log(past.price)) ** 2) / span_ms * 1000)


@pytest.mark.parametrize("rate", [1.0, 500.0])
@pytest.mark.parametrize("each", SIMULATED, ids=lambda each: each.instrument.id)
def test_the_history_has_the_volatility_of_the_name(each: SimulatedInstrument, rate: float) -> None:
    # A pip must be small against a step, or rounding shows as volatility: hence the high price.
    fine = SimulatedInstrument(each.instrument, each.interval_ms, each.start_price * 1000, each.volatility)
    (past,) = SimulatedFeed(1, rate, instruments=[fine], clock=FakeClock()).history()
    # 43,200 steps: a standard error of 0.7 %.
    assert per_second(past) == pytest.approx(each.volatility**2 / YEAR_S, rel=0.03)


async def test_a_higher_rate_brings_more_ticks_of_the_same_volatility_per_second() -> None:
    fine = SimulatedInstrument(R_100.instrument, 2000, 1e6, 1.0)
    feed, _ = feed_of(fine, rate=100.0)
    ticks = await first(feed, 40_000)
    assert ticks[-1].epoch_ms - ticks[0].epoch_ms == 39_999 * 20
    logs = np.log([float(tick.price) for tick in ticks])
    assert np.sum(np.diff(logs) ** 2) / (39_999 * 0.02) == pytest.approx(1 / YEAR_S, rel=0.03)


async def test_several_ticks_may_fall_on_one_millisecond() -> None:
    feed, clock = feed_of(FAST_100, rate=4000.0)
    ticks = await first(feed, 4000)
    assert ticks[-1].epoch_ms - ticks[0].epoch_ms in (999, 1000)
    assert clock.now_ns() - START_NS == pytest.approx(1e9, rel=0.01)


async def test_after_a_short_delay_the_ticks_that_were_due_come_at_once() -> None:
    feed, clock = feed_of(FAST_100)
    ticks = aiter(feed)
    before = await anext(ticks)
    clock.jump(4)
    slept = len(clock.slept)
    after = [await anext(ticks) for _ in range(4)]
    assert [tick.epoch_ms - before.epoch_ms for tick in after] == [1000, 2000, 3000, 4000]
    assert len(clock.slept) - slept <= 1


@pytest.mark.parametrize("hours", [1, 8, -1])
async def test_after_a_long_sleep_or_a_set_clock_the_ticks_go_on_from_now(hours: int) -> None:
    feed, clock = feed_of(FAST_100, R_100)
    ticks = aiter(feed)
    for _ in range(4):
        await anext(ticks)
    clock.jump(hours * 3600)
    woken_ms = clock.now_ns() // 1_000_000
    for _ in range(2):
        await anext(ticks)  # what was due together with the last one
    after = [await anext(ticks) for _ in range(6)]
    assert all(woken_ms - 2000 < tick.epoch_ms <= woken_ms + 15_000 for tick in after)
    assert [tick.epoch_ms for tick in after] == sorted(tick.epoch_ms for tick in after)


async def test_the_price_has_moved_as_far_as_the_time_of_the_sleep_asks() -> None:
    changes = []
    hours = 100
    for seed in range(300):
        feed, clock = feed_of(R_100, seed=seed, history_s=2)
        ticks = aiter(feed)
        before = await anext(ticks)
        clock.jump(hours * 3600)
        after = await anext(ticks)
        changes.append(math.log(after.price / before.price))
    # 300 changes: a standard error of 8 % of the variance.
    assert np.var(changes) == pytest.approx(hours * 3600 / YEAR_S, rel=0.3)


async def test_a_second_iteration_continues_the_first() -> None:
    once, _ = feed_of(R_100)
    expected = await first(once, 10)
    twice, _ = feed_of(R_100)
    assert await first(twice, 4) + await first(twice, 6) == expected


@pytest.mark.parametrize(
    ("seed", "rate", "message"),
    [(-1, 1.0, "seed -1"), (1, 0.0, "rate 0.0"), (1, -2.0, "rate"), (1, math.nan, "rate nan"), (1, math.inf, "rate inf")],
)
def test_what_cannot_be_is_refused(seed: int, rate: float, message: str) -> None:
    with pytest.raises(FeedError, match=message):
        SimulatedFeed(seed, rate)
