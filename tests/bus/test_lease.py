"""One writer a partition: who has the lease, and who is refused by a real NATS server."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import nats
import nats.errors
import pytest
from bench.servers.nats import NatsServer, nats_cluster, nats_server
from nats.aio.client import Client

from pricewire.bus.lease import SPAN_S, UNDECIDED, FencedSubject, Lease, TooLargeError
from pricewire.errors import BusError, FencedError
from support import lease_writer
from support.command import environment
from support.lease_writer import STREAM, SUBJECT, bucket_of
from support.serving import PATIENCE

TESTS = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def server() -> Iterator[NatsServer]:
    with nats_server() as server:
        yield server


@pytest.fixture
async def connection(server: NatsServer) -> AsyncIterator[Client]:
    connection = await nats.connect(server.url)
    await bucket_of(connection)
    yield connection
    await connection.jetstream().delete_stream(STREAM)
    await connection.jetstream().delete_key_value(lease_writer.BUCKET)
    await connection.close()


class Clock:
    """A clock that the test sets."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def held(lease: Lease) -> bool:
    """Return `is_held`, which the type checker takes for settled by an assertion."""
    return lease.is_held


async def lease_of(connection: Client, holder: str, clock: Callable[[], float] = time.monotonic) -> Lease:
    return Lease(await connection.jetstream().key_value(lease_writer.BUCKET), "numbers.0", holder, clock=clock)


def writer_of(connection: Client, name: str, answer_s: float = PATIENCE) -> FencedSubject:
    return FencedSubject(connection.jetstream(), STREAM, SUBJECT, name, answer_s=answer_s)


async def published(connection: Client, count: int) -> list[str]:
    """Return the first messages of the subject."""
    async with asyncio.timeout(PATIENCE):
        while True:
            # A cluster that has just lost a node, and a server on a busy machine, leave a request without an answer.
            with contextlib.suppress(nats.errors.TimeoutError):
                subscription = await connection.jetstream().subscribe(SUBJECT, ordered_consumer=True)
                break
    return [(await subscription.next_msg(PATIENCE)).data.decode() for _ in range(count)]


async def test_a_lease_is_had_by_one(connection: Client) -> None:
    clock = Clock()
    first, second = await lease_of(connection, "first", clock), await lease_of(connection, "second", clock)
    await first.acquire()
    assert held(first)
    waiting = asyncio.create_task(second.acquire())
    await asyncio.sleep(1)
    assert not waiting.done()
    assert not held(second)
    clock.now += SPAN_S
    assert not held(first)
    await asyncio.wait_for(waiting, PATIENCE)
    assert held(second)
    with pytest.raises(FencedError, match="second has the lease"):
        await asyncio.wait_for(first.keep(), PATIENCE)
    assert not held(first)


async def test_a_lease_that_was_given_back_is_free_at_once(connection: Client) -> None:
    clock = Clock()
    first, second = await lease_of(connection, "first", clock), await lease_of(connection, "second", clock)
    await first.acquire()
    await first.release()
    assert not first.is_held
    await asyncio.wait_for(second.acquire(), PATIENCE)


async def test_a_renewal_whose_answer_was_lost_is_no_loss(connection: Client) -> None:
    lease = await lease_of(connection, "first")
    await lease.acquire()
    bucket = await connection.jetstream().key_value(lease_writer.BUCKET)
    newest = (await bucket.get("numbers.0")).revision
    await bucket.update("numbers.0", b"first", last=newest)
    keeping = asyncio.create_task(lease.keep())
    watcher = await bucket.watch("numbers.0", include_history=False)
    # The entry above, then its renewal.
    async for update in watcher:
        if update is not None and update.revision > (newest or 0) + 1:
            break
    assert not keeping.done()
    assert lease.is_held
    keeping.cancel()


