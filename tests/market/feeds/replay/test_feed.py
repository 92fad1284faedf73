from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from pricewire.errors import FeedError
from pricewire.market.feeds.replay.feed import ReplayFeed
from pricewire.protocol.messages import Tick
from support.fake_market import START_MS, FakeClock, SelfMovingClock
from support.recorded import RECORDED, Recorded

FIRST_MS = 1_600_000_000_000
OFFSETS_MS = (0, 100, 250, 250, 4250)
TEXT = "timestamp,bid,ask\n" + "".join(f"{FIRST_MS + offset},{n}.0,{n}.5\n" for n, offset in enumerate(OFFSETS_MS, start=1))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "eurusd-quotes.csv"
    path.write_text(TEXT)
    return path


async def play(feed: ReplayFeed, clock: FakeClock, count: int = 1000) -> list[tuple[Tick, int]]:
    """Return ticks and when each came, in milliseconds after the start."""
    played: list[tuple[Tick, int]] = []
    async for tick in feed:
        played.append((tick, clock.now_ns() // 1_000_000 - START_MS))
        if len(played) == count:
            break
    return played


def feed_of(path: Path, **options: Any) -> tuple[ReplayFeed, SelfMovingClock]:
    clock = SelfMovingClock()
    return ReplayFeed(path, clock=clock, **options), clock


async def test_ticks_come_at_the_pace_of_the_recording_with_the_times_of_the_replay(path: Path) -> None:
    played = await play(*feed_of(path))
    assert [came for _, came in played] == list(OFFSETS_MS)
    assert [tick.epoch_ms - START_MS for tick, _ in played] == list(OFFSETS_MS)
    tick, _ = played[2]
    assert (tick.instrument_id, str(tick.bid), str(tick.ask), str(tick.price)) == ("EURUSD", "3.0", "3.5", "3.3")


async def test_speed_divides_the_pauses(path: Path) -> None:
    played = await play(*feed_of(path, speed=50))
    assert [came for _, came in played] == [offset // 50 for offset in OFFSETS_MS]
    slow = await play(*feed_of(path, speed=0.5))
    assert [came for _, came in slow] == [offset * 2 for offset in OFFSETS_MS]


async def test_ticks_may_keep_the_times_of_the_recording(path: Path) -> None:
    played = await play(*feed_of(path, speed=50, keep_times=True))
    assert [tick.epoch_ms - FIRST_MS for tick, _ in played] == list(OFFSETS_MS)
    assert [came for _, came in played] == [offset // 50 for offset in OFFSETS_MS]


@pytest.mark.parametrize("keep_times", [False, True])
async def test_in_a_loop_the_next_round_begins_after_a_usual_pause(path: Path, keep_times: bool) -> None:
    played = await play(*feed_of(path, loop=True, keep_times=keep_times), count=12)
    # The pauses are 100, 150 and 4000 ms: the median is 150.
    expected = [round_ * 4400 + offset for round_ in range(3) for offset in OFFSETS_MS][:12]
    assert [came for _, came in played] == expected
    start = FIRST_MS if keep_times else START_MS
    assert [tick.epoch_ms - start for tick, _ in played] == expected
    assert str(played[5][0].bid) == "1.0"


async def test_a_recording_of_one_quote_loops_once_a_second(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("1600000000,1.5\n")
    played = await play(*feed_of(path, loop=True), count=3)
    assert [came for _, came in played] == [0, 1000, 2000]


async def test_several_instruments_are_played_in_the_order_of_their_times(tmp_path: Path) -> None:
    path = tmp_path / "all.csv"
    path.write_text("time,symbol,price\n1600000001,B,1.25\n1600000000,A,1.5\n1600000002,A,1.6\n")
    feed, clock = feed_of(path)
    assert [(each.id, each.pip_size) for each in feed.instruments] == [("A", 1), ("B", 2)]
    played = await play(feed, clock)
    assert [(tick.instrument_id, str(tick.price), came) for tick, came in played] == [
        ("A", "1.5", 0),
        ("B", "1.25", 1000),
        ("A", "1.6", 2000),
    ]


async def test_a_late_loop_sends_what_is_due_at_once_with_its_own_time(path: Path) -> None:
    feed, clock = feed_of(path)
    ticks = aiter(feed)
    await anext(ticks)
    clock.jump(3)
    late = [await anext(ticks) for _ in range(3)]
    assert [tick.epoch_ms - START_MS for tick in late] == [100, 250, 250]
    assert (await anext(ticks)).epoch_ms - START_MS == 4250
    assert clock.now_ns() // 1_000_000 - START_MS == 4250


@pytest.mark.parametrize("hours", [1, -1])
async def test_after_a_long_sleep_or_a_set_clock_the_replay_goes_on_from_where_it_was(tmp_path: Path, hours: int) -> None:
    path = tmp_path / "x.csv"
    path.write_text("".join(f"{1_600_000_000 + n},{n + 1}\n" for n in range(20)))
    feed, clock = feed_of(path)
    ticks = aiter(feed)
    await anext(ticks)

    # The clock is set while the feed waits.
    set_once = [hours * 3600.0]
    usual = clock.sleep

    async def sleep(seconds: float) -> None:
        await usual(seconds)
        if set_once:
            clock.jump(set_once.pop())

    clock.sleep = sleep  # type: ignore[method-assign]
    after = [await anext(ticks) for _ in range(3)]
    assert [str(tick.price) for tick in after] == ["2", "3", "4"]
    assert [tick.epoch_ms - START_MS - hours * 3_600_000 for tick in after] == [1000, 2000, 3000]


async def test_every_iteration_begins_at_the_beginning(path: Path) -> None:
    feed, clock = feed_of(path)
    first = await play(feed, clock, count=2)
    again = await play(feed, clock, count=2)
    assert [str(tick.bid) for tick, _ in first] == [str(tick.bid) for tick, _ in again] == ["1.0", "2.0"]


@pytest.mark.parametrize("speed", [0, -1, math.nan, math.inf])
def test_a_speed_that_cannot_be_is_refused(path: Path, speed: float) -> None:
    with pytest.raises(FeedError, match="speed"):
        ReplayFeed(path, speed=speed)


def test_the_instrument_and_the_zone_can_be_given(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("2020-01-01 00:00:00,1.5\n")
    feed = ReplayFeed(str(path), instrument_id="GOLD", timezone="Asia/Kolkata", keep_times=True)
    assert [instrument.id for instrument in feed.instruments] == ["GOLD"]


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda recorded: recorded.folder.name)
async def test_recordings_as_they_are_found_are_played_to_their_end(recorded: Recorded) -> None:
    feed, clock = feed_of(recorded.eurusd, speed=50)
    played = await play(feed, clock, count=10_000)
    assert len(played) == recorded.eurusd_rows
    hours = (played[-1][0].epoch_ms - played[0][0].epoch_ms) / 3_600_000
    assert hours == pytest.approx(recorded.eurusd_hours / 50, rel=0.01)
    assert all(tick.bid <= tick.price <= tick.ask for tick, _ in played)
    feed, clock = feed_of(recorded.btcusdt, keep_times=True)
    played = await play(feed, clock, count=10_000)
    assert len(played) == recorded.btcusdt_rows
    assert played[0][0].epoch_ms == recorded.btcusdt_first_ms
