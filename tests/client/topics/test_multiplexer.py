"""One connection for all subscriptions: with a real Pricewire, and with servers that answer as they should not."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from pricewire.client.stream.reconnect import ConnectionState, ReconnectPolicy, State
from pricewire.client.topics.subscription import Subscription
from pricewire.client.wire import Wire, connect
from pricewire.errors import BufferOverflowError, ClientError, HTTPStatusError
from pricewire.protocol.messages import Tick
from support.cancelling import cancel_everywhere
from support.client_messages import take, tick_event
from support.feeds import HandFeed
from support.raw_server import PATIENCE, RawConnection, RawServer, Script, hold, status, stream
from support.serving import Serving
from support.sources import FOREVER, QUICK, quiet

NOT_FOUND = status("404 Not Found", body=b'{"error":{"code":"NOT_FOUND","message":"there is no such thing"}}')


class Requests:
    """What a client of the user's own has sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, Any]] = []
        self._arrival = asyncio.Condition()
        self.client = httpx2.AsyncClient(event_hooks={"request": [self._note]})

    @property
    def methods(self) -> list[str]:
        return [method for method, _, _ in self.sent]

    async def wait_for(self, count: int) -> None:
        async with asyncio.timeout(PATIENCE), self._arrival:
            await self._arrival.wait_for(lambda: len(self.sent) >= count)

    async def _note(self, request: httpx2.Request) -> None:
        self.sent.append((request.method, request.url.query.decode(), json.loads(request.content) if request.method == "PATCH" else None))
        async with self._arrival:
            self._arrival.notify_all()


@pytest.fixture
async def requests() -> AsyncIterator[Requests]:
    made = Requests()
    async with made.client:
        yield made


class Scripted:
    """A stream that is written to from the test."""

    def __init__(self, body: bytes = b"", **headers: str) -> None:
        self._body = body
        self._headers = headers
        self._connection: RawConnection | None = None
        self._opened = asyncio.Event()
        self._end = asyncio.Event()

    async def __call__(self, connection: RawConnection) -> None:
        self._connection = connection
        await connection.open_stream(self._body, **self._headers)
        self._opened.set()
        closed = asyncio.ensure_future(connection.closed())
        ended = asyncio.ensure_future(self._end.wait())
        await asyncio.wait([closed, ended], return_when=asyncio.FIRST_COMPLETED)
        for task in (closed, ended):
            task.cancel()
        await asyncio.gather(closed, ended, return_exceptions=True)

    async def send(self, data: bytes) -> None:
        await self._opened.wait()
        assert self._connection is not None
        await self._connection.send(data)

    def end(self) -> None:
        self._end.set()


def agreed(*topics: str) -> Script:
    body = json.dumps({"data": {"topics": topics, "interval_ms": 0, "expires_at": None}}).encode()
    return status("200 OK", body=body)


def confirmed(number: int, *topics: str) -> bytes:
    return f"id: {number}\nevent: changed\ndata: {json.dumps({'topics': topics, 'interval_ms': 0})}\n\n".encode()


def targets(server: RawServer) -> list[str]:
    return [f"{connection.method} {connection.target}" for connection in server.connections]


class Watch:
    """Hears of a wire's states, and waits for the end."""

    def __init__(self) -> None:
        self.states: list[State] = []
        self._closed = asyncio.Event()

    def __call__(self, state: ConnectionState) -> None:
        self.states.append(state.state)
        if state.state is State.CLOSED:
            self._closed.set()

    async def closed(self) -> None:
        async with asyncio.timeout(PATIENCE):
            await self._closed.wait()


# A real server.


async def test_subscriptions_share_a_connection_and_what_changes_in_one_turn_is_one_request(server: Serving, requests: Requests) -> None:
    async with asyncio.timeout(PATIENCE), connect(server.url, http_client=requests.client) as wire:
        first: list[Subscription[Any]] = [wire.ticks("R_10"), wire.ticks("R_25"), wire.candles("R_10")]
        for subscription in first:
            await anext(subscription)
        assert [query for _, query, _ in requests.sent] == ["topic=ticks:R_10&topic=ticks:R_25&topic=candles:R_10:60"]
        second = [wire.ticks("R_50"), wire.ticks("R_75"), wire.ticks("R_10", "R_100")]
        for subscription in second:
            await anext(subscription)
            assert subscription.start == "snapshot"
        assert requests.sent[1:] == [("PATCH", "", {"add": ["ticks:R_50", "ticks:R_75", "ticks:R_100"], "remove": [], "interval_ms": 0})]
        assert first[0].start == "snapshot"


