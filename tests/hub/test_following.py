"""Streams that follow topics: they gain those that come, and lose those that end."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

import pytest

from pricewire.hub.delivery import Outcome
from pricewire.hub.hub import Hub
from pricewire.hub.log import LogLimits
from pricewire.protocol.stream_end import StreamEnd
from support.manual_loop import advance, on_manual_loop
from support.recorder import Recorder


@dataclass(frozen=True)
class Beginning:
    """Follows topics of a beginning."""

    text: str

    def __call__(self, topic: str) -> bool:
        return topic.startswith(self.text)


A = Beginning("a:")


async def flushed(hub: Hub) -> None:
    """Wait until what was published is written, which on a busy machine waits for more."""
    async with asyncio.timeout(60):
        while any(group.pending for group in hub.groups):  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.001)


async def test_a_stream_has_what_there_is_and_what_comes(hub: Hub) -> None:
    hub.publish("a:1", 1, key="k")
    hub.publish("b:1", 2, key="k")
    streams = [Recorder(hub, follow=A), Recorder(hub, "b:1", follow=A)]
    hub.publish("a:2", 3)
    hub.publish("a:1", 4, key="k")
    hub.publish("b:2", 5)
    await flushed(hub)
    assert streams[0].messages == [1, 3, 4]
    assert streams[1].messages == [1, 2, 3, 4]
    assert [data["seq"] for data in streams[0].data] == [1, 1, 2]
    assert [hub.readers(topic) for topic in ("a:1", "a:2", "b:1", "b:2", "a:3")] == [2, 2, 1, 0, 0]


async def test_its_publishers_are_not_told() -> None:
    first, last = list[str](), list[str]()
    hub = Hub(on_first_stream=first.append, on_last_stream=last.append, limits=LogLimits(linger=0))
    hub.publish("a:1", 1)
    stream = Recorder(hub, follow=A)
    assert first == []
    named = Recorder(hub, "a:1")
    hub.leave(named)
    assert (first, last) == (["a:1"], ["a:1"])
    hub.publish("a:1", 2)
    await flushed(hub)
    assert stream.messages == [2]
    hub.close()


@pytest.mark.parametrize("interval", [0.0, 0.1])
@on_manual_loop
async def test_a_topic_that_ends_is_lost_and_one_that_begins_again_is_another(interval: float) -> None:
    hub = Hub()
    stream = Recorder(hub, follow=A, interval=interval)
    for number in range(3):
        hub.publish("a:1", number, key="k")
    assert hub.forget("a:1")
    assert stream.messages[-1] == 2, "what it had still to get comes before"
    assert hub.readers("a:1") == 0
    hub.publish("a:1", "again", key="k")
    await advance(0.3)
    assert stream.messages[-1] == "again"
    assert stream.data[-1]["seq"] == 1
    assert "merged" not in stream.data[-1]
    hub.close()


@on_manual_loop
async def test_a_paced_stream_that_rests_is_woken_by_a_topic_that_comes() -> None:
    hub = Hub()
    stream = Recorder(hub, follow=A, interval=0.1)
    await advance(1)
    hub.publish("a:1", 1, key="k")
    hub.publish("a:2", 2)
    await advance(0.2)
    assert sorted(stream.messages) == [1, 2]
    hub.close()


async def test_it_has_no_more_topics_than_a_stream_may(hub: Hub) -> None:
    stream = Recorder(hub, "b", follow=A, most=3)
    for number in range(5):
        hub.publish(f"a:{number}", number)
    await flushed(hub)
    assert stream.messages == [0, 1]
    late = Recorder(hub, "b", follow=A, most=3)
    hub.forget("a:0")
    hub.publish("a:5", 5)
    hub.publish("a:2", 2)
    await flushed(hub)
    assert stream.messages == [0, 1, 5], "there was room for the next one that came"
    assert late.messages == [5]


async def test_a_lagging_stream_gets_a_topic_that_came_meanwhile(hub: Hub) -> None:
    stream = Recorder(hub, follow=A)
    hub.publish("a:1", 1, key="k")
    await flushed(hub)
    hub.pause(stream)
    for number in range(4):
        hub.publish("a:2", number, key="k")
    hub.publish("a:3", "all")
    await flushed(hub)
    hub.resume(stream)
    assert stream.messages == [1, 3, "all"]
    assert stream.data[1]["merged"] == 3


async def test_a_lagging_stream_ends_where_a_topic_ends_that_it_has_not_got(hub: Hub) -> None:
    behind, up_to_date = Recorder(hub, follow=A), Recorder(hub, follow=A)
    hub.publish("a:1", 1)
    await flushed(hub)
    hub.pause(behind)
    hub.pause(up_to_date)
    hub.resume(up_to_date)
    hub.publish("a:1", 2)
    await flushed(hub)
    behind.waiting = 1
    hub.forget("a:1")
    assert behind.aborted
    assert up_to_date.messages == [1, 2]
    assert not up_to_date.ended


async def test_a_stream_resumes_with_what_came_meanwhile(hub: Hub) -> None:
    stream = Recorder(hub, follow=A)
    hub.publish("a:1", 1)
    await flushed(hub)
    last = stream.events[-1].last_event_id
    hub.leave(stream)
    hub.publish("a:2", 2)
    hub.publish("b:2", 3)
    hub.publish("a:1", 4)
    resumed = Recorder(hub, follow=A, last_event_id=last)
    assert resumed.start.outcome is Outcome.RESUMED
    assert resumed.messages == [2, 4]


async def test_a_stream_does_not_resume_where_a_topic_has_ended_meanwhile(hub: Hub) -> None:
    stream = Recorder(hub, follow=A)
    hub.publish("a:1", 1)
    hub.publish("b:1", 1)
    await flushed(hub)
    last = stream.events[-1].last_event_id
    hub.leave(stream)
    hub.forget("b:1")
    assert Recorder(hub, follow=A, last_event_id=last).start.outcome is Outcome.RESUMED
    hub.forget("a:1")
    assert Recorder(hub, follow=A, last_event_id=last).start.outcome is Outcome.RESET


async def test_a_rule_that_fails_ends_no_stream_and_hides_no_event(hub: Hub) -> None:
    def broken(topic: str) -> bool:
        raise RuntimeError(topic)

    following, other = Recorder(hub, follow=broken), Recorder(hub, follow=A)
    hub.publish("a:1", 1)
    await flushed(hub)
    assert other.messages == [1]
    assert following.messages == []
    assert not following.ended


async def test_streams_of_the_same_rule_share_a_group(hub: Hub) -> None:
    streams = [Recorder(hub, follow=Beginning("a:")) for _ in range(3)]
    assert len({stream.group for stream in streams}) == 1
    hub.end(streams[0], StreamEnd.TOKEN_EXPIRED)
    hub.publish("a:1", 1)
    await flushed(hub)
    assert [stream.messages for stream in streams] == [[], [1], [1]]


@pytest.mark.parametrize("interval", [0.0, 0.05])
@on_manual_loop
async def test_whatever_happens_a_follower_gets_the_newest_of_each_key_and_all_without(interval: float) -> None:
    """Compare with what was published, over topics that begin and end, and streams that lag, go and come back."""
    rng = random.Random(1)
    for _ in range(40):
        hub = Hub(limits=LogLimits(count=rng.choice([3, 50])))
        stream: Recorder | None = Recorder(hub, follow=A, interval=interval)
        got, expected = list[object](), list[object]()
        newest = dict[str, object]()
        for number in range(120):
            topic = f"{rng.choice('ab')}:{rng.randrange(4)}"
            action = rng.random()
            if action < 0.6:
                keyed = rng.random() < 0.6
                hub.publish(topic, number, key="k" if keyed else None)
                if topic.startswith("a:"):
                    newest[topic] = number if keyed else newest.get(topic)
                    if not keyed:
                        expected.append(number)
            elif action < 0.7:
                if hub.forget(topic):
                    newest.pop(topic, None)
            elif action < 0.8 and stream is not None:
                (hub.pause if stream.lag is None else hub.resume)(stream)
            else:
                await advance(0.01)
            if stream is not None and (stream.ended or stream.aborted):
                # It was told that it missed something, and begins anew.
                got, expected = [], []
                stream = Recorder(hub, follow=A, interval=interval)
        assert stream is not None
        hub.resume(stream)
        await advance(1)
        if stream.ended or stream.aborted:
            continue
        got = stream.messages
        assert len(set(map(str, got))) == len(got), "none comes twice"
        for topic, value in newest.items():
            if value is not None:
                assert value in got, (topic, value)
        assert [each for each in got if each in expected] == expected
        hub.close()
