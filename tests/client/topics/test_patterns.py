"""Subscriptions to patterns of topics: with a real Pricewire, and with servers that say what the test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx2
import pytest

from pricewire import sync
from pricewire.client.topics.patterns import covers, overlap
from pricewire.client.topics.subscription import Subscription
from pricewire.client.wire import Wire, connect
from pricewire.errors import HTTPStatusError
from pricewire.protocol.messages import Envelope, Instrument, Tick
from pricewire.server.app import create_app
from support import behind_gateways
from support.client_messages import take, tick_event
from support.feeds import HandFeed
from support.proxy import Proxy
from support.raw_server import PATIENCE, RawConnection, RawServer, hold
from support.serving import Serving
from support.sources import FOREVER, quiet

NAMES = ("GOLD", "GOLDEN", "GOLF", "SILVER")

Ticks = Subscription[Envelope[Tick]]


@pytest.mark.parametrize(
    ("pattern", "topic", "expected"),
    [
        ("ticks:1HZ*", "ticks:1HZ10V", True),
        ("ticks:1HZ*", "ticks:1HZ", True),
        ("ticks:1HZ*", "ticks:R_10", False),
        ("ticks:1HZ", "ticks:1HZ", False),
        ("*", "ticks:R_10", True),
        ("*", "ticks:*", False),
        ("*", "proposal:rise_fall:R_10:5:ticks:10:false", False),
        ("c*", "contract_price:1", False),
        ("a*", "admin", False),
    ],
)
def test_a_pattern_stands_for_what_the_server_has_for_it(pattern: str, topic: str, expected: bool) -> None:
    assert covers(["x", pattern], topic) is expected


def test_patterns_overlap_with_their_topics_and_with_each_other() -> None:
    for one, other in (("ticks:*", "ticks:A"), ("ticks:*", "ticks:A*"), ("*", "ticks:*")):
        assert overlap(one, other)
        assert overlap(other, one)
    for one, other in (("ticks:A*", "ticks:B*"), ("ticks:A*", "ticks:B"), ("ticks:A", "ticks:AB")):
        assert not overlap(one, other)


class Market:
    """A server of some instruments whose ticks the test gives: the n-th tick of each has the price n."""

    def __init__(self) -> None:
        self._given = dict.fromkeys(NAMES, 0)
        self.feeds = {
            name: HandFeed(Instrument(id=name, display_name=name, categories=["Commodities", "Metals"], pip_size=2)) for name in NAMES
        }
        self.server: Serving

    def give(self, *names: str) -> None:
        for name in names:
            self._given[name] += 1
            number = self._given[name]
            self.server.call(self.feeds[name].give, number, number, 1_796_000_000_000 + number)


class Changes:
    """Counts the changes of open streams that the server has made."""

    def __init__(self) -> None:
        self._made = 0
        self._condition = asyncio.Condition()
        self.client = httpx2.AsyncClient(event_hooks={"response": [self._note]})

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE), self._condition:
            await self._condition.wait_for(lambda: self._made >= count)

    async def _note(self, response: httpx2.Response) -> None:
        if response.request.method == "PATCH" and response.status_code == 200:
            async with self._condition:
                self._made += 1
                self._condition.notify_all()


@pytest.fixture
async def changes() -> AsyncIterator[Changes]:
    made = Changes()
    async with made.client:
        yield made


@pytest.fixture
def market() -> Iterator[Market]:
    made = Market()
    feeds = list(made.feeds.values())
    with behind_gateways.serving(lambda bus: create_app(feeds, heartbeat=0.5, bus=bus), heartbeat=0.5) as made.server:
        yield made


def ticks_of(wire: Wire, name: str, **options: Any) -> Ticks:
    return wire.topic(f"ticks:{name}", type=Envelope[Tick], **options)


async def seen(ticks: Ticks, count: int) -> list[tuple[str, int]]:
    """Return the next ticks: the instrument, and which tick of it."""
    async with asyncio.timeout(PATIENCE):
        return [(each.subscription_id.removeprefix("ticks:"), int(each.data.price)) for each in await ticks.collect(count)]


async def test_a_pattern_has_the_topics_there_are_and_those_that_come(market: Market) -> None:
    market.give("GOLD", "SILVER", "GOLDEN")
    async with connect(market.server.url) as wire:
        first = ticks_of(wire, "GOL*")
        assert sorted(await seen(first, 2)) == [("GOLD", 1), ("GOLDEN", 1)]
        market.give("GOLD", "GOLF", "GOLDEN", "GOLF")
        assert await seen(first, 4) == [("GOLD", 2), ("GOLF", 1), ("GOLDEN", 2), ("GOLF", 2)]
        second = ticks_of(wire, "GOL*")
        assert sorted(await seen(second, 3)) == [("GOLD", 2), ("GOLDEN", 2), ("GOLF", 2)]
        assert second.start == "snapshot"
        market.give("GOLD")
        assert await seen(first, 1) == await seen(second, 1) == [("GOLD", 3)]


async def test_whoever_wants_a_topic_by_whatever_name_gets_every_event_once(market: Market) -> None:
    market.give(*NAMES)
    async with connect(market.server.url) as wire:
        exact, pattern = ticks_of(wire, "GOLD"), ticks_of(wire, "GOL*")
        assert await seen(exact, 1) == [("GOLD", 1)]
        assert sorted(await seen(pattern, 3)) == [("GOLD", 1), ("GOLDEN", 1), ("GOLF", 1)]
        # Others come while the stream is open: a name, and a pattern, of which parts are carried.
        later, wider = ticks_of(wire, "GOLDEN"), ticks_of(wire, "*")
        assert await seen(later, 1) == [("GOLDEN", 1)]
        assert sorted(await seen(wider, 4)) == [("GOLD", 1), ("GOLDEN", 1), ("GOLF", 1), ("SILVER", 1)]
        market.give("SILVER", "GOLDEN", "GOLD", "GOLF")
        assert await seen(wider, 4) == [("SILVER", 2), ("GOLDEN", 2), ("GOLD", 2), ("GOLF", 2)]
        assert await seen(pattern, 3) == [("GOLDEN", 2), ("GOLD", 2), ("GOLF", 2)]
        assert await seen(exact, 1) == [("GOLD", 2)]
        assert await seen(later, 1) == [("GOLDEN", 2)]


@pytest.mark.parametrize("overflow", ["latest", "error"])
@pytest.mark.parametrize(("left", "kept"), [("GOL*", "GOLD"), ("GOLD", "GOL*"), ("GOL*", "*"), ("*", "GOL*"), ("GOLD", "GOLD*")])
async def test_when_one_leaves_the_others_go_on(market: Market, changes: Changes, left: str, kept: str, overflow: str) -> None:
    market.give(*NAMES)
    async with connect(market.server.url, http_client=changes.client) as wire:
        one, other = ticks_of(wire, left, overflow=overflow), ticks_of(wire, kept, overflow=overflow)
        await one.snapshot("ticks:GOLD")
        while ("GOLD", 1) not in await seen(other, 1):
            pass
        one.close()
        market.give("GOLD")
        await changes.wait_for(1)
        market.give("GOLD")
        found: list[int] = []
        while len(found) < 2:
            found += [number for name, number in await seen(other, 1) if name == "GOLD"]
        assert found == [2, 3]
        # Whoever comes now begins with what is current.
        again = ticks_of(wire, left)
        while ("GOLD", 3) not in (now := await seen(again, 1)):
            assert now[0][0] != "GOLD"


@pytest.mark.parametrize(("before", "after"), [("GOLD", "GOL*"), ("GOL*", "GOLD"), ("GOL*", "*"), ("*", "GOL*")])
async def test_one_takes_the_place_of_another_in_one_turn(market: Market, changes: Changes, before: str, after: str) -> None:
    market.give(*NAMES)
    async with connect(market.server.url, http_client=changes.client) as wire:
        old = ticks_of(wire, before)
        assert ("GOLD", 1) in await seen(old, 1 if before == "GOLD" else 3)
        old.close()
        new = ticks_of(wire, after)
        market.give("GOLD")
        await changes.wait_for(1)
        market.give("GOLD")
        found: list[int] = []
        while 3 not in found:
            found += [number for name, number in await seen(new, 1) if name == "GOLD"]
        assert found == [1, 2, 3]


async def test_a_lost_connection_loses_and_doubles_nothing(market: Market) -> None:
    market.give("GOLD", "SILVER")
    with Proxy(market.server.port) as proxy:
        async with connect(proxy.url, reconnect=FOREVER, on_error=quiet) as wire:
            pattern, exact = ticks_of(wire, "GOL*"), ticks_of(wire, "GOLD")
            assert await seen(pattern, 1) == await seen(exact, 1) == [("GOLD", 1)]
            for number in range(2, 6):
                proxy.cut()
                market.give("GOLD", "GOLF", "GOLD")
                proxy.heal()
                numbers = [("GOLD", 2 * number - 2), ("GOLF", number - 1), ("GOLD", 2 * number - 1)]
                assert await seen(pattern, 3) == numbers
                assert await seen(exact, 2) == numbers[::2]
            assert pattern.start == "resumed"


async def test_a_pattern_can_be_paced_and_conflated_by_topic(market: Market) -> None:
    market.give("GOLD", "GOLF")
    async with connect(market.server.url) as wire:
        every = ticks_of(wire, "GOL*")
        newest = ticks_of(wire, "GOL*", buffer=2)
        silent = ticks_of(wire, "GOL*", debounce=0.2)
        paced = ticks_of(wire, "GOL*", interval=30.0)
        assert sorted(await seen(paced, 2)) == [("GOLD", 1), ("GOLF", 1)]
        market.give("GOLD", "GOLD", "GOLF", "GOLD")
        assert len(await seen(every, 6)) == 6
        assert sorted(await seen(newest, 2)) == [("GOLD", 4), ("GOLF", 2)]
        assert newest.merged == 4
        assert sorted(await seen(silent, 2)) == [("GOLD", 4), ("GOLF", 2)]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await anext(paced)


async def test_the_newest_message_of_a_pattern(market: Market) -> None:
    async with asyncio.timeout(PATIENCE), connect(market.server.url) as wire:
        ticks = ticks_of(wire, "GOL*")
        waiting = asyncio.ensure_future(ticks.snapshot("ticks:GOLF"))
        market.give("GOLD", "GOLF")
        assert (await waiting).data.instrument_id == "GOLF"
        assert sorted(await seen(ticks, 2)) == [("GOLD", 1), ("GOLF", 1)]
        market.give("SILVER", "GOLD")
        assert await seen(ticks, 1) == [("GOLD", 2)]
        assert (await ticks.snapshot()).subscription_id == "ticks:GOLD"
        assert (await ticks.snapshot("ticks:GOLF")).data.price == 1
        with pytest.raises(ValueError, match=r"none of ticks:GOL\*"):
            await ticks.snapshot("ticks:SILVER")


async def test_a_pattern_that_the_server_does_not_have_is_refused_and_nothing_else(market: Market) -> None:
    market.give("GOLD")
    async with connect(market.server.url) as wire:
        bad, good, exact = wire.topic("proposal:*", type=dict), ticks_of(wire, "GOL*"), ticks_of(wire, "GOLD")
        with pytest.raises(HTTPStatusError, match="patterns") as raised:
            await anext(bad)
        assert raised.value.status == 400
        # A name that is refused leaves alone who wants a pattern of it.
        unknown = ticks_of(wire, "GOLEM")
        with pytest.raises(HTTPStatusError, match="GOLEM"):
            await anext(unknown)
        assert await seen(good, 1) == await seen(exact, 1) == [("GOLD", 1)]


async def test_a_pattern_in_a_thread(market: Market) -> None:
    market.give("GOLD", "GOLF")

    def read() -> list[str]:
        with sync.connect(market.server.url) as wire, wire.topic("ticks:GOL*", type=Tick) as ticks:
            assert ticks.snapshot("ticks:GOLF").price == 1
            return sorted(tick.instrument_id for tick in ticks.collect(2))

    assert await asyncio.to_thread(read) == ["GOLD", "GOLF"]


async def test_the_stale_topics_of_a_pattern_are_those_that_it_has_brought() -> None:
    stale = b'event: stale\ndata: {"topic":"ticks:A"}\n\n'
    async with RawServer(hold(tick_event(1, "A") + stale + tick_event(2, "B"))) as server, connect(server.url) as wire:
        pattern, exact, other = wire.topic("ticks:*", type=Tick), wire.ticks("A"), wire.ticks("B")
        assert await take(pattern, 2) == [1, 2]
        assert pattern.stale_topics == exact.stale_topics == {"ticks:A"}
        assert pattern.is_stale
        assert not other.is_stale


@pytest.mark.parametrize("again", ["resumed", "reset"])
async def test_what_a_pattern_missed_of_a_topic_in_whose_place_it_comes_it_says(again: str) -> None:
    held = asyncio.Event()

    async def cut(connection: RawConnection) -> None:
        await connection.open_stream(tick_event(1, "A"), pricewire_start="snapshot", pricewire_stream="one")
        await held.wait()

    async def change(connection: RawConnection) -> None:
        held.set()
        await connection.closed()

    confirmation = b'event: changed\ndata: {"topics":["ticks:*"],"interval_ms":0,"expires_at":null,"names":{}}\n\n'
    second = hold(tick_event(5, "A") + confirmation, pricewire_start=again, pricewire_stream="two")
    async with RawServer(cut, change, second, change) as server, connect(server.url, reconnect=FOREVER, on_error=quiet) as wire:
        exact = wire.ticks("A")
        assert await take(exact, 1) == [1]
        pattern = wire.topic("ticks:*", type=Tick)
        exact.close()
        assert await take(pattern, 2) == [1, 5]
        assert server.connections[2].target.endswith("topic=ticks:A")
        assert pattern.start == again


async def test_a_pattern_that_takes_the_place_of_another_has_all_of_a_topic_that_comes_meanwhile() -> None:
    asked = asyncio.Event()

    async def carry(connection: RawConnection) -> None:
        await connection.open_stream(tick_event(1, "A"), pricewire_start="snapshot", pricewire_stream="one")
        await asked.wait()
        await connection.send(tick_event(2, "AB") + tick_event(3, "AB") + tick_event(4, "AB"))
        await connection.send(b'event: changed\ndata: {"topics":["ticks:AB*"],"interval_ms":0,"expires_at":null,"names":{}}\n\n')
        await connection.closed()

    async def change(connection: RawConnection) -> None:
        asked.set()
        await connection.closed()

    async with RawServer(carry, change) as server, connect(server.url, on_error=quiet) as wire:
        wider = wire.topic("ticks:A*", type=Tick)
        assert await take(wider, 1) == [1]
        wider.close()
        narrower = wire.topic("ticks:AB*", type=Tick)
        assert await take(narrower, 3) == [2, 3, 4]


async def test_who_leaves_in_the_turn_in_which_they_came_leave_nothing_behind() -> None:
    async with RawServer(hold(tick_event(1, "A"))) as server, connect(server.url) as wire:
        first = wire.ticks("A")
        assert await take(first, 1) == [1]
        for name in ("B", "A*", "*"):
            wire.topic(f"ticks:{name}", type=Tick).close()
        assert list(wire._multiplexer._routes) == ["ticks:A"]


async def test_topics_that_came_and_are_silent_are_not_kept_without_end() -> None:
    events = b"".join(tick_event(number, f"T{number}") for number in range(1, 1502))
    events += tick_event(1502, "T502") + tick_event(1503, "T1502")
    async with RawServer(hold(events)) as server, connect(server.url) as wire:
        first = wire.topic("ticks:*", type=Tick, buffer=2000)
        assert len(await take(first, 1503)) == 1503
        second = wire.topic("ticks:*", type=Tick, buffer=2000)
        # The thousand that were heard last, one of which came before all others.
        assert sorted(await take(second, 1000)) == list(range(504, 1504))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await first.snapshot("ticks:T1")
