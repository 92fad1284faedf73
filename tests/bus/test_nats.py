"""The bus over NATS while things go wrong: what readers get is complete, or says that it is not."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import itertools
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from bench.servers.nats import NatsServer, nats_server
from nats.aio.client import Client

from bus.test_bus import PATIENCE, until
from pricewire.bus import nats, nats_writer
from pricewire.bus.frames import POSITIONS, Record, TopicState, encode
from pricewire.bus.lease import FencedSubject, Lease, Sighting
from pricewire.bus.nats import SILENCE_S, WRITER, NatsBus, NatsPlan, Role
from pricewire.bus.nats_connection import NatsAddress, connected
from pricewire.bus.tasks import running
from pricewire.errors import BusError, FencedError
from pricewire.hub.delivery import Outcome
from pricewire.hub.hub import Hub
from pricewire.protocol.messages import Publication
from support.proxy import Proxy
from support.recorder import Recorder

numbers = itertools.count()


@dataclass
class Line:
    """
    A bus from a writer to a reader, which is behind a proxy.

    Attributes:
        server: the NATS server.
        proxy: what the reader sees of it.
        plan: the stream.
        writer: the writer's end.
        reader: the reader's end.
        hub: the reader's hub.
        stop_writing: has the writer end.
    """

    server: NatsServer
    proxy: Proxy
    plan: NatsPlan
    writer: NatsBus
    reader: NatsBus
    hub: Hub
    stop_writing: Callable[[], Awaitable[None]]

    @contextlib.asynccontextmanager
    async def aside(self) -> AsyncIterator[Client]:
        """Connect once more, as an operator would."""
        async with connected(NatsAddress((self.server.url,)), "operator") as client:
            yield client

    async def passed(self) -> None:
        """Wait until the reader has what was published so far, and its streams have been given it."""
        number = next(numbers)
        self.writer.publish("passed", number, key="passed")
        await until(lambda: self.hub.latest("passed") == [number])
        await until(lambda: all(group.given(self.hub.position) == self.hub.position for group in self.hub.groups))


@pytest.fixture
def server() -> Iterator[NatsServer]:
    with nats_server() as server:
        yield server


@pytest.fixture
async def line(server: NatsServer, request: pytest.FixtureRequest) -> AsyncIterator[Line]:
    role: Role = getattr(request, "param", "all")
    plan = NatsPlan(f"line-{next(numbers)}")
    with Proxy(int(server.url.rpartition(":")[2])) as proxy:
        hub = Hub()
        writer = NatsBus(Hub(), NatsAddress((server.url,)), writes=role, plan=plan)
        reader = NatsBus(hub, NatsAddress((proxy.url.replace("http", "nats"),)), writes=None, plan=plan)
        async with reader.open(), contextlib.AsyncExitStack() as writing:
            await writing.enter_async_context(writer.open())
            yield Line(server, proxy, plan, writer, reader, hub, writing.aclose)
            hub.close()


def publish(bus: NatsBus, numbers: range) -> None:
    for number in numbers:
        bus.publish("a", number, key="a")


async def test_a_server_that_starts_again_costs_no_event(line: Line) -> None:
    stream = Recorder(line.hub, "a")
    publish(line.writer, range(10))
    await line.passed()
    line.server.kill()
    publish(line.writer, range(10, 20))
    await until(lambda: bool(line.writer.failure) and bool(line.reader.failure))
    assert not stream.ended
    line.server.start()
    await line.passed()
    publish(line.writer, range(20, 30))
    await line.passed()
    assert stream.messages == list(range(30))
    assert [data["seq"] for data in stream.data] == list(range(1, 31))
    await until(lambda: not line.writer.failure and not line.reader.failure)


async def test_a_reader_whose_connection_was_cut_reads_on_where_it_stopped(line: Line) -> None:
    stream = Recorder(line.hub, "a")
    publish(line.writer, range(10))
    await line.passed()
    line.proxy.cut()
    publish(line.writer, range(10, 20))
    await until(lambda: "no frame of" in line.reader.failure)
    line.proxy.heal()
    publish(line.writer, range(20, 30))
    await line.passed()
    assert stream.messages == list(range(30))


async def test_a_reader_whose_connection_stalls_notices_and_reads_on(line: Line) -> None:
    stream = Recorder(line.hub, "a")
    publish(line.writer, range(10))
    await line.passed()
    line.proxy.stall()
    publish(line.writer, range(10, 20))
    await until(lambda: line.reader.silent_s > 2 * SILENCE_S)
    line.proxy.heal()
    publish(line.writer, range(20, 30))
    await line.passed()
    assert stream.messages == list(range(30))


async def test_a_reader_of_messages_that_are_gone_says_reset(line: Line) -> None:
    stream = Recorder(line.hub, "a")
    publish(line.writer, range(10))
    await line.passed()
    line.proxy.cut()
    publish(line.writer, range(10, 15))
    await until(lambda: line.writer.position > line.hub.position)
    first = line.writer.position
    publish(line.writer, range(15, 20))
    await until(lambda: line.writer.position > first)
    async with line.aside() as client:
        # The newest stays, as the writer goes on from there.
        await client.jetstream().purge_stream(line.plan.stream, keep=1)
    line.proxy.heal()
    publish(line.writer, range(20, 22))
    await line.passed()
    await until(lambda: stream.ended)
    assert stream.messages == list(range(10))
    assert stream.events[-1].type == "error"
    again = Recorder(line.hub, "a", last_event_id=stream.decoder.last_event_id)
    assert again.start.outcome is Outcome.RESET
    assert again.messages == [21]
    assert line.reader.counters.lost == 1


async def test_a_stream_that_was_made_anew_says_reset_and_its_ids_are_others(line: Line) -> None:
    stream = Recorder(line.hub, "a")
    publish(line.writer, range(10))
    await line.passed()
    boot = line.hub.boot
    async with line.aside() as client:
        config = (await client.jetstream().stream_info(line.plan.stream)).config
        await client.jetstream().delete_stream(line.plan.stream)
        await client.jetstream().add_stream(config)
    await until(lambda: stream.ended)
    assert line.hub.boot != boot
    # The writer was told that it is not the one whose frame came last; it has to begin again.
    await until(lambda: "another process writes" in line.writer.failure)


@pytest.mark.parametrize("is_stream", [True, False])
async def test_who_writes_ends_where_the_stream_or_the_leases_are_gone_and_the_next_one_makes_them(line: Line, is_stream: bool) -> None:
    stream = Recorder(line.hub, "a")
    publish(line.writer, range(10))
    await line.passed()
    address = NatsAddress((line.server.url,))
    standby = NatsBus(Hub(), address, writes="all", plan=line.plan)
    fenced = [asyncio.Event(), asyncio.Event()]
    for bus, event in zip((line.writer, standby), fenced, strict=True):
        bus._on_fenced = event.set
    async with contextlib.AsyncExitStack() as stack:
        waiting = asyncio.create_task(stack.enter_async_context(standby.open()))
        await until(lambda: standby._reader is not None and standby._reader.has_caught_up.is_set())
        async with line.aside() as client:
            gone = line.plan.stream if is_stream else f"KV_{line.plan.bucket}"
            await client.jetstream(timeout=PATIENCE).delete_stream(gone)
        await asyncio.wait_for(fenced[0].wait(), PATIENCE)
        assert f"no longer has the stream {gone!r}" in line.writer.failure
        assert not line.writer.is_writer
        await line.stop_writing()
        if is_stream:
            await asyncio.wait_for(fenced[1].wait(), PATIENCE)
        waiting.cancel()
        await asyncio.wait([waiting])
    async with NatsBus(Hub(), address, writes="all", plan=line.plan).open():
        await until(lambda: stream.ended == is_stream and not line.reader.failure)


async def test_whose_connection_the_server_ends_for_good_ends_too(line: Line) -> None:
    for bus in (line.reader, line.writer):
        fenced = asyncio.Event()
        bus._on_fenced = fenced.set
        assert bus.client is not None
        await bus.client._send_command(b"NONSENSE\r\n")
        await asyncio.wait_for(fenced.wait(), PATIENCE)
        assert "for good: nats: unknown protocol operation" in bus.failure


@pytest.mark.parametrize("line", ["market"], indirect=True)
async def test_prices_that_waited_too_long_for_a_bus_are_lost_and_readers_say_so(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nats_writer, "BACKLOG", 100_000)
    stream = Recorder(line.hub, "a")
    publish(line.writer, range(10))
    await line.passed()
    line.server.kill()
    for _ in range(5):
        line.writer.publish("a", "x" * 50_000)
    line.server.start()
    await line.passed()
    assert stream.ended
    assert Recorder(line.hub, "a", last_event_id=stream.decoder.last_event_id).start.outcome is Outcome.RESET
    publish(line.writer, range(10, 20))
    fresh = Recorder(line.hub, "a")
    await line.passed()
    assert fresh.messages[-10:] == list(range(10, 20))


async def test_what_others_are_to_publish_is_not_taken_for_published_where_it_waited_too_long(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_writer, "BACKLOG", 100_000)
    fenced = asyncio.Event()
    line.writer._on_fenced = fenced.set
    stream = Recorder(line.hub, "a")
    publish(line.writer, range(10))
    await line.passed()
    line.server.kill()
    for _ in range(5):
        line.writer.publish("a", "x" * 50_000)
    with pytest.raises(FencedError, match="the bus has taken nothing for"):
        await asyncio.wait_for(line.writer.flush(), PATIENCE)
    line.server.start()
    # The next process begins where this one has stopped.
    await asyncio.wait_for(fenced.wait(), PATIENCE)
    await until(lambda: not line.reader.lag)
    assert not stream.ended
    assert (line.writer.counters.lost, line.reader.counters.lost) == (0, 0)


async def test_who_publishes_more_than_the_bus_takes_is_refused_and_costs_others_nothing(
    line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nats_writer, "MOST_POSTED", 100_000)
    large = Publication(topic="a", data=msgspec.Raw(b'"%b"' % (b"x" * 40_000)))
    line.server.kill()
    waiting = [asyncio.create_task(line.writer.post([large])) for _ in range(10)]
    done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    with pytest.raises(BusError, match="fast enough"):
        done.pop().result()
    publish(line.writer, range(10))
    line.server.start()
    await line.passed()
    assert line.hub.latest("a") == [9]
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert sum(isinstance(each, BusError) and "fast enough" in str(each) for each in results) >= 7


@pytest.mark.parametrize("name", ["k", "\N{GRINNING FACE}" * 250])
async def test_what_waits_for_a_bus_is_counted_with_all_that_it_takes_in_memory(name: str) -> None:
    frames = nats_writer.FrameWriter(
        Hub(), {}, on_taken=lambda sequence, records, is_lossy: None, is_read_back=False, may_lose=False, owns=None, on_round=nats.at_once
    )
    body = msgspec.json.encode([{"topic": name, "data": number, "key": f"{name}{number}"} for number in range(POSITIONS)])
    gc.collect()
    tracemalloc.start()
    posted = frames.post(msgspec.json.decode(body, type=list[Publication]))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert taken <= frames.waiting <= 2 * taken
    frames.end("the test is over")
    with pytest.raises(FencedError):
        await posted


async def test_what_a_bus_refuses_is_not_taken_for_published(line: Line) -> None:
    fenced = asyncio.Event()
    line.writer._on_fenced = fenced.set
    publish(line.writer, range(10))
    await line.passed()
    async with line.aside() as client:
        config = (await client.jetstream().stream_info(line.plan.stream)).config
        config.sealed = True
        await client.jetstream().update_stream(config)
    publish(line.writer, range(10, 20))
    with pytest.raises(FencedError, match="refuses what is published"):
        await asyncio.wait_for(line.writer.flush(), PATIENCE)
    await asyncio.wait_for(fenced.wait(), PATIENCE)


async def test_a_key_that_has_ended_is_not_told_as_current_by_a_hub_that_does_not_know_yet(server: NatsServer) -> None:
    plan = NatsPlan(f"line-{next(numbers)}")
    told: list[Record] = []
    is_over = asyncio.Event()

    async def round_over() -> None:
        is_over.set()

    hub = Hub()
    hub.publish("contracts:a", {"n": 1}, key="c1")
    frames = nats_writer.FrameWriter(
        hub,
        {"contracts:a": 1},
        on_taken=lambda sequence, records, is_lossy: told.extend(records),
        is_read_back=True,
        may_lose=False,
        owns=None,
        on_round=round_over,
    )
    frames.publish("contracts:a", {"n": 2}, ends="c1")
    async with connected(NatsAddress((server.url,)), "writer") as client:
        context = client.jetstream()
        await context.add_stream(name=plan.stream, subjects=[f"{plan.stream}.>"])
        subject = FencedSubject(context, plan.stream, plan.subject("trading"), "writer")
        async with running(frames.write(subject, {}), "writer"):
            await until(lambda: len(told) == 1)
            # More than it takes to tell of more.
            for _ in range(3):
                await context.stream_info(plan.stream)
            assert len(told) == 1
            hub.publish("contracts:a", {"n": 2}, ends="c1")
            frames.came(1)
            await asyncio.wait_for(is_over.wait(), PATIENCE)
    assert [kept.key for record in told if isinstance(record, TopicState) for kept in record.kept] == []


async def test_a_message_larger_than_the_bus_carries_is_lost_and_readers_say_so(line: Line) -> None:
    stream = Recorder(line.hub, "a")
    publish(line.writer, range(10))
    line.writer.publish("a", "x" * 2_000_000)
    await line.passed()
    await until(lambda: stream.ended)
    with pytest.raises(BusError, match="max_payload"):
        await line.writer.post([Publication(topic="a", data=msgspec.Raw(b'"%b"' % (b"x" * 2_000_000)))])
    publish(line.writer, range(10, 20))
    await line.passed()
    assert line.hub.latest("a") == [19]


LONG = "\N{GRINNING FACE}" * 250
"""A name of so many characters has 1,000 bytes."""


async def test_events_with_long_names_are_split_into_frames_that_the_bus_carries(line: Line) -> None:
    stream = Recorder(line.hub, "a", "b")
    posting = [Publication(topic="a", data=msgspec.Raw(b"%d" % number), key=f"{number}{LONG}", event=LONG) for number in range(600)]
    for number in range(240):
        line.writer.publish("b", number, key=f"{number}{LONG}", event=LONG, ends=LONG)
    # So that the frame is full by its bytes rather than by its names.
    line.writer.publish("b", "x" * 250_000)
    assert len(await line.writer.post(posting)) == 600
    await line.passed()
    assert sorted(map(str, stream.messages)) == sorted(map(str, [*range(240), "x" * 250_000, *range(600)]))
    assert not stream.ended
    assert (line.writer.counters.lost, line.reader.counters.lost) == (0, 0)


async def test_a_writer_that_was_replaced_says_so_and_its_hub_gets_nothing_more(line: Line) -> None:
    fenced = asyncio.Event()
    line.writer._on_fenced = fenced.set
    publish(line.writer, range(10))
    await line.passed()
    async with line.aside() as client:
        subject = FencedSubject(client.jetstream(), line.plan.stream, line.plan.subject("all"), "another", headers={WRITER: "another"})
        await subject.claim(encode([]))
    own = Recorder(line.writer._hub, "a")
    publish(line.writer, range(10, 20))
    for _ in range(2):
        # Who waits for it hears of it, and so does who comes later.
        with pytest.raises(FencedError):
            await line.writer.post([Publication(topic="a", data=msgspec.Raw(b"1"))])
    await asyncio.wait_for(fenced.wait(), 60)
    assert not line.writer.is_writer
    assert "another process writes" in line.writer.failure
    assert own.messages == [9]
    await until(lambda: line.reader._writer == "another")
    assert line.hub.latest("a") == [9]


async def test_a_standby_goes_on_with_the_numbers_and_the_ids(line: Line) -> None:
    stream = Recorder(line.hub, "a")
    standby = NatsBus(Hub(), NatsAddress((line.server.url,)), writes="all", plan=line.plan)
    await until(lambda: line.reader._writer == line.writer.name)
    changes = list[str]()
    line.reader._on_writer = lambda: changes.append(line.reader._writer)
    async with contextlib.AsyncExitStack() as stack:
        waiting = asyncio.create_task(stack.enter_async_context(standby.open()))
        publish(line.writer, range(10))
        await line.passed()
        assert not waiting.done()
        assert "not open" in standby.failure
        assert line.writer._leases
        # As a process does that ends in an orderly way.
        for lease in line.writer._leases:
            await lease.release()
        await asyncio.wait_for(waiting, 60)
        assert standby.is_writer
        publish(standby, range(10, 20))
        await until(lambda: line.hub.latest("a") == [19])
        # Another one may have it before the answer to the one that wrote it.
        await until(lambda: standby._hub.latest("a") == [19])
    assert stream.messages == list(range(20))
    assert [data["seq"] for data in stream.data] == list(range(1, 21))
    positions = [int(event.last_event_id.partition("-")[2]) for event in stream.events]
    assert positions == sorted(set(positions))
    assert changes[-1] == standby.name


async def test_of_two_that_stand_by_for_all_leases_at_once_one_gets_them(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: set[tuple[str, str]] = set()
    look = Lease._look

    async def noted(lease: Lease, before: Sighting | None) -> Sighting:
        looks.add((lease._holder, lease._key))
        return await look(lease, before)

    monkeypatch.setattr(Lease, "_look", noted)
    standbys = [NatsBus(Hub(), NatsAddress((line.server.url,)), writes="all", plan=line.plan) for _ in range(2)]
    async with contextlib.AsyncExitStack() as stack:
        opening = [asyncio.create_task(stack.enter_async_context(each.open())) for each in standbys]
        # While another one has both: the times that these hold for pass together.
        await until(lambda: looks == {(each.name, key) for each in standbys for key in ("market.0", "trading.0")})
        await line.stop_writing()
        done, waiting = await asyncio.wait(opening, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
        assert len(done) == 1
        await until(lambda: sum(each.is_writer for each in standbys) == 1)
        for task in waiting:
            task.cancel()
        await asyncio.wait(waiting)


async def test_who_catches_up_has_what_was_published_before(line: Line) -> None:
    for number in range(20):
        line.writer.publish("a", number, key="a")
        await line.writer.flush()
        # What a client of another process may have seen by now.
        await asyncio.gather(line.reader.catch_up(), line.reader.catch_up())
        assert line.hub.latest("a") == [number]


@pytest.fixture
def short_window(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the stream keep its frames for two seconds instead of ten minutes."""
    monkeypatch.setattr(nats_writer, "WINDOW_S", 2.0)
    monkeypatch.setattr(nats_writer, "ROUND_S", 0.5)