async def test_a_second_subscription_begins_with_what_is_known(server: Serving, feed: HandFeed, requests: Requests) -> None:
    server.call(feed.give, 1.0, 1.2, 1_796_000_000_000)
    async with asyncio.timeout(PATIENCE), connect(server.url, http_client=requests.client) as wire:
        first = wire.ticks("GOLD")
        await anext(first)
        second = wire.ticks("GOLD")
        assert (await anext(second)).epoch_ms == 1_796_000_000_000
        assert second.start == "snapshot"
        server.call(feed.give, 1.1, 1.3, 1_796_000_000_001)
        assert [(await anext(each)).epoch_ms for each in (first, second)] == [1_796_000_000_001] * 2
        await first.aclose()
        server.call(feed.give, 1.2, 1.3, 1_796_000_000_002)
        assert (await anext(second)).epoch_ms == 1_796_000_000_002
        assert requests.methods == ["GET"]


async def test_the_last_subscription_of_a_topic_removes_it_and_the_last_of_all_closes(server: Serving, requests: Requests) -> None:
    watch = Watch()
    async with asyncio.timeout(PATIENCE), connect(server.url, http_client=requests.client, on_state=watch) as wire:
        one, two, other = wire.ticks("R_10"), wire.ticks("R_10"), wire.ticks("R_25")
        for subscription in (one, two, other):
            await anext(subscription)
        await one.aclose()
        await anext(two)
        two.close()
        await requests.wait_for(2)
        assert requests.sent[1:] == [("PATCH", "", {"add": [], "remove": ["ticks:R_10"], "interval_ms": 0})]
        assert two.state.state is State.CLOSED
        await anext(other)
        await other.aclose()
        assert watch.states == [State.CONNECTING, State.OPEN, State.CLOSED]
        assert "0 subscriptions" in repr(wire)
        # And it begins again with the next one.
        again = wire.ticks("R_50")
        assert again.state.state is State.CONNECTING
        await anext(again)
        assert requests.methods == ["GET", "PATCH", "GET"]


async def test_what_nobody_holds_any_more_ends(server: Serving) -> None:
    watch = Watch()
    async with asyncio.timeout(PATIENCE), connect(server.url, on_state=watch) as wire:
        assert len(await wire.ticks("R_10").collect(3)) == 3
        assert (await wire.ticks("R_10").snapshot()).instrument_id == "R_10"
        await watch.closed()


async def test_a_refused_topic_fails_only_its_own_subscription(server: Serving) -> None:
    errors: list[ClientError] = []
    async with asyncio.timeout(PATIENCE), connect(server.url, on_error=errors.append) as wire:
        # In the first request, and then in a change.
        for good, bad in ((["R_10", "R_25"], ["NOPE"]), (["R_50"], ["NEITHER", "NOR"])):
            subscriptions = {name: wire.ticks(name) for name in (*good, *bad)}
            for name in good:
                assert (await anext(subscriptions[name])).instrument_id == name
            for name in bad:
                with pytest.raises(HTTPStatusError, match=name) as raised:
                    await anext(subscriptions[name])
                assert (raised.value.status, raised.value.code) == (404, "NOT_FOUND")
                assert subscriptions[name].state == ConnectionState(state=State.CLOSED, reason=raised.value)
        mixed = wire.ticks("R_10", "NOPE")
        with pytest.raises(HTTPStatusError, match="NOPE"):
            await mixed.snapshot("ticks:NOPE")
        assert wire.state.state is State.OPEN
        assert errors == []


async def test_the_server_keeps_the_pace_when_all_want_one(server: Serving, requests: Requests) -> None:
    async with asyncio.timeout(PATIENCE), connect(server.url, http_client=requests.client) as wire:
        quick, slow = wire.ticks("1HZ10V", interval=0.1), wire.ticks("1HZ10V", interval=0.2)
        await quick.collect(3)
        await slow.collect(3)
        assert [query for _, query, _ in requests.sent] == ["topic=ticks:1HZ10V&interval_ms=100"]
        assert quick.merged > 0
        assert slow.merged > quick.merged * 0
        every = wire.ticks("1HZ10V")
        await requests.wait_for(2)
        assert requests.sent[1:] == [("PATCH", "", {"add": [], "remove": [], "interval_ms": 0})]
        before = slow.merged
        await slow.collect(2)
        assert slow.merged > before
        assert len(await every.collect(5)) == 5


