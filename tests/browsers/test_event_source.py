"""The browser's own EventSource, and its `fetch`, on compressed streams of a real server."""

from __future__ import annotations

import json
import random
import secrets
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from pricewire.hub.hub import Hub
from pricewire.protocol.stream_end import StreamEnd
from pricewire.server.transport.event_stream import EventStream
from pricewire.server.transport.handover import HandoverProtocol
from pricewire.server.transport.serve import Server
from support.engines import Engine
from support.serving import Reader, Serving, unchunk

SERVERS: dict[str, dict[str, Any]] = {
    "handover": {"http": HandoverProtocol, "server_class": Server},
    "send": {"server_class": uvicorn.Server},
}

PAGE = """<!doctype html>
<title>Streams</title>
<script>
  const seen = []
  let wake = () => {}

  function see(event) {
    seen.push(event)
    wake()
  }

  async function next() {
    while (seen.length === 0) await new Promise(resolve => { wake = resolve })
    return seen.shift()
  }

  function listen(url) {
    const source = new EventSource(url)
    for (const type of ['open', 'message', 'error']) {
      source.addEventListener(type, ({ data = null, lastEventId = null }) => see({ type, data, id: lastEventId, state: source.readyState }))
    }
  }

  async function read(url) {
    const response = await fetch(url)
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader()
    see({ type: 'open' })
    for (;;) {
      const { done, value = null } = await reader.read()
      see({ type: done ? 'end' : 'text', data: value })
      if (done) return
    }
  }
</script>
"""


class Site:
    """A page and the streams for it, with the headers of the requests that a browser has sent for streams."""

    def __init__(self, heartbeat: float = 3600) -> None:
        # Without heartbeats: a block that was kept back must not come with the next one.
        self.hub = Hub(heartbeat=heartbeat)
        self.requests: list[dict[str, str]] = []
        self.app = Starlette(routes=[Route("/", self._page), Route("/sse", self._stream)])

    async def _page(self, request: Request) -> Response:
        return HTMLResponse(PAGE)

    async def _stream(self, request: Request) -> Response:
        if "user-agent" in request.headers:
            self.requests.append(dict(request.headers))
        return EventStream(self.hub, request.query_params.getlist("topic"))

    def publish(self, key: str | None = "newest") -> int:
        """Publish a quote that is much like the others, so that every block but a key block refers back, and return its number."""
        number = self.hub.position + 1
        self.hub.publish("ticks:GOLD", quote(number), key=key)
        return number

    def end_streams(self) -> int:
        """End all streams, and publish what those that come back have missed."""
        for group in list(self.hub.groups):
            for stream in [*group.members, *group.lagging]:
                self.hub.end(stream, StreamEnd.SERVER_DRAINING, retry=10)
        return self.publish()

    def compressed_streams(self) -> list[int]:
        """Return how many streams share each group's blocks."""
        return [len(group.members) for group in self.hub.groups if group.spec.compress]


STREAM = "/sse?topic=ticks:GOLD"


def quote(number: int) -> dict[str, Any]:
    return {"n": number, "bid": f"{1900 + number % 7}.{number * 37 % 100:02}", "instrument_id": "GOLD"}


@pytest.fixture
def site() -> Site:
    return Site()


@pytest.fixture(params=SERVERS)
def server(request: pytest.FixtureRequest, site: Site) -> Iterator[Serving]:
    with Serving(site.app, **SERVERS[request.param]) as serving:
        yield serving
        serving.call(site.hub.close)


def number_of(event: dict[str, Any]) -> int:
    """Return the number of an event, which has to be as it was published."""
    assert event["type"] == "message", event
    data = json.loads(event["data"])["data"]
    number: int = data["n"]
    assert data == quote(number)
    assert event["id"].endswith(f"-{number}")
    return number


class Other:
    """Another stream with the same topics, not in a browser."""

    def __init__(self, server: Serving, stack: ExitStack) -> None:
        self._reader = stack.enter_context(Reader(server.url, STREAM, headers={"Accept-Encoding": "gzip", "Connection": "close"}))
        assert self._reader.read_head()[1]["content-encoding"] == "gzip"
        # It has joined when its current value is here.
        self._first = self._reader.read_until(b"\x00\x00\xff\xff\r\n")

    def leave(self) -> None:
        self._reader.socket.close()

    def read_to_end(self) -> bytes:
        body, ended = unchunk(self._first + self._reader.read_to_end())
        assert ended
        return zlib.decompress(body, zlib.MAX_WBITS | 16)


def publish_and_see(engine: Engine, server: Serving, site: Site) -> None:
    """Publish an event, and see that it is the page's next one."""
    newest = server.call(site.publish)
    assert number_of(engine.evaluate("next()")) == newest


def test_every_event_is_there_at_once_while_others_join_and_leave(engine: Engine, server: Serving, site: Site) -> None:
    with ExitStack() as stack:
        server.call(site.publish)
        others = [Other(server, stack)]
        newest = [server.call(site.publish) for _ in range(5)][-1]
        engine.open(server.url)
        engine.evaluate(f"listen('{STREAM}')")
        assert engine.evaluate("next()")["type"] == "open"
        assert number_of(engine.evaluate("next()")) == newest, "it joins a group that has written before"
        assert "gzip" in site.requests[0]["accept-encoding"]
        assert server.call(site.compressed_streams) == [2]
        for _ in range(12):
            others.append(Other(server, stack))
            publish_and_see(engine, server, site)
            publish_and_see(engine, server, site)
        assert server.call(site.compressed_streams) == [14]
        others.pop().leave()
        publish_and_see(engine, server, site)


