"""Paced groups, on a clock that the test moves."""

from __future__ import annotations

import asyncio
import json

import pytest

from pricewire.hub import paced_group
from pricewire.hub.delivery import Outcome, Start
from pricewire.hub.event import Event
from pricewire.hub.hub import Hub
from pricewire.hub.log import LogLimits
from pricewire.hub.paced_group import LONGEST_STEP
from pricewire.hub.streams import StreamSpec
from support.manual_loop import advance, on_manual_loop, run, running_loop
from support.recorder import Recorder


def publish(hub: Hub, *numbers: int, topic: str = "a", key: str | None = "k") -> None:
    for number in numbers:
        hub.publish(topic, number, key=key)


def merged(stream: Recorder) -> list[int]:
    return [data.get("merged", 0) for data in stream.data]


@on_manual_loop
async def test_a_stream_gets_the_newest_of_each_interval() -> None:
    hub = Hub()
    stream = Recorder(hub, "a", interval=0.1)
    publish(hub, 0, 1, 2)
    await advance(0.09)
    assert stream.messages == [], "its snapshot was its first update"
    await advance(0.03)
    publish(hub, 3, 4, 5, 6)
    assert stream.messages == [2]
    await advance(0.13)
    assert stream.messages == [2, 6]
    assert merged(stream) == [2, 3]
    assert hub.counters.events_merged == 5
    hub.close()


@on_manual_loop
async def test_the_pace_is_kept_over_many_intervals() -> None:
    hub = Hub()
    streams = [Recorder(hub, "a", interval=interval) for interval in (0.25, 0.1, 60.0)]
    for number in range(6000):
        publish(hub, number)
        await advance(0.01)
    counts = [len(stream.messages) for stream in streams]
    assert 238 <= counts[0] <= 240
    # Timers come late here, by up to the 10 ms between two looks.
    assert 540 <= counts[1] <= 600
    assert counts[2] <= 1
    hub.close()


@on_manual_loop
async def test_a_stream_that_has_waited_long_enough_gets_an_update_at_once() -> None:
    hub = Hub()
    stream = Recorder(hub, "a", "b", interval=1.0)
    await advance(1.0 + LONGEST_STEP / 1000)
    publish(hub, 1, 2)
    publish(hub, 3, topic="b")
    await advance(0.0)
    assert stream.messages == [2, 3]
    publish(hub, 4)
    await advance(0.9)
    assert stream.messages == [2, 3]
    await advance(0.2)
    assert stream.messages == [2, 3, 4]
    hub.close()


@on_manual_loop
async def test_what_nothing_supersedes_is_given_however_short_the_log_is() -> None:
    hub = Hub(limits=LogLimits(count=1))
    streams = [Recorder(hub, "a", interval=0.1, compress=compress) for compress in (False, True)]
    publish(hub, 0, 1)
    publish(hub, 2, 3, key=None)
    publish(hub, 4, 5)
    publish(hub, 6, key="other")
    await advance(0.12)
    for stream in streams:
        assert stream.messages == [2, 3, 5, 6]
        assert merged(stream) == [2, 0, 1, 0]
    hub.close()


@pytest.mark.parametrize("count", [1, 1000])
@on_manual_loop
async def test_a_stream_that_lagged_goes_on_exactly(count: int) -> None:
    hub = Hub(limits=LogLimits(count=count))
    stream, beside = Recorder(hub, "a", interval=0.1), Recorder(hub, "a", interval=0.1)
    publish(hub, 0, 1)
    hub.pause(stream)
    await advance(0.12)
    publish(hub, 2, 3, 4)
    hub.resume(stream)
    await advance(0.13)
    publish(hub, 5)
    await advance(0.13)
    for each in (stream, beside):
        assert each.messages[-1] == 5
        assert [data["seq"] for data in each.data][-1] == len(each.data) + sum(merged(each)) == 6
    assert len(beside.messages) == 3
    hub.close()


