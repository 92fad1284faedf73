"""What every bus promises, over each of them."""

from __future__ import annotations

import asyncio
import itertools
import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from bus.conftest import Kind, Opened
from pricewire.errors import BusError
from pricewire.hub.delivery import Outcome
from pricewire.hub.hub import Hub
from pricewire.protocol.messages import Publication
from support.recorder import Recorder

PATIENCE = 60.0

numbers = itertools.count()


async def until(is_it: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(PATIENCE):
        while not is_it():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.005)


async def settled(opened: Opened) -> None:
    """Wait until each hub has all that was published so far, and its streams too."""
    number = next(numbers)
    opened.bus.publish("the end", number, key="the end")
    await until(lambda: all(hub.latest("the end") == [number] for hub in opened.hubs))
    await until(lambda: not any(group.pending for hub in opened.hubs for group in hub.groups))


def position(event_id: str) -> int:
    return int(event_id.partition("-")[2])


async def test_every_hub_gets_every_event_once_in_order_under_the_same_id(kind: Kind) -> None:
    async with kind.open() as opened:
        streams = [Recorder(hub, "a", "b") for hub in opened.hubs]
        for number in range(100):
            opened.bus.publish("ab"[number % 3 == 0], number, key="k", event="number")
            if number % 10 == 0:
                await asyncio.sleep(0)
        await settled(opened)
        for stream in streams:
            assert stream.messages == list(range(100))
            assert {data["event"] for data in stream.data} == {"number"}
            for topic in "ab":
                numbers = [data["seq"] for data in stream.data if data["subscription_id"] == topic]
                assert numbers == list(range(1, len(numbers) + 1))
            positions = [position(event.last_event_id) for event in stream.events]
            assert positions == sorted(set(positions))
            assert [event.last_event_id for event in stream.events] == [event.last_event_id for event in streams[0].events]


def message(topic: str, data: str) -> Publication:
    return Publication(topic=topic, data=msgspec.Raw(msgspec.json.encode(data)))


async def test_who_posts_hears_the_ids_of_the_events(kind: Kind) -> None:
    async with kind.open() as opened:
        streams = [Recorder(hub, "a", "b") for hub in opened.hubs]
        opened.bus.publish("a", "before")
        ids = await opened.bus.post([message("a", "one"), message("b", "two")])
        ids += (await asyncio.gather(*(opened.bus.post([message("a", str(number))] * 5000) for number in range(2))))[1]
        await settled(opened)
        for stream in streams:
            known = {event.last_event_id: json.loads(event.data)["data"] for event in stream.events}
            assert [known[each] for each in ids] == ["one", "two", *["1"] * 5000]


async def test_what_is_durable_is_there_again_or_its_publisher_is_told(kind: Kind) -> None:
    async with kind.open() as opened:
        try:
            (last,) = await opened.bus.post([message("a", "safe")], durable=True)
        except BusError:
            assert not kind.keeps
            return
    async with kind.open() as opened:
        await settled(opened)
        assert all([event.id for event in hub.recent_events("a")] == [last] for hub in opened.hubs)


async def test_more_than_a_frame_holds_comes_complete(kind: Kind) -> None:
    async with kind.open() as opened:
        streams = [Recorder(hub, "many", "large") for hub in opened.hubs]
        for number in range(10_000):
            opened.bus.publish("many", number)
        opened.bus.publish("large", "x" * 700_000)
        opened.bus.publish("many", "the last")
        await settled(opened)
        for stream in streams:
            assert stream.messages == [*range(10_000), "x" * 700_000, "the last"]


async def test_a_message_that_cannot_be_encoded_is_its_publishers_fault_alone(kind: Kind) -> None:
    async with kind.open() as opened:
        streams = [Recorder(hub, "a") for hub in opened.hubs]
        opened.bus.publish("a", 1)
        with pytest.raises(TypeError):
            opened.bus.publish("a", object())
        with pytest.raises(TypeError):
            opened.bus.notify("a", "stale", object())
        opened.bus.publish("a", 2)
        await settled(opened)
        for stream in streams:
            assert [(data["seq"], data["data"]) for data in stream.data] == [(1, 1), (2, 2)]


async def test_any_text_is_a_topic_a_key_and_a_message(kind: Kind) -> None:
    texts = ["orders:é\u2028", "*", "a.b.>", " ", "x" * 300]
    async with kind.open() as opened:
        for text in texts:
            opened.bus.publish(text, text, key=text, event=text)
        await settled(opened)
        for hub in opened.hubs:
            stream = Recorder(hub, *texts)
            assert [(data["subscription_id"], data["event"], data["data"]) for data in stream.data] == [
                (text, text, text) for text in texts
            ]