async def test_snapshot_waits_for_a_topic_and_takes_nothing_away(server: Serving, feed: HandFeed) -> None:
    async with asyncio.timeout(PATIENCE), connect(server.url) as wire:
        ticks = wire.ticks("GOLD", "R_10")
        await ticks.snapshot("ticks:R_10")
        waiting = asyncio.ensure_future(ticks.snapshot("ticks:GOLD"))
        await anext(ticks)
        server.call(feed.give, 1.0, 1.2, 1_796_000_000_000)
        assert (await waiting).epoch_ms == 1_796_000_000_000
        while (await anext(ticks)).instrument_id != "GOLD":
            pass
        with pytest.raises(ValueError, match="none of ticks:GOLD, ticks:R_10"):
            await ticks.snapshot("ticks:R_25")


# Connections that are lost, and servers that cannot change a stream.


async def test_a_connection_lost_between_a_change_and_its_confirmation() -> None:
    first, second = Scripted(tick_event(1, "A"), pricewire_stream="s1"), Scripted(tick_event(2, "A"), pricewire_stream="s2")
    async with (
        RawServer(first, agreed("ticks:A", "ticks:B"), second, agreed("ticks:A", "ticks:B"), Scripted(tick_event(10, "B"))) as server,
        connect(server.url, reconnect=FOREVER, on_error=lambda _: None) as wire,
    ):
        a = wire.ticks("A")
        assert await take(a, 1) == [1]
        b = wire.ticks("B")
        await server.requests(2)
        # Agreed, not confirmed: B's value may have been lost, so B is not resumed but added again.
        first.end()
        await server.requests(4)
        assert await take(a, 1) == [2]
        news = [tick_event(number, "B").partition(b"\n")[2] for number in (8, 9)]
        await second.send(news[0] + confirmed(9, "ticks:A", "ticks:B") + news[1])
        assert await take(b, 2) == [8, 9]
        second.end()
        assert await take(b, 1) == [10]
    assert targets(server) == [
        "GET /sse?topic=ticks:A",
        "PATCH /v1/streams/s1",
        "GET /sse?topic=ticks:A",
        "PATCH /v1/streams/s2",
        "GET /sse?topic=ticks:A&topic=ticks:B",
    ]
    assert server.connections[2].headers[b"last-event-id"] == b"1"
    assert server.connections[4].headers[b"last-event-id"] == b"9"


@pytest.mark.parametrize("refusals", [[NOT_FOUND, NOT_FOUND], [status("405 No")] * 2, [status("501 No")] * 2])
async def test_without_changes_a_new_stream_takes_the_place(refusals: list[Script]) -> None:
    both = tick_event(2, "A") + tick_event(3, "B")
    scripts: list[Script] = [hold(tick_event(1, "A"), pricewire_stream="s1"), *refusals, Scripted(both, pricewire_start="snapshot")]
    async with RawServer(*scripts) as server, connect(server.url, on_error=lambda _: None) as wire:
        a = wire.ticks("A")
        assert await take(a, 1) == [1]
        b = wire.ticks("B")
        assert await take(b, 1) == [3]
        assert await take(a, 1) == [2]
        # A's reader may have missed something between the two streams.
        assert (a.start, b.start) == ("reset", "snapshot")
    assert targets(server)[3:] == ["GET /sse?topic=ticks:A&topic=ticks:B"]
    assert b"last-event-id" not in server.connections[3].headers


async def test_a_stream_without_an_id_is_not_tried_to_change_and_resumes_with_less() -> None:
    async with (
        RawServer(hold(tick_event(1, "A") + tick_event(2, "B")), hold(tick_event(3, "B"), pricewire_start="resumed")) as server,
        connect(server.url) as wire,
    ):
        a, b = wire.ticks("A"), wire.ticks("B")
        assert await take(a, 1) + await take(b, 1) == [1, 2]
        a.close()
        assert await take(b, 1) == [3]
        assert b.start == "resumed"
    assert targets(server) == ["GET /sse?topic=ticks:A&topic=ticks:B", "GET /sse?topic=ticks:B"]
    assert server.connections[1].headers[b"last-event-id"] == b"2"


async def test_a_new_stream_takes_the_place_while_a_reader_has_no_room() -> None:
    burst = b"".join(map(tick_event, range(1, 2000)))
    async with (
        RawServer(hold(burst), hold(tick_event(2000, "R_50"))) as server,
        connect(server.url, reconnect=QUICK, on_error=quiet) as wire,
        asyncio.timeout(PATIENCE),
    ):
        # It keeps up, but there is room for one message only: reading waits for it again and again.
        full = wire.ticks("R_100", buffer=1, overflow="error")
        await take(full, 10)
        reading = asyncio.create_task(full.collect(10_000))
        await asyncio.sleep(0)
        assert await take(wire.ticks("R_50"), 1) == [2000]
        reading.cancel()
        await asyncio.wait([reading])
    assert targets(server)[1].count("topic=") == 2


