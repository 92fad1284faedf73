"""When groups without a pace are flushed: on a clock that writing moves, as it takes time."""

from __future__ import annotations

from itertools import pairwise

from pricewire.hub.flush_pace import FLUSH_POLICY
from pricewire.hub.flusher import BUCKETS
from pricewire.hub.hub import Hub
from support.manual_loop import advance, on_manual_loop, running_loop
from support.recorder import Recorder

STREAMS = 100

LONGEST = FLUSH_POLICY.max_interval


class CostlyRecorder(Recorder):
    """A stream that takes time to write to, and notes when it was."""

    cost = 0.0

    def write(self, data: bytes) -> None:
        running_loop().work(self.cost)
        self.times = [*getattr(self, "times", []), running_loop().seconds]
        super().write(data)


@on_manual_loop
async def test_all_are_written_to_at_once_when_idle() -> None:
    hub = Hub()
    streams = [CostlyRecorder(hub, "a", f"b{number}") for number in range(STREAMS)]
    for number in range(3):
        hub.publish("a", number)
        await advance(0.0)
        assert all(stream.messages[-1] == number for stream in streams)
        await advance(0.001)
    hub.close()


@on_manual_loop
async def test_under_load_they_take_turns_and_none_waits_longer_than_the_bound() -> None:
    hub = Hub()
    streams = [CostlyRecorder(hub, "a", f"b{number}") for number in range(STREAMS)]
    CostlyRecorder.cost = 0.0001
    longest = 0.0
    published: list[float] = []
    for number in range(400):
        hub.publish("a", number)
        published.append(running_loop().seconds)
        before = running_loop().seconds
        await advance(0.001)
        if number > 100:
            longest = max(longest, running_loop().seconds - before)
    CostlyRecorder.cost = 0.0
    await advance(LONGEST)
    bucket = STREAMS / BUCKETS * 0.0001
    assert longest < 6 * bucket, "a flush of all of them would take ten turns"
    for stream in streams:
        assert stream.messages == list(range(400))
        steady = [time for time in stream.times if published[100] < time < published[-1]]
        gaps = [later - earlier for earlier, later in pairwise(steady)]
        assert max(gaps) < LONGEST + 4 * bucket
        assert sum(gaps) / len(gaps) > LONGEST / 2, "batches grow"
    hub.close()


@on_manual_loop
async def test_after_the_load_it_is_at_once_again() -> None:
    hub = Hub()
    stream = CostlyRecorder(hub, "a")
    CostlyRecorder.cost = 0.01
    hub.publish("a", 1)
    await advance(0.0)
    hub.publish("a", 2)
    await advance(0.0)
    assert stream.messages == [1]
    CostlyRecorder.cost = 0.0
    await advance(LONGEST)
    assert stream.messages == [1, 2]
    await advance(LONGEST)
    hub.publish("a", 3)
    await advance(0.0)
    assert stream.messages == [1, 2, 3]
    hub.close()
