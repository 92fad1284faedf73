"""The hub with streams whose transport the test plays: pausing, resuming and ending as it likes."""

from __future__ import annotations

import asyncio
import json

import msgspec
import pytest

from pricewire.hub.delivery import Outcome, Start
from pricewire.hub.event import Event, Named, envelope, plain
from pricewire.hub.flush_pace import FLUSH_POLICY
from pricewire.hub.hub import Hub
from pricewire.hub.log import LogLimits
from pricewire.hub.streams import StreamSpec
from support.recorder import Recorder


async def bucket() -> None:
    """Let the hub flush what is pending now."""
    await asyncio.sleep(FLUSH_POLICY.max_interval + 0.01)


async def test_a_stream_gets_the_current_value_then_every_update(hub: Hub) -> None:
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
    await bucket()
    assert stream.messages == [2, 3, 5, 6]
    assert [data["seq"] for data in stream.data] == [2, 1, 2, 3]
    assert [data["subscription_id"] for data in stream.data] == ["a", "b", "b", "a"]


async def test_one_flush_is_one_write(hub: Hub) -> None:
    stream = Recorder(hub, "a")
    for number in range(20):
        hub.publish("a", number)
    await bucket()
    assert stream.messages == list(range(20))
    assert hub.counters.flushes == 1
    assert hub.counters.events_delivered == 20
    assert hub.counters.bytes_written == len(stream.bytes)


async def test_what_is_pending_when_a_stream_joins_comes_once(hub: Hub) -> None:
    first = Recorder(hub, "a", "b")
    hub.publish("a", 1, key="k")
    hub.publish("b", 2)
    second = Recorder(hub, "a", "b")
    hub.publish("a", 3, key="k")
    await bucket()
    assert first.messages == second.messages == [1, 2, 3]


async def test_a_reader_resumes_with_exactly_what_it_missed(hub: Hub) -> None:
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
    await bucket()
    assert late.messages == [5, 7, 9]


@pytest.mark.parametrize("last_event_id", ["nonsense", "00000000-1", "{boot}-99", "{boot}--1", "{boot}-1x", "{boot}-" + "9" * 30, "\ufffd"])
async def test_an_id_that_is_not_of_this_boot_resets(hub: Hub, last_event_id: str) -> None:
    hub.publish("a", 1, key="k")
    boot = Recorder(hub, "a").decoder.last_event_id.partition("-")[0]
    stream = Recorder(hub, "a", last_event_id=last_event_id.replace("{boot}", boot))
    assert stream.start.outcome is Outcome.RESET
    assert [event.type for event in stream.events] == ["reset", "message"]
    assert stream.messages == [1]
    silent = Recorder(hub, "a", last_event_id=last_event_id, control=False)
    assert [event.type for event in silent.events] == ["message"]


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


async def test_a_topic_that_was_forgotten_resets(hub: Hub) -> None:
    hub.publish("a", 0, key="k")
    early = Recorder(hub, "a")
    hub.forget("a")
    assert hub.latest("a") == [0], "a topic with streams is not forgotten"
    hub.leave(early)
    hub.forget("a")
    assert Recorder(hub, "a", last_event_id=early.decoder.last_event_id).start.outcome is Outcome.RESET


async def test_a_lagging_stream_gets_what_has_not_been_superseded(hub: Hub) -> None:
    stream, healthy = Recorder(hub, "a", "b"), Recorder(hub, "a", "b")
    hub.publish("a", 0, key="k")
    await bucket()
    hub.pause(stream)
    for number in range(1, 5):
        hub.publish("a", number, key="k")
        hub.publish("b", -number, key=None if number == 2 else "k")
    await bucket()
    assert stream.messages == [0]
    assert hub.lagging == 1
    hub.resume(stream)
    assert stream.messages == [0, -2, 4, -4]
    assert [data.get("merged", 0) for data in stream.data] == [0, 1, 3, 1]
    hub.publish("a", 5, key="k")
    await bucket()
    assert stream.messages == [0, -2, 4, -4, 5]
    assert healthy.messages == [0, 1, -1, 2, -2, 3, -3, 4, -4, 5]


async def test_a_key_that_is_over_is_told_of_once_and_not_to_who_comes_later(hub: Hub) -> None:
    early, lagging = Recorder(hub, "orders"), Recorder(hub, "orders")
    hub.pause(lagging)
    hub.publish("orders", "1 opened")
    hub.publish("orders", "1 open", key="1")
    hub.publish("orders", "2 open", key="2")
    hub.publish("orders", "1 filled", ends="1")
    await bucket()
    hub.resume(lagging)
    assert early.messages == ["1 opened", "1 open", "2 open", "1 filled"]
    assert lagging.messages == ["1 opened", "2 open", "1 filled"]
    assert Recorder(hub, "orders").messages == ["2 open"]


