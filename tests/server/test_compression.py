"""Compressed streams of a real server are ordinary gzip streams to every client: readable event by event, and right to the trailer."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import shutil
import socket
import subprocess
import time
import zlib
from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from decimal import Decimal
from http.client import HTTPConnection
from typing import Any

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

import pricewire
from pricewire.errors import ClientError
from pricewire.hub.hub import Hub
from pricewire.protocol.decoder import EventStreamDecoder, ServerSentEvent
from pricewire.protocol.encoder import HEARTBEAT
from pricewire.protocol.messages import TickBody
from pricewire.protocol.stream_end import StreamEnd
from pricewire.server.transport.event_stream import EventStream
from pricewire.server.transport.handover import HandoverProtocol
from pricewire.server.transport.serve import Server
from support.serving import Reader, Serving, unchunk

PATIENCE = 60.0
"""How long a client may wait for anything, in seconds; the machines that run this are slow."""

SERVERS: dict[str, dict[str, Any]] = {
    "handover": {"http": HandoverProtocol, "server_class": Server},
    "send": {"server_class": uvicorn.Server},
}


HEADERS = {"Accept-Encoding": "gzip", "Connection": "close"}


@pytest.fixture
def hub() -> Hub:
    """Without heartbeats: a block that was kept back must not come with the next one."""
    return Hub(heartbeat=3600)


def application(hub: Hub) -> Starlette:
    async def stream(request: Request) -> Response:
        return EventStream(hub, request.query_params.getlist("topic") or ["a"])

    return Starlette(routes=[Route("/sse", stream)])


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, hub: Hub) -> Iterator[Serving]:
    with Serving(application(hub), **SERVERS[request.param]) as serving:
        yield serving
        serving.call(hub.close)


def quote(number: int) -> dict[str, Any]:
    """Return a quote that is much like the others, so that every block but a key block refers back."""
    return {"n": number, "bid": f"{1900 + number % 7}.{number * 37 % 100:02}", "instrument_id": "GOLD"}


def publish(hub: Hub, topic: str = "a", *, key: str | None = None, padding: str = "") -> int:
    """Publish a quote and return its number."""
    number = hub.position + 1
    hub.publish(topic, {**quote(number), "padding": padding}, key=key)
    return number


def publish_newest(hub: Hub) -> int:
    """The same, for what streams that join later get as the current value."""
    return publish(hub, key="newest")


def number_of(event: ServerSentEvent) -> int:
    """Return the number of an event, which has to be as it was published."""
    data = json.loads(event.data)["data"]
    number: int = data["n"]
    del data["padding"]
    assert data == quote(number)
    return number


Pieces = Generator[bytes]

# The clients: each is a generator of what it decodes, as it decodes it, and raises where the stream does not end as gzip wants it.


def by_zlib(url: str, buffer: int | None = None) -> Pieces:
    """Python's own HTTP client, with all the checks there are."""
    with closing(connect(url, buffer)) as connection, closing(connection.getresponse()) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        inflater = zlib.decompressobj(zlib.MAX_WBITS | 16)
        while data := response.read1(65536):
            yield inflater.decompress(data)
        assert inflater.eof, "the trailer is there, and its checksum and size are right"
        assert inflater.unused_data == b"", "nothing follows it"


def connect(url: str, buffer: int | None) -> HTTPConnection:
    """Send a request; with a small receive buffer for a slow reader."""
    address, _, path = url.removeprefix("http://").partition("/")
    host, port = address.split(":")
    connection = HTTPConnection(host, int(port), timeout=PATIENCE)
    if buffer is not None:
        connection.sock = socket.socket()
        connection.sock.settimeout(PATIENCE)
        connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.sock.connect((host, int(port)))
    connection.request("GET", f"/{path}", headers={"Accept-Encoding": "gzip"})
    return connection


def by_httpx2(url: str) -> Pieces:
    with httpx2.Client(timeout=PATIENCE, trust_env=False) as client, client.stream("GET", url) as response:
        assert response.headers["content-encoding"] == "gzip"
        yield from response.iter_bytes()


def by_curl(url: str) -> Pieces:
    return by_program("curl", "--silent", "--show-error", "--no-buffer", "--compressed", "--max-time", str(PATIENCE), url)


FETCH = """
const response = await fetch(process.argv[1], { signal: AbortSignal.timeout(Number(process.argv[2])) })
if (response.headers.get('content-encoding') !== 'gzip') throw new Error('it is not compressed')
for await (const piece of response.body) process.stdout.write(piece)
"""


