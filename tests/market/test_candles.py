from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.market.candles import DAY_MS, MINUTE_MS, CandleSeries, merged, rows_of_ticks
from pricewire.protocol.topics import GRANULARITIES

BASE_MS = 1_700_006_400_000 // DAY_MS * DAY_MS
ALL = 10**9

Quote = tuple[int, int]
"""A tick's time in milliseconds and its price in pips."""

spread_out = st.lists(st.tuples(st.integers(BASE_MS, BASE_MS + 5 * MINUTE_MS), st.integers(1, 50)), max_size=60)
far_apart = st.lists(st.tuples(st.integers(BASE_MS, BASE_MS + 3 * DAY_MS), st.integers(1, 10**6)), max_size=60)
at_boundaries = st.lists(
    st.tuples(st.builds(lambda n, d: BASE_MS + n * MINUTE_MS + d, st.integers(1, 12), st.integers(-1, 1)), st.integers(1, 9)),
    max_size=60,
)
quotes = (spread_out | far_apart | at_boundaries).map(lambda ticks: sorted(ticks, key=lambda tick: tick[0]))


def naive(ticks: list[Quote], granularity_s: int) -> list[tuple[int, int, int, int, int]]:
    """Return (start, open, high, low, close) of ticks, as one would on paper."""
    spans: dict[int, list[int]] = {}
    for epoch_ms, price in ticks:
        spans.setdefault(epoch_ms // (granularity_s * 1000), []).append(price)
    return [(span * granularity_s * 1000, prices[0], max(prices), min(prices), prices[-1]) for span, prices in sorted(spans.items())]


def series_of(ticks: list[Quote]) -> CandleSeries:
    series = CandleSeries()
    for epoch_ms, price in ticks:
        series.add(epoch_ms, price)
    return series


def all_rows(series: CandleSeries, granularity_s: int) -> list[tuple[int, ...]]:
    return [tuple(row) for row in series.rows(granularity_s, None, None, ALL).tolist()]


@given(quotes, st.sampled_from(GRANULARITIES))
def test_candles_are_those_of_the_ticks(ticks: list[Quote], granularity: int) -> None:
    assert all_rows(series_of(ticks), granularity) == naive(ticks, granularity)


@given(quotes, st.integers(0, 60), st.sampled_from(GRANULARITIES))
def test_loaded_ticks_and_live_ones_make_the_same_candles(ticks: list[Quote], count: int, granularity: int) -> None:
    past, live = ticks[:count], ticks[count:]
    series = CandleSeries()
    series.load(np.array([t for t, _ in past], np.int64), np.array([p for _, p in past], np.int64))
    for epoch_ms, price in live:
        series.add(epoch_ms, price)
    assert all_rows(series, granularity) == naive(ticks, granularity)


@given(quotes, st.sampled_from([(60, 300), (300, 3600), (60, 86400), (7200, 14400)]))
def test_longer_candles_from_shorter_ones_are_those_of_the_ticks(ticks: list[Quote], pair: tuple[int, int]) -> None:
    epochs, prices = (np.array([tick[i] for tick in ticks], np.int64) for i in (0, 1))
    short, long = pair
    from_short = merged(rows_of_ticks(epochs, prices, short * 1000), long * 1000)
    assert from_short.tolist() == rows_of_ticks(epochs, prices, long * 1000).tolist()


@given(quotes.filter(bool), st.sampled_from(GRANULARITIES))
def test_the_current_candle_is_the_newest(ticks: list[Quote], granularity: int) -> None:
    current = series_of(ticks).current(granularity)
    assert current is not None
    assert tuple(current.row()) == naive(ticks, granularity)[-1]
    assert current.end == current.start + granularity * 1000


@given(
    quotes,
    st.sampled_from(GRANULARITIES[:4]),
    st.none() | st.integers(BASE_MS - MINUTE_MS, BASE_MS + 20 * MINUTE_MS),
    st.none() | st.integers(BASE_MS - MINUTE_MS, BASE_MS + 20 * MINUTE_MS),
    st.integers(1, 5),
)
def test_a_query_takes_the_candles_that_touch_its_time(
    ticks: list[Quote], granularity: int, from_ms: int | None, to_ms: int | None, count: int
) -> None:
    expected = [
        candle
        for candle in naive(ticks, granularity)
        if (from_ms is None or candle[0] + granularity * 1000 > from_ms) and (to_ms is None or candle[0] <= to_ms)
    ]
    rows = series_of(ticks).rows(granularity, from_ms, to_ms, count)
    assert [tuple(row) for row in rows.tolist()] == expected[-count:]


def test_a_query_up_to_the_first_millisecond_of_a_candle_has_it() -> None:
    series = series_of([(BASE_MS, 1), (BASE_MS + MINUTE_MS, 2)])
    assert len(series.rows(60, None, BASE_MS + MINUTE_MS, ALL)) == 2
    assert len(series.rows(60, None, BASE_MS + MINUTE_MS - 1, ALL)) == 1
    assert len(series.rows(60, BASE_MS + MINUTE_MS, None, ALL)) == 1
    assert len(series.rows(60, BASE_MS + MINUTE_MS - 1, None, ALL)) == 2


def test_a_tick_at_the_boundary_opens_the_next_candle() -> None:
    ticks = [(BASE_MS, 1), (BASE_MS + MINUTE_MS - 1, 2), (BASE_MS + MINUTE_MS, 3)]
    assert all_rows(series_of(ticks), 60) == [(BASE_MS, 1, 2, 1, 2), (BASE_MS + MINUTE_MS, 3, 3, 3, 3)]


def test_a_gap_has_no_candle() -> None:
    ticks = [(BASE_MS, 1), (BASE_MS + 10 * MINUTE_MS, 2)]
    assert [start for start, *_ in all_rows(series_of(ticks), 60)] == [BASE_MS, BASE_MS + 10 * MINUTE_MS]


def test_of_ticks_of_the_same_time_the_first_opens_and_the_last_closes() -> None:
    assert all_rows(series_of([(BASE_MS, 3), (BASE_MS, 7), (BASE_MS, 5)]), 60) == [(BASE_MS, 3, 7, 3, 5)]


def test_before_the_first_tick_there_is_nothing() -> None:
    series = CandleSeries()
    assert series.current(60) is None
    assert all_rows(series, 60) == []
    series.load(np.empty(0, np.int64), np.empty(0, np.int64))
    assert all_rows(series, 86400) == []


def test_building_on_the_current_candle_leaves_the_series_alone() -> None:
    series = series_of([(BASE_MS, 5)])
    current = series.current(60)
    assert current is not None
    current.add(9)
    assert all_rows(series, 60) == [(BASE_MS, 5, 5, 5, 5)]


@pytest.mark.parametrize("granularity", [60, 3600, 86400])
def test_only_whole_days_are_let_go(granularity: int) -> None:
    series = CandleSeries(keep_ms=2 * DAY_MS)
    ticks = [(BASE_MS + 7 * MINUTE_MS * i, i + 1) for i in range(6 * DAY_MS // (7 * MINUTE_MS))]
    for tick in ticks:
        series.add(*tick)
    rows = all_rows(series, granularity)
    oldest = rows[0][0] // DAY_MS * DAY_MS
    assert BASE_MS < oldest <= ticks[-1][0] - 2 * DAY_MS
    assert rows == naive([tick for tick in ticks if tick[0] >= oldest], granularity)
