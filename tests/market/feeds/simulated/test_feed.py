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
from pricewire.market.feeds.simulated.path import SimulatedPath
from pricewire.market.market import Market
from pricewire.protocol.messages import Tick
from support.fake_market import START_NS, FakeClock, SelfMovingClock

R_100 = next(each for each in SIMULATED if each.instrument.id == "R_100")
SECRET = bytes(range(32))
FAST_100 = next(each for each in SIMULATED if each.instrument.id == "1HZ100V")


def feed_of(
    *instruments: SimulatedInstrument, rate: float = 1.0, history_s: int = 600, start_ns: int = START_NS, secret: bytes = SECRET
) -> tuple[SimulatedFeed, SelfMovingClock]:
    clock = SelfMovingClock(start_ns)
    return SimulatedFeed(None, rate, secret=secret, instruments=instruments or SIMULATED, history_s=history_s, clock=clock), clock


async def first(feed: SimulatedFeed, count: int) -> list[Tick]:
    ticks: list[Tick] = []
    async for tick in feed:
        ticks.append(tick)
        if len(ticks) == count:
            break
    return ticks


def rows(past: PastTicks) -> list[tuple[int, ...]]:
    return list(zip(*(column.tolist() for column in (past.epoch_ms, past.price, past.ask, past.bid)), strict=True))


def row(tick: Tick, pip_size: int = 2) -> tuple[int, ...]:
    return tick.epoch_ms, *(int(price.scaleb(pip_size)) for price in (tick.price, tick.ask, tick.bid))


def path_of(simulated: SimulatedInstrument, ticks: Sequence[Tick], secret: bytes = SECRET) -> list[tuple[int, ...]]:
    """Return what the function says of the time of some ticks."""
    path = SimulatedPath(simulated, secret, simulated.interval_ms * 1_000_000)
    first, last = (path.step_at(tick.epoch_ms * 1_000_000) for tick in (ticks[0], ticks[-1]))
    return rows(path.ticks(first, last))


@pytest.mark.parametrize("start_ns", [START_NS, START_NS + 123_456_789_012_345])
async def test_the_ticks_are_those_of_the_function_whenever_it_starts(start_ns: int) -> None:
    feed, _ = feed_of(start_ns=start_ns)
    ticks = await first(feed, 12_000)
    for each in SIMULATED:
        own = [tick for tick in ticks if tick.instrument_id == each.instrument.id]
        assert len(own) > 700
        assert [row(tick, each.instrument.pip_size) for tick in own] == path_of(each, own)


async def test_without_a_secret_one_is_drawn() -> None:
    clock = FakeClock()
    (one,) = SimulatedFeed(instruments=[R_100], clock=clock).history()
    (other,) = SimulatedFeed(instruments=[R_100], clock=clock).history()
    assert one.price.tolist() != other.price.tolist()
    assert "secret" not in repr(SimulatedFeed())


async def test_with_a_seed_the_prices_are_the_same_and_the_instruments_say_so() -> None:
    clock = FakeClock()
    (one,) = SimulatedFeed(7, instruments=[R_100], clock=clock).history()
    (same,) = SimulatedFeed(7, instruments=[R_100], clock=clock).history()
    (other,) = SimulatedFeed(8, instruments=[R_100], clock=clock).history()
    assert rows(one) == rows(same)
    assert one.price.tolist() != other.price.tolist()
    assert {instrument.is_predictable for instrument in SimulatedFeed(7).instruments} == {True}
    assert {instrument.is_predictable for instrument in SimulatedFeed().instruments} == {False}


async def test_an_instrument_s_prices_do_not_depend_on_the_others() -> None:
    alone, _ = feed_of(R_100)
    among, _ = feed_of()
    assert await first(alone, 20) == [tick for tick in await first(among, 400) if tick.instrument_id == "R_100"][:20]


def test_instruments_move_each_by_itself() -> None:
    moves = [np.sign(np.diff(past.price[-40_000:])) for past in SimulatedFeed(secret=SECRET, clock=FakeClock()).history()]
    for one, other in combinations(moves, 2):
        # Of 40,000 signs, the correlation has a standard error of 0.005.
        assert abs(np.mean(one[-39_000:] * other[-39_000:])) < 0.03


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
    feed = SimulatedFeed(secret=SECRET, clock=FakeClock())
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
    # At a high rate hardly more than usual, and the rest of one step of it.
    assert len(past.epoch_ms) <= 600 / 2 * 2 + rate
    assert past.epoch_ms[-1] - past.epoch_ms[0] == pytest.approx(600_000, abs=6000)