async def test_a_stream_that_begins_later_gets_the_newest_of_each_key_that_has_not_ended(kind: Kind) -> None:
    async with kind.open() as opened:
        opened.bus.publish("orders", "1 open", key="1")
        opened.bus.publish("orders", "2 open", key="2")
        opened.bus.publish("orders", "nothing supersedes this")
        opened.bus.publish("orders", "1 partly filled", key="1")
        opened.bus.publish("orders", "2 filled", ends="2")
        await settled(opened)
        for hub in opened.hubs:
            assert hub.latest("orders") == ["1 partly filled"]
            assert Recorder(hub, "orders").messages == ["1 partly filled"]


async def test_a_notice_holds_until_the_next_message(kind: Kind) -> None:
    async with kind.open() as opened:
        opened.bus.publish("a", 1, key="k")
        opened.bus.notify("a", "stale", {"since": 5})
        opened.bus.notify("of which there is nothing", "stale", {})
        await settled(opened)
        streams = [Recorder(hub, "a") for hub in opened.hubs]
        for stream in streams:
            assert [(event.type, json.loads(event.data)) for event in stream.events][1:] == [("stale", {"since": 5})]
        opened.bus.publish("a", 2, key="k")
        await settled(opened)
        for hub, stream in zip(opened.hubs, streams, strict=True):
            assert stream.messages == [1, 2]
            assert [event.type for event in Recorder(hub, "a").events] == ["message"]


async def test_whoever_comes_back_to_a_topic_that_was_forgotten_begins_anew(kind: Kind) -> None:
    async with kind.open() as opened:
        opened.bus.publish("a", 1, key="k")
        opened.bus.publish("b", 1, key="k")
        await settled(opened)
        first = Recorder(opened.hubs[0], "a", "b")
        last = first.decoder.last_event_id
        opened.hubs[0].leave(first)
        for hub in opened.hubs:
            assert hub.start(["a"], last).outcome is Outcome.RESUMED
        opened.bus.forget("a")
        opened.bus.publish("a", 2, key="k")
        await settled(opened)
        for hub in opened.hubs:
            assert hub.start(["a"], last).outcome is Outcome.RESET
            assert hub.start(["b"], last).outcome is Outcome.RESUMED
            assert hub.latest("a") == [2]
            # Its numbers begin anew as well.
            assert [data["seq"] for data in Recorder(hub, "a").data] == [1]


def outcome_of(hub: Hub, stream: Recorder) -> tuple[Outcome, list[Any]]:
    """Return how a stream comes back, and what it gets then."""
    again = Recorder(hub, *stream.first_topics, last_event_id=stream.decoder.last_event_id)
    messages = again.messages
    hub.leave(again)
    return again.start.outcome, messages


async def test_who_comes_back_after_the_bus_was_opened_again_is_resumed(kind: Kind) -> None:
    async with kind.open() as opened:
        opened.bus.publish("quiet", "since long", key="k")
        streams = [Recorder(hub, "a", "b", "quiet") for hub in opened.hubs]
        opened.bus.publish("a", 1, key="k")
        await settled(opened)
        for hub, stream in zip(opened.hubs, streams, strict=True):
            hub.leave(stream)
        opened.bus.publish("a", 2, key="k")
        opened.bus.publish("b", 3)
        opened.bus.publish("b", 4, key="l")
        opened.bus.publish("b", 5, ends="l")
        opened.bus.notify("a", "stale", {})
        await settled(opened)
    async with kind.open() as opened:
        await settled(opened)
        for hub in opened.hubs:
            outcome, messages = outcome_of(hub, streams[0])
            if not kind.keeps:
                assert (outcome, messages) == (Outcome.RESET, [])
                continue
            assert (outcome, messages) == (Outcome.RESUMED, [2, 3, 4, 5])
            fresh = Recorder(hub, "a", "b", "quiet")
            assert fresh.messages == ["since long", 2]
            assert fresh.events[-1].type == "stale"
        opened.bus.publish("a", 6, key="k")
        await settled(opened)
        for hub in opened.hubs:
            assert [data["seq"] for data in Recorder(hub, "a").data] == [3 if kind.keeps else 1]
            assert hub.position > position(streams[0].decoder.last_event_id) or not kind.keeps
