"""Hubs that are published to by other threads than the one that their streams are on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import pytest
from pydantic import BaseModel, Field

from pricewire.hub.hub import Hub
from support.recorder import Recorder

PATIENCE = 60.0
"""How long an event may take on a busy machine, in seconds."""


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.001)


async def test_what_threads_publish_comes_in_their_order(hub: Hub) -> None:
    # In debug mode a loop refuses what is not safe.
    asyncio.get_running_loop().set_debug(True)
    stream = Recorder(hub, "a")
    threads, count = 4, 500
    start = threading.Barrier(threads)

    def publish(thread: int) -> None:
        start.wait(PATIENCE)
        for number in range(count):
            hub.publish("a", [thread, number])

    with ThreadPoolExecutor(threads) as pool:
        done = [asyncio.wrap_future(pool.submit(publish, thread)) for thread in range(threads)]
        for number in range(count):
            hub.publish("a", ["loop", number])
        await asyncio.gather(*done)
    await until(lambda: len(stream.messages) == (threads + 1) * count)
    for thread in ("loop", *range(threads)):
        assert [number for name, number in stream.messages if name == thread] == list(range(count))
    assert [data["seq"] for data in stream.data] == list(range(1, (threads + 1) * count + 1))


async def test_a_message_is_what_it_was_when_a_thread_published_it(hub: Hub) -> None:
    stream = Recorder(hub, "a")

    def publish() -> None:
        message = {"price": 1}
        hub.publish("a", message)
        message["price"] = 2

    await asyncio.to_thread(publish)
    await until(lambda: bool(stream.messages))
    assert stream.messages == [{"price": 1}]


async def test_a_thread_learns_what_cannot_be_encoded(hub: Hub) -> None:
    Recorder(hub, "a")
    with pytest.raises(TypeError, match="object, which is no JSON: publish a struct, a dataclass, a pydantic model"):
        await asyncio.to_thread(hub.publish, "a", object())


async def test_threads_notify_and_close(hub: Hub) -> None:
    asyncio.get_running_loop().set_debug(True)
    stream = Recorder(hub, "a")
    await asyncio.to_thread(hub.notify, "a", "stale", {"topic": "a"})
    await asyncio.to_thread(hub.close)
    await until(lambda: stream.ended)
    assert b"event: stale\n" in stream.bytes
    assert hub.is_draining


def test_threads_publish_before_there_is_a_loop_and_after_it_is_closed() -> None:
    hub = Hub()

    def publish(message: int) -> None:
        thread = threading.Thread(target=hub.publish, args=["a", message])
        thread.start()
        thread.join()

    async def listen() -> list[int]:
        stream = Recorder(hub, "a")
        await asyncio.to_thread(hub.publish, "a", 10 + len(stream.messages))
        await until(lambda: stream.messages[-1] >= 10)
        messages: list[int] = stream.messages
        hub.leave(stream)
        return messages

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(hub.publish, ["a"] * 100, range(100)))
    assert hub.position == 100
    hub.publish("a", 1, key="k")
    publish(2)
    assert asyncio.run(listen()) == [1, 11]
    publish(3)
    assert asyncio.run(listen()) == [1, 11]
    assert hub.position == 105


async def test_the_loop_that_publishes_first_is_the_owner(hub: Hub) -> None:
    hub.publish("a", 1, key="k")
    thread = threading.Thread(target=lambda: hub.publish("a", 2, key="k"))
    thread.start()
    thread.join()
    assert hub.latest("a") == [1], "it waits for the loop, which has waited for the thread"
    await until(lambda: hub.latest("a") == [2])


class Quote(BaseModel):
    """A model of pydantic."""

    bid: float
    opened_at: int = Field(serialization_alias="openedAt")


@dataclass
class Order:
    """A dataclass with one in it."""

    id: int
    quotes: list[Quote]


async def test_messages_of_other_libraries(hub: Hub) -> None:
    stream = Recorder(hub, "a")
    hub.publish("a", Quote(bid=1.5, opened_at=3))
    hub.publish("a", Order(7, [Quote(bid=1.5, opened_at=3)]))
    await until(lambda: len(stream.messages) == 2)
    assert stream.messages == [{"bid": 1.5, "openedAt": 3}, {"id": 7, "quotes": [{"bid": 1.5, "openedAt": 3}]}]
