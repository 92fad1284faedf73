"""Instruments and histories of any length, from a real server and from one that the test plays; and publishing."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from decimal import Decimal

import pytest
from pydantic import BaseModel

import pricewire
from pricewire.client.api import market
from pricewire.client.api.market import Span, read_all
from pricewire.errors import HTTPStatusError
from pricewire.hub.hub import Hub
from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.protocol.messages import Tick
from pricewire.server.app import create_app
from pricewire.server.limits import Limits
from pricewire.server.transport.handover import HandoverProtocol
from pricewire.table import to_table
from support.serving import Serving


@pytest.fixture(scope="module")
def server() -> Iterator[Serving]:
    """The simulated instruments with their day of history."""
    with Serving(create_app([SimulatedFeed(seed=1)]), http=HandoverProtocol) as serving:
        yield serving


def make_ticks(chance: random.Random) -> list[Tick]:
    """Make some ticks, of which now and then two are of one millisecond."""
    ticks: list[Tick] = []
    time = 0
    for number in range(chance.randrange(40)):
        is_twin = len(ticks) > 1 and ticks[-1].epoch_ms != ticks[-2].epoch_ms and chance.random() < 0.2
        time += 0 if is_twin else chance.choice([1, 1, 2])
        ticks.append(Tick("R_100", time, Decimal(number), Decimal(0), Decimal(0)))
    return ticks


async def test_pages_join_without_a_gap_and_without_a_double(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(1000):
        chance = random.Random(seed)
        monkeypatch.setattr(market, "PAGE", chance.choice([4, 5, 8]))
        ticks = make_ticks(chance)
        span = Span(chance.choice([None, 0, 5]), chance.choice([12, 100]), chance.choice([None, 1, 7, 100]))
        wanted = [tick for tick in ticks if (span.from_epoch_ms or 0) <= tick.epoch_ms]

        async def read(until: int, count: int, wanted: list[Tick] = wanted) -> list[Tick]:
            return [tick for tick in wanted if tick.epoch_ms <= until][-count:]

        progress: list[tuple[int, float | None]] = []
        found = await read_all(read, span, lambda tick: tick.epoch_ms, lambda *told, progress=progress: progress.append(told))
        wanted = [tick for tick in wanted if tick.epoch_ms <= span.to_epoch_ms]
        assert found == (wanted if span.count is None else wanted[-span.count :]), seed
        assert progress[-1] == (len(found), 1.0)


async def test_a_history_is_as_long_as_the_servers(server: Serving) -> None:
    progress: list[tuple[int, float | None]] = []
    async with pricewire.connect(server.url) as wire:
        newest = (await wire.history("R_100", count=1))[0]
        begin = newest.epoch_ms - 6 * 3_600_000
        ticks = await wire.history(
            "R_100", from_epoch_ms=begin, to_epoch_ms=newest.epoch_ms, on_progress=lambda *told: progress.append(told)
        )
        candles = await wire.history("R_100", granularity=60, from_epoch_ms=begin, to_epoch_ms=newest.epoch_ms)
        few = await wire.history("R_100", granularity=60, count=3)
    assert len(ticks) == 6 * 3600 // 2 + 1
    assert [after.epoch_ms - before.epoch_ms for before, after in itertools.pairwise(ticks)] == [2000] * (len(ticks) - 1)
    assert ticks[-1] == newest
    assert len(candles) == 361
    assert {candle.granularity for candle in candles} == {60}
    assert len(few) == 3
    shares = [share for _, share in progress]
    assert len(shares) == 5
    assert shares[-1] == 1.0
    assert shares == sorted(shares)  # type: ignore[type-var]
    assert to_table(ticks).num_rows == len(ticks)


async def test_it_waits_where_the_server_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    asked = 0

    async def read(until: int, count: int) -> list[Tick]:
        nonlocal asked
        asked += 1
        if asked == 1:
            raise HTTPStatusError("http://x", 429, headers={"retry-after": "7"})
        return []

    monkeypatch.setattr("pricewire.client.api.market.asyncio.sleep", sleep)
    assert await read_all(read, Span(None, 10, None), lambda tick: tick.epoch_ms, None) == []
    assert waits == [7]
    asked = 0

    async def refuse(until: int, count: int) -> list[Tick]:
        raise HTTPStatusError("http://x", 429, headers={"retry-after": "3600"})

    with pytest.raises(HTTPStatusError):
        await read_all(refuse, Span(None, 10, None), lambda tick: tick.epoch_ms, None)


async def test_the_servers_limit_of_rows_is_kept() -> None:
    limits = Limits(history_rows_per_second=5000.0, address_burst_seconds=1.2)
    with Serving(create_app([SimulatedFeed(seed=1)], limits=limits), http=HandoverProtocol) as serving:
        async with pricewire.connect(serving.url) as wire:
            assert len(await wire.history("R_100", count=8000)) == 8000


async def test_what_would_be_empty_is_refused(server: Serving) -> None:
    async with pricewire.connect(server.url) as wire:
        with pytest.raises(ValueError, match="count is 0; it is 1 or more"):
            await wire.history("R_100", count=0)
        with pytest.raises(ValueError, match="from_epoch_ms is 5; it is between 0 and to_epoch_ms, 4"):
            await wire.history("R_100", from_epoch_ms=5, to_epoch_ms=4)
        with pytest.raises(HTTPStatusError, match="there is no instrument 'NONE'"):
            await wire.history("NONE")


async def test_instruments(server: Serving) -> None:
    async with pricewire.connect(server.url) as wire:
        found = await wire.instruments()
    assert "R_100" in [instrument.id for instrument in found]


def test_the_blocking_wire_has_them_too(server: Serving) -> None:
    with pricewire.sync.connect(server.url) as wire:
        assert len(wire.instruments()) == 10
        assert len(wire.history("R_100", count=3)) == 3
        assert [candle.granularity for candle in wire.history("R_100", granularity=300, count=2)] == [300, 300]


class Headline(BaseModel):
    """A message."""

    text: str


async def test_publishing(server: Serving) -> None:
    hub = Hub()
    app = pricewire.streams(hub, may_read=pricewire.everyone, may_publish=lambda request, topic: topic == "news")
    with Serving(app, http=HandoverProtocol) as serving:
        async with pricewire.connect(serving.url) as wire:
            found = await wire.publish("news", Headline(text="one"), key="k", event="headline")
            assert found == f"{hub.boot}-{hub.position}"
            assert await wire.topic("news", type=dict[str, str]).snapshot() == {"text": "one"}
            with pytest.raises(HTTPStatusError) as error:
                await wire.publish("sport", 1)
            assert error.value.status == 401
        with pricewire.sync.connect(serving.url) as blocking:
            assert blocking.publish("news", {"text": "two"}) == f"{hub.boot}-{hub.position}"
    async with pricewire.connect(server.url) as wire:
        with pytest.raises(HTTPStatusError) as error:
            await wire.publish("news", 1)
        assert error.value.status == 404
