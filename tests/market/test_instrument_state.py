from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from pricewire.errors import FeedError
from pricewire.market.feed import PastTicks
from pricewire.market.instrument_state import InstrumentState
from pricewire.protocol.messages import Candle, Instrument, Tick

X = Instrument(id="X", display_name="X", categories=[], pip_size=2)
BASE_MS = 1_700_006_400_000
MINUTE_MS = 60_000


def quotes() -> InstrumentState:
    return InstrumentState(X, 0)


def tick(price: Any = "1.50", ask: Any = "1.51", bid: Any = "1.49", epoch_ms: Any = BASE_MS) -> Tick:
    price, ask, bid = (Decimal(each) if isinstance(each, str) else each for each in (price, ask, bid))
    return Tick("X", epoch_ms, price, ask, bid)


def take(it: InstrumentState, given: Tick, now_ns: int = 0) -> tuple[Tick, list[tuple[str, Candle]]]:
    """Check and keep a tick; return it with the candles that it has changed."""
    taken, pips = it.check(given)
    return taken, it.add(taken, pips, now_ns)


def test_a_tick_that_fits_is_kept_as_it_is() -> None:
    it = quotes()
    given = tick()
    assert take(it, given, 5) == (given, [])
    assert it.newest is given
    assert it.pace.newest_ns == 5
    assert it.history.query(None, None, None, 9) == [given]


@pytest.mark.parametrize(
    ("price", "ask", "bid"),
    [("1.5", "1.51", "1.490"), ("1.50499", "1.514", "1.494"), (1.5, 1.51, 1.49), ("1.5", 1.51, "1.49")],
)
def test_prices_get_the_decimals_of_the_instrument(price: Any, ask: Any, bid: Any) -> None:
    taken, _ = take(quotes(), tick(price, ask, bid))
    assert (str(taken.price), str(taken.ask), str(taken.bid)) == ("1.50", "1.51", "1.49")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (tick(bid="0.00"), "bid 0.00.* positive"),
        (tick(bid="-1.00"), "positive"),
        (tick(price="0.00"), "positive"),
        (tick(price="-0.50"), "positive"),
        (tick(bid="0.004"), "positive"),
        (tick(ask="NaN"), "positive"),
        (tick(price="sNaN"), "cannot be read as a price"),
        (tick(bid="-Infinity"), "cannot be read as a price"),
        (tick(price=None), "cannot be read as a price"),
        (tick(price=float("nan")), "positive"),
        (tick(ask="100000000000000000000.00"), "below 2\\^62 pips"),
        (tick(bid="1.52"), "bid is above ask"),
        (tick(epoch_ms=1_700_006_400), "not in milliseconds"),
        (tick(epoch_ms=1_700_006_400_000_000), "not in milliseconds"),
        (tick(epoch_ms=-5), "not in milliseconds"),
        (tick(epoch_ms=1.7e12), "not a whole number"),
        (tick(epoch_ms=None), "not a whole number"),
    ],
)
def test_a_tick_that_cannot_be_is_refused_and_leaves_no_trace(bad: Tick, message: str) -> None:
    it = quotes()
    it.want(60)
    with pytest.raises(FeedError, match=message):
        take(it, bad, 7)
    assert (it.newest, it.candle(60), len(it.history), it.pace.newest_ns) == (None, None, 0, 0)


def test_bid_may_equal_ask() -> None:
    assert take(quotes(), tick("1.50", "1.50", "1.50"))


def candle(granularity: int, start: int, open_: str, high: str, low: str, close: str) -> Candle:
    prices = (Decimal(open_), Decimal(high), Decimal(low), Decimal(close))
    return Candle("X", granularity, start, *prices, start + granularity * 1000)


def test_wanted_candles_are_told_with_every_tick() -> None:
    it = quotes()
    take(it, tick("1.50"), 0)
    it.want(60)
    it.want(300)
    it.want(60)
    _, changed = take(it, tick("1.60", "1.61", "1.59", BASE_MS + MINUTE_MS - 1), 0)
    assert changed == [
        ("candles:X:60", candle(60, BASE_MS, "1.50", "1.60", "1.50", "1.60")),
        ("candles:X:300", candle(300, BASE_MS, "1.50", "1.60", "1.50", "1.60")),
    ]
    _, changed = take(it, tick("1.40", "1.41", "1.39", BASE_MS + MINUTE_MS), 0)
    assert changed == [
        ("candles:X:60", candle(60, BASE_MS + MINUTE_MS, "1.40", "1.40", "1.40", "1.40")),
        ("candles:X:300", candle(300, BASE_MS, "1.50", "1.60", "1.40", "1.40")),
    ]
    it.unwant(300)
    it.unwant(300)
    _, changed = take(it, tick(epoch_ms=BASE_MS + MINUTE_MS + 1), 0)
    assert [topic for topic, _ in changed] == ["candles:X:60"]


def test_a_tick_that_is_older_than_the_newest_is_refused() -> None:
    it = quotes()
    take(it, tick("1.50"))
    take(it, tick("1.51"))
    with pytest.raises(FeedError, match=f"tick of X at {BASE_MS - 1}: one at {BASE_MS} has come before"):
        take(it, tick("1.90", "1.91", "1.89", BASE_MS - 1))
    assert [str(each.price) for each in it.history.query(None, None, None, 9)] == ["1.50", "1.51"], "those of the same time are kept"


def past(epochs: list[int], prices: list[int]) -> PastTicks:
    price = np.array(prices, np.int64)
    return PastTicks("X", np.array(epochs, np.int64), price, price + 1, price - 1)


def test_past_ticks_are_there_at_once() -> None:
    it = quotes()
    it.load(past([BASE_MS, BASE_MS + MINUTE_MS], [150, 160]))
    assert it.newest == tick("1.60", "1.61", "1.59", BASE_MS + MINUTE_MS)
    assert it.candle(300) == candle(300, BASE_MS, "1.50", "1.60", "1.50", "1.60")
    it.load(past([], []))
    assert len(it.history) == 2


def test_past_ticks_out_of_order_are_refused() -> None:
    with pytest.raises(FeedError, match="not in the order"):
        quotes().load(past([BASE_MS + 1, BASE_MS], [150, 160]))


def test_past_ticks_with_columns_of_different_lengths_are_refused() -> None:
    with pytest.raises(FeedError, match="different lengths"):
        quotes().load(past([BASE_MS], [150, 160]))