async def test_a_server_that_never_carries_what_is_asked_for_is_not_asked_in_a_busy_loop() -> None:
    policy = ReconnectPolicy(attempts=None, interval=3600.0, ceiling=3600.0, floor=3600.0)
    watch = Watch()
    async with (
        RawServer(hold(tick_event(1) + confirmed(2, "ticks:OTHER"))) as server,
        connect(server.url, reconnect=policy, on_error=quiet, on_state=watch) as wire,
        asyncio.timeout(PATIENCE),
    ):
        ticks = wire.ticks("R_100")
        await take(ticks, 1)
        while State.WAITING not in watch.states:  # noqa: ASYNC110 - a list that a callback fills
            await asyncio.sleep(0)
        for _ in range(100):
            await asyncio.sleep(0)
        assert wire.state.wait is not None
        assert wire.state.wait > 3000
    assert len(server.connections) == 1


async def test_a_change_that_fails_is_tried_again() -> None:
    errors: list[ClientError] = []
    first = Scripted(tick_event(1, "A"), pricewire_stream="s1")
    scripts: list[Script] = [first, status("503 Busy"), status("200 OK", body=b"nonsense"), agreed("ticks:A", "ticks:B")]
    async with RawServer(*scripts) as server, connect(server.url, reconnect=FOREVER, on_error=errors.append) as wire:
        assert await take(wire.ticks("A"), 1) == [1]
        keep, b = wire.ticks("A"), wire.ticks("B")
        await server.requests(4)
        await first.send(tick_event(2, "B") + confirmed(2, "ticks:A", "ticks:B"))
        assert await take(b, 1) == [2]
        assert keep.state.state is State.OPEN
    assert [type(error).__name__ for error in errors] == ["HTTPStatusError", "ConnectError"]


async def test_a_change_carries_the_token_and_a_rejected_one_is_replaced() -> None:
    tokens = iter(["one", "two"])

    async def provide() -> str:
        return next(tokens)

    first = Scripted(tick_event(1, "A"), pricewire_stream="s/1")
    async with RawServer(first, status("401 No"), agreed("ticks:A", "ticks:B")) as server, connect(server.url, token=provide) as wire:
        a = wire.ticks("A")
        assert await take(a, 1) == [1]
        b = wire.ticks("B")
        await server.requests(3)
        await first.send(tick_event(2, "B") + confirmed(2, "ticks:A", "ticks:B"))
        assert await take(b, 1) == [2]
    assert [connection.headers[b"authorization"] for connection in server.connections] == [b"Bearer one", b"Bearer one", b"Bearer two"]
    assert targets(server) == ["GET /protected/sse?topic=ticks:A", "PATCH /v1/streams/s%2F1", "PATCH /v1/streams/s%2F1"]


async def test_a_token_that_is_not_taken_ends_all() -> None:
    async with RawServer(status("401 No")) as server, connect(server.url, token="x", on_error=lambda _: None) as wire:
        for subscription in (wire.ticks("A"), wire.ticks("B")):
            with pytest.raises(HTTPStatusError, match="401"):
                await take(subscription, 1)
    assert len(server.connections) == 1


async def test_an_end_of_the_server_ends_all_iterations() -> None:
    async with (
        RawServer(stream(tick_event(1, "A")), status("204 No Content")) as server,
        connect(server.url, reconnect=FOREVER, on_error=lambda _: None) as wire,
    ):
        subscriptions = [wire.ticks("A"), wire.ticks("A")]
        for subscription in subscriptions:
            assert [tick.epoch_ms async for tick in subscription] == [1]
        assert await subscriptions[0].collect(5) == []
        with pytest.raises(RuntimeError, match="ended"):
            await wire.ticks("B").snapshot()


async def test_a_failing_token_provider_reaches_the_reader() -> None:
    async def provide() -> str:
        return 7  # type: ignore[return-value] # that is what is tested

    async with connect("http://127.0.0.1:1", token=provide, on_error=lambda _: None) as wire:
        with pytest.raises((TypeError, ClientError)):
            await take(wire.ticks("A"), 1)


# Readers that fall behind.


async def test_a_reader_that_falls_behind_gets_the_newest() -> None:
    scripted = Scripted(b"".join(tick_event(number, "A") for number in range(1, 1001)) + tick_event(1, "B"))
    async with RawServer(scripted) as server, connect(server.url) as wire:
        other = wire.ticks("B")
        ticks = wire.ticks("A", buffer=1)
        await take(other, 1)
        assert await take(ticks, 1) == [1000]
        assert ticks.merged == 999
        await other.snapshot()