async def first_sequence(line: Line) -> int:
    async with line.aside() as client:
        return (await client.jetstream(timeout=PATIENCE).stream_info(line.plan.stream)).state.first_seq


async def test_what_was_quiet_for_longer_than_frames_are_kept_is_known_to_whoever_begins(short_window: None, line: Line) -> None:
    for number, key in enumerate(["one", "two", None, "one"]):
        line.writer.publish("quiet", number, key=key)
    line.writer.publish("ended", 1, key="k")
    line.writer.publish("ended", 2, ends="k")
    line.writer.notify("quiet", "stale", {"since": 1})
    for number in range(300):
        line.writer.publish("large", str(number) * 2000, key=str(number))
    await line.passed()
    newest = f"{line.hub.boot}-{line.hub.latest_events('quiet')[-1].position}"
    last = line.hub.position // POSITIONS
    while await first_sequence(line) <= last:
        await line.passed()
    address = NatsAddress((line.server.url,))
    for is_writer_there in (True, False):
        hub = Hub()
        async with NatsBus(hub, address, writes=None, plan=line.plan).open():
            assert hub.latest("quiet") == [1, 3]
            assert hub.latest("ended") == []
            assert len(hub.latest("large")) == 300
            assert hub.start(["quiet", "ended", "large"], newest).outcome is (Outcome.RESET)
            assert hub.start(["quiet", "ended"], f"{hub.boot}-{hub.position}").outcome is Outcome.RESUMED
            assert hub.start(["quiet"], newest).outcome is Outcome.RESUMED
            assert [notice for topic, _, notice in hub.logs() if topic == "quiet"] != [None]
        if is_writer_there:
            # From here on nobody publishes, for longer than frames are kept.
            await line.stop_writing()
            await asyncio.sleep(2 * nats_writer.WINDOW_S)
    other = NatsBus(Hub(), address, writes="all", plan=line.plan)
    stream = Recorder(line.hub, "quiet")
    async with other.open():
        other.publish("quiet", 4, key="two")
        await until(lambda: stream.messages[-1:] == [4])
        assert stream.data[-1]["seq"] == 5