def by_node(url: str) -> Pieces:
    return by_program("node", "--input-type=module", "--eval", FETCH, url, str(PATIENCE * 1000))


def by_program(program: str, *arguments: str) -> Pieces:
    if shutil.which(program) is None:
        pytest.fail(f"{program} is missing; `make test` installs it where it can")
    with subprocess.Popen([program, *arguments], stdout=subprocess.PIPE, bufsize=0) as process:
        try:
            assert process.stdout is not None
            while data := process.stdout.read(65536):
                yield data
            assert process.wait() == 0, "it found nothing wrong"
        finally:
            process.kill()


Way = Callable[[str], Pieces]
CLIENTS: dict[str, Way] = {"zlib": by_zlib, "httpx2": by_httpx2, "curl": by_curl, "node": by_node}


class Events:
    """The events of a stream, one by one, of the pieces that a client decodes."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._decoder = EventStreamDecoder()
        self._ready: deque[ServerSentEvent] = deque()

    def next(self) -> ServerSentEvent:
        """Wait for the next event."""
        while not self._ready:
            self._ready += self._decoder.feed(next(self._pieces))
        return self._ready.popleft()

    def rest(self) -> list[ServerSentEvent]:
        """Wait for the end of the stream, and return the events until then."""
        for piece in self._pieces:
            self._ready += self._decoder.feed(piece)
        return list(self._ready)

    def close(self) -> None:
        """Leave the stream."""
        self._pieces.close()


def wait_for(server: Serving, count: Callable[[], object], wanted: object) -> None:
    """Wait until there are so many of something at the server."""
    deadline = time.monotonic() + PATIENCE
    while (counted := server.call(count)) != wanted:
        assert time.monotonic() < deadline, f"there are {counted}, not {wanted}"


def end_streams(hub: Hub) -> None:
    for group in list(hub.groups):
        for stream in [*group.members, *group.lagging]:
            hub.end(stream, StreamEnd.SERVER_DRAINING, retry=1)


def assert_one_compressed_group(server: Serving, hub: Hub, streams: int) -> None:
    # Who has joined is a member from the next flush on.
    wait_for(server, lambda: [(group.spec.compress, len(group.members)) for group in hub.groups], [(True, streams)])


# What is agreed on.

TAKEN = [
    "gzip",
    "gzip, deflate, br, zstd",
    "GZip",
    "x-gzip",
    "*",
    "br, *;q=0.1",
    "gzip;q=0.001",
    "br;q=1.0, gzip; q=0.5",
    "deflate ,gzip ; q=1",
    "identity, gzip",
    "identity;q=0.4, *;q=0.5",
]
REFUSED = [
    None,
    "",
    "identity",
    "br",
    "deflate",
    "gzip;q=0",
    "gzip; q=0.000",
    "gzip;Q=0",
    "*;q=0",
    "gzip;q=0, *",
    "*, gzip;q=0",
    "identity;q=1, gzip;q=0.5",
    "identity;q=0.5, *;q=0.4",
    "gzip;q=much",
]


def test_who_accepts_gzip_gets_it(server: Serving, hub: Hub) -> None:
    for accepted in [*TAKEN, *REFUSED]:
        newest = server.call(publish_newest, hub)
        headers = {} if accepted is None else {"Accept-Encoding": accepted}
        with Reader(server.url, "/sse", headers={**headers, "Connection": "close"}) as reader:
            status, head = reader.read_head()
            assert status == 200
            assert head["content-type"] == "text/event-stream"
            assert head["vary"] == "Accept-Encoding", "a cache must not give one reader's coding to another"
            assert head.get("content-encoding") == ("gzip" if accepted in TAKEN else None), accepted
            # The head is there a moment before its stream is.
            wait_for(server, lambda: hub.streams, 1)
            server.call(end_streams, hub)
            body, ended = unchunk(reader.read_to_end())
        assert ended
        text = gzip.decompress(body) if accepted in TAKEN else body
        event, stream_end = EventStreamDecoder().feed(text)
        assert number_of(event) == newest
        assert stream_end.type == "error"


def test_codings_in_two_lines_count_as_one_list(server: Serving, hub: Hub) -> None:
    with Reader(server.url, "/sse", headers={"Accept-Encoding": "*", "accept-encoding": "gzip;q=0"}) as reader:
        assert "content-encoding" not in reader.read_head()[1]


def test_the_head_alone_says_the_same(server: Serving) -> None:
    with Reader(server.url, "/sse", method="HEAD", headers=HEADERS) as reader:
        head = reader.read_head()[1]
        assert (head["content-encoding"], head["vary"]) == ("gzip", "Accept-Encoding")
        assert reader.read_to_end() == b""


# What clients make of it.


@pytest.mark.parametrize("client", CLIENTS)
def test_every_event_is_there_at_once_while_others_come_and_go(server: Serving, hub: Hub, client: str) -> None:
    with ExitStack() as stack:

        def join(way: Way) -> Events:
            """Join and read the current value, which is another one for each stream."""
            events = stack.enter_context(closing(Events(way(f"{server.url}/sse"))))
            streams.append(events)
            assert number_of(events.next()) == newest
            assert_one_compressed_group(server, hub, len(streams))
            return events

        streams: list[Events] = []
        newest = server.call(publish_newest, hub)
        joining = {0: by_zlib, 3: CLIENTS[client], 6: by_zlib, 7: by_zlib, 10: CLIENTS[client], **dict.fromkeys(range(12, 20), by_zlib)}
        for turn in range(25):
            if turn in joining:
                join(joining[turn])
            newest = server.call(publish_newest, hub)
            assert {number_of(events.next()) for events in streams} == {newest}
            if turn in (8, 15):
                streams.pop(turn // 8 - 1).close()
        server.call(hub.close)
        for events in streams:
            assert [json.loads(event.data)["error"]["code"] for event in events.rest()] == ["SERVER_DRAINING"]


async def test_pricewire_event_source(server: Serving, hub: Hub) -> None:
    def quiet(error: ClientError) -> None:
        """The end of a stream is expected."""

    def end() -> int:
        end_streams(hub)
        return publish_newest(hub)

    with closing(Events(by_zlib(f"{server.url}/sse"))) as other:
        for _ in range(3):
            server.call(publish_newest, hub)
            other.next()
        async with asyncio.timeout(PATIENCE), pricewire.EventSource(f"{server.url}/sse", on_error=quiet) as source:
            assert number_of(await anext(source)) == 3
            assert source.headers["content-encoding"] == "gzip"
            for _ in range(3):
                newest = server.call(publish_newest, hub)
                assert number_of(await anext(source)) == newest
                with closing(Events(by_zlib(f"{server.url}/sse"))) as another:
                    assert number_of(another.next()) == newest
            newest = server.call(end)
            assert (await anext(source)).type == "error"
            assert number_of(await anext(source)) == newest, "what was published meanwhile"
            assert source.headers["content-encoding"] == "gzip"
            assert source.headers["pricewire-start"] == "resumed"


async def test_pricewire_connect(server: Serving, hub: Hub) -> None:
    def publish_tick(number: int) -> None:
        hub.publish("ticks:GOLD", TickBody(str(number), Decimal(1900), Decimal(1901), Decimal(1899), "GOLD"), key="GOLD", event="tick")

    url = f"{server.url}/sse?topic=ticks:GOLD"
    with closing(Events(by_zlib(url))) as other:
        server.call(publish_tick, 1)
        other.next()
        async with asyncio.timeout(PATIENCE), pricewire.connect(server.url) as wire:
            ticks = wire.ticks("GOLD")
            assert (await anext(ticks)).epoch_ms == 1
            assert_one_compressed_group(server, hub, 2)
            for number in range(2, 9):
                server.call(publish_tick, number)
                assert (await anext(ticks)).epoch_ms == number
                with closing(Events(by_zlib(url))) as another:
                    another.next()


def test_silence_is_broken_by_a_comment(server: Serving, hub: Hub) -> None:
    hub.heartbeat = 0.5
    server.call(publish_newest, hub)
    with closing(by_zlib(f"{server.url}/sse")) as pieces:
        read = next(pieces)
        assert read.endswith(b"\n\n")
        while not read.endswith(2 * HEARTBEAT):
            read += next(pieces)
        server.call(hub.close)
        assert b"".join(pieces).startswith(b"event: error\n")


@pytest.mark.parametrize("server", ["handover"], indirect=True)
def test_http_1_0(server: Serving, hub: Hub) -> None:
    """By ASGI's `send` uvicorn sends chunks, which HTTP/1.0 does not know."""
    first = server.call(publish_newest, hub)
    with Reader(server.url, "/sse", version="1.0", headers={"Accept-Encoding": "gzip"}) as reader:
        head = reader.read_head()[1]
        assert "transfer-encoding" not in head
        assert head["content-encoding"] == "gzip"
        read = reader.read_until(b"\x00\x00\xff\xff")
        second = server.call(publish_newest, hub)
        server.call(hub.close)
        read += reader.read_to_end()
    events = EventStreamDecoder().feed(gzip.decompress(read))
    assert [number_of(event) for event in events[:-1]] == [first, second]
    assert events[-1].type == "error"


