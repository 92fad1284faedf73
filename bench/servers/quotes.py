"""The whole application, with a probe on its loop that measures how long anything holds it."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from bench.servers.asgi import AsgiPeer, serve
from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.server.app import create_app
from pricewire.server.auth.keys import shared_secret
from pricewire.server.services import TradingSetup
from pricewire.server.transport.asgi_types import Receive, Scope, Send
from pricewire.server.transport.serve import keep_from_collector, make_server

PROBE_S = 0.001


class Quotes(AsgiPeer):
    """
    The server, with all simulated instruments and trading.

    Args:
        placement: which core it runs on.
    """

    name = "quotes"
    label = "Pricewire, quotes"
    path = "/sse"

    def __enter__(self) -> Quotes:
        super().__enter__()
        return self

    def holds(self) -> list[float]:
        """Return how much CPU each turn of the loop has taken since the last call, in seconds, the longest first; 1,000 at most."""
        holds = self._ask("/holds")
        return [holds[str(place)] / 1e9 for place in range(len(holds))]

    def _start(self) -> None:
        self._start_module("bench.servers.quotes", str(self.directory / "trading.sqlite"))


class Application:
    """The ASGI application: that of the server, and `/holds`."""

    def __init__(self, database: str) -> None:
        setup = TradingSetup(
            Path(database), Path(database).with_name("journal"), shared_secret(b"the secret of a benchmark, which nobody else has.")
        )
        self._app = create_app([SimulatedFeed(seed=1, history_s=60)], trading=setup)
        self._probe: Probe | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond."""
        if scope["type"] != "http" or scope["path"] != "/holds":
            await self._app(scope, receive, send)  # type: ignore[arg-type]
            return
        if self._probe is None:
            # As `pricewire serve` does when it has started.
            keep_from_collector()
            self._probe = Probe(asyncio.get_running_loop().call_later)
        body = dict(enumerate(self._probe.take()))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": json.dumps(body).encode()})


class Probe:
    """
    Asks for a callback every millisecond, and notes the CPU that the loop's thread has taken between two of them.

    On a machine with other work the time by the clock would be that of the others, too.
    """

    def __init__(self, call_later: Callable[..., object]) -> None:
        self._call_later = call_later
        self._taken: list[int] = []
        self._before = time.thread_time_ns()
        self._note()

    def take(self) -> list[int]:
        """Return what was noted, in nanoseconds, the longest first; 1,000 at most."""
        taken, self._taken = sorted(self._taken, reverse=True)[:1000], []
        return taken

    def _note(self) -> None:
        now = time.thread_time_ns()
        self._taken.append(now - self._before)
        self._before = now
        self._call_later(PROBE_S, self._note)


if __name__ == "__main__":
    serve(make_server, Application(sys.argv[1]), lifespan="on")
