"""sse-starlette on uvicorn: what most Python services stream with."""

from __future__ import annotations

import asyncio
import sys
import zlib
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from importlib.util import find_spec

from sse_starlette.sse import EventSourceResponse

from bench.servers.asgi import Application, AsgiPeer, plain_server, serve, topics_of
from bench.workload import TOPIC, encoded_envelope, encoded_ticks
from pricewire.hub.compression import LEVEL
from pricewire.server.transport.asgi_types import Message, Receive, Scope, Send

ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

Queue = asyncio.Queue[dict[str, str]]


class SseStarlette(AsgiPeer):
    """A generator for each stream that yields dictionaries, as its documentation shows, which it gets from a queue of its own."""

    name = "sse_starlette"
    label = "sse-starlette"

    @classmethod
    def missing(cls) -> str | None:
        """Say so where it is not installed."""
        return None if find_spec("sse_starlette") else "sse-starlette is not installed"

    def _start(self) -> None:
        self._start_module("bench.servers.sse_starlette", "identity")


class SseStarletteGzip(SseStarlette):
    """The same, each stream through a compressor of its own."""

    name = "sse_starlette_gzip"
    label = "sse-starlette, own gzip"

    def _start(self) -> None:
        self._start_module("bench.servers.sse_starlette", "gzip")


class PrivateGzip:
    """
    Compresses every response by itself, and what is sent at once as one block: what a middleware does.

    Starlette's own leaves event streams alone, as it would hold the events back.

    Args:
        application: responds without compression.
    """

    def __init__(self, application: ASGIApp) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond."""
        state = zlib.compressobj(LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)

        async def compressed(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], (b"content-encoding", b"gzip")]
            elif body := message.get("body"):
                message["body"] = state.compress(body) + state.flush(zlib.Z_SYNC_FLUSH)
            await send(message)

        await self._application(scope, receive, compressed)


def main(coding: str) -> None:
    """Serve; with `gzip` the streams are compressed."""
    queues: dict[str, set[Queue]] = defaultdict(set)
    messages = enumerate(encoded_ticks(), 1)
    seqs: Counter[str] = Counter()
    sent = 0

    async def events(topics: list[str]) -> AsyncIterator[dict[str, str]]:
        nonlocal sent
        queue: Queue = asyncio.Queue()
        for topic in topics:
            queues[topic].add(queue)
        try:
            while True:
                yield await queue.get()
                sent += 1
        finally:
            for topic in topics:
                queues[topic].discard(queue)

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        # Its pings are put off as Pricewire's heartbeats are, and its line ends are Pricewire's, so that the bytes are the same.
        response: ASGIApp = EventSourceResponse(events(topics_of(scope) or [TOPIC]), ping=3600, sep="\n")
        await (PrivateGzip(response) if coding == "gzip" else response)(scope, receive, send)

    async def publish(flushes: int, per_flush: int) -> None:
        due = sent
        for _ in range(flushes):
            for _ in range(per_flush):
                number, message = next(messages)
                put(TOPIC, number, message)
            due += per_flush * len(queues[TOPIC])
            while sent < due:  # noqa: ASYNC110 - it waits for the loop's next turn
                await asyncio.sleep(0)

    def put(topic: str, number: int, message: bytes) -> None:
        # As JSON already, once for all streams; the event around it is encoded for each of them.
        event = {"id": f"3f2a9c1b-{number}", "data": message.decode()}
        for queue in queues[topic]:
            queue.put_nowait(event)

    def tick(topic: str, due: int) -> None:
        seqs[topic] += 1
        put(topic, seqs.total(), encoded_envelope(topic, seqs[topic], due))

    serve(plain_server, Application(stream, publish, tick, dict))


if __name__ == "__main__":
    main(sys.argv[1])