async def test_who_claims_a_subject_ends_the_writer_before(connection: Client) -> None:
    old, new = writer_of(connection, "old"), writer_of(connection, "new")
    await old.claim(b"old claims")
    await old.publish(b"old 1")
    await new.claim(b"new claims")
    with pytest.raises(FencedError, match="another process writes"):
        await old.publish(b"old 2")
    with pytest.raises(FencedError):
        await old.publish(b"old 3")
    await new.publish(b"new 1")
    assert await published(connection, 4) == ["old claims", "old 1", "new claims", "new 1"]


async def test_a_message_whose_answer_was_lost_is_published_once(connection: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = writer_of(connection, "writer")
    await writer.claim(b"claims")
    context = writer._context
    publish = context.publish

    async def lose_answer(*args: object, **options: object) -> object:
        await publish(*args, **options)  # type: ignore[arg-type]
        monkeypatch.undo()
        raise nats.errors.TimeoutError

    monkeypatch.setattr(context, "publish", lose_answer)
    first = await writer.publish(b"1")
    second = await writer.publish(b"2")
    assert second == first + 1
    assert await published(connection, 3) == ["claims", "1", "2"]


async def test_a_writer_that_gave_up_a_message_which_was_published_goes_on(connection: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = writer_of(connection, "writer")
    await writer.claim(b"claims")
    context = writer._context
    publish = context.publish
    is_published = asyncio.Event()

    async def hold_answer(*args: object, **options: object) -> object:
        await publish(*args, **options)  # type: ignore[arg-type]
        is_published.set()
        return await asyncio.Event().wait()

    monkeypatch.setattr(context, "publish", hold_answer)
    given_up = asyncio.create_task(writer.publish(b"1"))
    await is_published.wait()
    given_up.cancel()
    monkeypatch.undo()
    await writer.publish(b"2")
    assert await published(connection, 3) == ["claims", "1", "2"]
    await writer_of(connection, "new").claim(b"new claims")
    with pytest.raises(FencedError):
        await writer.publish(b"3")


async def test_a_message_that_can_never_be_published_is_an_error(connection: Client) -> None:
    writer = writer_of(connection, "writer")
    await writer.claim(b"claims")
    with pytest.raises(BusError, match="exceeds the bus's limit"):
        await writer.publish(bytes(2 << 20))
    taken = 0
    for size in range(connection.max_payload - 200, connection.max_payload, 10):
        # Its headers count: the server would end the connection for good.
        with contextlib.suppress(TooLargeError):
            await asyncio.wait_for(writer.publish(bytes(size)), PATIENCE)
            taken += 1
    assert 0 < taken < 20
    await writer.publish(b"1")


async def test_a_writer_waits_for_a_server_that_starts_again() -> None:
    with nats_server() as server:
        connection = await nats.connect(server.url, max_reconnect_attempts=-1, reconnect_time_wait=0, error_cb=ignore)
        await bucket_of(connection)
        writer = writer_of(connection, "writer", answer_s=1)
        await writer.claim(b"claims")
        server.kill()
        publishing = asyncio.create_task(writer.publish(b"1"))
        await asyncio.sleep(0.5)
        assert not publishing.done()
        server.start()
        await asyncio.wait_for(publishing, PATIENCE)
        await writer.publish(b"2")
        assert await published(connection, 3) == ["claims", "1", "2"]
        await connection.close()


class Standby:
    """A process of `lease_writer`."""

    def __init__(self, name: str, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.process = process

    @classmethod
    @asynccontextmanager
    async def run(cls, urls: list[str], name: str) -> AsyncIterator[Standby]:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, str(TESTS / "support" / "lease_writer.py"), ",".join(urls), name),
            stdout=asyncio.subprocess.PIPE,
            env=environment(PYTHONPATH=f"{TESTS.parent / 'src'}:{TESTS}"),
        )
        try:
            yield cls(name, process)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()

    async def says(self, word: str) -> None:
        assert self.process.stdout is not None
        line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE)
        assert line.decode().strip() == word


