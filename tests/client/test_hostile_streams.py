"""Streams that are corrupted or doubled on their way, and many of everything: the client goes on, and what it holds stays bounded."""

from __future__ import annotations

import asyncio
import gc
import random
import sys
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import httpx2
import pytest

from client.topics.test_multiplexer import confirmed
from pricewire import sync
from pricewire.client.wire import connect
from pricewire.errors import ClientError, ConnectError, DecodeError
from pricewire.protocol.messages import Envelope, Tick
from support.client_messages import tick_event
from support.raw_server import PATIENCE, RawConnection, RawServer, hold, stream
from support.serving import Serving
from support.sources import FOREVER

LAST = 999_999


def corrupted(body: bytes, chance: random.Random) -> bytes:
    """Return bytes of which some are changed, lost, put in, or there twice."""
    changed = bytearray(body)
    for _ in range(chance.randint(1, 12)):
        place = chance.randrange(len(changed))
        match chance.randrange(4):
            case 0:
                changed[place] = chance.randrange(256)
            case 1:
                del changed[place : place + chance.randint(1, 80)]
            case 2:
                changed[place:place] = chance.randbytes(chance.randint(1, 20))
            case _:
                changed[place:place] = changed[place : place + chance.randint(1, 400)]
    return bytes(changed)


@pytest.mark.parametrize("start", range(0, 60, 15))
async def test_a_corrupted_stream(start: int) -> None:
    """
    Whatever comes, the reader gets ticks or hears that something does not fit, and the next whole event is read.

    What the server says of the topics is whole: it is believed.
    """
    before = b"".join(tick_event(number) for number in range(1, 8)) + b'event: stale\ndata: {"topic":"ticks:R_100"}\n\n'
    after = b"".join(tick_event(number) for number in range(9, 16)) + b"event: reset\ndata: {}\n\n"
    for seed in range(start, start + 15):
        errors: list[ClientError] = []
        chance = random.Random(seed)
        parts = [corrupted(before, chance), confirmed(8, "ticks:R_100"), corrupted(after, chance), tick_event(LAST)]
        body = b"\n\n".join(parts)
        async with RawServer(stream(body), hold(body)) as server:
            async with connect(server.url, reconnect=FOREVER, on_error=errors.append) as wire, asyncio.timeout(PATIENCE):
                async for tick in wire.ticks("R_100"):
                    assert isinstance(tick, Tick)
                    if tick.epoch_ms == LAST:
                        break
            # No busy loop.
            assert len(server.connections) < 20, seed
        assert all(isinstance(error, DecodeError | ConnectError) for error in errors), seed


async def test_a_stream_of_which_every_piece_comes_twice() -> None:
    """Its ticks come twice, as nothing tells them from a topic that begins anew; what it says of itself is taken once."""
    pieces = [tick_event(1), confirmed(2, "ticks:R_100"), tick_event(3)]
    doubled = b"".join(piece * 2 for piece in pieces)
    async with (
        RawServer(stream(doubled, pricewire_stream="s"), hold(tick_event(4), pricewire_start="resumed")) as server,
        connect(server.url, reconnect=FOREVER, on_error=lambda _: None) as wire,
        asyncio.timeout(PATIENCE),
    ):
        ticks = wire.ticks("R_100")
        assert [tick.epoch_ms for tick in await ticks.collect(5)] == [1, 1, 3, 3, 4]
        assert ticks.start == "resumed"
    assert [connection.method for connection in server.connections] == ["GET", "GET"]
    assert server.connections[1].headers[b"last-event-id"] == b"3"


