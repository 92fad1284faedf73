"""Streams that are written to past their transports, straight to their sockets: what readers get, over connections with little room."""

from __future__ import annotations

import asyncio
import os
import random
import socket
import struct
import zlib
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, cast

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

import pricewire.hub.streams
from pricewire.hub.event import plain
from pricewire.hub.hub import Hub
from pricewire.hub.streams import SendAll, StreamSpec, Write
from pricewire.protocol.decoder import EventStreamDecoder
from pricewire.protocol.stream_end import StreamEnd
from pricewire.server.transport.bounds import SURPLUS
from pricewire.server.transport.handover import LAST_CHUNK, PLAIN_TRANSPORTS, ChunkedStream
from support.serving import PATIENCE

NewLoop = Callable[[], asyncio.AbstractEventLoop]

LOOPS: list[Any] = [pytest.param(asyncio.SelectorEventLoop, id="asyncio"), pytest.param(uvloop.new_event_loop, id="uvloop")]

COMPILED = pricewire.hub.streams.send_all

compiled_only = pytest.mark.skipif(COMPILED is None, reason="nothing was compiled")

ROOM = 4096
"""How much the kernel is asked to keep of what is written, and of what has come, in bytes; it takes twice as much, or more."""


def cut_short(targets: list[Write | int], data: bytes) -> list[tuple[int, int]] | None:
    """Send as the compiled function does, but now and then only a part, as if there were no room."""
    rest = []
    for place, target in enumerate(targets):
        sent = 0
        if isinstance(target, int):
            part = data if random.random() < 0.5 else data[: random.randrange(len(data))]
            assert COMPILED is not None
            sent = (COMPILED([target], part) or [(0, len(part))])[0][1]
        if sent < len(data):
            rest.append((place, sent))
    return rest or None


WAYS: list[Any] = [
    pytest.param(None, id="python"),
    pytest.param(COMPILED, id="compiled", marks=compiled_only),
    pytest.param(cut_short, id="cut short", marks=compiled_only),
]


class Reader:
    """
    The client's side of a stream.

    Attributes:
        stream: the server's side.
        began: the number of the last event that it does not get, as that was written before it joined.
        compress: whether the body is compressed.
        head: how many bytes come before the body.
        received: what has come.
        is_whole: whether it is to get everything: it neither closes nor is cut off.
    """

    def __init__(self, client: socket.socket, stream: ChunkedStream, began: int, compress: bool, head: int) -> None:
        self.client = client
        self.stream = stream
        self.began = began
        self.compress = compress
        self.head = head
        self.received = b""
        self.is_whole = True
        self.has_ended = False

    def read(self, size: int) -> None:
        """Take what has come, up to so many bytes."""
        try:
            data = self.client.recv(size)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self.received += data
        self.has_ended = not data

    async def read_more(self) -> None:
        """Take what has come, and have the server go on."""
        self.read(1 << 16)
        await asyncio.sleep(0)

    def numbers(self) -> list[int]:
        """Return the numbers of the events, and check everything that frames them on the way."""
        assert self.received[: self.head].strip(b"h") == b""
        body, rest = b"", self.received[self.head :]
        while rest and rest != LAST_CHUNK:
            head, found, rest = rest.partition(b"\r\n")
            if not found:
                break
            size = int(head, 16)
            body += rest[:size]
            assert b"\r\n".startswith(rest[size : size + 2])
            rest = rest[size + 2 :]
        if self.compress:
            body = zlib.decompressobj(31).decompress(body)
        return [int(event.data.partition(" ")[0].strip('"')) for event in EventStreamDecoder().feed(body) if event.type == "message"]


class Scene:
    """A hub, and streams of it on connections of this machine."""

    def __init__(self) -> None:
        self.hub = Hub(heartbeat=PATIENCE)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.readers: list[Reader] = []
        self.published = 0

    async def connect(self, *, compress: bool = False, id: str | None = None, head: int = 0) -> Reader:
        """Have another reader, to whose connection so many bytes were written before."""
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, ROOM)
        client.connect(self.listener.getsockname())
        accepted, _ = self.listener.accept()
        accepted.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
        client.setblocking(False)
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_accepted_socket(asyncio.Protocol, accepted)
        transport.write(b"h" * head)
        stream = ChunkedStream(self.hub, transport, id or f"{len(self.readers)}", None)
        transport.set_protocol(stream)
        spec = StreamSpec(("news",), plain, compress=compress)
        self.hub.join(stream, spec, self.hub.start(spec.topics, None))
        assert stream.group is not None
        # What is pending in its group comes to it, too.
        reader = Reader(client, stream, stream.group.given(self.hub.position), compress, head)
        self.readers.append(reader)
        return reader

    def publish(self, size: int) -> None:
        """Publish an event of some size."""
        self.published += 1
        self.hub.publish("news", f"{self.published} {'x' * size}")

    async def finish(self) -> None:
        """Have all readers read everything, end the streams, and check what each has got."""
        self.publish(1)
        deadline = asyncio.get_running_loop().time() + PATIENCE
        for reader in self.readers:
            # A stream that does not take its last bytes is not ended in an orderly way, and the end of a chunk may be what waits.
            while reader.is_whole and (reader.numbers()[-1:] != [self.published] or reader.stream.unsent() > 0):
                assert asyncio.get_running_loop().time() < deadline, "an event has not come"
                await reader.read_more()
            self.hub.end(reader.stream, StreamEnd.SERVER_DRAINING)
            while not reader.has_ended:
                assert asyncio.get_running_loop().time() < deadline, "a connection was not closed"
                await reader.read_more()
            found = reader.numbers()
            until = self.published if reader.is_whole else reader.began + len(found)
            assert found == list(range(reader.began + 1, until + 1))
            assert not reader.is_whole or reader.received.endswith(LAST_CHUNK)

    def close(self) -> None:
        """Close what is open."""
        self.listener.close()
        for reader in self.readers:
            reader.client.close()