def spans_of(messages: list[str]) -> list[str]:
    """Return who wrote, in order, each as often as it began; each one's numbers are complete."""
    spans: list[str] = []
    number = 0
    for message in messages:
        name, what = message.split()
        if what == "claims":
            spans.append(name)
            number = 0
        else:
            assert name == spans[-1], f"{name} has written in the time of {spans[-1]}"
            number += 1
            assert what == str(number)
    return spans


async def test_a_writer_that_was_stopped_past_its_lease_publishes_nothing_more(connection: Client, server: NatsServer) -> None:
    async with Standby.run([server.url], "first") as first:
        await first.says("ready")
        await first.says("leads")
        async with Standby.run([server.url], "second") as second:
            await second.says("ready")
            first.process.send_signal(signal.SIGSTOP)
            await second.says("leads")
            first.process.send_signal(signal.SIGCONT)
            await first.says("fenced")
            second.process.kill()
    info = await connection.jetstream().stream_info(STREAM)
    messages = await published(connection, info.state.messages)
    assert spans_of(messages) == ["first", "second"]


async def test_a_killed_writer_is_followed_within_five_seconds(
    connection: Client, server: NatsServer, remark: Callable[[str], None]
) -> None:
    took = []
    async with AsyncExitStack() as stack:
        standbys = [await stack.enter_async_context(Standby.run([server.url], f"number-{number}")) for number in range(3)]
        for standby in standbys:
            await standby.says("ready")
        while len(standbys) > 1:
            leading = await leader(standbys)
            began = time.monotonic()
            leading.process.kill()
            standbys.remove(leading)
            await leader_of(connection, leading.name)
            took.append(time.monotonic() - began)
    remark(f"takeovers in {', '.join(f'{seconds:.1f}' for seconds in took)} s")
    info = await connection.jetstream().stream_info(STREAM)
    assert len(spans_of(await published(connection, info.state.messages))) == 3