async def test_what_was_quiet_is_told_whatever_the_lengths_of_its_names(short_window: None, line: Line) -> None:
    for number in range(1000):
        line.writer.publish("quiet", number, key=f"{number}{LONG}", event=LONG)
    await line.passed()
    stream = Recorder(line.hub, "passed")
    last = line.hub.position // POSITIONS
    while await first_sequence(line) <= last:
        await line.passed()
    assert not stream.ended
    hub = Hub()
    async with NatsBus(hub, NatsAddress((line.server.url,)), writes=None, plan=line.plan).open():
        assert hub.latest("quiet") == list(range(1000))
    assert (line.writer.counters.lost, line.reader.counters.lost) == (0, 0)


async def test_what_is_on_its_way_is_known_until_the_hub_has_it(line: Line) -> None:
    hub = line.writer._hub
    for number in range(3):
        line.writer.publish("a", number)
        assert hub.on_its_way("a")
        assert not hub.on_its_way("b")
        await asyncio.sleep(0)
    await line.writer.flush()
    assert not hub.on_its_way("a")
    assert not line.hub.on_its_way("a"), "a reader publishes nothing"


async def test_a_reader_without_a_server_is_not_open(tmp_path: Path) -> None:
    bus = NatsBus(Hub(), NatsAddress(("nats://127.0.0.1:9",)), writes=None)
    assert bus.failure == "the bus is not open yet"
    opening = asyncio.create_task(contextlib.AsyncExitStack().enter_async_context(bus.open()))
    await asyncio.sleep(0.5)
    assert not opening.done()
    opening.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await opening
    with pytest.raises(BusError, match="nats://host:port"):
        NatsAddress(("http://127.0.0.1",))
    missing = NatsBus(Hub(), NatsAddress(("nats://127.0.0.1:9",), credentials=tmp_path / "missing"), writes=None)
    with pytest.raises(BusError, match="No such file"):
        async with missing.open():
            pass
    assert NatsAddress(("nats://me:secret@127.0.0.1:9",)).shown == "nats://127.0.0.1:9"
    assert "secret" not in repr(NatsAddress(("nats://me:secret@127.0.0.1:9",)))


