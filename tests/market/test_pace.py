from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pricewire.market.pace import LEAST_SILENCE_NS, UNKNOWN_SILENCE_NS, Pace

SECOND = 1_000_000_000


def paced(intervals: list[int]) -> Pace:
    """Return the pace after ticks with these intervals, in nanoseconds, from time 0."""
    pace = Pace(0)
    now = 0
    pace.tick(now)
    for interval in intervals:
        now += interval
        pace.tick(now)
    return pace


def test_a_silence_is_too_long_after_five_times_the_usual_interval() -> None:
    pace = paced([2 * SECOND] * 100)
    newest = pace.newest_ns
    assert not pace.falls_silent(newest + 10 * SECOND)
    assert pace.falls_silent(newest + 10 * SECOND + 1)


def test_a_silence_is_found_once_and_ended_by_a_tick() -> None:
    pace = paced([SECOND] * 10)
    now = pace.newest_ns + 20 * SECOND
    stale = [pace.is_stale]
    assert pace.falls_silent(now)
    stale.append(pace.is_stale)
    assert not pace.falls_silent(now + SECOND)
    pace.tick(now + 2 * SECOND)
    stale.append(pace.is_stale)
    assert stale == [False, True, False]
    assert pace.falls_silent(now + 100 * SECOND)


def test_fast_ticks_are_given_a_few_seconds() -> None:
    pace = paced([SECOND // 1000] * 100)
    assert not pace.falls_silent(pace.newest_ns + LEAST_SILENCE_NS)
    assert pace.falls_silent(pace.newest_ns + LEAST_SILENCE_NS + 1)


def test_a_pause_between_bursts_is_no_silence() -> None:
    burst = [SECOND // 20] * 30 + [30 * SECOND]
    pace = paced(burst * 5 + [SECOND // 20] * 30)
    assert not pace.falls_silent(pace.newest_ns + 45 * SECOND)
    assert pace.falls_silent(pace.newest_ns + 200 * SECOND)


def test_an_outage_does_not_make_the_next_one_usual() -> None:
    pace = paced([SECOND] * 100 + [8 * 3600 * SECOND] + [SECOND] * 3)
    assert pace.falls_silent(pace.newest_ns + 15 * SECOND)


def test_a_feed_that_never_began_is_silent_after_a_minute() -> None:
    pace = Pace(5)
    assert not pace.falls_silent(5 + UNKNOWN_SILENCE_NS)
    assert pace.falls_silent(6 + UNKNOWN_SILENCE_NS)


def test_the_time_before_the_first_tick_is_no_interval() -> None:
    pace = Pace(0)
    for second in (500, 501, 502):
        pace.tick(second * SECOND)
    assert pace.longest_silence_ns() == 5 * SECOND


@given(st.lists(st.integers(0, 10**12), max_size=50))
def test_the_limit_stays_sane_however_ticks_come(intervals: list[int]) -> None:
    assert LEAST_SILENCE_NS <= paced(intervals).longest_silence_ns() <= 60 * 10**12