async def leader(standbys: list[Standby]) -> Standby:
    """Return the one that says that it leads."""
    waits = {asyncio.create_task(each.says("leads")): each for each in standbys}
    done, pending = await asyncio.wait(waits, timeout=PATIENCE, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.wait(pending) if pending else None
    (task,) = done
    await task
    return waits[task]


async def leader_of(connection: Client, before: str) -> None:
    """Wait until another one than `before` has claimed the subject."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        newest = await connection.jetstream().get_last_msg(STREAM, SUBJECT)
        if not re.match(rf"{before}\b", (newest.data or b"").decode()):
            return
        await asyncio.sleep(0.02)
    raise TimeoutError("nobody has taken over")


async def ignore(error: Exception) -> None:
    """Take what the connection reports while its server is away."""


@asynccontextmanager
async def replicated(servers: list[NatsServer]) -> AsyncIterator[tuple[Client, FencedSubject, int]]:
    """Yield a connection to a cluster with copies of the stream, a writer that has claimed its subject, and which server leads there."""
    async with connected_to(servers) as connection:
        async with asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(nats.errors.TimeoutError):
                    await bucket_of(connection, replicas=3)
                    break
        writer = writer_of(connection, "writer", answer_s=1)
        await writer.claim(b"writer claims")
        info = await connection.jetstream().stream_info(STREAM)
        assert info.cluster is not None
        yield connection, writer, int(str(info.cluster.leader).rpartition("-")[2])


@asynccontextmanager
async def connected_to(servers: list[NatsServer]) -> AsyncIterator[Client]:
    """Connect to servers of a cluster, some of which may be away at times."""
    connection = await nats.connect([each.url for each in servers], max_reconnect_attempts=-1, reconnect_time_wait=0, error_cb=ignore)
    try:
        yield connection
    finally:
        await connection.close()


def stop(server: NatsServer) -> None:
    """Stop a server, and return when it does nothing more: a signal takes its time."""
    server.send(signal.SIGSTOP)
    os.waitid(os.P_PID, server.pid, os.WSTOPPED | os.WNOWAIT)


async def test_a_cluster_that_loses_its_leader_keeps_one_writer() -> None:
    with nats_cluster() as servers:
        async with replicated(servers) as (connection, writer, leads):
            number = 0
            for number in range(1, 101):
                if number == 50:
                    servers[leads].kill()
                await asyncio.wait_for(writer.publish(f"writer {number}".encode()), PATIENCE)
            messages = await published(connection, number + 1)
            assert spans_of(messages) == ["writer"]


async def test_a_message_that_most_servers_have_not_seen_is_neither_there_nor_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    with nats_cluster() as servers:
        async with replicated(servers) as (connection, _, leads), connected_to([servers[leads]]) as beside:
            writer = writer_of(beside, "beside", answer_s=1)
            await asyncio.wait_for(writer.claim(b"beside claims"), PATIENCE)
            refusals = watch_refusals(writer, monkeypatch)
            others = [server for place, server in enumerate(servers) if place != leads]
            for server in others:
                stop(server)
            publishing = asyncio.create_task(writer.publish(b"beside 1"))
            # The server has its first copy, and cannot decide: it says so to those that follow, as long as it leads.
            for _ in range(3):
                assert await asyncio.wait_for(refusals.get(), PATIENCE) in (None, *UNDECIDED)
            await asyncio.sleep(0)
            assert not publishing.done()
            for server in others:
                server.send(signal.SIGCONT)
            await asyncio.wait_for(publishing, PATIENCE)
            await asyncio.wait_for(writer.publish(b"beside 2"), PATIENCE)
            assert (await published(connection, 4))[1:] == ["beside claims", "beside 1", "beside 2"]
            assert (await connection.jetstream().stream_info(STREAM)).state.messages == 4


async def test_who_hears_nothing_certain_for_long_begins_anew(connection: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = writer_of(connection, "writer")
    await writer.claim(b"claims")

    async def undecided(*args: object, **options: object) -> object:
        raise nats.js.errors.APIError(code=409, err_code=10158, description="duplicate message id is in process")

    monkeypatch.setattr(writer._context, "publish", undecided)
    monkeypatch.setattr("pricewire.bus.lease.UNDECIDED_S", 0.5)
    with pytest.raises(FencedError, match="has not decided for"):
        await asyncio.wait_for(writer.publish(b"1"), PATIENCE)


def watch_refusals(writer: FencedSubject, monkeypatch: pytest.MonkeyPatch) -> asyncio.Queue[int | None]:
    """Return what gets the codes with which a server refuses what is published; None where it does not answer."""
    publish = writer._context.publish
    codes = asyncio.Queue[int | None]()

    async def watched(*args: object, **options: object) -> object:
        try:
            return await publish(*args, **options)  # type: ignore[arg-type]
        except nats.errors.Error as error:
            codes.put_nowait(getattr(error, "err_code", None))
            raise

    monkeypatch.setattr(writer._context, "publish", watched)
    return codes


async def test_a_lease_that_is_not_certain_is_confirmed_by_the_server(connection: Client) -> None:
    """A process that was busy for too long would leave questions without an answer that nobody else answers either."""
    clock = Clock()
    lease = await lease_of(connection, "one", clock)
    assert not await lease.confirm(PATIENCE), "it was never taken"
    await lease.acquire()
    clock.now = 2 * SPAN_S
    assert not await lease.confirm(0.0)
    confirming = asyncio.create_task(lease.confirm(PATIENCE))
    keeping = asyncio.create_task(lease.keep())
    assert await confirming
    # Another one takes it meanwhile.
    clock.now = 4 * SPAN_S
    bucket = await connection.jetstream().key_value(lease_writer.BUCKET)
    await bucket.put("numbers.0", b"two")
    assert not await lease.confirm(PATIENCE)
    with pytest.raises(FencedError):
        await keeping