@contextlib.asynccontextmanager
async def leading(bus: NatsBus) -> AsyncIterator[None]:
    """Have a process with trading publish for all accounts."""
    async with bus.open():
        await bus.lead()
        async with bus.sharing(await bus.announce(1, []), lambda _: True, lambda: None):
            yield


async def test_each_role_removes_its_own_old_frames_and_what_the_other_one_told_stays(short_window: None, server: NatsServer) -> None:
    """Trading may be away for longer than the market keeps its frames."""
    plan, address = NatsPlan("roles"), NatsAddress((server.url,))
    market = NatsBus(Hub(), address, writes="market", plan=plan)
    async with market.open():
        trading = NatsBus(Hub(), address, writes="trading", plan=plan)
        async with leading(trading):
            trading.publish("balance:a", 1, key="b")
            trading.publish("contracts:a", 2)
            assert trading._hub.on_its_way("contracts:a")
            await trading.flush()
            assert not trading._hub.on_its_way("contracts:a")
        async with connected(address, "operator") as client:
            context, number = client.jetstream(timeout=PATIENCE), 0
            last = (await context.stream_info(plan.stream)).state.last_seq
            while True:
                market.publish("ticks:G", number := number + 1, key="t")
                await market.flush()
                info = await context.stream_info(plan.stream, subjects_filter=plan.subject("market"))
                if info.state.num_deleted:
                    break
                await asyncio.sleep(0.1)
        assert last
        hub = Hub()
        async with NatsBus(hub, address, writes=None, plan=plan).open():
            assert hub.latest("balance:a") == [1]
            assert hub.latest("ticks:G") == [number]
            assert hub.start(["ticks:G"], f"{hub.boot}-{last * POSITIONS}").outcome is Outcome.RESET
            assert hub.start(["ticks:G", "balance:a"], f"{hub.boot}-{hub.position}").outcome is Outcome.RESUMED


