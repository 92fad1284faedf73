"""Streams over real sockets: the same tests with the hand-over and by ASGI's `send`, on every server that Pricewire names."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hypercorn.asyncio
import hypercorn.config
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from pricewire.hub.hub import Hub
from pricewire.hub.log import LogLimits
from pricewire.hub.streams import Stream
from pricewire.protocol.decoder import EventStreamDecoder
from pricewire.server.transport.event_stream import EventStream
from pricewire.server.transport.fallback import FallbackStream
from pricewire.server.transport.handover import ChunkedStream, HandoverProtocol, HandoverStream
from pricewire.server.transport.serve import Server
from support.metrics import wait_until
from support.serving import Reader, Serving, unchunk
from support.tls import Certificate

HANDOVER = {"http": HandoverProtocol, "server_class": Server}
SERVERS: dict[str, dict[str, Any]] = {
    "handover-uvloop": {**HANDOVER, "loop": "uvloop"},
    "handover-asyncio": {**HANDOVER, "loop": "asyncio"},
    "send-httptools": {"http": "httptools", "loop": "uvloop", "server_class": uvicorn.Server},
    "send-h11": {"http": "h11", "loop": "asyncio", "server_class": uvicorn.Server},
}


@pytest.fixture
def hub() -> Hub:
    return Hub(limits=LogLimits(count=100), heartbeat=0.5)


async def pass_on(request: Request, call_next: RequestResponseEndpoint) -> Response:
    response = await call_next(request)
    response.headers["x-passed"] = "yes"
    return response


def application(hub: Hub, middleware: list[Middleware] | None = None) -> Starlette:
    async def stream(request: Request) -> Response:
        return EventStream(hub, request.query_params.getlist("topic") or ["a"])

    async def hello(request: Request) -> Response:
        return PlainTextResponse("hello")

    return Starlette(routes=[Route("/", stream), Route("/hello", hello)], middleware=middleware)


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, hub: Hub) -> Iterator[Serving]:
    with Serving(application(hub), **SERVERS[request.param]) as serving:
        yield serving
        serving.call(hub.close)


@pytest.fixture(params=[name for name in SERVERS if name.startswith("handover")])
def handing_over(request: pytest.FixtureRequest, hub: Hub) -> Iterator[Serving]:
    with Serving(application(hub), **SERVERS[request.param]) as serving:
        yield serving


def streams(hub: Hub) -> list[Stream]:
    return [stream for group in hub._groups.values() for stream in [*group.members, *group.lagging]]


def is_handed_over(serving: Serving) -> bool:
    return isinstance(serving._server, Server)


def test_the_head_says_what_the_stream_is_and_how_it_starts(server: Serving, hub: Hub) -> None:
    with Reader(server.url, headers={"Connection": "close"}) as reader:
        status, headers = reader.read_head()
        expected = {
            "content-type": "text/event-stream",
            "cache-control": "no-store, no-transform",
            "x-accel-buffering": "no",
            "pricewire-start": "snapshot",
            "pricewire-heartbeat": "0.5",
            "transfer-encoding": "chunked",
        }
        assert (status, headers | expected) == (200, headers)
        assert len(headers["pricewire-stream"]) == 16
        kind = ChunkedStream if is_handed_over(server) else FallbackStream
        assert [type(stream) for stream in server.call(streams, hub)] == [kind]


def test_a_stream_starts_with_the_current_value_goes_on_and_says_why_it_ends(server: Serving, hub: Hub) -> None:
    server.call(hub.publish, "a", {"n": 1}, key="k")
    with Reader(server.url, headers={"Connection": "close"}) as reader:
        reader.read_head()
        assert b'"data":{"n":1}}\n\n' in reader.read_until(b"\n\n")
        server.call(hub.publish, "a", {"n": 2}, key="k")
        assert b'"data":{"n":2}}\n\n' in reader.read_until(b"\n\n")
        server.call(hub.close)
        body = reader.read_to_end()
        assert b"SERVER_DRAINING" in body
        assert body.endswith(b"0\r\n\r\n"), "the body ends as HTTP wants it"


def test_nobody_is_to_send_another_request_over_the_connection_of_a_stream(handing_over: Serving) -> None:
    with Reader(handing_over.url) as reader:
        assert reader.read_head()[1]["connection"] == "close"


def test_every_chunk_is_whole(server: Serving, hub: Hub) -> None:
    with Reader(server.url, headers={"Connection": "close"}) as reader:
        reader.read_head()
        for number in range(50):
            server.call(hub.publish, "a", {"n": number})
        server.call(hub.close)
        body, ended = unchunk(reader.read_to_end())
        assert ended
        events = EventStreamDecoder().feed(body)
        assert [json.loads(event.data).get("data") for event in events] == [*({"n": number} for number in range(50)), None]


@pytest.mark.parametrize("how", ["header", "parameter"])
def test_a_reader_that_comes_back_gets_what_it_missed(server: Serving, hub: Hub, how: str) -> None:
    server.call(hub.publish, "a", 1, key="k")
    with Reader(server.url) as reader:
        reader.read_head()
        last = reader.read_until(b"\n\n").partition(b"id: ")[2].partition(b"\n")[0].decode()
    server.call(hub.publish, "a", 2, key="k")
    server.call(hub.publish, "a", 3, key="k")
    request: dict[str, Any] = {"headers": {"Last-Event-ID": last}} if how == "header" else {"path": f"/?last_event_id={last}"}
    with Reader(server.url, **request) as reader:
        assert reader.read_head()[1]["pricewire-start"] == "resumed"
        body = reader.read_until(b'"data":3}\n\n')
        assert body.count(b"id: ") == 2
        assert b'"data":2}' in body


def test_a_reader_that_names_two_events_starts_anew(server: Serving, hub: Hub) -> None:
    server.call(hub.publish, "a", 1, key="k")
    with Reader(server.url) as reader:
        reader.read_head()
        last = reader.read_until(b"\n\n").partition(b"id: ")[2].partition(b"\n")[0].decode()
    first, second = {"Last-Event-ID": last}, {"last-event-id": last}
    for path, headers in (("/", {**first, **second}), (f"/?last_event_id={last}&last_event_id={last}", {})):
        with Reader(server.url, path, headers=headers) as reader:
            assert reader.read_head()[1]["pricewire-start"] == "reset"


def test_a_reader_of_another_boot_is_told(server: Serving, hub: Hub) -> None:
    server.call(hub.publish, "a", 1, key="k")
    with Reader(server.url, headers={"Last-Event-ID": "é".encode().decode("latin-1")}) as reader:
        assert reader.read_head()[1]["pricewire-start"] == "reset"
        assert b"event: reset\n" in reader.read_until(b'"data":1}\n\n')


def test_a_slow_reader_gets_the_newest_and_costs_no_memory(server: Serving, hub: Hub) -> None:
    """A reader that does not read falls behind; when it reads again it gets what is new, and knows how much it was spared."""
    with Reader(server.url, buffer=4096) as reader:
        reader.read_head()
        published = 0
        while not server.call(lambda: hub.lagging):
            published += 1
            server.call(hub.publish, "a", {"n": published, "padding": "x" * 10_000}, key="k")
            assert published < 5000, "it never fell behind"
        for _ in range(300):
            published += 1
            server.call(hub.publish, "a", {"n": published, "padding": "x" * 10_000}, key="k")
        decoder, spared, seq = EventStreamDecoder(), 0, 0
        received = b""
        while seq < published:
            reader.received = received
            size = int(reader.read_until(b"\r\n"), 16)
            while len(reader.received) < size + 2:
                reader.received += reader.socket.recv(65536)
            chunk, received = reader.received[:size], reader.received[size + 2 :]
            for event in decoder.feed(chunk):
                data = json.loads(event.data)
                assert data["seq"] == seq + data.get("merged", 0) + 1
                spared += data.get("merged", 0)
                seq = data["seq"]
        assert spared > 0
        # The reader has the last of it before the server knows that it has been taken.
        wait_until(lambda: server.call(lambda: hub.lagging) == 0)


def test_a_reader_that_has_gone_is_forgotten(server: Serving, hub: Hub) -> None:
    server.call(hub.publish, "a", 1, key="k")
    with Reader(server.url) as reader:
        reader.read_head()
        reader.read_until(b"\n\n")
        assert server.call(lambda: hub.streams) == 1
    while server.call(lambda: hub.streams):
        pass


def test_silence_is_broken_by_a_comment(server: Serving) -> None:
    with Reader(server.url) as reader:
        reader.read_head()
        assert reader.read_until(b":\n") == b"2\r\n:\n"


def test_head_is_a_head(server: Serving, hub: Hub) -> None:
    with Reader(server.url, method="HEAD") as reader:
        status, headers = reader.read_head()
        assert status == 200
        assert headers["content-type"] == "text/event-stream"
        reader.socket.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert reader.read_to_end().endswith(b"hello")


def test_http_1_0_gets_no_chunks(handing_over: Serving, hub: Hub) -> None:
    handing_over.call(hub.publish, "a", 1, key="k")
    with Reader(handing_over.url, version="1.0") as reader:
        head = reader.read_head()[1]
        assert "transfer-encoding" not in head
        assert head["connection"] == "close"
        assert reader.read_until(b"\n\n").startswith(b"id: ")
        assert [type(stream) for stream in handing_over.call(streams, hub)] == [HandoverStream]
        handing_over.call(hub.close)
        assert reader.read_to_end().endswith(b"}}\n\n")


def test_a_kept_alive_connection_streams_after_other_requests(server: Serving, hub: Hub) -> None:
    server.call(hub.publish, "a", 1, key="k")
    with Reader(server.url, "/hello") as reader:
        reader.read_until(b"hello")
        reader.socket.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        reader.read_head()
        assert b'"data":1}' in reader.read_until(b"\n\n")


def test_pipelined_requests_before_a_stream_are_answered_in_order(server: Serving, hub: Hub) -> None:
    server.call(hub.publish, "a", 1, key="k")
    with Reader(server.url, "/hello") as reader:
        reader.socket.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
        reader.read_until(b"hello")
        reader.read_until(b"hello")
        assert b'"data":1}' in reader.read_until(b"\n\n")


def test_what_a_reader_sends_after_its_request_does_no_harm(server: Serving, hub: Hub) -> None:
    with Reader(server.url) as reader:
        reader.read_head()
        reader.socket.sendall(b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n" * 100)
        server.call(hub.publish, "a", 1)
        assert b'"data":1}' in reader.read_until(b"\n\n")


MIDDLEWARE = {
    "base": Middleware(BaseHTTPMiddleware, dispatch=pass_on),
    "cors": Middleware(CORSMiddleware, allow_origins=["*"]),
    "gzip": Middleware(GZipMiddleware, minimum_size=1),
}


@pytest.mark.parametrize("kind", MIDDLEWARE)
@pytest.mark.parametrize("name", SERVERS)
def test_middleware_sees_the_head_and_does_no_harm(hub: Hub, name: str, kind: str) -> None:
    with Serving(application(hub, [MIDDLEWARE[kind]]), **SERVERS[name]) as serving:
        with Reader(serving.url, headers={"Origin": "http://a.example"}) as reader:
            status, headers = reader.read_head()
            assert status == 200
            if kind == "base":
                assert headers["x-passed"] == "yes"
            if kind == "cors":
                assert headers["access-control-allow-origin"] == "*"
            for number in range(3):
                serving.call(hub.publish, "a", number)
                assert b'"data":%d}' % number in reader.read_until(b"\n\n")
        serving.call(hub.close)


@pytest.mark.parametrize("name", SERVERS)
def test_tls(hub: Hub, name: str, tmp_path: Path) -> None:
    certificate = Certificate(tmp_path)
    with Serving(application(hub), **certificate.options, **SERVERS[name]) as serving:
        serving.call(hub.publish, "a", 1, key="k")
        with Reader(serving.url, context=certificate.context) as reader:
            reader.read_head()
            reader.read_until(b'"data":1}\n\n')
            if is_handed_over(serving):
                assert [type(stream) for stream in serving.call(streams, hub)] == [ChunkedStream]
            for number in range(100):
                serving.call(hub.publish, "a", {"n": number, "padding": "x" * 5000})
            reader.read_until(b'"n":99')
        serving.call(hub.close)


def test_the_server_closes_handed_over_streams_when_it_stops(hub: Hub) -> None:
    with Serving(application(hub), **SERVERS["handover-asyncio"]) as serving:
        reader = Reader(serving.url)
        reader.read_head()
        serving.stop()
        assert b"SERVER_DRAINING" in reader.read_to_end()
        reader.socket.close()


def test_a_handed_over_stream_keeps_nothing_of_uvicorn(handing_over: Serving, hub: Hub) -> None:
    with Reader(handing_over.url) as reader:
        reader.read_head()
        handing_over.call(hub.publish, "a", 1)
        reader.read_until(b"\n\n")
        handing_over.call(gc.collect)
        left = handing_over.call(lambda: [each for each in gc.get_objects() if isinstance(each, HandoverProtocol)])
        assert left == []
        stream = handing_over.call(streams, hub)[0]
        assert not hasattr(stream, "__dict__")
        assert sys.getsizeof(stream) < 200


def test_hypercorn(hub: Hub) -> None:
    """Another server than uvicorn offers no hand-over; the stream goes by `send`, in HTTP/1.1 as it is served there."""
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    config = hypercorn.config.Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.loglevel = "ERROR"
    serving = hypercorn.asyncio.serve(application(hub), config, shutdown_trigger=stop.wait)  # type: ignore[arg-type]
    thread = threading.Thread(target=loop.run_until_complete, args=(serving,))
    thread.start()
    with Reader(url, headers={"Connection": "close"}) as reader:
        status, headers = reader.read_head()
        assert status == 200
        assert headers["content-type"] == "text/event-stream"
        for number in range(3):
            loop.call_soon_threadsafe(hub.publish, "a", number)
            assert b'"data":%d}' % number in reader.read_until(b"\n\n")
        loop.call_soon_threadsafe(hub.close)
        assert b"SERVER_DRAINING" in reader.read_to_end()
    loop.call_soon_threadsafe(stop.set)
    thread.join(60)
    loop.close()


@pytest.mark.parametrize("name", SERVERS)
def test_on_close_is_called_once_however_a_stream_ends(name: str) -> None:
    hub = Hub()
    closed: list[str] = []

    async def stream(request: Request) -> Response:
        return EventStream(hub, ["a"], on_close=lambda: closed.append(request.url.path))

    app = Starlette(routes=[Route("/{name}", stream)])
    with Serving(app, **SERVERS[name]) as serving:
        with Reader(serving.url, "/left") as reader:
            reader.read_head()
            serving.call(hub.publish, "a", 1)
            reader.read_until(b"\n\n")
        with Reader(serving.url, "/head", method="HEAD") as reader:
            reader.read_head()
        with Reader(serving.url, "/ended", headers={"Connection": "close"}) as ended:
            ended.read_head()
            serving.call(hub.publish, "a", 2)
            ended.read_until(b'"data":2}\n\n')
            serving.call(hub.close)
            ended.read_to_end()
        with Reader(serving.url, "/refused", headers={"Connection": "close"}) as reader:
            reader.read_head()
            assert b"SERVER_DRAINING" in reader.read_to_end()
    assert sorted(closed) == ["/ended", "/head", "/left", "/refused"]
