"""TLS handshakes that never end: they take places as other connections do, and end in time."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pricewire.server.app import create_app
from pricewire.server.limits import Limits
from pricewire.server.transport.connections import OpenConnections
from pricewire.server.transport.handshake import Handshake
from support.feeds import HandFeed
from support.serving import Reader, Serving
from support.tls import Certificate

FEW = 20
HELLO = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 50
"""Half a ClientHello. Source: RFC 8446, section 4.1.2."""

STARTS = {
    "nothing": b"",
    "half a hello": HELLO,
    "no TLS": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "a record of zeros": b"\x16\x03\x01\x00\x05" + bytes(5),
}


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


class Secure:
    def __init__(self, serving: Serving, context: ssl.SSLContext) -> None:
        self.serving = serving
        self.context = context

    def status(self) -> int:
        with Reader(self.serving.url, "/healthz", headers={"Connection": "close"}, context=self.context) as reader:
            return reader.read_head()[0]

    def connect(self, data: bytes) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.serving.port), timeout=20)
        connection.sendall(data)
        return connection


@pytest.fixture(params=["uvloop", "asyncio"])
def secure(request: pytest.FixtureRequest, feed: HandFeed, tmp_path: Path) -> Any:
    certificate = Certificate(tmp_path)

    @contextlib.contextmanager
    def opened(**options: Any) -> Iterator[Secure]:
        limits = Limits(streams_per_address=FEW, connections_per_address=FEW, **options)
        app = create_app([feed], heartbeat=0.2, limits=limits)
        with Serving(app, limits=limits, loop=request.param, **certificate.options) as serving:
            yield Secure(serving, certificate.context)

    return opened


@pytest.mark.skipif(sys.platform != "linux", reason="descriptors are counted in /proc")
@pytest.mark.parametrize("start", STARTS)
def test_handshakes_that_do_not_end_make_room(secure: Any, start: str) -> None:
    with secure() as server, contextlib.ExitStack() as stack:
        assert server.status() == 200
        before = open_files()
        for _ in range(5 * FEW):
            with contextlib.suppress(ConnectionError):
                stack.callback(server.connect(STARTS[start]).close)
        assert server.status() == 200
        # Both ends are in this process.
        assert open_files() - before <= 6 * FEW + 10


@pytest.mark.parametrize("start", ["nothing", "half a hello"])
def test_a_handshake_ends_in_time(secure: Any, start: str) -> None:
    with secure(request_seconds=0.3) as server:
        with server.connect(STARTS[start]) as connection, contextlib.suppress(ConnectionError):
            while connection.recv(4096):
                pass
        assert server.status() == 200


def test_the_server_stops_while_a_handshake_is_under_way(secure: Any) -> None:
    with secure(request_seconds=600.0) as server:
        connection = server.connect(HELLO)
        assert server.status() == 200
        server.serving.stop()
        with contextlib.suppress(ConnectionError):
            assert connection.recv(4096) in (b"", b"\x15\x03\x01\x00\x02\x02\x28")
        connection.close()


def test_a_client_that_goes_within_its_handshake_leaves_nothing(secure: Any, caplog: pytest.LogCaptureFixture) -> None:
    with secure() as server:
        for length in range(0, len(HELLO), 5):
            connection = server.connect(HELLO[:length])
            if length % 2:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
        assert server.status() == 200
    assert not [record for record in caplog.records if record.exc_info]


def test_streams_go_on_inside(secure: Any, feed: HandFeed) -> None:
    with secure() as server, Reader(server.serving.url, "/sse?topic=ticks:GOLD", context=server.context) as reader:
        assert reader.read_head()[0] == 200
        for number in range(1, 50):
            server.serving.call(feed.give, number, number + 1, 1_800_014_400_000 + number)
            reader.read_until(b'"seq":%d,' % number)


def test_a_hello_that_comes_with_its_connection_is_not_lost(secure: Any) -> None:
    with secure() as server:
        for _ in range(50):
            assert server.status() == 200


def test_a_connection_that_finds_no_file_left_takes_no_place() -> None:
    class FullSocket:
        def dup(self) -> socket.socket:
            raise OSError(errno.EMFILE, "too many open files")

    class Accepted(asyncio.Transport):
        is_aborted = False

        def abort(self) -> None:
            self.is_aborted = True

    connections, under_way = OpenConnections(), set[Handshake]()
    accepted = Accepted({"peername": ("192.0.2.1", 5), "socket": FullSocket()})
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    Handshake(context, asyncio.Protocol, connections, Limits(), under_way).connection_made(accepted)
    assert accepted.is_aborted
    assert (len(connections), under_way) == (0, set())