@pytest.mark.parametrize("count", [1, 1000])
@on_manual_loop
async def test_who_joins_between_two_updates_goes_on_from_its_snapshot(count: int) -> None:
    hub = Hub(limits=LogLimits(count=count))
    publish(hub, 0)
    first = Recorder(hub, "a", interval=0.1)
    publish(hub, 1, 2, 3)
    second = Recorder(hub, "a", interval=0.1)
    # Where the log has let go of what the first one has, its update comes early.
    assert first.messages == ([0, 3] if count == 1 else [0])
    assert second.messages == [first.messages[-1]]
    publish(hub, 4, 5)
    await advance(0.2)
    assert first.messages[-1] == second.messages[-1] == 5
    seqs = [data["seq"] for data in second.data]
    assert seqs[1] == seqs[0] + merged(second)[1] + 1
    hub.close()


@on_manual_loop
async def test_a_stream_resumes_with_what_has_not_been_superseded() -> None:
    hub = Hub()
    publish(hub, 0)
    early = Recorder(hub, "a", interval=10)
    hub.leave(early)
    publish(hub, 1)
    publish(hub, 2, key=None)
    publish(hub, 3, 4)
    late = Recorder(hub, "a", interval=10, last_event_id=early.decoder.last_event_id)
    assert late.start.outcome is Outcome.RESUMED
    assert late.messages == [2, 4]
    assert merged(late) == [1, 1]
    hub.close()


@on_manual_loop
async def test_a_notice_comes_before_the_message_that_ends_its_state() -> None:
    hub = Hub()
    publish(hub, 0)
    listening, unaware = Recorder(hub, "a", interval=0.1), Recorder(hub, "a", interval=0.1, control=False)
    await advance(0.2)
    hub.notify("a", "stale", {})
    publish(hub, 1)
    await advance(0.0)
    assert [event.type for event in listening.events] == ["message", "stale", "message"]
    assert unaware.messages == [0, 1]
    await advance(0.2)
    hub.notify("a", "stale", {})
    await advance(0.2)
    assert [event.type for event in listening.events][3:] == ["stale"]
    assert unaware.messages == [0, 1]
    hub.close()


@on_manual_loop
async def test_a_stream_of_a_long_pace_is_told_that_it_lives() -> None:
    hub = Hub(heartbeat=15.0)
    stream = Recorder(hub, "a", interval=60.0)
    publish(hub, 1, key=None)
    for _ in range(70):
        await advance(0.25)
    assert stream.bytes == b":\n"
    hub.close()


def test_many_streams_do_not_keep_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paced_group, "CROWD", 4)

    async def play() -> None:
        hub = Hub()
        streams = [Recorder(hub, "a", f"b{number}", interval=0.1) for number in range(10)]
        publish(hub, 1)
        counts: list[int] = []
        running_loop().seconds += 0.12
        while not counts or counts[-1] < len(streams):
            await asyncio.sleep(0)
            counts.append(sum(len(stream.messages) for stream in streams))
        assert [count for count in counts if count] == [4, 8, 10], "the loop has its turns between"
        hub.close()

    run(play())


def test_a_form_that_fails_ends_only_its_own_streams(caplog: pytest.LogCaptureFixture) -> None:
    def broken(event: Event, merged: int) -> bytes:
        raise ValueError("no form for this")

    async def play() -> None:
        hub = Hub()
        healthy, other = Recorder(hub, "a", interval=0.1), Recorder(hub)
        hub.leave(other)
        hub.join(other, StreamSpec(("a",), form=broken, interval=0.1), Start(Outcome.SNAPSHOT))
        publish(hub, 1)
        await advance(0.12)
        assert healthy.messages == [1]
        assert other.ended
        assert json.loads(other.events[-1].data)["error"]["code"] == "INTERNAL_ERROR"
        hub.close()

    run(play())
    assert caplog.text.count("its 1 streams are ended") == 1


def test_groups_that_are_flushed_together_share_their_look() -> None:
    shown: list[int] = []

    def form(event: Event, merged: int) -> bytes:
        shown.append(event.seq)
        return event.json

    async def play() -> None:
        hub = Hub()
        streams = [Recorder(hub) for _ in range(3)]
        for number, stream in enumerate(streams):
            hub.leave(stream)
            hub.join(stream, StreamSpec(("a", f"b{number}"), form=form, interval=0.1), Start(Outcome.SNAPSHOT))
        for _ in range(3):
            publish(hub, 1, 2)
            await advance(0.12)
        assert shown == [2, 4, 6], "once for all groups"
        assert all(len(stream.events) == 3 for stream in streams)
        hub.close()

    run(play())