# Under load.


def test_a_stream_that_lags_comes_back(server: Serving, hub: Hub) -> None:
    """It was spared what was superseded, and goes on with the group's blocks, of which it has missed some."""
    noise = random.Random(1)

    def publish_much() -> int:
        return publish(hub, key="newest", padding=noise.randbytes(5000).hex())

    def publish_two() -> int:
        """Only one of them gets to a stream that lags: what blocks could refer back to is not where the others have it."""
        publish_newest(hub)
        return publish_newest(hub)

    def catch_up(events: Events, seq: int, until: int) -> int:
        """Read until an event; return how many the stream was spared."""
        spared = 0
        while seq < until:
            data = json.loads(events.next().data)
            merged = data.get("merged", 0)
            assert data["seq"] == seq + merged + 1, "nothing is lost that was not superseded"
            seq = data["seq"]
            spared += merged
        return spared

    url = f"{server.url}/sse"
    first = newest = server.call(publish_much)
    with closing(Events(by_zlib(url, buffer=4096))) as slow, closing(Events(by_zlib(url))) as fast:
        assert number_of(slow.next()) == number_of(fast.next()) == first
        for _ in range(3):
            first, while_lagging = newest, 0
            while while_lagging < 20:
                newest = server.call(publish_much)
                catch_up(fast, newest - 1, newest)
                while_lagging += server.call(lambda: hub.lagging)
                assert newest < first + 5000, "it never fell behind"
            before, newest = newest, server.call(publish_two)
            catch_up(fast, before, newest)
            assert catch_up(slow, first, newest) > 0
            # Its reader is fast again, which the server believes only after a while.
            wait_for(server, lambda: hub.lagging, 0)
            assert_one_compressed_group(server, hub, 2)
            for _ in range(5):
                newest = server.call(publish_newest, hub)
                assert number_of(fast.next()) == number_of(slow.next()) == newest
        server.call(hub.close)
        assert [event.type for event in slow.rest()] == [event.type for event in fast.rest()] == ["error"]


