"""Several feeds as one: takeovers, medians, best prices, and what is held back."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest

from pricewire.errors import FeedError
from pricewire.market.feeds.find import open_mix
from pricewire.market.feeds.mix import MixFeed, MixOptions
from support.fake_market import START_MS, FakeClock
from support.feeds import HandFeed
from support.message_feeds import supervised, until

FILE = Path("mix.toml")


def mix(clock: FakeClock, **options: Any) -> tuple[MixFeed, list[HandFeed]]:
    feeds = [HandFeed() for _ in "abc"]
    made = msgspec.convert({"sources": {}, "instruments": {"GOLD": {"sources": ["a", "b", "c"], **options}}}, MixOptions)
    return MixFeed(FILE, made, dict(zip("abc", feeds, strict=True)), clock), feeds


async def test_a_fall_back_takes_over_after_a_silence_and_gives_back(caplog: pytest.LogCaptureFixture) -> None:
    clock = FakeClock()
    feed, (a, b, _) = mix(clock, takeover_s=5)
    with caplog.at_level(logging.INFO):
        async with supervised(feed) as ticks:
            a.give(1, 2, START_MS)
            (tick,) = await ticks.take_all(1)
            assert (str(tick.bid), str(tick.ask), tick.source) == ("1.00", "2.00", "a")
            assert feed.sources() == {"GOLD": "a"}
            clock.jump(4.9)
            b.give(3, 4, START_MS + 1)
            await until(lambda: feed.counters[0].passed_over == 1)
            clock.jump(0.2)
            b.give(5, 6, START_MS + 2)
            assert await ticks.next() == [("GOLD", "5.00", "6.00")]
            assert feed.sources() == {"GOLD": "b"}
            a.give(7, 8, START_MS + 3)
            assert await ticks.next() == [("GOLD", "7.00", "8.00")]
            # One that has failed is silent at once.
            a.fail(ConnectionError("gone"))
            await until(lambda: "next try" in caplog.text)
            b.give(9, 10, START_MS + 4)
            assert await ticks.next() == [("GOLD", "9.00", "10.00")]
    assert "GOLD comes from b now" in caplog.text


async def test_the_median_and_the_best_of_those_that_are_not_silent() -> None:
    for choose, expected in (("median", ("2.00", "5.00")), ("best", ("3.00", "4.00"))):
        clock = FakeClock()
        feed, (a, b, c) = mix(clock, choose=choose)
        async with supervised(feed) as ticks:
            a.give(1, 6, START_MS)
            await ticks.next()
            b.give(2, 5, START_MS)
            await ticks.next()
            c.give(3, 4, START_MS - 5)
            (tick,) = await ticks.take_all(1)
            assert (str(tick.bid), str(tick.ask), tick.source) == (*expected, f"{choose} of a, b, c")
            assert feed.sources() == {"GOLD": f"{choose} of a, b, c"}
            clock.jump(6)
            c.give(3, 4, START_MS + 1)
            assert await ticks.next() == [("GOLD", "3.00", "4.00")]


async def test_bad_ticks_are_held_back_and_counted() -> None:
    clock = FakeClock()
    feed, (a, b, _) = mix(clock, choose="best", max_jump=0.1)
    async with supervised(feed) as ticks:
        a.give(100, 101, START_MS)
        await ticks.next()
        a.give(101, 100, START_MS)
        a.give(150, 151, START_MS)
        a.give(100, 101, START_MS - 1)
        a.give(100, 101, START_MS + 100_000)
        # The best of two may be crossed.
        await until(lambda: feed.counters[0].rejected["future"] == 1)
        # What is made of them has not changed.
        assert not feed.is_holding("GOLD")
        b.give(102, 103, START_MS)
        await until(lambda: feed.counters[0].rejected["crossed"] == 2)
        a.give(102, 103, START_MS + 1)
        assert await ticks.next() == [("GOLD", "102.00", "103.00")]
    assert feed.counters[0].rejected == {"crossed": 2, "jump": 1, "old": 1, "future": 1}


async def test_who_holds_back_a_price_of_the_source_that_counts_says_so() -> None:
    feed, (a, b, _) = mix(FakeClock(), max_jump=0.1)
    async with supervised(feed) as ticks:
        a.give(100, 101, START_MS)
        await ticks.next()
        assert not feed.is_holding("GOLD")
        a.give(150, 151, START_MS)
        await until(lambda: feed.is_holding("GOLD"))
        b.give(150, 151, START_MS)
        a.give(101, 102, START_MS)
        assert await ticks.next() == [("GOLD", "101.00", "102.00")]
        assert not feed.is_holding("GOLD")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"sources": []}, "instruments.GOLD: name its sources"),
        ({"sources": ["x"]}, "there is no source 'x'; there are a, b, c"),
        ({"takeover_s": 0}, "takeover_s 0.0 is not a positive number"),
        ({"max_jump": 0}, "max_jump 0.0 of GOLD is not a positive number"),
    ],
)
def test_options_that_cannot_be_used(options: dict[str, Any], text: str) -> None:
    with pytest.raises(FeedError, match=text):
        mix(FakeClock(), **options)


@pytest.mark.parametrize(
    ("sources", "text"),
    [
        ("a = 'mix:x.toml'", "cannot be a mix"),
        ("a = 'x:X'\nb = 'x:X'", "two of the sources are the same"),
        ("a = 'x:X'", "instruments.SILVER: the source 'a' does not bring it"),
    ],
)
def test_sources_that_cannot_be_used(sources: str, text: str, tmp_path: Path) -> None:
    file = tmp_path / "mix.toml"
    file.write_text(f"[sources]\n{sources}\n[instruments.SILVER]\nsources = ['a']\n")
    with pytest.raises(FeedError, match=text):
        open_mix(file, lambda name: HandFeed())