def test_a_stream_that_the_server_ends_says_why_and_comes_back_after_its_last_event(engine: Engine, server: Serving, site: Site) -> None:
    with ExitStack() as stack:
        server.call(site.publish)
        other = Other(server, stack)
        engine.open(server.url)
        engine.evaluate(f"listen('{STREAM}')")
        assert [engine.evaluate("next()")["type"] for _ in range(2)] == ["open", "message"]
        missed = server.call(site.end_streams)
        stream_end = engine.evaluate("next()")
        assert (stream_end["type"], json.loads(stream_end["data"])["error"]["code"]) == ("error", "SERVER_DRAINING")
        assert engine.evaluate("next()") == {"type": "error", "data": None, "id": None, "state": 0}, "it is connecting again"
        assert engine.evaluate("next()")["type"] == "open"
        assert site.requests[1]["last-event-id"].endswith(f"-{missed - 1}")
        assert number_of(engine.evaluate("next()")) == missed
        assert server.call(lambda: site.hub.counters.resumed) == 1
        publish_and_see(engine, server, site)
        assert other.read_to_end().endswith(b'"message":"the server is stopping; reconnect"}}\n\n')


def test_nothing_is_lost_while_streams_join_at_random(engine: Engine, server: Serving, site: Site) -> None:
    chance = random.Random(1)

    def publish_some() -> None:
        for _ in range(chance.randrange(1, 5)):
            site.publish(key=None)

    with ExitStack() as stack:
        first = server.call(site.publish)
        engine.open(server.url)
        engine.evaluate(f"listen('{STREAM}')")
        assert engine.evaluate("next()")["type"] == "open"
        assert number_of(engine.evaluate("next()")) == first
        assert server.call(site.compressed_streams) == [1]
        for _ in range(100):
            if chance.random() < 0.3:
                stack.enter_context(Reader(server.url, STREAM, headers={"Accept-Encoding": "gzip"}))
            server.call(publish_some)
        last = server.call(site.publish)
        for number in range(first + 1, last + 1):
            assert number_of(engine.evaluate("next()")) == number


def test_fetch_reads_every_event_at_once_and_to_the_end(engine: Engine, server: Serving, site: Site) -> None:
    """
    Without current values: what comes in several pieces while a response begins, WebKit's `fetch` may keep back in part until more comes,
    be it compressed or not.
    """

    def read_event() -> str:
        text = ""
        while not text.endswith("\n\n"):
            piece = engine.evaluate("next()")
            assert piece["type"] == "text", piece
            text += piece["data"]
        return text

    def join() -> None:
        reader = stack.enter_context(Reader(server.url, STREAM, headers={"Accept-Encoding": "gzip"}))
        assert reader.read_head()[1]["content-encoding"] == "gzip"

    with ExitStack() as stack:
        join()
        for _ in range(3):
            server.call(site.publish, None)
        engine.open(server.url)
        engine.evaluate(f"void read('{STREAM}').catch(error => see({{ type: 'failure', data: String(error) }}))")
        assert engine.evaluate("next()") == {"type": "open"}
        for _ in range(10):
            newest = server.call(site.publish, None)
            assert f'"n":{newest},' in read_event()
            join()
        assert server.call(site.compressed_streams) == [12]
        server.call(site.hub.close)
        assert "SERVER_DRAINING" in read_event()
        assert engine.evaluate("next()") == {"type": "end", "data": None}


def test_fetch_gets_large_events_with_the_next_heartbeat_at_the_latest(engine: Engine, remark: Callable[[str], None]) -> None:
    """Some versions of WebKit keep the end of an event back until more comes. Which, and when, is reported."""
    heartbeat = 2.0
    site = Site(heartbeat)
    with Serving(site.app, **SERVERS["handover"]) as server:
        last = ""

        def publish(size: int) -> None:
            nonlocal last
            last = secrets.token_hex(size // 2)  # which compression can halve at most
            site.hub.publish("ticks:GOLD", {"text": last}, key="newest")

        server.call(publish, 20_000)
        engine.open(server.url)
        engine.evaluate(f"void read('{STREAM}').catch(error => see({{ type: 'failure', data: String(error) }}))")
        assert engine.evaluate("next()") == {"type": "open"}
        for size in (20_000, 50, 2000, 8000, 9000, 20_000, 70_000, 50):
            text = ""
            started = time.monotonic()
            while last not in text or not text.endswith(("\n\n", ":\n")):
                piece = engine.evaluate("next()")
                assert piece["type"] == "text", piece
                text += piece["data"]
            if (waited := time.monotonic() - started) > heartbeat / 2:
                agent = engine.evaluate("navigator.userAgent")
                remark(f"{agent}: fetch brought an event of {len(last)} bytes after {waited:.1f} s; a heartbeat comes every {heartbeat} s")
            server.call(publish, size)
        server.call(site.hub.close)