async def test_who_shares_trading_publishes_until_it_is_shared_anew_and_the_numbers_go_on(server: NatsServer) -> None:
    plan, address = NatsPlan("shared"), NatsAddress((server.url,))
    first, second = (NatsBus(Hub(), address, writes="trading", plan=plan) for _ in range(2))
    hub = Hub()
    changes = list[list[str]]()
    async with first.open(), second.open(), NatsBus(hub, address, writes=None, plan=plan).open():
        second.on_announced = lambda: changes.append(second.announcement.processes if second.announcement else [])
        await first.lead()
        shared = await first.announce(1, [second.name])
        ended = asyncio.Event()
        await until(lambda: changes == [[first.name, second.name]])
        assert second.announcement == shared
        async with (
            first.sharing(shared, lambda _: True, ended.set) as leading,
            second.sharing(shared, lambda _: True, ended.set) as sharing,
        ):
            assert first.is_writer
            assert second.is_writer
            for number in range(3):
                sharing.publish("balance:a", number, key="a")
                leading.publish("balance:b", number, key="b")
            await asyncio.gather(sharing.flush(), leading.flush())
            assert not ended.is_set()
            await first.still_leads()
            alone = await first.announce(2, [])
            # It has not heard of it yet, as one that was stopped for a while.
            sharing.publish("balance:a", "too late", key="a")
            with pytest.raises(FencedError, match="another process writes"):
                await sharing.flush()
            await asyncio.wait_for(ended.wait(), PATIENCE)
            sharing.publish("balance:a", "too late", key="a")
        assert not second.is_fenced, "it may share again"
        async with first.sharing(alone, lambda _: True, ended.set) as leading:
            leading.publish("balance:a", 3, key="a")
            await leading.flush()
            await until(lambda: hub.latest("balance:a") == [3])
        await until(lambda: changes == [[first.name, second.name], []])
    stream = Recorder(hub, "balance:a")
    assert [data["seq"] for data in stream.data] == [4], "the numbers go on after those that were published"


async def test_what_is_published_after_another_process_writes_is_not_taken_for_published() -> None:
    # Who trades would remove from the database what nobody has published, and so would the next one never know of it.
    async def round_over() -> None:
        raise AssertionError("nothing is written")

    frames = nats_writer.FrameWriter(
        Hub(), {}, on_taken=lambda sequence, records, is_lossy: None, is_read_back=False, may_lose=False, owns=None, on_round=round_over
    )
    frames.end("another process writes now")
    await frames.flush()
    frames.publish("contracts:a", {"n": 1})
    with pytest.raises(FencedError, match="another process writes now"):
        await frames.flush()
