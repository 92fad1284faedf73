from __future__ import annotations

import asyncio
import math
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from pricewire.errors import FeedError, InvalidTopicError, UnknownInstrumentError
from pricewire.market.feed import PastTicks
from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.market.hours import parse_hours
from pricewire.market.journal import Journal
from pricewire.market.market import Market
from pricewire.protocol.messages import Candle, CandlesHistoryRequest, Instrument, Tick, TicksHistoryRequest
from pricewire.protocol.topics import GRANULARITIES, CandlesTopic, TicksTopic
from support.fake_market import START_MS, START_NS, FakeClock, ScriptedFeed, Step, running, settle
from support.full_disk import full_disk

X = Instrument(id="X", display_name="X", categories=["Forex"], pip_size=1)
Y = Instrument(id="Y", display_name="Y", categories=["Forex"], pip_size=1)
NOW_MS = 1_700_000_000_000
BROKEN = ConnectionError("lost")


def tick(instrument_id: str, price: float, offset_ms: int = 0) -> Tick:
    middle = Decimal(str(price)).quantize(Decimal("0.1"))
    return Tick(instrument_id, NOW_MS + offset_ms, middle, middle + Decimal("0.1"), middle - Decimal("0.1"))


class Published:
    """What a market publishes."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Tick | Candle, str]] = []
        self.stale: list[tuple[str, int]] = []

    def publish(self, topic: str, message: Tick | Candle, event: str) -> None:
        self.events.append((topic, message, event))

    def on_stale(self, instrument_id: str, since_epoch_ms: int) -> None:
        self.stale.append((instrument_id, since_epoch_ms))

    def topics(self) -> list[str]:
        return [topic for topic, _, _ in self.events]


def market_of(*scripts: list[Step], instruments: Iterable[Instrument] = (X, Y)) -> tuple[Market, Published, FakeClock]:
    clock, published = FakeClock(), Published()
    feed = ScriptedFeed(clock, list(instruments), *scripts)
    return Market([feed], published.publish, on_stale=published.on_stale, clock=clock), published, clock


async def test_every_tick_is_published_and_kept() -> None:
    ticks = [tick("X", 1), tick("Y", 5), tick("X", 2, 10)]
    market, published, _ = market_of([*ticks])
    assert market.tick("X") is None
    async with running(market):
        assert published.events == [(f"ticks:{each.instrument_id}", each, "tick") for each in ticks]
        assert (market.tick("X"), market.tick("Y")) == (ticks[2], ticks[1])
        assert market.ticks(TicksHistoryRequest(instrument_id="X")) == [ticks[0], ticks[2]]


async def test_a_tick_is_kept_before_it_is_published() -> None:
    seen: list[Tick | None] = []
    clock = FakeClock()
    market = Market([ScriptedFeed(clock, [X], [tick("X", 1)])], lambda topic, message, event: seen.append(market.tick("X")), clock=clock)
    async with running(market):
        assert seen == [tick("X", 1)]


async def test_a_tick_is_in_the_journal_before_it_is_published(tmp_path: Path) -> None:
    journal = Journal(tmp_path, [X])
    clock, seen = FakeClock(), list[list[int]]()

    def publish(topic: str, message: Tick | Candle, event: str) -> None:
        seen.append(journal.read()["X"].price.tolist())

    market = Market([ScriptedFeed(clock, [X], [tick("X", 4), tick("X", 5)])], publish, clock=clock)
    market.write_to(journal, {})
    async with running(market):
        await settle()
    assert seen == [[40], [40, 50]]
    journal.close()


async def test_ticks_wait_for_a_journal_that_cannot_be_written_while_prices_go_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(tmp_path, [X])
    clock, published, recorded = FakeClock(), Published(), list[Tick]()
    ticks = [tick("X", price) for price in (4, 5, 6, 7, 8)]
    feed = ScriptedFeed(clock, [X], [ticks[0], 1.0, *ticks[1:3], 1.0, ticks[3], 1.0, ticks[4], 9.0])
    market = Market([feed], published.publish, on_recorded=recorded.append, clock=clock)
    market.write_to(journal, {})
    async with running(market):
        await settle()
        with full_disk():
            await clock.advance(1)
            await settle()
            assert "File too large" in market.journal_failure
            assert [each.price for each in recorded] == [4], "nothing is decided by what a restart would not know"
            assert published.topics() == ["ticks:X"] * 3
        await clock.advance(1)
        await settle()
        assert market.journal_failure == ""
        await clock.advance(1)
        await settle()
    # As if the disk had never been full.
    assert [each.price for each in recorded] == [4, 5, 6, 7, 8]
    assert journal.read()["X"].price.tolist() == [40, 50, 60, 70, 80]
    assert published.topics() == ["ticks:X"] * 5
    assert [record.levelname for record in caplog.records] == ["ERROR"], "once"
    journal.close()


@pytest.mark.parametrize("ends", [False, True])
async def test_ticks_that_wait_are_written_also_when_no_other_comes(tmp_path: Path, *, ends: bool) -> None:
    journal = Journal(tmp_path, [X])
    clock, recorded = FakeClock(), list[Tick]()
    market = Market([ScriptedFeed(clock, [X], [1.0, tick("X", 4), 99.0])], Published().publish, on_recorded=recorded.append, clock=clock)
    market.write_to(journal, {})
    async with running(market):
        await settle()
        with full_disk():
            await clock.advance(1)
            await settle()
            assert market.unrecorded("X") == 1
        if not ends:
            await clock.advance(2)
            await settle()
            assert [each.price for each in recorded] == [4]
            assert market.unrecorded("X") == 0
    # A server that stops has its last chance.
    assert journal.read()["X"].price.tolist() == [40]
    journal.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [("volatilities", value) for value in (math.nan, 0.0, -1.0, math.inf)]
    + [("intervals_ms", value) for value in (math.nan, 0.0, 0.3, -5.0, math.inf)],
)
def test_what_a_feed_says_of_its_prices_has_to_be_possible(name: str, value: float) -> None:
    feed = ScriptedFeed(FakeClock(), [X], [])
    setattr(feed, name, {"X": value})
    with pytest.raises(FeedError, match="of X is not a"):
        Market([feed], Published().publish)
    setattr(feed, name, {"X": 1.0})
    Market([feed], Published().publish)


async def test_candles_are_published_while_they_are_wanted() -> None:
    market, published, clock = market_of([tick("X", 1), 1.0, tick("X", 2), 1.0, tick("X", 3), 1.0, tick("X", 4)])
    topic = CandlesTopic("X", 300)
    async with running(market):
        market.want(topic)
        market.want(topic)
        market.want(TicksTopic("X"))
        await clock.advance(1)
        await settle()
        assert published.topics() == ["ticks:X", "ticks:X", "candles:X:300"]
        _, candle, event = published.events[-1]
        assert event == "candle"
        assert candle == market.candle("X", 300)
        assert isinstance(candle, Candle)
        assert (candle.open, candle.close) == (Decimal("1.0"), Decimal("2.0"))
        await clock.advance(1)
        await settle()
        market.unwant(topic)
        market.unwant(topic)
        market.unwant(TicksTopic("X"))
        await clock.advance(1)
        await settle()
        assert published.topics()[3:] == ["ticks:X", "candles:X:300", "ticks:X"]
        # The candle went on while nobody wanted it.
        current = market.candle("X", 300)
        assert current is not None
        assert current.close == Decimal("4.0")


async def test_candles_can_be_read() -> None:
    market, _, _ = market_of([tick("X", 1), tick("X", 3, 60_000), tick("X", 2, 120_000)])
    async with running(market):
        candles = market.select_candles(CandlesHistoryRequest(instrument_id="X", count=2)).candles()
        assert [str(candle.close) for candle in candles] == ["3.0", "2.0"]
        assert candles[-1] == market.candle("X", 60)
        (day,) = market.select_candles(CandlesHistoryRequest(instrument_id="X", granularity=86400)).candles()
        assert [str(price) for price in (day.open, day.high, day.low, day.close)] == ["1.0", "3.0", "1.0", "2.0"]
        assert day.close_epoch_ms - day.open_epoch_ms == 86_400_000
        assert market.select_candles(CandlesHistoryRequest(instrument_id="X", from_epoch_ms=10**30)).candles() == []
        assert market.ticks(TicksHistoryRequest(instrument_id="X", to_epoch_ms=-(10**30))) == []


async def test_ticks_can_be_read_by_time_and_thinned() -> None:
    ticks = [tick("X", n + 1, n * 400) for n in range(10)]
    market, _, _ = market_of([*ticks])
    async with running(market):
        request = TicksHistoryRequest(instrument_id="X", from_epoch_ms=NOW_MS + 800, to_epoch_ms=NOW_MS + 2400)
        assert market.ticks(request) == ticks[2:7]
        thinned = TicksHistoryRequest(instrument_id="X", granularity=1, count=2)
        assert market.ticks(thinned) == [ticks[7], ticks[9]]


@pytest.mark.parametrize(
    "ask",
    [
        lambda market: market.instrument("Z"),
        lambda market: market.tick("Z"),
        lambda market: market.candle("Z", 60),
        lambda market: market.is_stale("Z"),
        lambda market: market.ticks(TicksHistoryRequest(instrument_id="Z")),
        lambda market: market.select_candles(CandlesHistoryRequest(instrument_id="Z")).candles(),
        lambda market: market.want(TicksTopic("Z")),
        lambda market: market.unwant(CandlesTopic("Z", 60)),
    ],
)
def test_an_unknown_instrument_is_named(ask: Any) -> None:
    market, _, _ = market_of([])
    with pytest.raises(UnknownInstrumentError, match="'Z'"):
        ask(market)


def test_an_unknown_granularity_is_named() -> None:
    market, _, _ = market_of([])
    with pytest.raises(InvalidTopicError, match="granularity '90'"):
        market.select_candles(CandlesHistoryRequest(instrument_id="X", granularity=90)).candles()
    with pytest.raises(InvalidTopicError, match="granularity '90'"):
        market.candle("X", 90)


async def test_a_failed_feed_closes_its_instruments_until_they_tick_again() -> None:
    market, published, clock = market_of([tick("X", 1), tick("Y", 1), 1.0, BROKEN], [1.0, tick("X", 2), 10.0])
    assert [instrument.is_market_open for instrument in market.instruments()] == [False, False], "no tick has come"
    assert market.is_ready()
    async with running(market):
        assert [instrument.is_market_open for instrument in market.instruments()] == [True, True]
        await clock.advance(1)
        await settle()
        assert [instrument.is_market_open for instrument in market.instruments()] == [False, False]
        assert not market.is_ready()
        assert market.instrument("X") == Instrument("X", "X", ["Forex"], 1, is_market_open=False)
        await clock.advance(2)
        await settle()
        assert published.topics() == ["ticks:X", "ticks:Y", "ticks:X"]
        assert [instrument.is_market_open for instrument in market.instruments()] == [True, False]


async def test_a_feed_that_has_ended_closes_its_instruments_and_can_still_be_read() -> None:
    market, _, clock = market_of([tick("X", 1)])
    async with running(market) as task:
        await clock.advance(100)
        assert not market.instrument("X").is_market_open
        assert market.tick("X") == tick("X", 1)
        assert not task.done()


async def test_a_failing_feed_leaves_the_others_running() -> None:
    clock, published = FakeClock(), Published()
    broken = ScriptedFeed(clock, [X], [BROKEN], [10.0])
    healthy = ScriptedFeed(clock, [Y], [1.0, tick("Y", 1), 1.0, tick("Y", 2), 10.0])
    market = Market([broken, healthy], published.publish, clock=clock)
    async with running(market):
        await clock.advance(2)
        await settle()
        assert published.topics() == ["ticks:Y", "ticks:Y"]
        assert [instrument.is_market_open for instrument in market.instruments()] == [False, True]


async def test_outside_of_its_hours_an_instrument_is_closed_whatever_comes() -> None:
    # The fake clock begins on a Tuesday, at 22:13:20.
    script: list[Step] = [step for _ in range(30) for step in (tick("X", 1), tick("Y", 1), 60.0)]
    clock, published = FakeClock(), Published()
    feed = ScriptedFeed(clock, [X, Y], script)
    market = Market([feed], published.publish, clock=clock, hours={"X": parse_hours("UTC Tue 22:00-22:20, Tue 22:30-23:00")})
    opened = []
    async with running(market):
        for _ in range(25):
            opened.append(market.instrument("X").is_market_open)
            await clock.advance(60)
            await settle()
            assert market.instrument("Y").is_market_open
            assert market.is_ready()
        shown = market.instrument("X")
    assert opened == [True] * 7 + [False] * 10 + [True] * 8
    assert (shown.opens_at, shown.closes_at) == ("2023-11-14T22:30:00Z", "2023-11-14T23:00:00Z")
    assert market.instrument("Y").opens_at is None
    assert len(published.topics()) > 50, "prices are published all the same"


async def test_a_server_whose_markets_are_all_closed_by_their_hours_is_ready() -> None:
    clock = FakeClock()
    feed = ScriptedFeed(clock, [X], [BROKEN], [10_000.0])
    market = Market([feed], Published().publish, clock=clock, hours={"X": parse_hours("UTC Sat 10:00-12:00")})
    async with running(market):
        await settle()
        assert market.is_ready()
        assert not market.instrument("X").is_market_open


def test_a_feed_may_say_its_hours_and_others_go_before_them() -> None:
    class Hourly(ScriptedFeed):
        hours: ClassVar = {"X": parse_hours("UTC Mon 10:00-12:00"), "Y": parse_hours("UTC Tue 10:00-12:00")}

    clock = FakeClock()
    feed = Hourly(clock, [X, Y])
    other = parse_hours("UTC Wed 10:00-12:00")
    market = Market([feed], Published().publish, clock=clock, hours={"Y": other})
    assert (market.hours("X"), market.hours("Y")) == (Hourly.hours["X"], other)
    with pytest.raises(FeedError, match="trading hours of 'Z', which no feed brings; there are X, Y"):
        Market([feed], Published().publish, clock=clock, hours={"Z": other})


async def test_silence_is_told_once_and_ended_by_a_tick() -> None:
    regular: list[Step] = [step for n in range(20) for step in (tick("X", n + 1), 1.0)]
    market, published, clock = market_of([*regular, 30.0, tick("X", 7), 100.0], instruments=[X])
    async with running(market):
        await clock.advance(20)
        assert published.stale == []
        await clock.advance(20)
        assert published.stale == [("X", START_MS + 19_000)]
        assert market.is_stale("X")
        assert not market.instrument("X").is_market_open
        await clock.advance(10)
        await settle()
        assert not market.is_stale("X")
        assert market.instrument("X").is_market_open
        await clock.advance(50)
        assert [since for _, since in published.stale] == [START_MS + 19_000, START_MS + 50_000]


async def test_ticks_that_cannot_be_used_are_reported_and_skipped(caplog: pytest.LogCaptureFixture) -> None:
    unannounced: Any = tick("Z", 1)
    nothing: Any = None
    crossed = Tick("X", NOW_MS, Decimal("1.0"), Decimal("1.0"), Decimal("2.0"))
    market, published, _ = market_of([unannounced, nothing, crossed, tick("X", -5), tick("X", 1), 10.0])
    async with running(market):
        assert published.events == [("ticks:X", tick("X", 1), "tick")]
        assert market.instrument("X").is_market_open
    assert len(caplog.records) == 4
    for expected in ("tick of 'Z', which its feed has not announced", "None is not a pricewire Tick", "bid is above ask"):
        assert expected in caplog.text


async def test_reports_of_unusable_ticks_get_rarer(caplog: pytest.LogCaptureFixture) -> None:
    market, _, _ = market_of([tick("X", -5)] * 1500)
    async with running(market):
        await settle()
    assert [record.args[0] for record in caplog.records if record.args] == [1, 2, 3, 4, 5, 10, 100, 1000]  # type: ignore[index]


async def test_a_feed_may_only_bring_its_own_instruments() -> None:
    clock, published = FakeClock(), Published()
    feeds = [ScriptedFeed(clock, [X], [tick("Y", 1)]), ScriptedFeed(clock, [Y], [tick("Y", 2)])]
    async with running(Market(feeds, published.publish, clock=clock)):
        assert published.events == [("ticks:Y", tick("Y", 2), "tick")]


async def test_what_publishing_raises_ends_the_market() -> None:
    clock = FakeClock()

    def publish(topic: str, message: Tick | Candle, event: str) -> None:
        raise RuntimeError("bug in the hub")

    market = Market([ScriptedFeed(clock, [X], [tick("X", 1), 10.0])], publish, clock=clock)
    with pytest.raises(ExceptionGroup) as raised:
        await market.run()
    assert raised.group_contains(RuntimeError, match="bug in the hub")


@pytest.mark.parametrize(
    ("feeds", "message"),
    [
        ([[X], [Y, X]], "instrument X is brought twice"),
        ([[X, X]], "instrument X is brought twice"),
        ([[Instrument(id="EUR/USD", display_name="", categories=["Forex"], pip_size=5)]], "instrument id 'EUR/USD'"),
        ([[Instrument(id="", display_name="", categories=["Forex"], pip_size=5)]], "instrument id ''"),
        ([[Instrument(id="X", display_name="", categories=["Forex"], pip_size=13)]], "pip_size 13"),
        ([[Instrument(id="X", display_name="", categories=["Forex"], pip_size=-1)]], "pip_size -1"),
        (
            [[Instrument(id="X", display_name="", categories=[], pip_size=1)]],
            "begin with one of Synthetic Index, .* empty",
        ),
        ([[Instrument(id="X", display_name="", categories=["forex"], pip_size=1)]], "Forex, .* not with 'forex'"),
    ],
)
def test_instruments_that_cannot_be_used_are_refused(feeds: list[list[Instrument]], message: str) -> None:
    clock = FakeClock()
    with pytest.raises(FeedError, match=message):
        Market([ScriptedFeed(clock, instruments) for instruments in feeds], lambda *_: None, clock=clock)


class Remembering(ScriptedFeed):
    """A feed with a history."""

    def __init__(self, clock: FakeClock, history: list[PastTicks] | Exception, *scripts: list[Step]) -> None:
        super().__init__(clock, [X], *scripts)
        self._history = history

    def history(self) -> list[PastTicks]:
        if isinstance(self._history, Exception):
            raise self._history
        return self._history


def past(instrument_id: str, *offsets: int, price: int = 20) -> PastTicks:
    epochs = NOW_MS + np.array(offsets or (-60_000, -1000))
    prices = price + 10 * np.arange(len(epochs))
    return PastTicks(instrument_id, epochs, prices, prices + 1, prices - 1)


async def test_the_history_is_loaded_before_the_first_tick() -> None:
    clock, published = FakeClock(), Published()
    market = Market([Remembering(clock, [past("X")], [1.0, tick("X", 4)])], published.publish, clock=clock)
    async with running(market):
        assert published.events == []
        assert market.tick("X") == tick("X", 3, -1000)
        await clock.advance(1)
        await settle()
        prices = [str(each.price) for each in market.ticks(TicksHistoryRequest(instrument_id="X"))]
        assert prices == ["2.0", "3.0", "4.0"]


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ([past("X", -60_000, -30_000, -1000)], ["2.0", "9.0", "10.0"]),
        ([], ["9.0", "10.0"]),
        (ValueError("disk"), ["9.0", "10.0"]),
    ],
)
async def test_journaled_ticks_take_the_place_of_what_the_feed_knows(
    history: list[PastTicks] | Exception, expected: list[str], journal: Journal
) -> None:
    clock = FakeClock()
    market = Market([Remembering(clock, history, [10.0])], lambda *_: None, clock=clock)
    market.write_to(journal, {"X": past("X", -40_000, -20_000, price=90), "Z": past("Z")})
    async with running(market):
        assert [str(each.price) for each in market.ticks(TicksHistoryRequest(instrument_id="X"))] == expected


class Filling(ScriptedFeed):
    """A feed that can tell what came while the server was down."""

    def __init__(self, clock: FakeClock, *filled: PastTicks | Exception) -> None:
        super().__init__(clock, [X], [])
        self._filled = filled
        self.asked: list[Tick] = []

    def backfill(self, newest: Sequence[Tick]) -> Iterator[PastTicks]:
        self.asked += newest
        for each in self._filled:
            if isinstance(each, Exception):
                raise each
            yield each


def test_the_feeds_are_asked_what_came_after_the_ticks_of_the_journal() -> None:
    clock = FakeClock()
    feed = Filling(clock, past("X", -5000, -4000), PastTicks("X", *np.empty((4, 0), np.int64)), past("X", -4000, -1000))
    market = Market([ScriptedFeed(clock, [Y], []), feed], lambda *_: None, clock=clock)
    filled = list(market.backfill([tick("X", 1, -5000), tick("Y", 1, -5000)]))
    assert [(past.epoch_ms - NOW_MS).tolist() for past in filled] == [[-5000, -4000], [-4000, -1000]]
    assert feed.asked == [tick("X", 1, -5000)]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (ValueError("away"), "away"),
        (past("X", -6000), "begin before the newest in the journal"),
        (past("X", -5000, -1000, -2000), "not in the order of their times"),
        (past("Z"), "'Z', of which the feed was given no tick"),
    ],
)
def test_a_feed_that_fails_to_tell_is_left_out_from_there_on(
    wrong: PastTicks | Exception, message: str, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()
    market = Market([Filling(clock, past("X", -4500), wrong, past("X", -100))], lambda *_: None, clock=clock)
    assert [(past.epoch_ms - NOW_MS).tolist() for past in market.backfill([tick("X", 1, -5000)])] == [[-4500]]
    assert "feed Filling cannot tell what came meanwhile" in caplog.text
    assert message in caplog.text


@pytest.mark.parametrize("history", [ValueError("disk"), [past("Y")]])
async def test_a_feed_without_its_history_runs_all_the_same(history: list[PastTicks] | Exception, caplog: pytest.LogCaptureFixture) -> None:
    clock, published = FakeClock(), Published()
    market = Market([Remembering(clock, history, [tick("X", 4)])], published.publish, clock=clock)
    async with running(market):
        assert published.topics() == ["ticks:X"]
    assert "feed Remembering has no usable history" in caplog.text


async def test_the_simulated_market_has_a_day_of_ticks_and_candles_and_goes_on() -> None:
    clock, published = FakeClock(), Published()
    market = Market([SimulatedFeed(3, clock=clock)], published.publish, clock=clock)
    async with running(market):
        await clock.advance(60)
        await settle()
        for instrument in market.instruments():
            ticks = market.ticks(TicksHistoryRequest(instrument_id=instrument.id, count=5000))
            interval = 1000 if instrument.id.startswith("1HZ") else 2000
            assert {after.epoch_ms - before.epoch_ms for before, after in pairwise(ticks)} == {interval}
            assert ticks[-1].epoch_ms == clock.now_ns() // 1_000_000 // interval * interval
            minutes = market.select_candles(CandlesHistoryRequest(instrument_id=instrument.id, count=5000)).candles()
            assert len(minutes) in (1441, 1442)
            assert all(minute.low <= minute.open <= minute.high for minute in minutes)
            for granularity in GRANULARITIES:
                candle = market.candle(instrument.id, granularity)
                assert candle is not None
                assert candle.close == ticks[-1].price
    assert published.topics().count("ticks:R_100") == 30
    assert published.topics().count("ticks:1HZ100V") == 60
    assert clock.now_ns() == START_NS + 60 * 10**9


async def test_the_market_ends_when_cancelled() -> None:
    market, _, _ = market_of([tick("X", 1), 10.0])
    task = asyncio.create_task(market.run())
    await settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_instrument_is_closed_while_a_price_of_it_is_held_back() -> None:
    class Holding(ScriptedFeed):
        held = ""

        def is_holding(self, instrument_id: str) -> bool:
            return instrument_id == self.held

    clock = FakeClock()
    feed = Holding(clock, [X, Y], [tick("X", 1), tick("Y", 5), 60.0])
    market = Market([feed], Published().publish, clock=clock)
    async with running(market):
        await settle()
        assert [each.is_market_open for each in market.instruments()] == [True, True]
        feed.held = "X"
        assert [each.is_market_open for each in market.instruments()] == [False, True]
        assert not market.instrument("X").is_market_open
        feed.held = ""
        assert market.instrument("X").is_market_open