async def test_a_stream_paused_by_a_flush_misses_nothing_of_it(hub: Hub) -> None:
    stream = Recorder(hub, "a")
    stream.pause_at_write = True
    hub.publish("a", 1)
    hub.publish("a", 2)
    await bucket()
    hub.publish("a", 3)
    hub.resume(stream)
    await bucket()
    assert stream.messages == [1, 2, 3]


async def test_a_stream_that_the_log_has_left_behind_is_ended_and_can_resume_no_more() -> None:
    hub = Hub(limits=LogLimits(count=3))
    stream, bare = Recorder(hub, "a"), Recorder(hub, "a", control=False)
    hub.pause(stream)
    hub.pause(bare)
    for number in range(4):
        hub.publish("a", number)
    hub.resume(stream)
    hub.resume(bare)
    assert (bare.ended, bare.bytes) == (True, b"")
    assert stream.ended
    assert stream.events[-1].type == "error"
    assert json.loads(stream.events[-1].data)["error"]["code"] == "SLOW_CONSUMER"
    assert hub.streams == 0
    hub.close()


async def test_a_reader_that_changes_its_pace_gets_nothing_twice(hub: Hub) -> None:
    slow = Recorder(hub, "a", interval=10)
    fast = Recorder(hub, "a")
    hub.publish("a", 1, key="k")
    await bucket()
    assert fast.messages == [1]
    hub.leave(fast)
    now_slow = Recorder(hub, "a", interval=10, last_event_id=fast.decoder.last_event_id)
    assert now_slow.start.outcome is Outcome.RESUMED
    assert now_slow.messages == []
    assert slow.messages == [1], "it was written to early, so that the others can go on from here"
    hub.publish("a", 2, key="k")


async def test_a_notice_holds_until_the_next_message(hub: Hub) -> None:
    hub.notify("a", "stale", {})
    hub.publish("a", 0, key="k")
    hub.notify("a", "stale", {})
    hub.publish("a", 1, key="k")
    listening, unaware = Recorder(hub, "a"), Recorder(hub, "a", control=False)
    hub.notify("a", "stale", {"since_epoch_ms": "7"})
    joined_before_the_flush = Recorder(hub, "a")
    await bucket()
    joined_after = Recorder(hub, "a")
    for stream in (listening, joined_before_the_flush, joined_after):
        assert [event.type for event in stream.events] == ["message", "stale"]
        assert stream.events[-1].data == '{"since_epoch_ms":"7"}'
        assert stream.decoder.last_event_id == stream.events[0].last_event_id, "a notice is nothing to resume from"
    assert [event.type for event in unaware.events] == ["message"]
    hub.publish("a", 2, key="k")
    await bucket()
    assert [event.type for event in Recorder(hub, "a").events] == ["message"]
    assert listening.messages == [1, 2]


async def test_silence_is_broken_by_a_comment_on_a_line_of_its_own() -> None:
    hub = Hub(heartbeat=0.02)
    stream = Recorder(hub, "a")
    await stream.wrote.wait()
    assert stream.bytes == b":\n"
    hub.close()


async def test_publishers_learn_of_the_first_stream_and_the_last() -> None:
    opened, closed = [], asyncio.Queue[str]()

    def on_first_stream(topic: str) -> None:
        opened.append(topic)
        hub.publish(topic, "first", key="k")

    limits = LogLimits(linger=0.05)
    hub = Hub(limits=limits, on_first_stream=on_first_stream, on_last_stream=closed.put_nowait, heartbeat=0.02)
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


async def test_a_topic_that_does_not_linger_ends_with_its_last_stream() -> None:
    ended: list[str] = []

    def on_last_stream(topic: str) -> None:
        ended.append(topic)
        hub.forget(topic)

    hub = Hub(limits=lambda topic: LogLimits(count=2, linger=0.0 if topic == "dear" else 60.0), on_last_stream=on_last_stream)
    first, second, third = Recorder(hub, "dear", "a"), Recorder(hub, "dear"), Recorder(hub, "a")
    hub.publish("dear", 1, key="k")
    hub.publish("a", 2, key="k")
    await bucket()
    hub.leave(second)
    assert ended == []
    hub.leave(first)
    assert ended == ["dear"]
    assert hub.topics == ["a"]
    again = Recorder(hub, "dear")
    hub.publish("dear", 3, key="k")
    await bucket()
    assert (first.messages, again.messages, third.messages) == ([1, 2], [3], [2])
    hub.close()


