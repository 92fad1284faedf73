"""
Publishing over HTTP: how many events a second of the server's CPU, singly and in batches.

The whole server runs as `pricewire serve` does, with its prices, its tokens and its ring. Each publisher has a connection that it keeps,
and sends again as soon as it has the answer with the ids: a request an event, or a request for a hundred. What is measured
is the CPU of the server, less what it takes while nobody publishes: its prices go on, and on a busy machine few requests come in a second.
"""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import asdict, dataclass

from bench.machine import Placement
from bench.process import cpu_seconds
from bench.report import Progress, Report, Table
from bench.servers.trading import TradingServer

PATH = "/v1/publish"


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is measured.

    Attributes:
        publishers: how many publish at once.
        batches: how many events a request has, of each measurement.
        seconds: how long each takes.
        rounds: how often each is measured; the median counts.
    """

    publishers: int = 8
    batches: tuple[int, ...] = (1, 100)
    seconds: float = 4.0
    rounds: int = 3


QUICK = Settings(publishers=2, seconds=0.5, rounds=1)
"""Whether the pieces work; the figures say little."""


@dataclass(frozen=True, slots=True)
class Measured:
    """
    What was published.

    Attributes:
        batch: how many events a request had.
        durable: whether each answer came when its events were safe.
        events: how many there were.
        seconds: how long that took.
        cpu: the server's CPU for that, in seconds.
    """

    batch: int
    durable: bool
    events: int
    seconds: float
    cpu: float

    @property
    def per_cpu_second(self) -> float:
        """How many events a second of the server's CPU publishes."""
        return self.events / self.cpu


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    measured: list[Measured] = []
    with TradingServer(placement, 1, None, topics=["bench:*"]) as server:
        asyncio.run(publish(server, 1, False, settings.publishers, 0.3))
        progress("nobody publishes")
        cpu = cpu_seconds(server.pid)
        time.sleep(settings.seconds)
        idle = (cpu_seconds(server.pid) - cpu) / settings.seconds
        for batch in settings.batches:
            for durable in (False, True):
                progress(f"{batch} events a request{', durable' if durable else ''}")
                rounds = [measure(server, batch, durable, settings, idle) for _ in range(settings.rounds)]
                measured.append(sorted(rounds, key=lambda each: each.per_cpu_second)[settings.rounds // 2])
    rows = [
        [
            f"{each.batch}{', durable' if each.durable else ''}",
            f"{each.events / each.seconds:,.0f}",
            f"{each.per_cpu_second:,.0f}",
            f"{each.cpu / each.events * 1e6:.1f}",
        ]
        for each in measured
    ]
    notes = [f"while nobody published, the server took {idle:.1%} of a core, which is not in these figures"]
    columns = ["events a request", "events per second", "events per second of the server's CPU", "CPU of the server for one, µs"]
    table = Table(f"Publishing over {settings.publishers} kept connections", columns, rows)
    return Report("publish", [table], {"settings": asdict(settings), "idle": idle, "measured": [asdict(each) for each in measured]}, notes)


def measure(server: TradingServer, batch: int, durable: bool, settings: Settings, idle: float) -> Measured:
    """Have publishers publish for a while, at a server that takes so much of a core while nobody does."""
    cpu, began = cpu_seconds(server.pid), time.monotonic()
    events = asyncio.run(publish(server, batch, durable, settings.publishers, settings.seconds))
    seconds = time.monotonic() - began
    return Measured(batch, durable, events, seconds, cpu_seconds(server.pid) - cpu - idle * seconds)


async def publish(server: TradingServer, batch: int, durable: bool, publishers: int, seconds: float) -> int:
    """Have publishers publish for some seconds, each on a connection; return how many events."""
    until = time.monotonic() + seconds
    return sum(await asyncio.gather(*(publish_on(server, number, batch, durable, until) for number in range(publishers))))


async def publish_on(server: TradingServer, number: int, batch: int, durable: bool, until: float) -> int:
    """Publish again and again on one connection; what is sent is always the same, so that the publisher takes little of the time."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    event = {"topic": f"bench:{number}", "data": {"symbol": "EURUSD", "bid": "1.08412", "ask": "1.08415", "at": 1700000000000}, "key": "k"}
    body = json.dumps([event] * batch if batch > 1 else event).encode()
    head = f"POST {PATH}{'?durable=true' if durable else ''} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {server.tokens[0]}\r\n"
    request = f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    events = 0
    while time.monotonic() < until:
        writer.write(request)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        ids = await reader.readexactly(int(answer.split("content-length:")[1].split("\r\n")[0]))
        if not answer.startswith("http/1.1 200"):
            raise RuntimeError(ids.decode())
        events += batch
    writer.close()
    await writer.wait_closed()
    return events