def run(new_loop: NewLoop, test: Coroutine[Any, Any, None]) -> None:
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(test)


STEPS = st.one_of(
    st.tuples(st.just("publish"), st.integers(1, 12_000)),
    st.tuples(st.just("turn"), st.integers(1, 3)),
    st.tuples(st.just("read"), st.integers(1, 20_000)),
    st.tuples(st.sampled_from(["join", "close", "reset", "no more requests", "surplus", "end", "beat", "change"]), st.integers(0, 7)),
)
"""What happens: a kind, and a size, a number of turns of the loop, or a reader."""


async def play(steps: Sequence[tuple[str, int]], compress: bool) -> None:
    scene = Scene()
    try:
        for _ in range(3):
            await scene.connect(compress=compress)
        for number, (step, value) in enumerate(steps):
            reader = scene.readers[value % len(scene.readers)]
            match step:
                case "publish":
                    scene.publish(value)
                case "turn":
                    for _ in range(value):
                        await asyncio.sleep(0)
                case "read":
                    scene.readers[number % len(scene.readers)].read(value)
                case "join":
                    await scene.connect(compress=compress, head=50_000 if value > 5 else 0)
                case "beat":
                    for group in scene.hub.groups:
                        group.write(b"" if compress else b":\n", 0.0)
                case "change":
                    # To another pace or to the same: it stops, and goes on in the other group, or again in its own.
                    spec = StreamSpec(("news",), plain, interval=0.001 * (value % 2), compress=compress)
                    scene.hub.change(reader.stream, spec, b"{}")
                case "end":
                    reader.is_whole = False
                    scene.hub.end(reader.stream, StreamEnd.SERVER_DRAINING)
                case "close" | "reset" | "no more requests" | "surplus" if not reader.has_ended and reader.is_whole:
                    reader.is_whole = False
                    if step == "no more requests":
                        reader.client.shutdown(socket.SHUT_WR)
                    elif step == "surplus":
                        reader.stream.data_received(b"x" * (SURPLUS + 1))
                    else:
                        reader.read(1 << 20)
                        reader.has_ended = True
                        if step == "reset":
                            reader.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                        reader.client.close()
        await scene.finish()
    finally:
        # Where it has failed, too: a loop of uvloop does not close before its connections have.
        for reader in scene.readers:
            if not reader.stream._transport.is_closing():
                reader.stream.abort()
        await asyncio.sleep(0)
        scene.close()


@pytest.mark.parametrize("new_loop", LOOPS)
@pytest.mark.parametrize("way", WAYS)
@settings(max_examples=60)
@given(steps=st.lists(STEPS, max_size=40), compress=st.booleans(), seed=st.integers())
def test_every_reader_gets_every_event_whole_and_in_order(
    new_loop: NewLoop, way: SendAll | None, steps: list[tuple[str, int]], compress: bool, seed: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pricewire.hub.streams, "send_all", way)
        random.seed(seed)
        run(new_loop, play(steps, compress))


def targets(scene: Scene) -> list[bool]:
    """Say of each member of the groups whether its socket is written to."""
    return [isinstance(target, int) for group in scene.hub.groups for target in group.members.values()]


@compiled_only
@pytest.mark.parametrize("new_loop", LOOPS)
def test_a_socket_is_written_to_until_it_takes_less_and_again_when_nothing_waits(new_loop: NewLoop) -> None:
    async def test() -> None:
        scene = Scene()
        reader = await scene.connect()
        assert targets(scene) == [True]
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while targets(scene) == [True]:
            assert asyncio.get_running_loop().time() < deadline
            scene.publish(2000)
            await asyncio.sleep(0)
        assert targets(scene) == []
        assert reader.stream.lag is not None
        while targets(scene) == []:
            assert asyncio.get_running_loop().time() < deadline
            await reader.read_more()
        assert targets(scene) == [True]
        await scene.finish()
        scene.close()

    run(new_loop, test())


@compiled_only
@pytest.mark.parametrize("new_loop", LOOPS)
def test_what_waited_before_it_joined_is_not_overtaken(new_loop: NewLoop) -> None:
    async def test() -> None:
        scene = Scene()
        reader = await scene.connect(head=1_000_000)
        assert targets(scene) == [False]
        scene.publish(10)
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while targets(scene) != [True]:
            assert asyncio.get_running_loop().time() < deadline
            await reader.read_more()
        await scene.finish()
        scene.close()

    run(new_loop, test())


