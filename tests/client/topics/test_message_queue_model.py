"""The queue of a subscription against a model: what is paced, what is left out, and what is one too many."""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.client.topics import message_queue
from pricewire.client.topics.conflation import Arrival, Key
from pricewire.client.topics.message_queue import MessageQueue
from pricewire.errors import BufferOverflowError
from support import manual_loop
from support.client_messages import arrival
from support.manual_loop import advance, running_loop

STEP = 0.125
"""A moment, in seconds; a sum of these is exact."""

KINDS: dict[str, tuple[str, str, str, Key | None]] = {
    "tick A": ("tick", "A", "", ("A", "")),
    "tick B": ("tick", "B", "", ("B", "")),
    "candle 1": ("candle", "C", '"open_epoch_ms":"1",', ("C", "1")),
    "candle 2": ("candle", "C", '"open_epoch_ms":"2",', ("C", "2")),
    "update 1": ("contract_updated", "D", '"contract_id":"1",', ("D", "1")),
    "update 2": ("contract_updated", "D", '"contract_id":"2",', ("D", "2")),
    "sale 1": ("contract_sold", "D", '"contract_id":"1",', None),
}
"""Of each kind of message: its event, topic and identity, and the key by which a newer one takes its place."""

kinds = st.sampled_from(sorted(KINDS))


def message(kind: str, number: int, at: float = 0.0) -> Arrival:
    event, topic, identity, _ = KINDS[kind]
    return arrival(event, topic, f'{{{identity}"number":{number}}}', at=at)


def number_of(found: Arrival) -> int:
    return int(found.text.rpartition('"number":')[2].rstrip("}"))


@pytest.fixture(scope="module", autouse=True)
def clock() -> Iterator[None]:
    """Have queues look at the loop's clock, which the tests move."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(message_queue, "time", SimpleNamespace(monotonic=lambda: running_loop().time()))
        yield


@dataclass
class Waiting:
    key: Key | None
    number: int
    merged: int
    at: float


@dataclass
class PacedModel:
    """What a reader that is always there gets, topic by topic."""

    interval: float
    debounce: float
    waiting: dict[str, list[Waiting]] = field(default_factory=lambda: defaultdict(list))
    given_at: dict[Key, float] = field(default_factory=dict)
    # Of each topic: when a message was given, which one, and how many it stands for.
    given: dict[str, list[tuple[float, int, int]]] = field(default_factory=lambda: defaultdict(list))

    def put(self, kind: str, number: int, now: float) -> None:
        _, topic, _, key = KINDS[kind]
        row = self.waiting[topic]
        new = Waiting(key, number, 0, now)
        for place, old in enumerate(row):
            if key is not None and old.key == key:
                new.merged = old.merged + 1
                # Not before a message that is never left out.
                if all(later.key is not None for later in row[place:]):
                    row[place] = new
                    return
                del row[place]
                break
        row.append(new)

    def give(self, now: float) -> None:
        for topic, row in self.waiting.items():
            last_fixed = max((place for place, each in enumerate(row) if each.key is None), default=-1)
            left: list[Waiting] = []
            for place, each in enumerate(row):
                due = (
                    -math.inf if each.key is None else max(self.given_at.get(each.key, -math.inf) + self.interval, each.at + self.debounce)
                )
                if place > last_fixed and due > now:
                    left.append(each)
                    continue
                if each.key is not None:
                    self.given_at[each.key] = now
                self.given[topic].append((now, each.number, each.merged))
            row[:] = left


spans = st.integers(0, 8).map(lambda count: count * STEP)
moments = st.lists(st.lists(kinds, max_size=4), max_size=30)


@given(spans, spans, moments)
def test_interval_and_debounce(interval: float, debounce: float, moments: list[list[str]]) -> None:
    async def scenario() -> None:
        queue = MessageQueue("ABCD", limit=1000, overflow="latest", interval=interval, debounce=debounce)
        model = PacedModel(interval, debounce)
        given: dict[str, list[tuple[float, int, int]]] = defaultdict(list)

        async def read() -> None:
            while True:
                found = await queue.get()
                given[found.topic].append((running_loop().time(), number_of(found), found.merged))

        reading = asyncio.create_task(read())
        number = 0
        # Then nothing comes any more, and what waits becomes due.
        for kinds in [*moments, *[[]] * 20]:
            await advance(STEP)
            now = running_loop().time()
            model.give(now)
            for kind in kinds:
                number += 1
                queue.put(message(kind, number, now))
                model.put(kind, number, now)
            await advance(0.0)
            await advance(0.0)
            model.give(now)
            assert given == model.given
        assert sum(1 + merged for row in given.values() for _, _, merged in row) == number
        reading.cancel()

    if interval or debounce:
        manual_loop.run(scenario())


steps = st.lists(kinds | st.integers(1, 6), max_size=60)
"""A message that comes, or how many the reader takes."""


@given(st.integers(4, 8), steps)
def test_overflow_latest(limit: int, steps: list[str | int]) -> None:
    async def scenario() -> None:
        queue = MessageQueue("ABCD", limit=limit, overflow="latest", interval=0.0, debounce=0.0)
        numbers: dict[str, list[int]] = defaultdict(list)
        newest: dict[Key, int] = {}
        fixed: list[int] = []
        put = 0

        def take(most: int) -> int:
            count = 0
            while count < most and (found := queue.take()) is not None:
                numbers[found.topic].append(number_of(found))
                merged.append(1 + found.merged)
                count += 1
            return count

        merged: list[int] = []
        for step in steps:
            if isinstance(step, int):
                take(step)
                continue
            put += 1
            queue.put(message(step, put))
            key = KINDS[step][3]
            if queue.is_ended:
                # Nothing else had ended it: more are waiting of which none takes another's place.
                assert isinstance(queue.reason, BufferOverflowError)
                assert take(1000) == limit
                with pytest.raises(BufferOverflowError):
                    await queue.get()
                with pytest.raises(StopAsyncIteration):
                    await queue.get()
                return
            if key is None:
                fixed.append(put)
            else:
                newest[key] = put
        assert take(1000) <= limit
        assert sum(merged) == put
        read = {number for row in numbers.values() for number in row}
        assert read.issuperset(fixed)
        assert read.issuperset(newest.values())
        # The order of a topic stays, but for contracts and candles, which are told apart by more than it.
        for topic in "AB":
            assert numbers[topic] == sorted(numbers[topic])

    manual_loop.run(scenario())


@given(st.integers(4, 8), steps)
def test_overflow_error(limit: int, steps: list[str | int]) -> None:
    async def scenario() -> None:
        queue = MessageQueue("ABCD", limit=limit, overflow="error", interval=0.0, debounce=0.0)
        waiting: list[int] = []
        for number, step in enumerate(steps):
            if isinstance(step, int):
                for _ in range(min(step, len(waiting))):
                    assert number_of(await queue.get()) == waiting.pop(0)
                continue
            queue.put(message(step, number))
            waiting.append(number)
            if len(waiting) > limit:
                break
        # Whatever it was, all that had room comes before.
        is_full = len(waiting) > limit
        assert queue.is_ended == is_full
        for number in waiting[:limit]:
            assert number_of(await queue.get()) == number
        if is_full:
            with pytest.raises(BufferOverflowError, match=f"more than {limit} messages"):
                await queue.get()

    manual_loop.run(scenario())
