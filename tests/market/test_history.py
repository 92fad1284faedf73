from __future__ import annotations

from decimal import Decimal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from pricewire.market.feed import PastTicks
from pricewire.market.history import TickHistory, put_in
from pricewire.protocol.messages import Instrument, Tick

INSTRUMENT = Instrument(id="X", display_name="X", categories=[], pip_size=2)
BASE_MS = 1_700_000_000_000

Quote = tuple[int, int]
"""A tick's time after BASE_MS in milliseconds, and its price in pips."""

quotes = st.lists(st.tuples(st.integers(0, 20_000), st.integers(1, 10**9)), max_size=200).map(sorted)


def tick_of(quote: Quote) -> Tick:
    offset, price = quote
    middle, ask, bid = (Decimal(value).scaleb(-2) for value in (price, price + 2, price - 1))
    return Tick("X", BASE_MS + offset, middle, ask, bid)


def history_of(ticks: list[Quote], max_age_ms: int = 10**9, max_ticks: int = 10**6) -> TickHistory:
    history = TickHistory(INSTRUMENT, max_age_ms, max_ticks)
    for offset, price in ticks:
        history.add(BASE_MS + offset, price, price + 2, price - 1)
    return history


def past_of(ticks: list[Quote]) -> PastTicks:
    epochs = np.array([BASE_MS + offset for offset, _ in ticks], np.int64)
    prices = np.array([price for _, price in ticks], np.int64)
    return PastTicks("X", epochs, prices, prices + 2, prices - 1)


def everything(history: TickHistory) -> list[Tick]:
    return history.query(None, None, None, 10**9)


@given(
    quotes,
    st.none() | st.integers(-10, 20_010),
    st.none() | st.integers(-10, 20_010),
    st.none() | st.integers(1, 7),
    st.integers(1, 50),
)
def test_a_query_is_what_a_list_would_answer(
    ticks: list[Quote], from_: int | None, to: int | None, granularity: int | None, count: int
) -> None:
    expected = [tick_of(quote) for quote in ticks]
    expected = [
        tick for tick in expected if (from_ is None or tick.epoch_ms >= BASE_MS + from_) and (to is None or tick.epoch_ms <= BASE_MS + to)
    ]
    if granularity is not None:
        last_of_span = {tick.epoch_ms // (granularity * 1000): tick for tick in expected}
        expected = list(last_of_span.values())
    from_ms, to_ms = (None if offset is None else BASE_MS + offset for offset in (from_, to))
    assert history_of(ticks).query(from_ms, to_ms, granularity, count) == expected[-count:]


@given(quotes, st.integers(0, 20_000), st.integers(1, 100))
def test_only_the_newest_and_youngest_are_kept(ticks: list[Quote], max_age_ms: int, max_ticks: int) -> None:
    history = history_of(ticks, max_age_ms, max_ticks)
    young = [quote for quote in ticks if quote[0] >= ticks[-1][0] - max_age_ms]
    assert everything(history) == [tick_of(quote) for quote in young[-max_ticks:]]
    assert len(history) == min(len(young), max_ticks)


@given(quotes, quotes, st.integers(1, 100))
def test_live_ticks_follow_on_loaded_ones(past: list[Quote], live: list[Quote], max_ticks: int) -> None:
    live = [(offset + 20_000, price) for offset, price in live]
    history = TickHistory(INSTRUMENT, 10**9, max_ticks)
    history.load(past_of(past))
    for offset, price in live:
        history.add(BASE_MS + offset, price, price + 2, price - 1)
    assert everything(history) == [tick_of(quote) for quote in (past + live)[-max_ticks:]]


def test_prices_keep_their_decimals() -> None:
    (tick,) = everything(history_of([(0, 100)]))
    assert (str(tick.price), str(tick.ask), str(tick.bid)) == ("1.00", "1.02", "0.99")


def test_loading_does_not_keep_hold_of_the_columns() -> None:
    past = past_of([(0, 100)])
    history = TickHistory(INSTRUMENT)
    history.load(past)
    past.price[0] = 7
    assert everything(history) == [tick_of((0, 100))]


@settings(max_examples=5)
@given(st.integers(1, 50))
def test_the_space_is_bounded_however_many_ticks_come(max_ticks: int) -> None:
    history = TickHistory(INSTRUMENT, 10**9, max_ticks)
    for offset in range(5000):
        history.add(BASE_MS + offset, 5, 5, 5)
    assert len(history._epoch) <= max(64, 2 * max_ticks)
    assert len(history) == max_ticks


TIMES = st.lists(st.integers(0, 50), max_size=30).map(sorted)


@given(TIMES, TIMES.filter(len))
def test_from_their_first_on_the_recorded_ticks_stand_alone(own: list[int], recorded: list[int]) -> None:
    joined = put_in(past_of([(time, 100) for time in own]), past_of([(time, 200) for time in recorded]))
    expected = [(time, 100) for time in own if time < recorded[0]] + [(time, 200) for time in recorded]
    assert list(zip((joined.epoch_ms - BASE_MS).tolist(), joined.price.tolist(), strict=True)) == sorted(expected)
    assert set((joined.ask - joined.price).tolist() + (joined.bid - joined.price + 3).tolist()) == {2}