def test_streams_that_join_at_random_get_what_was_published(server: Serving, hub: Hub) -> None:
    chance = random.Random(1)
    keyed: set[int] = set()

    def publish_some() -> None:
        """What is published within one turn of the loop is one flush; `b` is what streams get when they join."""
        for _ in range(chance.randrange(4)):
            if chance.random() < 0.8:
                publish(hub, "a")
            else:
                keyed.add(publish(hub, "b", key="newest"))

    with ExitStack() as stack:
        readers: list[Reader] = []
        for _ in range(80):
            joining = [Reader(server.url, "/sse?topic=a&topic=b", headers=HEADERS) for _ in range(chance.randrange(1, 5))]
            for reader in joining:
                stack.enter_context(reader)
            server.call(publish_some)
            for reader in joining:
                assert reader.read_head()[1]["content-encoding"] == "gzip"
            server.call(publish_some)
            readers += joining
            if chance.random() < 0.2:
                readers.pop(chance.randrange(len(readers))).socket.close()
        assert len(readers) > 150
        wait_for(server, lambda: hub.streams, len(readers))
        assert_one_compressed_group(server, hub, len(readers))
        last = server.call(publish, hub)
        server.call(hub.close)
        starts = set()
        for reader in readers:
            body, ended = unchunk(reader.read_to_end())
            assert ended
            *events, stream_end = EventStreamDecoder().feed(gzip.decompress(body))
            assert stream_end.type == "error"
            numbers = [number_of(event) for event in events]
            joined = numbers[1] if numbers[1:] else last
            assert numbers[1:] == sorted(set(numbers[1:]))
            # A busy machine takes so long that some streams lag for a while, and are spared what was superseded.
            assert set(range(joined, last + 1)) - keyed <= set(numbers[1:]) <= set(range(joined, last + 1))
            starts.add(joined)
        assert len(starts) > 20, "they joined at many places"
