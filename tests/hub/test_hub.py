"""The hub with streams whose transport the test plays: pausing, resuming and ending as it likes."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.recorder import Recorder
from pricewire.hub import hub as hub_module
from pricewire.hub.event import Event, plain
from pricewire.hub.flusher import MAX_FLUSH_INTERVAL
from pricewire.hub.hub import Hub, Outcome, Start
from pricewire.hub.log import LogLimits
from pricewire.hub.streams import Subscription

TOPICS = ("a", "b", "c")


async def turn() -> None:
    """Let the hub flush what is pending now."""
    await asyncio.sleep(MAX_FLUSH_INTERVAL + 0.01)


async def test_a_stream_gets_the_current_value_then_every_update() -> None:
    hub = Hub()
    hub.publish("a", 1, key="k")
    hub.publish("a", 2, key="k")
    hub.publish("b", 3, key="k")
    hub.publish("x", 4, key="k")
    stream = Recorder(hub, "a", "b")
    assert stream.messages == [2, 3]
    hub.publish("b", 5, key="k")
    hub.publish("a", 6, key="k")
    hub.publish("x", 7, key="k")
    assert stream.messages == [2, 3], "publishing only marks; the flush writes"
    await turn()
    assert stream.messages == [2, 3, 5, 6]
    assert [data["seq"] for data in stream.data] == [2, 1, 2, 3]
    assert [data["subscription_id"] for data in stream.data] == ["a", "b", "b", "a"]
    hub.close()


async def test_one_flush_is_one_write() -> None:
    hub = Hub()
    stream = Recorder(hub, "a")
    for number in range(20):
        hub.publish("a", number)
    await turn()
    assert stream.messages == list(range(20))
    assert hub.counters.flushes == 1
    assert hub.counters.events_delivered == 20
    assert hub.counters.bytes_written == len(stream.bytes)
    hub.close()


async def test_what_is_pending_when_a_stream_joins_comes_once() -> None:
    hub = Hub()
    first = Recorder(hub, "a", "b")
    hub.publish("a", 1, key="k")
    hub.publish("b", 2)
    second = Recorder(hub, "a", "b")
    hub.publish("a", 3, key="k")
    await turn()
    assert first.messages == second.messages == [1, 2, 3]
    hub.close()


async def test_a_reader_resumes_with_exactly_what_it_missed() -> None:
    hub = Hub()
    for number in range(5):
        hub.publish("a" if number % 2 else "b", number, key="k")
    early = Recorder(hub, "a", "b")
    seen = early.decoder.last_event_id
    hub.leave(early)
    for number in range(5, 9):
        hub.publish("a" if number % 2 else "x", number, key="k")
    late = Recorder(hub, "a", "b", last_event_id=seen)
    assert late.start.outcome is Outcome.RESUMED
    assert late.messages == [5, 7]
    hub.publish("b", 9, key="k")
    await turn()
    assert late.messages == [5, 7, 9]
    hub.close()


@pytest.mark.parametrize("last_event_id", ["nonsense", "00000000-1", "{boot}-99", "{boot}--1", "{boot}-1x", "{boot}-" + "9" * 30, "\ufffd"])
async def test_an_id_that_is_not_of_this_boot_resets(last_event_id: str) -> None:
    hub = Hub()
    hub.publish("a", 1, key="k")
    boot = Recorder(hub, "a").decoder.last_event_id.partition("-")[0]
    stream = Recorder(hub, "a", last_event_id=last_event_id.replace("{boot}", boot))
    assert stream.start.outcome is Outcome.RESET
    assert [event.type for event in stream.events] == ["reset", "message"]
    assert stream.messages == [1]
    silent = Recorder(hub, "a", last_event_id=last_event_id, control=False)
    assert [event.type for event in silent.events] == ["message"]
    hub.close()


async def test_a_log_that_does_not_reach_back_resets() -> None:
    hub = Hub(limits=LogLimits(count=3))
    hub.publish("a", 0, key="k")
    early = Recorder(hub, "a")
    seen = early.decoder.last_event_id
    hub.leave(early)
    for number in range(1, 5):
        hub.publish("a", number, key="k")
    assert Recorder(hub, "a", last_event_id=seen).start.outcome is Outcome.RESET
    hub.close()


async def test_a_topic_that_was_forgotten_resets() -> None:
    hub = Hub()
    hub.publish("a", 0, key="k")
    early = Recorder(hub, "a")
    hub.forget("a")
    assert hub.latest("a") == [0], "a topic with streams is not forgotten"
    hub.leave(early)
    hub.forget("a")
    assert hub.latest("a") == []
    assert Recorder(hub, "a", last_event_id=early.decoder.last_event_id).start.outcome is Outcome.RESET
    hub.close()


async def test_a_lagging_stream_gets_what_has_not_been_superseded() -> None:
    hub = Hub()
    stream, healthy = Recorder(hub, "a", "b"), Recorder(hub, "a", "b")
    hub.publish("a", 0, key="k")
    await turn()
    hub.pause(stream)
    for number in range(1, 5):
        hub.publish("a", number, key="k")
        hub.publish("b", -number, key=None if number == 2 else "k")
    await turn()
    assert stream.messages == [0]
    assert hub.lagging == 1
    hub.resume(stream)
    assert stream.messages == [0, -2, 4, -4]
    assert [data.get("merged", 0) for data in stream.data] == [0, 1, 3, 1]
    hub.publish("a", 5, key="k")
    await turn()
    assert stream.messages == [0, -2, 4, -4, 5]
    assert healthy.messages == [0, 1, -1, 2, -2, 3, -3, 4, -4, 5]
    hub.close()


async def test_a_stream_paused_by_a_flush_misses_nothing_of_it() -> None:
    hub = Hub()
    stream = Recorder(hub, "a")
    stream.pause_at_write = True
    hub.publish("a", 1)
    hub.publish("a", 2)
    await turn()
    hub.publish("a", 3)
    hub.resume(stream)
    await turn()
    assert stream.messages == [1, 2, 3]
    hub.close()


async def test_a_stream_that_the_log_has_left_behind_is_ended_and_can_resume_no_more() -> None:
    hub = Hub(limits=LogLimits(count=3))
    stream = Recorder(hub, "a")
    hub.pause(stream)
    for number in range(4):
        hub.publish("a", number)
    hub.resume(stream)
    assert stream.ended
    assert stream.events[-1].type == "error"
    assert json.loads(stream.events[-1].data)["error"]["code"] == "SLOW_CONSUMER"
    assert hub.streams == 0
    hub.close()


ACTION = st.one_of(
    st.tuples(st.just("publish"), st.sampled_from(TOPICS), st.sampled_from([None, "k", "l"])),
    st.tuples(st.sampled_from(["join", "paced", "pause", "refresh", "resume", "cut", "reconnect"]), st.integers(0, 9), st.none()),
    st.tuples(st.just("change"), st.integers(0, 9), st.tuples(st.sets(st.sampled_from(TOPICS), min_size=1), st.booleans())),
    st.tuples(st.just("turn"), st.none(), st.none()),
)


@given(st.lists(ACTION, max_size=40))
def test_whatever_happens_every_stream_accounts_for_every_event(actions: list[tuple[str, Any, Any]]) -> None:
    """Random publishes, joins, pauses, cuts and resumes: in each stream order, no duplicate, and `seq` and `merged` that add up."""
    asyncio.run(play(actions))


async def play(actions: list[tuple[str, Any, Any]]) -> None:
    hub = Hub()
    streams: list[Recorder] = []
    cut: list[Recorder] = []
    paused: set[Recorder] = set()
    number = 0
    for action, what, key in actions:
        chosen = streams[what % len(streams)] if streams and isinstance(what, int) else None
        if action == "publish":
            number += 1
            hub.publish(what, number, key=key)
        elif action in ("join", "paced"):
            streams.append(Recorder(hub, *TOPICS, interval=0.001 if action == "paced" else 0.0, compress=what % 2 == 1))
        elif action == "turn":
            await asyncio.sleep(0.003)
        elif action == "reconnect" and cut:
            before = cut.pop()
            after = Recorder(hub, *before.confirmed, interval=before.interval, last_event_id=before.decoder.last_event_id)
            if before.decoder.last_event_id:
                assert after.start.outcome is Outcome.RESUMED
                after.events = before.events + after.events
                after.snapshot, after.first_topics = before.snapshot, before.first_topics
                # What was not confirmed when the connection broke has not taken effect.
                after.changes = before.changes[: sum(event.type == "changed" for event in before.events)]
            streams.append(after)
        elif chosen is not None and action == "pause":
            hub.pause(chosen)
            paused.add(chosen)
        elif chosen is not None and action == "refresh":
            hub.refresh(chosen)
        elif chosen is not None and action == "change":
            chosen.change(*key)
        elif chosen is not None and action == "resume":
            hub.resume(chosen)
            paused.discard(chosen)
        elif chosen is not None and action == "cut":
            hub.leave(chosen)
            streams.remove(chosen)
            paused.discard(chosen)
            cut.append(chosen)
    for stream in paused:
        hub.resume(stream)
    for topic in TOPICS:
        hub.publish(topic, -1)
    await turn()
    for stream in streams:
        account(stream)
    hub.close()


def account(stream: Recorder) -> None:
    topics, changes = set(stream.first_topics), iter(stream.changes)
    added: set[str] = set()
    seqs: dict[str, int] = {}
    last = 0
    for event in stream.events[stream.snapshot :]:
        position = int(event.last_event_id.partition("-")[2] or 0)
        assert position >= last, "a reader never resumes from further back"
        if event.type == "changed":
            topics = set(next(changes))
            added.clear()
            seqs = {topic: seq for topic, seq in seqs.items() if topic in topics}
        elif position == last and json.loads(event.data)["subscription_id"] not in topics:
            # The current values of topics that are being added, without ids of their own.
            added.add(json.loads(event.data)["subscription_id"])
            seqs.pop(json.loads(event.data)["subscription_id"], None)
        else:
            data = json.loads(event.data)
            topic = data["subscription_id"]
            assert topic in topics, "only what it carries at this place"
            assert position > last, "in order, and none twice"
            if topic in seqs:
                assert data["seq"] == seqs[topic] + data.get("merged", 0) + 1, "what is missing was merged, not lost"
            seqs[topic] = data["seq"]
        last = position
    assert next(changes, None) is None, "every change was confirmed"
    assert topics <= set(seqs), "the last event, which nothing supersedes, has come"


async def test_a_paced_stream_gets_the_newest_of_each_interval() -> None:
    hub = Hub()
    stream = Recorder(hub, "a", interval=0.05)
    for number in range(3):
        hub.publish("a", number, key="k")
    await asyncio.sleep(0.06)
    for number in range(3, 7):
        hub.publish("a", number, key="k")
    await asyncio.sleep(0.06)
    assert stream.messages == [2, 6]
    assert [data.get("merged", 0) for data in stream.data] == [2, 3]
    hub.close()


async def test_a_paced_stream_resumes_with_what_has_not_been_superseded() -> None:
    hub = Hub()
    hub.publish("a", 0, key="k")
    early = Recorder(hub, "a", interval=10)
    hub.leave(early)
    for number in range(1, 5):
        hub.publish("a", number, key=None if number == 2 else "k")
    late = Recorder(hub, "a", interval=10, last_event_id=early.decoder.last_event_id)
    assert late.start.outcome is Outcome.RESUMED
    assert late.messages == [2, 4]
    assert [data.get("merged", 0) for data in late.data] == [1, 1]
    hub.close()


async def test_a_reader_that_changes_its_pace_gets_nothing_twice() -> None:
    hub = Hub()
    slow = Recorder(hub, "a", interval=10)
    fast = Recorder(hub, "a")
    hub.publish("a", 1, key="k")
    await turn()
    assert fast.messages == [1]
    hub.leave(fast)
    now_slow = Recorder(hub, "a", interval=10, last_event_id=fast.decoder.last_event_id)
    assert now_slow.start.outcome is Outcome.RESUMED
    assert now_slow.messages == []
    assert slow.messages == [1], "it was written to early, so that the others can go on from here"
    hub.publish("a", 2, key="k")
    hub.close()


async def test_a_notice_holds_until_the_next_message() -> None:
    hub = Hub()
    hub.notify("a", "stale", {})
    hub.publish("a", 1, key="k")
    listening, unaware = Recorder(hub, "a"), Recorder(hub, "a", control=False)
    hub.notify("a", "stale", {"since_epoch_ms": "7"})
    joined_before_the_flush = Recorder(hub, "a")
    await turn()
    joined_after = Recorder(hub, "a")
    for stream in (listening, joined_before_the_flush, joined_after):
        assert [event.type for event in stream.events] == ["message", "stale"]
        assert stream.events[-1].data == '{"since_epoch_ms":"7"}'
        assert stream.decoder.last_event_id.endswith("-1"), "a notice is nothing to resume from"
    assert [event.type for event in unaware.events] == ["message"]
    hub.publish("a", 2, key="k")
    await turn()
    assert [event.type for event in Recorder(hub, "a").events] == ["message"]
    assert listening.messages == [1, 2]
    hub.close()


async def test_silence_is_broken_by_a_comment_on_a_line_of_its_own() -> None:
    hub = Hub(heartbeat=0.02)
    stream = Recorder(hub, "a")
    await stream.wrote.wait()
    assert stream.bytes == b":\n"
    hub.close()


async def test_publishers_learn_of_the_first_stream_and_the_last(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hub_module, "TOPIC_LINGER", 0.05)
    opened, closed = [], asyncio.Queue[str]()

    def on_first_stream(topic: str) -> None:
        opened.append(topic)
        hub.publish(topic, "first", key="k")

    hub = Hub(on_first_stream=on_first_stream, on_last_stream=closed.put_nowait, heartbeat=0.02)
    first = Recorder(hub, "a")
    assert first.messages == ["first"]
    second = Recorder(hub, "a")
    hub.leave(first)
    hub.leave(second)
    assert closed.empty()
    third = Recorder(hub, "a")
    hub.leave(third)
    assert opened == ["a"], "a topic that lingers has not stopped"
    assert await closed.get() == "a"
    fourth = Recorder(hub, "a")
    assert opened == ["a", "a"]
    hub.leave(fourth)
    hub.leave(fourth)
    hub.close()


async def test_closing_ends_all_streams_and_refuses_new_ones() -> None:
    hub = Hub()
    stream, behind, stuck = Recorder(hub, "a"), Recorder(hub, "a", compress=True), Recorder(hub, "a")
    hub.pause(behind)
    hub.pause(stuck)
    stuck.waiting = 1
    hub.publish("a", 1)
    hub.close()
    assert stream.messages == behind.messages == [1], "what is pending goes out first"
    late = Recorder(hub, "a")
    late_too = Recorder(hub, "a", compress=True)
    for each in (stream, behind, late, late_too):
        assert each.ended
        assert json.loads(each.events[-1].data)["error"]["code"] == "SERVER_DRAINING"
    assert stuck.aborted
    assert not stuck.ended
    assert hub.streams == 0
    hub.publish("a", 2)


async def test_a_form_that_fails_ends_only_its_own_streams(caplog: pytest.LogCaptureFixture) -> None:
    def broken(event: Event, merged: int) -> bytes:
        raise ValueError("no form for this")

    hub = Hub()
    healthy, broken_stream = Recorder(hub, "a"), Recorder(hub)
    hub.leave(broken_stream)
    hub.join(broken_stream, Subscription(frozenset({"a"}), form=broken), Start(Outcome.SNAPSHOT))
    hub.publish("a", 1)
    await turn()
    assert healthy.messages == [1]
    assert json.loads(broken_stream.events[-1].data)["error"] == {
        "code": "INTERNAL_ERROR",
        "message": "the server could not encode an event",
    }
    assert "no form for this" in caplog.text
    hub.close()


async def test_a_message_that_is_no_json_is_refused_where_it_is_published() -> None:
    hub = Hub()
    with pytest.raises(TypeError):
        hub.publish("a", object())
    assert hub.position == 0


async def test_the_plain_form_is_the_message_alone() -> None:
    hub = Hub()
    stream = Recorder(hub)
    hub.leave(stream)
    hub.publish("a", {"x": 1}, key="k")
    hub.join(stream, Subscription(frozenset({"a"}), form=plain), Start(Outcome.SNAPSHOT))
    assert stream.events[0].data == '{"x":1}'
    hub.close()
