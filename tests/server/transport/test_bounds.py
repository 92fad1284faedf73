"""What is too long, or no HTTP, is refused in the surface's form before it is served."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from pricewire.server.limits import Limits
from pricewire.server.transport.bounds import MAX_PIPELINED, BoundedProtocol, BoundedState
from pricewire.server.transport.serve import make_server
from support.serving import Raw, Serving

LIMITS = Limits(request_target=100, request_headers=1000)
HASTY = Limits(request_seconds=0.05)


LATER = threading.Event()


async def application(scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]) -> None:
    """Answer with how long the body was; `/slow` when the client has gone, `/later` when told to, `/early` at once, `/large` with 10 MB."""
    size = 0
    if scope["path"] in ("/early", "/large"):
        body = b"early" if scope["path"] == "/early" else b"x" * 10_000_000
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
        await send({"type": "http.response.body", "body": body})
        return
    while True:
        message = await receive()
        size += len(message.get("body", b""))
        if message["type"] == "http.disconnect":
            return
        if not message.get("more_body"):
            break
    if scope["path"] == "/slow":
        while (await receive())["type"] != "http.disconnect":
            pass
    if scope["path"] == "/later":
        await asyncio.to_thread(LATER.wait, 60)
    body = b"%d" % size
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def serving(loop: str, limits: Limits) -> Serving:
    return Serving(application, limits=limits, http=make_server(application).config.http, loop=loop, lifespan="off")


@pytest.fixture(params=["uvloop", "asyncio"])
def server(request: pytest.FixtureRequest) -> Iterator[Serving]:
    with serving(request.param, LIMITS) as server:
        yield server


@pytest.fixture(params=["uvloop", "asyncio"])
def hasty(request: pytest.FixtureRequest) -> Iterator[Serving]:
    with serving(request.param, HASTY) as hasty:
        yield hasty


def wait_until_idle(server: Serving) -> None:
    """Return once no request is being answered."""
    while server.call(lambda: len(server._server.server_state.tasks)):
        pass


def read_answer(reader: Raw, body: bytes = b"0") -> None:
    """Read an answer that is no refusal, up to some bytes of its body."""
    assert reader.read_head()[0] == 200
    reader.read_until(body)


def connect(server: Serving) -> Raw:
    """Return a connection on which nothing was sent yet."""
    return Raw(server.url)


def too_large(server: Serving) -> int:
    state = server._server.server_state
    assert isinstance(state, BoundedState)
    return state.requests_too_large


def refusal(reader: Raw) -> tuple[int, str, str]:
    status, headers = reader.read_head()
    assert headers["content-type"] == "application/json"
    assert headers["connection"] == "close"
    body = reader.read_to_end()
    assert len(body) == int(headers["content-length"]), "nothing follows, and the connection is closed"
    error = json.loads(body)["error"]
    return status, error["code"], error["message"]


def request(target: str = "/", headers: bytes = b"", body: bytes = b"") -> bytes:
    method = b"POST" if body else b"GET"
    length = b"Content-Length: %d\r\n" % len(body) if body else b""
    return b"%b %b HTTP/1.1\r\n%b%b\r\n%b" % (method, target.encode(), headers, length, body)


TARGET = (414, "REQUEST_TOO_LARGE", "the address of the request exceeds the limit of 100 bytes: ask for less in one request")
TOO_SLOW = (408, "REQUEST_TIMEOUT", "the head of the request took more than 0.05 seconds: send it at once")
HEADERS = (431, "REQUEST_TOO_LARGE", "the headers of the request exceed the limit of 1000 bytes")


def field(size: int) -> bytes:
    """Return a header that takes so many bytes."""
    return b"A: " + b"x" * (size - 5) + b"\r\n"


CASES: dict[str, tuple[bytes, tuple[int, str, str] | None]] = {
    "target at the limit": (request("/" + "x" * 99), None),
    "target beyond": (request("/" + "x" * 100), TARGET),
    "query beyond": (request("/?" + "x" * 99), TARGET),
    "one header at the limit": (request(headers=field(1000)), None),
    "one header beyond": (request(headers=field(1001)), HEADERS),
    "two headers at the limit": (request(headers=field(500) * 2), None),
    "many headers beyond": (request(headers=field(50) * 20 + field(6)), HEADERS),
}


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "in pieces"])
@pytest.mark.parametrize("case", CASES)
def test_a_head_has_bounds(server: Serving, case: str, whole: bool) -> None:
    data, expected = CASES[case]
    with connect(server) as reader:
        reader.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in [data] if whole else [data[start : start + 7] for start in range(0, len(data), 7)]:
            reader.socket.sendall(piece)
        if expected is None:
            assert reader.read_head()[0] == 200
            # The bounds begin anew with each request of the connection.
            reader.read_until(b"0")
            reader.socket.sendall(data)
            assert reader.read_head()[0] == 200
            assert server.call(too_large, server) == 0
        else:
            assert refusal(reader) == expected
            assert server.call(too_large, server) == 1


@pytest.mark.parametrize(
    "endless",
    [
        b"GET / HTTP/1.1\r\nA: ",
        b"GET / HTTP/1.1\r\nA",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nA: ",
    ],
    ids=["value", "name", "trailer"],
)
def test_a_header_that_never_ends_is_not_kept(server: Serving, endless: bytes) -> None:
    with connect(server) as reader:
        reader.socket.sendall(endless)
        sent = 0
        while not server.call(too_large, server):
            reader.socket.sendall(b"x" * 100)
            sent += 100
            assert sent < 10_000
        # It goes on sending, and still learns why it was refused. Much of that: none must be left unread when the connection closes.
        reader.socket.sendall(b"x" * 1_000_000)
        assert refusal(reader) == HEADERS


def test_a_body_is_no_head(server: Serving) -> None:
    with connect(server) as reader:
        for size in (200_000, 5, 200_000):
            reader.socket.sendall(request(body=b"x" * size))
            read_answer(reader, b"%d" % size)
        chunks = b"5\r\nxxxxx\r\n" * 20_000
        reader.socket.sendall(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n")
        read_answer(reader, b"100000")
        assert server.call(too_large, server) == 0


def test_what_is_no_http(server: Serving) -> None:
    with connect(server) as reader:
        reader.socket.sendall(b"HELLO\r\n\r\n")
        assert refusal(reader) == (400, "INVALID_PARAMETERS", "this is no HTTP request that can be read")
    assert server.call(too_large, server) == 0


NO_HTTP = (400, "INVALID_PARAMETERS", "this is no HTTP request that can be read")

BEHIND: dict[str, tuple[bytes, tuple[int, str, str]]] = {
    "no HTTP": (b"HELLO\r\n\r\n", NO_HTTP),
    "a target beyond": (request("/" + "x" * 200), TARGET),
    "headers beyond": (request(headers=field(2000)), HEADERS),
    "a body that is none": (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx", NO_HTTP),
}


@pytest.mark.parametrize("what", BEHIND)
def test_answers_arrive_whole_before_a_refusal_of_what_comes_behind_their_requests(server: Serving, what: str) -> None:
    behind, expected = BEHIND[what]
    with connect(server) as reader:
        reader.socket.sendall(request() + request("/large") + request() + behind + request())
        for size in (b"0", b"x" * 10_000_000, b"0"):
            assert reader.read_head()[0] == 200
            while len(reader.received) < len(size):
                reader.received += reader.socket.recv(1_000_000)
            assert reader.received.startswith(size)
            reader.received = reader.received[len(size) :]
        assert refusal(reader) == expected


@pytest.mark.parametrize("late", [b"GET / HT", b"POST / HTTP/1.1\r\nContent-Length: 2\r\n\r\n"], ids=["head", "body"])
def test_what_comes_too_slowly_behind_a_request_does_not_cut_its_answer(hasty: Serving, late: bytes) -> None:
    LATER.clear()
    with connect(hasty) as reader, connect(hasty) as silent:
        reader.socket.sendall(request("/later") + late)
        assert refusal(silent) == TOO_SLOW, "so the time is over for the other as well"
        LATER.set()
        read_answer(reader)
        assert refusal(reader)[0] == 408


def test_no_refusal_is_written_into_the_answer_of_an_earlier_request(server: Serving) -> None:
    with connect(server) as reader:
        reader.socket.sendall(request("/slow") + request("/" + "x" * 200))
        while not server.call(too_large, server):
            pass
        reader.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            reader.socket.recv(1)
    wait_until_idle(server)


def test_a_flood_behind_a_request_that_is_the_last_is_cut_off(server: Serving) -> None:
    with connect(server) as reader:
        reader.socket.sendall(request("/slow") + b"HELLO\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                reader.socket.sendall(b"x" * 1000)
    wait_until_idle(server)


def test_a_body_that_is_none_is_refused_and_its_application_told(server: Serving) -> None:
    with connect(server) as reader:
        reader.socket.sendall(b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nxxxxxxx")
        assert refusal(reader) == NO_HTTP
    wait_until_idle(server)


def test_a_refusal_follows_an_answer_that_is_complete(server: Serving) -> None:
    with connect(server) as reader:
        reader.socket.sendall(request())
        read_answer(reader)
        reader.socket.sendall(request("/" + "x" * 200))
        assert refusal(reader) == TARGET


@pytest.mark.parametrize(
    "begun", [b"", b"\r\n", b"G", b"GET / HTTP/1.1\r\nA: b\r\n"], ids=["nothing", "an empty line", "a byte", "a header"]
)
def test_a_head_that_does_not_end_is_refused(hasty: Serving, begun: bytes) -> None:
    with connect(hasty) as reader:
        reader.socket.sendall(begun)
        assert refusal(reader) == TOO_SLOW
    with connect(hasty) as reader:
        reader.socket.sendall(request())
        read_answer(reader)
        if begun:
            reader.socket.sendall(begun)
            assert refusal(reader) == TOO_SLOW, "as the second request of a connection too"


def test_an_answer_may_take_longer_than_a_head(hasty: Serving) -> None:
    with connect(hasty) as awaited, connect(hasty) as silent:
        awaited.socket.sendall(request("/slow"))
        assert refusal(silent) == TOO_SLOW, "so the time is over for the other as well"
        awaited.socket.setblocking(False)
        with pytest.raises(BlockingIOError):
            awaited.socket.recv(1)


BODY_TOO_SLOW = (408, "REQUEST_TIMEOUT", "the body of the request comes too slowly: less than 1000 bytes a second after 0.05 seconds")


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_stops_is_refused_and_its_application_told(hasty: Serving, chunked: bool) -> None:
    start = b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nxx" if chunked else request(body=b"xx")[:-1]
    with connect(hasty) as reader:
        reader.socket.sendall(start)
        assert refusal(reader) == BODY_TOO_SLOW
    wait_until_idle(hasty)


def test_a_body_that_comes_fast_enough_may_take_its_time(hasty: Serving) -> None:
    with connect(hasty) as reader, connect(hasty) as silent:
        # A second's worth, at 1,000 bytes a second.
        reader.socket.sendall(request(body=b"x" * 1001)[:-1])
        assert refusal(silent) == TOO_SLOW, "so the time of a body that had not begun is over"
        reader.socket.sendall(b"x")
        read_answer(reader, b"1001")
        reader.socket.sendall(request(body=b"xx"))
        assert reader.read_head()[0] == 200, "the connection is kept"


def test_an_answer_before_the_end_of_a_body_arrives_and_closes_the_connection(server: Serving) -> None:
    with connect(server) as reader:
        reader.socket.sendall(b"POST /early HTTP/1.1\r\nContent-Length: 100000000\r\n\r\n" + b"x" * 100_000)
        assert reader.read_head()[0] == 200
        # None of that is read by the application, and all of it before the connection closes.
        reader.socket.sendall(b"x" * 1_000_000)
        assert reader.read_to_end() == b"early"


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_that_comes_after_its_answer_leaves_the_connection_to_the_next_request(server: Serving, chunked: bool) -> None:
    framing, body = (b"Transfer-Encoding: chunked", b"5\r\nxxxxx\r\n0\r\n\r\n") if chunked else (b"Content-Length: 5", b"xxxxx")
    with connect(server) as reader:
        # As clients do that send the head by itself.
        for _ in range(3):
            reader.socket.sendall(b"POST /early HTTP/1.1\r\n" + framing + b"\r\n\r\n")
            read_answer(reader, b"early")
            reader.socket.sendall(body[:3])
            reader.socket.sendall(body[3:])
        reader.socket.sendall(request(body=b"xx"))
        read_answer(reader, b"2")


def test_a_request_that_comes_with_the_rest_of_a_body_has_its_time(server: Serving) -> None:
    LATER.clear()
    with connect(server) as reader:
        reader.socket.sendall(request("/early", body=b"xx")[:-2])
        read_answer(reader, b"early")
        reader.socket.sendall(b"xx" + request("/later"))
        while not server.call(lambda: len(server._server.server_state.tasks)):
            pass
        (connection,) = server.call(lambda: list(server._server.server_state.connections))
        assert isinstance(connection, BoundedProtocol)
        assert server.call(lambda: connection.timeout_keep_alive_task) is None
        LATER.set()
        read_answer(reader)
        while server.call(lambda: connection.timeout_keep_alive_task) is None:
            pass


def test_a_connection_is_not_kept_for_ever_after_a_body_that_came_late(server: Serving) -> None:
    with connect(server) as reader:
        reader.socket.sendall(request("/early", body=b"xx")[:-2])
        read_answer(reader, b"early")
        (connection,) = server.call(lambda: list(server._server.server_state.connections))
        assert isinstance(connection, BoundedProtocol)
        reader.socket.sendall(b"xx")
        while server.call(lambda: connection._in_body):
            pass
        assert server.call(lambda: connection.timeout_keep_alive_task) is not None


def test_a_body_that_stops_after_its_answer_ends_the_connection(hasty: Serving) -> None:
    with connect(hasty) as reader:
        reader.socket.sendall(request("/early", body=b"xx")[:-1])
        assert reader.read_head()[0] == 200
        assert reader.read_to_end() == b"early"
    wait_until_idle(hasty)


def test_a_connection_that_its_client_would_not_use_again_ends_with_the_answer(server: Serving) -> None:
    for header in (b"Connection: close\r\n", b"Expect: 100-continue\r\n"):
        with connect(server) as reader:
            reader.socket.sendall(request("/early", header, body=b"xx")[:-1])
            assert reader.read_head()[0] == 200
            assert reader.read_to_end() == b"early"


def test_a_reader_that_takes_no_answers_is_given_up(hasty: Serving) -> None:
    with connect(hasty) as reader:
        reader.socket.sendall(request("/large") * 20)
        while hasty.call(lambda: len(hasty._server.server_state.connections)):
            pass
    wait_until_idle(hasty)


def test_only_so_many_requests_wait_behind_another(server: Serving) -> None:
    with connect(server) as reader:
        reader.socket.sendall(request() * 2 * MAX_PIPELINED)
        for _ in range(MAX_PIPELINED + 1):
            read_answer(reader)
        assert refusal(reader) == NO_HTTP
    with connect(server) as reader:
        reader.socket.sendall(request() * MAX_PIPELINED)
        for _ in range(MAX_PIPELINED):
            reader.read_until(b"\r\n\r\n0")


def test_make_server_takes_limits() -> None:
    assert make_server(application, limits=LIMITS).server_state.limits is LIMITS
    assert make_server(application).server_state.limits == Limits()
