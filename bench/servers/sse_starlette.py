"""sse-starlette on uvicorn: what most Python services stream with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from importlib.util import find_spec

from sse_starlette.sse import EventSourceResponse

from bench.servers.asgi import AsgiPeer, controlled, plain_server, serve
from bench.workload import encoded_ticks
from pricewire.server.types import Receive, Scope, Send


class SseStarlette(AsgiPeer):
    """A generator for each stream that yields dictionaries, as its documentation shows, which it gets from a queue of its own."""

    name = "sse_starlette"
    label = "sse-starlette"

    @classmethod
    def missing(cls) -> str | None:
        """Say so where it is not installed."""
        return None if find_spec("sse_starlette") else "sse-starlette is not installed"

    def _start(self) -> None:
        self._start_module("bench.servers.sse_starlette")


def main() -> None:
    """Serve."""
    queues: set[asyncio.Queue[dict[str, str]]] = set()
    messages = enumerate(encoded_ticks(), 1)
    sent = 0

    async def events() -> AsyncIterator[dict[str, str]]:
        nonlocal sent
        queue: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        queues.add(queue)
        try:
            while True:
                yield await queue.get()
                sent += 1
        finally:
            queues.discard(queue)

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        # Its pings are put off as Pricewire's heartbeats are, and its line ends are Pricewire's, so that the bytes are the same.
        await EventSourceResponse(events(), ping=3600, sep="\n")(scope, receive, send)

    async def publish(flushes: int, per_flush: int) -> None:
        due = sent
        for _ in range(flushes):
            for _ in range(per_flush):
                number, message = next(messages)
                # As JSON already, once for all streams; the event around it is encoded for each of them.
                event = {"id": f"3f2a9c1b-{number}", "data": message.decode()}
                for queue in queues:
                    queue.put_nowait(event)
            due += per_flush * len(queues)
            while sent < due:  # noqa: ASYNC110 - it waits for the loop's next turn
                await asyncio.sleep(0)

    serve(plain_server, controlled(stream, publish, dict))


if __name__ == "__main__":
    main()