@pytest.mark.parametrize("rate", [3.0, 20.0])
def test_at_a_high_rate_the_history_has_ticks_of_the_live_path(rate: float) -> None:
    feed, _ = feed_of(R_100, rate=rate)
    (past,) = feed.history()
    path = SimulatedPath(R_100, SECRET, round(2e9 / rate))
    every = rows(path.ticks(path.step_at(START_NS - 600 * 10**9), path.step_at(START_NS)))
    assert set(rows(past)) < set(every)


async def test_the_live_prices_follow_on_the_history() -> None:
    # The same time, seen once as history and once live.
    later, _ = feed_of(R_100, history_s=1000, start_ns=START_NS + 400 * 10**9)
    (past,) = later.history()
    before, _ = feed_of(R_100)
    (less,) = before.history()
    live = await first(before, 200)
    assert rows(past)[:300] == rows(less)
    assert rows(past)[300:] == [row(tick) for tick in live]


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
    (past,) = SimulatedFeed(None, rate, secret=SECRET, instruments=[fine], clock=FakeClock()).history()
    # 43,200 steps: a standard error of 0.7 %.
    assert per_second(past) == pytest.approx(each.volatility**2 / YEAR_S, rel=0.03)


async def test_a_higher_rate_brings_more_ticks_of_the_same_volatility_per_second() -> None:
    fine = SimulatedInstrument(R_100.instrument, 2000, 1e6, 1.0)
    feed, _ = feed_of(fine, rate=100.0)
    ticks = await first(feed, 40_000)
    assert ticks[-1].epoch_ms - ticks[0].epoch_ms == 39_999 * 20
    logs = np.log([float(tick.price) for tick in ticks])
    assert np.sum(np.diff(logs) ** 2) / (39_999 * 0.02) == pytest.approx(1 / YEAR_S, rel=0.03)


@pytest.mark.parametrize(("rate", "expected"), [(1.0, {"R_100": 2000.0, "1HZ100V": 1000.0}), (1500.0, {"R_100": 2000 / 1500}), (1e5, {})])
def test_a_market_takes_the_intervals_at_any_rate(rate: float, expected: dict[str, float]) -> None:
    """Those of less than a millisecond are not told: the times of ticks are whole ones, and say more."""
    feed, clock = feed_of(R_100, FAST_100, rate=rate)
    Market([feed], lambda *_: None, clock=clock)
    assert feed.intervals_ms == pytest.approx(expected)


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


@pytest.mark.parametrize("hours", [1, 8, 24])
async def test_after_a_long_sleep_nothing_is_left_out(hours: int) -> None:
    feed, clock = feed_of(FAST_100, R_100)
    ticks = aiter(feed)
    taken = [await anext(ticks) for _ in range(4)]
    clock.jump(hours * 3600)
    slept = len(clock.slept)
    while taken[-1].epoch_ms < clock.now_ns() // 1_000_000 - 2000:
        taken.append(await anext(ticks))
    assert len(clock.slept) - slept <= 1
    for each in (FAST_100, R_100):
        own = [tick for tick in taken if tick.instrument_id == each.instrument.id]
        assert len(own) >= hours * 3_600_000 // each.interval_ms
        assert [row(tick) for tick in own] == path_of(each, own)
    assert [tick.epoch_ms for tick in taken] == sorted(tick.epoch_ms for tick in taken)


async def test_a_clock_that_is_set_on_by_a_year_does_not_bring_them_all() -> None:
    feed, clock = feed_of(FAST_100)
    ticks = aiter(feed)
    await anext(ticks)
    clock.jump(365 * 86_400)
    taken = [await anext(ticks) for _ in range(300)]
    assert taken[0].epoch_ms == clock.now_ns() // 1_000_000 // 1000 * 1000 - (86_400 - 1) * 1000
    assert [row(tick) for tick in taken] == path_of(FAST_100, taken)


async def test_a_clock_that_is_set_back_brings_no_tick_that_is_known() -> None:
    feed, clock = feed_of(FAST_100)
    ticks = aiter(feed)
    known = [await anext(ticks) for _ in range(4)]
    clock.jump(-3600)
    with pytest.raises(FeedError, match=r"the clock stands 3[56]\d\d s before the newest tick"):
        await anext(ticks)
    with pytest.raises(FeedError, match="the clock stands"):
        await anext(aiter(feed))
    clock.jump(3600)
    later = await anext(aiter(feed))
    assert later.epoch_ms == known[-1].epoch_ms + 1000


async def test_a_clock_that_is_set_back_a_little_is_waited_for() -> None:
    feed, clock = feed_of(FAST_100)
    ticks = aiter(feed)
    before = await anext(ticks)
    clock.jump(-3)
    after = await anext(ticks)
    assert after.epoch_ms == before.epoch_ms + 1000
    assert clock.now_ns() >= after.epoch_ms * 1_000_000


