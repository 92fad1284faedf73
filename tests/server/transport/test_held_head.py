"""A response's head and its body are written together; a head whose body takes its time comes before it."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from pricewire.server.limits import Limits
from pricewire.server.transport.held_head import MOST_COPIED, Data, HeldHead
from pricewire.server.transport.serve import make_server
from support.serving import Raw, Serving

GO_ON = threading.Event()
LENGTHS = {"/whole": 5, "/late": 5, "/large": MOST_COPIED + 1, "/cut": 5, "/next-turn": 0, "/busy": 5, "/flood": 8_000_000}


async def application(scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    """
    Answer with a body: `/late` when told to, `/large` with one that is not copied, `/cut` with none of what the head says, `/next-turn`
    with an empty one a turn of the loop later, `/busy` once that turn is long, `/flood` with more than a connection takes, and then fail.
    """
    path = scope["path"]
    if path == "/busy":
        GO_ON.wait(60)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % LENGTHS[path])]})
    if path == "/cut":
        return
    if path in ("/next-turn", "/busy"):
        await asyncio.sleep(0)
    if path == "/busy":
        await receive()
    if path == "/late":
        await asyncio.to_thread(GO_ON.wait, 60)
    await send({"type": "http.response.body", "body": b"x" * LENGTHS[path]})
    if path == "/flood":
        raise ValueError("after its answer")


@pytest.fixture(params=["uvloop", "asyncio"])
def server(request: pytest.FixtureRequest) -> Iterator[Serving]:
    http = make_server(application).config.http
    with Serving(application, limits=Limits(), http=http, loop=request.param, lifespan="off") as server:
        yield server


def asked(method: str, path: str) -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode()


@pytest.mark.parametrize("path", ["/whole", "/large"])
def test_answers_are_whole_and_in_order(server: Serving, path: str) -> None:
    with Raw(server.url) as client:
        for methods in (["GET"], ["HEAD", "GET"], ["GET", "HEAD", "HEAD", "GET"]):
            client.socket.sendall(b"".join(asked(method, path) for method in methods))
            for method in methods:
                assert client.read_head()[0] == 200
                if method == "GET":
                    client.read_until(b"x" * LENGTHS[path])


def test_a_head_does_not_wait_for_a_late_body(server: Serving) -> None:
    GO_ON.clear()
    with Raw(server.url, asked("GET", "/late")) as client:
        assert client.read_head()[0] == 200
        assert client.received == b""
        GO_ON.set()
        client.read_until(b"xxxxx")


def test_an_answer_that_is_cut_has_its_head(server: Serving) -> None:
    with Raw(server.url, asked("GET", "/cut")) as client:
        assert client.read_head()[0] == 200
        assert client.read_to_end() == b""


def test_who_says_that_no_more_comes_gets_an_answer(server: Serving) -> None:
    for _ in range(20):
        with Raw(server.url, asked("GET", "/next-turn")) as client:
            client.socket.shutdown(socket.SHUT_WR)
            assert client.read_head()[0] == 200
            assert client.read_to_end() == b""


def test_an_answer_that_has_begun_is_not_lost_with_a_body_that_cannot_be_read(server: Serving) -> None:
    GO_ON.clear()
    request = b"POST /busy HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"
    with Raw(server.url, request) as client:
        client.socket.sendall(b"no chunk\r\n")
        GO_ON.set()
        # The application may begin before the body has come, which then cuts its answer; or after, which refuses the request.
        assert client.read_head()[0] in (200, 400)


def test_no_body_goes_without_its_head(server: Serving) -> None:
    with Raw(server.url, asked("GET", "/flood") + asked("GET", "/large"), buffer=65536) as client:
        assert client.read_head()[0] == 200
        rest = client.read_to_end()[LENGTHS["/flood"] :]
    # The connection may end before the second answer.
    assert rest == b"" or rest.startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("expects", [b"", b"Expect: 100-continue\r\n"])
def test_a_body_that_cannot_be_read_is_no_error_of_ours(server: Serving, expects: bytes, caplog: pytest.LogCaptureFixture) -> None:
    head = b"POST /whole HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n%b\r\n" % expects
    for _ in range(50):
        with Raw(server.url, head + b"no chunk\r\n") as client:
            assert client.read_head()[0] == 400
            assert b"HTTP/1.1" not in client.read_to_end()
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


class Recording(asyncio.Transport):
    """Records what is written at once."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[Data] = []
        self.closed = False

    def write(self, data: Data) -> None:
        if self.closed:
            # As uvloop's does where the connection has gone.
            raise RuntimeError
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


async def test_a_head_and_its_body_are_one_write() -> None:
    transport = Recording()
    held = HeldHead(transport, asyncio.get_running_loop())
    held.write(b"head ")
    assert transport.written == []
    held.write(b"body")
    held.write(b"more")
    assert transport.written == [b"head body", b"more"]


async def test_a_large_body_is_not_copied() -> None:
    transport = Recording()
    held = HeldHead(transport, asyncio.get_running_loop())
    body = b"x" * (MOST_COPIED + 1)
    held.write(b"head ")
    held.write(body)
    assert transport.written[0] == b"head "
    assert transport.written[1] is body


async def test_a_head_is_written_when_the_turn_ends() -> None:
    transport = Recording()
    held = HeldHead(transport, asyncio.get_running_loop())
    held.write(b"head")
    await asyncio.sleep(0)
    assert transport.written == [b"head"]
    held.write(b"body")
    assert transport.written == [b"head", b"body"]


async def test_a_connection_that_has_gone_is_no_error() -> None:
    transport = Recording()
    held = HeldHead(transport, asyncio.get_running_loop())
    held.write(b"head")
    transport.close()
    held.flush()
    assert transport.written == []


async def test_closing_writes_first() -> None:
    transport = Recording()
    held = HeldHead(transport, asyncio.get_running_loop())
    held.write(b"head")
    held.close()
    assert (transport.written, transport.closed) == ([b"head"], True)
