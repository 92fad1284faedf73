"""What the ASGI servers have in common: how they are started, and how they are told to publish."""

from __future__ import annotations

import gc
import http.client
import json
import socket
import sys
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs, urlencode

import uvicorn

from bench.servers.peer import Peer, PeerError
from pricewire.server.types import Receive, Scope, Send

Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class AsgiPeer(Peer):
    """An ASGI application of `serve`, told what to do by requests."""

    def publish(self, flushes: int, per_flush: int) -> None:
        """Publish from within the server's process."""
        self._ask("/publish?" + urlencode({"flushes": flushes, "per_flush": per_flush}))

    def settle(self) -> None:
        """Collect its garbage."""
        self._ask("/settle")

    def counters(self) -> dict[str, int]:
        """Return what the server has counted."""
        return self._ask("/counters")

    def _start_module(self, *arguments: str) -> None:
        process = self._spawn([sys.executable, "-m", *arguments])
        self.port = self._read_port(process)

    def _ask(self, target: str) -> dict[str, int]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request("GET", target)
            response = connection.getresponse()
            body = response.read()
        finally:
            connection.close()
        if response.status != 200:
            raise PeerError(f"{self.label} answered {target} with {response.status}")
        counters: dict[str, int] = json.loads(body)
        return counters


def controlled(stream: Application, publish: Callable[[int, int], Awaitable[None]], counters: Callable[[], dict[str, int]]) -> Application:
    """
    Return a bare ASGI application, without a framework whose cost would be measured too.

    Args:
        stream: responds to requests for the stream.
        publish: publishes as `Peer.publish` says.
        counters: returns what `Peer.counters` is to return.
    """

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == Peer.path:
            await stream(scope, receive, send)
            return
        if scope["path"] == "/publish":
            query = parse_qs(scope["query_string"].decode())
            await publish(int(query["flushes"][0]), int(query["per_flush"][0]))
        elif scope["path"] == "/settle":
            gc.collect()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": json.dumps(counters()).encode()})

    return application


def serve(make_server: Callable[..., uvicorn.Server], application: Application) -> None:
    """Run an application on a free port, and say on the standard output which it is."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
    print(listener.getsockname()[1], flush=True)
    make_server(application, log_level="warning", access_log=False, lifespan="off").run(sockets=[listener])


def plain_server(application: Application, **options: object) -> uvicorn.Server:
    """Return uvicorn as anyone has it."""
    return uvicorn.Server(uvicorn.Config(application, **options))  # type: ignore[arg-type]