def test_no_tick_is_told_before_its_time() -> None:
    # A history asked for late is that of the start, like the ticks that the iteration begins with.
    feed, clock = feed_of(FAST_100)
    (past,) = feed.history()
    assert past.epoch_ms[-1] <= clock.now_ns() // 1_000_000
    late, clock = feed_of(FAST_100)
    filled = late.backfill([])
    clock.jump(100)
    assert list(filled) == []
    assert [row for past in late.history() for row in rows(past)] == rows(past)


async def test_what_came_while_the_server_was_down_is_filled_up_and_goes_on_live() -> None:
    before, _ = feed_of(R_100, FAST_100)
    newest = {tick.instrument_id: tick for tick in await first(before, 100)}
    after, clock = feed_of(R_100, FAST_100, start_ns=START_NS + 100_000 * 10**9)
    filled = list(after.backfill(list(newest.values())))
    live = await first(after, 100)
    for each in (R_100, FAST_100):
        name = each.instrument.id
        came = [row for past in filled if past.instrument_id == name for row in rows(past)]
        came += [row(tick) for tick in live if tick.instrument_id == name]
        epochs = [epoch_ms for epoch_ms, *_ in came]
        assert epochs[0] == newest[name].epoch_ms + each.interval_ms
        assert set(np.diff(epochs).tolist()) == {each.interval_ms}
        path = SimulatedPath(each, SECRET, each.interval_ms * 1_000_000)
        assert came == rows(path.ticks(path.step_at(epochs[0] * 1_000_000), path.step_at(epochs[-1] * 1_000_000)))
    assert clock.now_ns() // 1_000_000 >= live[-1].epoch_ms


@pytest.mark.parametrize("rate", [1500.0, 4000.0])
async def test_it_is_filled_up_where_several_ticks_fall_on_one_millisecond(rate: float) -> None:
    before, _ = feed_of(FAST_100, rate=rate)
    taken = await first(before, 1001)
    after, _ = feed_of(FAST_100, rate=rate, start_ns=START_NS + 10**9)
    filled = [row for past in after.backfill([taken[500]]) for row in rows(past)]
    expected = [row(tick) for tick in taken[501:]]
    # Of equal ones in a millisecond the last is taken for the newest.
    left_out = next(place for place in range(8) if expected[place] == filled[0])
    assert expected[:left_out] == [row(taken[500])] * left_out
    assert filled[: len(expected) - left_out] == expected[left_out:]


@pytest.mark.parametrize("other", ["secret", "rate", "price"])
async def test_ticks_of_another_path_are_not_filled_up(other: str) -> None:
    before, _ = feed_of(R_100, secret=bytes(32) if other == "secret" else SECRET, rate=1.5 if other == "rate" else 1.0)
    newest = (await first(before, 4))[-1]
    if other == "price":
        newest = Tick("R_100", newest.epoch_ms, newest.price, newest.ask, newest.bid - 1)
    after, _ = feed_of(R_100, start_ns=START_NS + 10**12)
    assert list(after.backfill([newest])) == []
    assert (await first(after, 1))[0].epoch_ms > START_NS // 1_000_000 + 1_000_000


@pytest.mark.parametrize("secret", [SECRET, bytes(32)])
async def test_a_clock_set_back_while_the_server_was_down_brings_no_tick_that_is_recorded(secret: bytes) -> None:
    before, _ = feed_of(FAST_100, start_ns=START_NS + 3600 * 10**9)
    newest = (await first(before, 4))[-1]
    feed, clock = feed_of(FAST_100, secret=secret)
    assert list(feed.backfill([newest])) == []
    (past,) = feed.history()
    assert past.epoch_ms[-1] <= clock.now_ns() // 1_000_000
    with pytest.raises(FeedError, match="the clock stands"):
        await first(feed, 1)
    clock.jump(3600)
    assert (await first(feed, 1))[0].epoch_ms == newest.epoch_ms + 1000


async def test_a_second_iteration_continues_the_first() -> None:
    once, _ = feed_of(R_100)
    expected = await first(once, 10)
    twice, _ = feed_of(R_100)
    assert await first(twice, 4) + await first(twice, 6) == expected


@pytest.mark.parametrize(
    ("seed", "rate", "secret", "message"),
    [
        (-1, 1.0, None, "seed -1"),
        (1, 0.0, None, "rate 0.0"),
        (1, -2.0, None, "rate"),
        (1, math.nan, None, "rate nan"),
        (1, math.inf, None, "rate inf"),
        (1, 1.0, SECRET, "exclude each other"),
        (None, 1.0, b"short", "a secret of 5 bytes"),
    ],
)
def test_what_cannot_be_is_refused(seed: int | None, rate: float, secret: bytes | None, message: str) -> None:
    with pytest.raises(FeedError, match=message):
        SimulatedFeed(seed, rate, secret=secret)