@compiled_only
@pytest.mark.parametrize("new_loop", LOOPS)
@pytest.mark.parametrize("way", ["closed", "reset", "aborted", "same id"])
def test_a_stream_has_left_before_its_socket_is_closed(new_loop: NewLoop, way: str) -> None:
    """Otherwise the next connection, which gets the same number, would be sent what is meant for it."""

    async def test() -> None:
        scene = Scene()
        reader = await scene.connect(id="1")
        await scene.connect(id="1" if way == "same id" else "2")
        (group,) = scene.hub.groups
        number = group.members[reader.stream]
        assert isinstance(number, int)
        descriptor: int = number
        identity = os.fstat(descriptor).st_ino
        gone = asyncio.Event()

        class Watched(asyncio.Protocol):
            def connection_lost(self, exc: Exception | None) -> None:
                # It is open still, and what is sent to it goes nowhere else.
                assert os.fstat(descriptor).st_ino == identity
                reader.stream.connection_lost(exc)
                assert reader.stream not in group.members
                gone.set()

        reader.stream._transport.set_protocol(Watched())
        match way:
            case "aborted":
                reader.stream.abort()
            case "reset":
                reader.client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                reader.client.close()
                # The transport learns it when it writes, or when it reads.
                scene.publish(1)
            case _:
                reader.client.close()
        async with asyncio.timeout(PATIENCE):
            await gone.wait()
        reader.is_whole, reader.has_ended = False, True
        await scene.finish()
        scene.close()

    run(new_loop, test())


@compiled_only
def test_a_number_is_not_used_once_its_loop_has_ended() -> None:
    """A loop that is closed tells nobody; what it leaves open is closed at some time, and the numbers are soon others'."""
    scene = Scene()
    with asyncio.Runner(loop_factory=asyncio.SelectorEventLoop) as runner:
        reader = runner.run(scene.connect())
        assert targets(scene) == [True]
    (group,) = scene.hub.groups
    number = group.members[reader.stream]
    assert isinstance(number, int)
    theirs, ours = socket.socketpair()
    theirs.setblocking(False)
    transport = cast("Any", reader.stream._transport)
    assert transport._sock.detach() == number
    os.dup2(ours.fileno(), number)
    transport._sock = None

    async def on_another_loop() -> None:
        group.write(b"data: 1\n\n", 0.0)

    try:
        run(uvloop.new_event_loop, on_another_loop())
        group.write(b"data: 2\n\n", 0.0)
        with pytest.raises(BlockingIOError):
            theirs.recv(1)
    finally:
        os.close(number)
        theirs.close()
        ours.close()
        scene.close()


@compiled_only
def test_only_transports_that_are_known_are_written_past() -> None:
    async def test() -> None:
        scene = Scene()
        reader = await scene.connect()
        assert reader.stream.idle_socket() >= 0

        class Wrapped:
            def is_closing(self) -> bool:
                return False

            def get_write_buffer_size(self) -> int:
                return 0

        transport = reader.stream._transport
        reader.stream._transport = cast("asyncio.Transport", Wrapped())
        assert reader.stream.idle_socket() == -1
        reader.stream._transport = transport
        scene.close()
        transport.abort()
        await asyncio.sleep(0)

    run(asyncio.SelectorEventLoop, test())
    assert "uvloop.loop.TCPTransport" in PLAIN_TRANSPORTS


@compiled_only
def test_what_is_sent_in_one_call_and_what_is_not() -> None:
    assert COMPILED is not None
    pairs = [socket.socketpair() for _ in range(100)]
    numbers = [ours.fileno() for ours, _ in pairs]
    try:
        for count in (0, 1, 31, 32, 33, 100):
            assert COMPILED([*numbers[:count]], b"abc") is None
            assert [theirs.recv(10) for _, theirs in pairs[:count]] == [b"abc"] * count
        pairs[1][1].close()
        pairs[2][0].setblocking(False)
        while COMPILED([numbers[2]], b"x" * 4096) is None:
            pass
        # One that is gone, one that is full, one that is no socket, and one that is closed.
        assert COMPILED([numbers[0], numbers[1], print, numbers[2], 1_000_000], b"abcd") == [(1, 0), (2, 0), (3, 0), (4, 0)]
        assert pairs[0][1].recv(10) == b"abcd"
        left = COMPILED([numbers[3]], b"y" * 10_000_000)
        assert left is not None
        assert 0 < left[0][1] < 10_000_000
        assert COMPILED([numbers[0]], b"") is None
        for wrong in (-1, 1 << 31, 1 << 80):
            with pytest.raises((ValueError, OverflowError)):
                COMPILED([wrong], b"a")
        for arguments in ([numbers, "text"], [tuple(numbers), b"a"], [numbers], [numbers, bytearray(b"a")]):
            with pytest.raises(TypeError):
                COMPILED(*arguments)
    finally:
        for pair in pairs:
            for end in pair:
                end.close()
