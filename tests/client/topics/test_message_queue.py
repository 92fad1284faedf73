from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.client.topics import conflation, throttle
from pricewire.client.topics.conflation import Arrival, Key, Lane, key_of
from pricewire.client.topics.message_queue import MessageQueue, Overflow
from pricewire.errors import BufferOverflowError, ConnectError
from support.client_messages import arrival
from support.raw_server import PATIENCE


def queue(limit: int = 3, overflow: Overflow = "latest", **options: float) -> MessageQueue:
    return MessageQueue(
        ["A", "B"], limit=limit, overflow=overflow, interval=options.get("interval", 0.0), debounce=options.get("debounce", 0.0)
    )


async def drain(box: MessageQueue) -> list[Arrival]:
    found = []
    while box._waiting:
        found.append(await box.get())
    return found


async def test_all_is_kept_while_there_is_room_and_then_the_newest_of_each() -> None:
    box = queue()
    for at in range(3):
        box.put(arrival("tick", "A", at=at))
    assert [found.at for found in await drain(box)] == [0, 1, 2]
    for at in range(100):
        box.put(arrival("tick", "AB"[at % 2], at=at))
    left = await drain(box)
    assert {found.topic: found.at for found in left} == {"A": 98, "B": 99}
    assert len(left) <= 3
    assert sum(1 + found.merged for found in left) == 100


async def test_to_read_one_of_many_messages_that_are_due_not_all_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    def looked(arrival: Arrival) -> Key | None:
        nonlocal looks
        looks += 1
        return key_of(arrival)

    for module in (conflation, throttle):
        monkeypatch.setattr(module, "key_of", looked)
    for box in (queue(1000, interval=1.0), queue(1000, debounce=0.001)):
        for number in range(500):
            box.put(arrival("tick", f"T{number}"))
        looks = 0
        assert len(await drain(box)) == 500
        assert looks < 10 * 500


A, B = Lane("tick", "A"), Lane("tick", "B")


@given(st.lists(st.lists(st.sampled_from([A, B]), min_size=1), max_size=5), st.integers(2, 7))
def test_of_a_run_the_newest_are_kept_and_all_are_counted(runs: list[list[Lane]], limit: int) -> None:
    def texts(waiting: Iterable[Arrival], topic: str) -> list[str]:
        return [found.text for found in waiting if found.topic == topic]

    async def take() -> None:
        together, apart = queue(limit), queue(limit)
        number = 0
        for at, run in enumerate(runs):
            numbered = [(lane, str(number + place)) for place, lane in enumerate(run)]
            number += len(run)
            together.put_run(numbered, at)
            for lane, text in numbered:
                apart.put(Arrival(lane.event, lane.topic, text, 0, at))
            assert len(together._waiting) <= limit
            assert sum(1 + found.merged for found in together._waiting) == number
            assert together.received_at == apart.received_at
            for topic in "AB":
                kept, all_kept = texts(together._waiting, topic), texts(apart._waiting, topic)
                assert kept == sorted(kept, key=int)
                assert kept[-1:] == all_kept[-1:]
                assert together._newest.get(topic) == apart._newest.get(topic)

    asyncio.run(take())


async def test_what_is_never_left_out_is_an_error_when_there_is_too_much_of_it() -> None:
    box = queue()
    for at in range(5):
        box.put(arrival("news", "A", at=at))
    assert [(await box.get()).at for _ in range(3)] == [0, 1, 2]
    with pytest.raises(BufferOverflowError, match="more than 3 messages"):
        await box.get()
    with pytest.raises(StopAsyncIteration):
        await box.get()
    assert isinstance(box.reason, BufferOverflowError)


async def test_an_error_is_one_where_it_was_asked_for() -> None:
    box = queue(overflow="error")
    for at in range(4):
        box.put(arrival("tick", "A", at=at))
    assert [(await box.get()).at for _ in range(3)] == [0, 1, 2]
    with pytest.raises(BufferOverflowError):
        await box.get()


async def test_a_waiting_reader_is_woken_and_loses_nothing_when_cancelled() -> None:
    box = queue()
    readers = [asyncio.ensure_future(box.get()) for _ in range(3)]
    await asyncio.sleep(0)
    box.put(arrival("tick", "A", at=1))
    readers[0].cancel()
    done, _ = await asyncio.wait(readers[1:], return_when=asyncio.FIRST_COMPLETED, timeout=PATIENCE)
    assert [reader.result().at for reader in done] == [1]
    box.fail(None)
    results = await asyncio.gather(*readers, return_exceptions=True)
    assert sorted(type(result).__name__ for result in results) == ["Arrival", "CancelledError", "StopAsyncIteration"]


async def test_a_failure_comes_after_what_arrived_before_and_a_close_before_it() -> None:
    error = ConnectError("http://x", "gone")
    failed, closed = queue(), queue()
    for box in (failed, closed):
        box.put(arrival("tick", "A", at=1))
    failed.fail(error)
    assert (await failed.get()).at == 1
    with pytest.raises(ConnectError):
        await failed.get()
    closed.close()
    closed.put(arrival("tick", "A"))
    with pytest.raises(StopAsyncIteration):
        await closed.get()


async def test_the_newest_is_looked_at_without_taking_it() -> None:
    box = queue()
    waiting = asyncio.ensure_future(box.newest(["B"]))
    await asyncio.sleep(0)
    box.put(arrival("tick", "A", at=1))
    await asyncio.sleep(0)
    box.put(arrival("tick", "B", at=2))
    newest = await asyncio.wait_for(waiting, PATIENCE)
    assert newest.at == 2
    assert (await box.newest(["A", "B"])).at == 2
    assert [found.at for found in await drain(box)] == [1, 2]
    box.close()
    with pytest.raises(RuntimeError, match="ended"):
        await box.newest(["B"], newest)


async def test_paced_messages_come_when_they_are_due_and_the_newest_of_them() -> None:
    box = queue(debounce=0.02)
    for _ in range(3):
        box.put(arrival("tick", "A", at=time.monotonic()))
    before = time.monotonic()
    found = await asyncio.wait_for(box.get(), PATIENCE)
    assert found.merged == 2
    assert time.monotonic() >= before + 0.015
    box.put(arrival("tick", "A", at=time.monotonic() + 1000))
    box.fail(None)
    # What waits for its time when it ends comes at once.
    await asyncio.wait_for(box.get(), PATIENCE)


async def test_the_servers_pace_replaces_ones_own() -> None:
    box = queue(interval=0.25)
    assert box.throttle is not None
    for pace, left in ((0, 0.25), (100, 0.25), (250, 0.0), (500, 0.0)):
        box.take_pace(pace)
        assert box.throttle.interval == left