async def test_a_topic_that_has_ended_comes_back_as_another_while_a_stream_lags() -> None:
    def forget(topic: str) -> None:
        hub.forget(topic)

    hub = Hub(limits=lambda topic: LogLimits(linger=0.0 if topic == "dear" else 60.0), on_last_stream=forget)
    stream = Recorder(hub, "dear", "a")
    hub.publish("dear", 1, key="k")
    await bucket()
    hub.pause(stream)
    for number, topics in enumerate([("a",), ("a", "dear")]):
        hub.change(stream, StreamSpec(topics), json.dumps(topics).encode())
        hub.publish("a", 10 + number, key="k")
        hub.publish("dear", 20 + number, key="k")
    hub.resume(stream)
    await bucket()
    assert not stream.ended
    assert stream.messages == [1, 10, 20, 11, 21]
    hub.close()


async def test_what_a_bus_has_lost_is_not_known_of_topics_that_were_forgotten_before(hub: Hub) -> None:
    hub.publish("a", 1)
    assert hub.forget("a")
    hub.publish("b", 2)
    last_id = f"{hub.boot}-{hub.position}"
    assert hub.start(["a"], last_id).outcome is Outcome.RESUMED
    hub.lose(hub.position + 10)
    assert hub.start(["a"], last_id).outcome is Outcome.RESET


async def test_closing_ends_all_streams_and_refuses_new_ones(hub: Hub) -> None:
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


async def test_a_form_that_fails_ends_only_its_own_streams(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    def broken(event: Event, merged: int) -> bytes:
        raise ValueError("no form for this")

    healthy, broken_stream = Recorder(hub, "a"), Recorder(hub)
    hub.leave(broken_stream)
    hub.join(broken_stream, StreamSpec(("a",), form=broken), Start(Outcome.SNAPSHOT))
    hub.publish("a", 1)
    await bucket()
    assert healthy.messages == [1]
    assert json.loads(broken_stream.events[-1].data)["error"] == {
        "code": "INTERNAL_ERROR",
        "message": "the server could not encode an event",
    }
    assert "no form for this" in caplog.text


async def test_a_message_that_is_no_json_is_refused_where_it_is_published(hub: Hub) -> None:
    with pytest.raises(TypeError):
        hub.publish("a", object())
    assert hub.position == 0


async def test_the_plain_form_is_the_message_alone(hub: Hub) -> None:
    stream = Recorder(hub)
    hub.leave(stream)
    hub.publish("a", {"x": 1}, key="k")
    hub.join(stream, StreamSpec(("a",), form=plain), Start(Outcome.SNAPSHOT))
    assert stream.events[0].data == '{"x":1}'


async def test_events_are_named_in_the_stream_where_the_format_says_so(hub: Hub) -> None:
    hub.publish("a", 1, key="k", event="order")
    named, other, bare = (Recorder(hub, "a", form=form) for form in (Named(plain), Named(envelope), plain))
    hub.publish("a", 2, key="k", event="fill")
    hub.publish("a", 3, key="k")
    hub.publish("a", 4, key="k", event="a\nname that would break the stream")
    await bucket()
    events = [("order", "1"), ("fill", "2"), ("message", "3"), ("message", "4")]
    assert [(event.type, event.data) for event in named.events] == events
    assert [event.type for event in other.events] == ["order", "fill", "message", "message"]
    assert [event.type for event in bare.events] == ["message"] * 4
    assert Named(plain) == Named(plain), "streams share the bytes"


@pytest.mark.parametrize("formats", [1, 2])
async def test_only_what_groups_share_is_kept_encoded(hub: Hub, formats: int) -> None:
    calls = []

    def counted(event: Event, merged: int) -> bytes:
        calls.append(event.seq)
        return envelope(event, merged)

    streams = [Recorder(hub, "a", form=counted), *[Recorder(hub, "a", form=counted, compress=True) for _ in range(formats - 1)]]
    for number in range(3):
        hub.publish("a", number, key="k")
    await bucket()
    assert calls == [1, 2, 3], "also where two groups have the format"
    assert streams[0].messages == [0, 1, 2]
    late = Recorder(hub, "a", form=counted, last_event_id=f"{hub.boot}-1")
    assert late.messages == [1, 2]
    assert calls == ([1, 2, 3, 2, 3] if formats == 1 else [1, 2, 3]), "what one group alone got is made again"


async def test_what_is_published_encoded_is_kept_as_its_json_alone(hub: Hub) -> None:
    published = hub.publish("a", msgspec.Raw(b'{"b":[1]}'))
    assert published is not None
    assert (published.json, published.message) == (b'{"b":[1]}', {"b": [1]})
