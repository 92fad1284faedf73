"""What the ASGI servers have in common: how they are started, and how they are told to publish."""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import ClassVar
from urllib.parse import parse_qs, urlencode

import uvicorn

from bench.servers.peer import Peer, PeerError
from bench.workload import Load, topic_name
from pricewire.server.transport.asgi_types import Receive, Scope, Send

HOST = "BENCH_HOST"
"""The environment variable that says which address to listen on."""

PORT = "BENCH_PORT"
"""The one that says which port; without it, a free one is taken."""

COMMANDS = ("/publish", "/steady", "/settle", "/counters")
"""The paths at which a server is told what to do; all else is for the application that is measured."""

ANSWER_TIMEOUT = 1200.0
"""How long a server may take to do what it was asked, in seconds: it answers when the last event was published."""


class AsgiPeer(Peer):
    """
    An ASGI application of `serve`, told what to do by requests.

    Attributes:
        command_port: the port for these; 0 where it is the stream's.
        environment: variables that its process gets.
    """

    environment: ClassVar[dict[str, str]] = {}
    command_port = 0

    def publish(self, flushes: int, per_flush: int) -> None:
        """Publish from within the server's process."""
        self._ask("/publish?" + urlencode({"flushes": flushes, "per_flush": per_flush}))

    def target(self, topics: list[str], interval: float = 0.0) -> str:
        """Name the topics one by one."""
        pace = [("interval_ms", f"{interval * 1000:.0f}")] if interval else []
        return self.path + "?" + urlencode([("topic", topic) for topic in topics] + pace)

    def steady(self, load: Load) -> None:
        """Publish from within the server's process."""
        self._ask("/steady?" + urlencode(asdict(load)))

    def settle(self) -> None:
        """Collect its garbage."""
        self._ask("/settle")

    def counters(self) -> dict[str, int]:
        """Return what the server has counted."""
        return self._ask("/counters")

    def _start_module(self, *arguments: str) -> None:
        process = self._spawn([sys.executable, "-m", *arguments], {HOST: self.host, PORT: str(self.port), **self.environment})
        self.port = self._read_port(process)

    def _ask(self, target: str) -> dict[str, int]:
        connection = http.client.HTTPConnection(self.host, self.command_port or self.port, timeout=ANSWER_TIMEOUT)
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


@dataclass(frozen=True, slots=True)
class Application:
    """
    A bare ASGI application, without a framework whose cost would be measured too.

    Attributes:
        stream: responds to requests for the stream.
        publish: publishes as `Peer.publish` says.
        tick: publishes one tick of a topic, that was due at a time.
        counters: returns what `Peer.counters` is to return.
    """

    stream: Callable[[Scope, Receive, Send], Awaitable[None]]
    publish: Callable[[int, int], Awaitable[None]]
    tick: Callable[[str, int], None]
    counters: Callable[[], dict[str, int]]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond."""
        if scope.get("path") not in COMMANDS:
            await self.stream(scope, receive, send)
            return
        query = {name: int(values[0]) for name, values in parse_qs(scope["query_string"].decode()).items()}
        if scope["path"] == "/publish":
            await self.publish(query["flushes"], query["per_flush"])
        elif scope["path"] == "/steady":
            await self._keep_pace(Load(**query))
        elif scope["path"] == "/settle":
            gc.collect()
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": json.dumps(self.counters()).encode()})

    async def _keep_pace(self, load: Load) -> None:
        """
        Publish each tick when it is due, or as soon after as the loop comes to it: a feed does not wait for the server.

        A timer that calls back costs less than a task that sleeps.
        """
        names = [topic_name(number) for number in range(load.topics)]
        loop, began = asyncio.get_running_loop(), time.monotonic_ns()
        done, total, number = loop.create_future(), load.topics * load.rounds, 0

        def publish_due() -> None:
            nonlocal number
            now = time.monotonic_ns()
            while number < total and (due := began + number * 1_000_000_000 // load.rate) <= now:
                self.tick(names[number % load.topics], due)
                number += 1
            if number < total:
                # uvloop counts in milliseconds, and would call back at once and again and again within the last one.
                loop.call_later(max((began + number * 1_000_000_000 / load.rate - now) / 1e9, 0.001), publish_due)
            else:
                done.set_result(None)

        publish_due()
        await done


def topics_of(scope: Scope) -> list[str]:
    """Return the topics that a request names."""
    return parse_qs(scope["query_string"].decode()).get("topic", [])


def interval_of(scope: Scope) -> float:
    """Return the pace that a request asks for, in seconds."""
    return int(parse_qs(scope["query_string"].decode()).get("interval_ms", ["0"])[0]) / 1000


def serve(
    make_server: Callable[..., uvicorn.Server],
    application: Callable[..., Awaitable[None]],
    *,
    lifespan: str = "off",
    reuse_port: bool = False,
) -> None:
    """
    Run an application, and say on the standard output on which port.

    Args:
        make_server: makes the server.
        application: the application.
        lifespan: `on` where it has one.
        reuse_port: whether other processes have the port too.
    """
    listener = socket.create_server((os.environ[HOST], int(os.environ[PORT])), backlog=8192, reuse_port=reuse_port)
    print(listener.getsockname()[1], flush=True)
    make_server(application, log_level="warning", access_log=False, lifespan=lifespan).run(sockets=[listener])


def plain_server(application: Application, **options: object) -> uvicorn.Server:
    """Return uvicorn as anyone has it."""
    return uvicorn.Server(uvicorn.Config(application, **options))  # type: ignore[arg-type]
