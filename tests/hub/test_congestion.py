"""Which streams are looked at, on a clock that the test moves."""

from __future__ import annotations

from itertools import pairwise

from pricewire.hub.congestion import PROOF
from pricewire.hub.hub import Hub
from pricewire.hub.upkeep import SWEEP_INTERVAL
from support.manual_loop import advance, on_manual_loop, running_loop
from support.recorder import Recorder


class Asked(Recorder):
    """A stream that counts how often it is asked, and whose bytes pile up when the test says so."""

    asked = 0
    is_slow = False

    def piles_up(self, size: int) -> bool:
        self.asked += 1
        return self.is_slow

    def queues(self) -> bool:
        return self.is_slow


@on_manual_loop
async def test_only_streams_that_were_written_to_are_asked() -> None:
    hub = Hub(heartbeat=3600)
    one, other, paced = Asked(hub, "a"), Asked(hub, "b"), Asked(hub, "a", interval=0.1)
    await advance(SWEEP_INTERVAL)
    assert [one.asked, other.asked, paced.asked] == [1, 1, 1], "for their snapshots"
    for _ in range(3):
        await advance(SWEEP_INTERVAL)
    assert [one.asked, other.asked, paced.asked] == [1, 1, 1]
    hub.publish("a", 1)
    for _ in range(3):
        await advance(SWEEP_INTERVAL)
    assert [one.asked, other.asked, paced.asked] == [2, 1, 2]
    hub.close()


@on_manual_loop
async def test_a_stream_whose_bytes_pile_up_gets_the_newest_until_it_has_proved_itself() -> None:
    hub = Hub(heartbeat=3600)
    stream = Asked(hub, "a")
    stream.is_slow = True
    await advance(SWEEP_INTERVAL)
    assert hub.lagging == 1
    for number in range(5):
        hub.publish("a", number, key="k")
    await advance(0.02)
    assert stream.messages == []
    stream.is_slow = False
    await advance(0.02)
    assert stream.messages == [4]
    assert stream.data[0]["merged"] == 4
    assert hub.lagging == 1
    for _ in range(int(PROOF / 0.02) + 2):
        await advance(0.02)
    assert hub.lagging == 0
    hub.close()


@on_manual_loop
async def test_a_stream_that_proves_itself_gets_its_heartbeats() -> None:
    heartbeat = PROOF / 2
    hub = Hub(heartbeat=heartbeat)
    stream = Asked(hub, "a", compress=True)
    stream.is_slow = True
    await advance(SWEEP_INTERVAL)
    assert hub.lagging == 1
    stream.is_slow = False
    size, times = len(stream.bytes), [running_loop().time()]
    while times[-1] < times[0] + 2 * PROOF:
        await advance(0.02)
        if len(stream.bytes) > size:
            size = len(stream.bytes)
            times.append(running_loop().time())
    assert hub.lagging == 0
    assert max(after - before for before, after in pairwise(times)) < heartbeat + SWEEP_INTERVAL + 0.05
    hub.close()


@on_manual_loop
async def test_a_stream_that_proves_itself_is_told_about_a_state_once() -> None:
    hub = Hub(heartbeat=3600)
    plain, paced = Asked(hub, "a"), Asked(hub, "a", interval=0.1)
    hub.publish("a", 1)
    await advance(SWEEP_INTERVAL)
    plain.is_slow = paced.is_slow = True
    hub.notify("a", "stale", 1)
    await advance(SWEEP_INTERVAL)
    await advance(SWEEP_INTERVAL)
    assert hub.lagging == 2
    hub.notify("a", "stale", 2)
    await advance(SWEEP_INTERVAL)
    plain.is_slow = paced.is_slow = False
    for _ in range(10):
        await advance(0.02)
    hub.notify("a", "stale", 3)
    for _ in range(int(PROOF / 0.02) + 2):
        await advance(0.02)
    assert hub.lagging == 0
    for stream in (plain, paced):
        assert [event.data for event in stream.events if event.type == "stale"] == ["1", "2", "3"]
    hub.close()