async def test_a_reader_that_keeps_up_does_not_overflow_and_one_that_does_not_hears_of_it() -> None:
    scripted = Scripted(b"".join(tick_event(number, "A") for number in range(1, 101)) + tick_event(1, "B"))

    async def read(subscription: Subscription[Tick]) -> list[int]:
        return await take(subscription, 100)

    async with RawServer(scripted) as server, connect(server.url) as wire:
        quick = asyncio.ensure_future(read(wire.ticks("A", buffer=5, overflow="error")))
        lame, other = wire.ticks("A", buffer=5, overflow="error"), wire.ticks("B")
        assert await quick == list(range(1, 101))
        assert await take(other, 1) == [1]
        assert await take(lame, 5) == [1, 2, 3, 4, 5]
        with pytest.raises(BufferOverflowError, match="more than 5"):
            await take(lame, 1)
        assert [tick async for tick in lame] == []


# Ends.


async def test_closing_from_a_callback() -> None:
    wires: list[Wire] = []
    watch = Watch()

    def on_error(error: ClientError) -> None:
        wires[0].close()

    async with (
        RawServer(stream(tick_event(1, "A"))) as server,
        connect(server.url, reconnect=FOREVER, on_error=on_error, on_state=watch) as wire,
    ):
        wires.append(wire)
        assert [tick.epoch_ms async for tick in wire.ticks("A")] in ([], [1])
        await watch.closed()
        await server.left()


async def test_a_subscription_given_up_by_a_callback_of_its_state() -> None:
    def on_state(state: ConnectionState) -> None:
        if state.state is State.OPEN:
            ticks.close()

    async with RawServer(hold(tick_event(1, "A"))) as server, connect(server.url, on_state=on_state) as wire:
        ticks = wire.ticks("A")
        async with asyncio.timeout(PATIENCE):
            assert [tick async for tick in ticks] == []
        await server.left()


@pytest.mark.parametrize("turns", range(0, 40, 2))
async def test_cancelled_at_any_time_nothing_is_left(turns: int) -> None:
    async def session(url: str) -> None:
        async with connect(url, reconnect=FOREVER, on_error=lambda _: None) as wire:
            a, b = wire.ticks("A"), wire.ticks("B", overflow="error", buffer=2)
            await anext(a)
            c = wire.ticks("C")
            await anext(b)
            await a.aclose()
            await anext(c)

    events = tick_event(1, "A") + tick_event(2, "B") + tick_event(3, "B") + tick_event(4, "C")
    async with RawServer(hold(events, pricewire_stream="s"), agreed("ticks:A"), hold(events)) as server:
        before = asyncio.all_tasks() | set(server._tasks)
        task = asyncio.ensure_future(session(server.url))
        for _ in range(turns):
            await asyncio.sleep(0)
        if turns % 4:
            # Late enough for sockets to have been opened, too.
            await asyncio.sleep(turns / 4000)
        task.cancel()
        async with asyncio.timeout(PATIENCE):
            await asyncio.wait([task])
        assert not [left for left in asyncio.all_tasks() - before if "pricewire" in left.get_name()]
        await server.left()


@pytest.mark.usefixtures("young_garbage")
async def test_cancelling_at_any_await_leaves_nothing() -> None:
    async def provider() -> str:
        await asyncio.sleep(0)
        return "secret"

    async def scenario(url: str) -> None:
        async with connect(url, token=provider, reconnect=FOREVER, on_error=quiet) as wire:
            a = wire.ticks("A")
            await anext(a)
            b = wire.ticks("B", overflow="error", buffer=2)
            await b.snapshot()
            await a.aclose()
            with contextlib.suppress(HTTPStatusError):
                await wire.sell("c")
            await b.collect(2)

    def make_server() -> RawServer:
        streams: list[RawConnection] = []

        async def answer_by_method(connection: RawConnection) -> None:
            match connection.method:
                case "GET":
                    streams.append(connection)
                    await connection.open_stream(tick_event(1, "A"), pricewire_stream="s")
                    await connection.closed()
                case "PATCH":
                    await connection.body()
                    await agreed("ticks:A", "ticks:B")(connection)
                    await streams[-1].send(tick_event(2, "B") + confirmed(2, "ticks:A", "ticks:B") + tick_event(3, "B"))
                case _:
                    await NOT_FOUND(connection)

        return RawServer(answer_by_method)

    await cancel_everywhere(scenario, make_server, least=8)