class Doubling(httpx2.AsyncHTTPTransport):
    """Sends each change twice, as a proxy does that believes the first was lost."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.method == "PATCH":
            first = await super().handle_async_request(request)
            await first.aread()
            await first.aclose()
        return await super().handle_async_request(request)


async def test_changes_that_arrive_twice(server: Serving) -> None:
    numbers: dict[str, list[int]] = {"R_10": [], "R_25": []}

    async def read(name: str, count: int) -> None:
        async with connecting.topic(f"ticks:{name}", type=Envelope[Tick]) as ticks:
            numbers[name] += [envelope.seq for envelope in await ticks.collect(count)]

    async with (
        asyncio.timeout(PATIENCE),
        httpx2.AsyncClient(transport=Doubling()) as client,
        connect(server.url, http_client=client, reconnect=FOREVER) as connecting,
    ):
        keep = asyncio.create_task(read("R_10", 60))
        for _ in range(3):
            numbers["R_25"].clear()
            await read("R_25", 10)
            assert numbers["R_25"] == list(range(numbers["R_25"][0], numbers["R_25"][0] + 10))
        await keep
    assert numbers["R_10"] == list(range(numbers["R_10"][0], numbers["R_10"][0] + 60))


async def test_what_a_stream_of_250_topics_holds_does_not_grow() -> None:
    """The short form of ten minutes at twenty times the rate: as many rounds as it takes to see a growth of 30 bytes an event."""
    names = [f"I{number}" for number in range(250)]
    newest = 0
    progress = asyncio.Condition()

    async def endless(connection: RawConnection) -> None:
        await connection.open_stream()
        number = newest
        while True:
            number += 1
            # A few rounds ahead of the reader, no more: what waits for a reader that gets no CPU is not what grows.
            async with progress:
                while number > newest + 3:
                    await progress.wait()
            await connection.send(b"".join(tick_event(number, name) for name in names))

    async with RawServer(endless) as server, connect(server.url) as wire, asyncio.timeout(3 * PATIENCE):
        ticks, idle = wire.ticks(*names), wire.ticks(*names[:10], buffer=10)

        async def allow(number: int) -> None:
            nonlocal newest
            async with progress:
                newest = number
                progress.notify_all()

        async def read(until: int) -> int:
            while newest < until:
                number = (await anext(ticks)).epoch_ms
                if number > newest:
                    await allow(number)
            gc.collect()
            return tracemalloc.get_traced_memory()[0]

        tracemalloc.start()
        try:
            held = [await read(until) for until in (60, 260, 460)]
        finally:
            tracemalloc.stop()
        # What grows does so in both halves; a module that is loaded late, or a new connection on a busy machine, in one.
        growth = min(after - before for before, after in pairwise(held))
        assert growth < 200 * 250 * 30, held
        # One that is never read has the newest of each, and no more.
        assert len(await idle.collect(10)) == 10
        wire.close()
        # The server notices when it sends.
        await allow(sys.maxsize)


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="this system does not list a process's descriptors")
async def test_200_wires_in_one_process(server: Serving) -> None:
    async with asyncio.timeout(3 * PATIENCE):
        async with connect(server.url) as wire:
            await wire.ticks("R_10").snapshot()
        before = open_descriptors()
        wires = [connect(server.url) for _ in range(200)]
        subscriptions = [wire.ticks("R_10", "R_25") for wire in wires]
        ticks = await asyncio.gather(*(subscription.collect(4) for subscription in subscriptions))
        assert [len(each) for each in ticks] == [4] * 200
        await asyncio.gather(*(wire.aclose() for wire in wires))
        assert asyncio.all_tasks() == {asyncio.current_task()}
        # The server's ends are in this process too, and close a moment later.
        while open_descriptors() > before:  # noqa: ASYNC110 - a count that the system keeps
            await asyncio.sleep(0.01)


def test_eight_threads_that_come_and_go_on_one_wire(server: Serving) -> None:
    """Each gets the current value, whatever the others do at that moment; no change of the stream is forgotten."""
    errors: list[ClientError] = []
    names = ["R_10", "R_25", "R_50", "R_75"]
    together = threading.Barrier(8)

    def come_and_go(number: int) -> int:
        received = 0
        for turn in range(12):
            if turn % 4 == 0:
                together.wait(PATIENCE)
            with wire.ticks(names[(number + turn) % 4]) as ticks:
                received += len(ticks.collect(1 + turn % 3))
        return received

    with sync.connect(server.url, reconnect=FOREVER, on_error=errors.append) as wire, ThreadPoolExecutor(8) as threads:
        counts = [threads.submit(come_and_go, number) for number in range(8)]
        assert [count.result(3 * PATIENCE) for count in counts] == [24] * 8
    assert errors == []
