"""
Purchases: how many a second over HTTP, each durable before it is answered, and how long a buyer waits.

The whole server runs as `pricewire serve` does, with its prices, its tokens and a database; every buyer has an account and a connection,
and buys again as soon as the last purchase was answered. That says how many the server can sell, and little of how long people wait: 64
who all buy without a pause wait 64 turns. So buyers also come at a given rate, at random moments, whoever still waits; their time counts
from the moment that they wanted to buy. A commit waits for the disk, so what a disk needs for a write is measured too.
The CPU is that of the server alone. PostgreSQL has, in production, a machine of its own; here it is on the buyers' core, which has little
to do. Where others are at work on the machine, the server and the buyers wait for their cores, and so do the purchases; how much they did
is measured, too.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import accumulate
from pathlib import Path

import psycopg

from bench.machine import Placement
from bench.process import cpu_seconds, waited_seconds
from bench.report import Progress, Report, Table
from bench.servers import postgres
from bench.servers.postgres import PostgresServer
from bench.servers.trading import TradingServer

PATH = "/v1/trading/contracts/buy"

INSTRUMENTS = ("1HZ10V", "1HZ25V", "1HZ50V", "1HZ75V", "1HZ100V")


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is measured.

    Attributes:
        buyers: how many buy at once, of each measurement.
        rates: how many come in a second, of each measurement, by the database.
        seconds: how long they do.
    """

    buyers: tuple[int, ...] = (1, 8, 64)
    rates: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: {"SQLite": (500, 1000), "PostgreSQL": (250, 500)})
    seconds: float = 10.0


WAITED = "the server waited for its core", "the buyers for theirs"

MOST_AT_ONCE = 200
"""How many buyers that come at a rate may wait at once; the next ones count as waiting, too, but are not heard of by the server."""

Buying = Callable[..., Coroutine[None, None, list[tuple[int, float]]]]
"""Has buyers buy from a server."""

QUICK = Settings(buyers=(1, 8), rates={"SQLite": (50,), "PostgreSQL": (50,)}, seconds=1.0)
"""Whether the pieces work; the figures say little."""


@dataclass(frozen=True, slots=True)
class Measured:
    """
    What buyers have seen.

    Attributes:
        database: which one.
        buyers: how many they were at once, or came in a second.
        per_second: how many purchases were answered in a second.
        p50_ms: the time that half of them took at most, in milliseconds.
        p99_ms: the time that 99 of 100 took at most.
        cpu_ms: the server's CPU for one, in milliseconds.
        refused: how many were answered by anything but 200.
        server_waited: the part of the time in which the server's loop could have gone on, and had no core.
        buyers_waited: the same of the buyers.
    """

    database: str
    buyers: str
    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    refused: int
    server_waited: float
    buyers_waited: float


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    notes, measured = [], []
    for name in ("SQLite", "PostgreSQL"):
        if name == "PostgreSQL" and (reason := postgres.missing()):
            notes.append(f"PostgreSQL is left out: {reason}")
            continue
        for buyers in settings.buyers:
            progress(f"{name}, {buyers} buyers")
            measured.append(measure(placement, name, str(buyers), buyers, partial(buy_at_once, seconds=settings.seconds)))
        for rate in settings.rates[name]:
            progress(f"{name}, {rate} purchases per second")
            work = partial(buy_at_rate, rate=rate, seconds=settings.seconds)
            measured.append(measure(placement, name, f"{rate}/s", MOST_AT_ONCE, work))
    disk_ms = write_ms()
    notes.append(f"a write of 4 KiB is on this disk in {disk_ms:.2f} ms (median of fdatasync)")
    notes += [f"{each.database}, {each.buyers}: {each.refused} purchases were refused" for each in measured if each.refused]
    rows = [
        [each.database, each.buyers, f"{each.per_second:,.0f}", f"{each.p50_ms:.1f}", f"{each.p99_ms:.1f}", f"{each.cpu_ms:.2f}", *waits]
        for each in measured
        for waits in [(f"{each.server_waited:.0%}", f"{each.buyers_waited:.0%}")]
    ]
    table = Table(
        "Purchases over HTTP, durable when they are answered",
        ["database", "buyers", "purchases per second", "p50, ms", "p99, ms", "CPU of the server, ms", *WAITED],
        rows,
    )
    figures = {"settings": asdict(settings), "measured": [asdict(each) for each in measured], "fdatasync_ms": disk_ms}
    return Report("purchases", [table], figures, notes)


def measure(placement: Placement, name: str, label: str, accounts: int, work: Buying) -> Measured:
    """Have buyers with so many accounts buy for a while, with an empty database."""
    if name == "SQLite":
        return measure_on(placement, name, None, label, accounts, work)
    server = PostgresServer()
    try:
        with psycopg.connect(server.address("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE pricewire")
        return measure_on(placement, name, server.address("pricewire"), label, accounts, work)
    finally:
        server.stop()


def measure_on(placement: Placement, name: str, address: str | None, label: str, accounts: int, work: Buying) -> Measured:
    """Have buyers buy for a while."""
    with TradingServer(placement, accounts, address) as server:
        # What the first purchases need once is no cost of a purchase.
        asyncio.run(buy_at_once(server, seconds=0.3, prefix="first"))
        pids = server.pid, os.getpid()
        waits, cpu, began = [waited_seconds(pid) for pid in pids], cpu_seconds(server.pid), time.monotonic()
        answers = asyncio.run(work(server, prefix="next"))
        took, cpu = time.monotonic() - began, cpu_seconds(server.pid) - cpu
        waited = [(waited_seconds(pid) - before) / took for pid, before in zip(pids, waits, strict=True)]
    times = sorted(duration for _, duration in answers)
    refused = sum(status != 200 for status, _ in answers)
    p99 = times[min(len(times) - 1, len(times) * 99 // 100)]
    return Measured(name, label, len(times) / took, statistics.median(times) * 1000, p99 * 1000, cpu / len(times) * 1000, refused, *waited)


async def buy_at_once(server: TradingServer, *, seconds: float, prefix: str) -> list[tuple[int, float]]:
    """Have every account buy for a while; return the status of each answer, and how long it took, in seconds."""

    def moments(began: float) -> Iterator[float]:
        while (now := time.monotonic()) < began + seconds:
            yield now

    return await buy_at(server, moments, prefix)


async def buy_at_rate(server: TradingServer, *, rate: float, seconds: float, prefix: str) -> list[tuple[int, float]]:
    """Have buyers come for a while, at random moments; return the status of each answer, and how long it took from then, in seconds."""
    gaps = random.Random(1)

    def moments(began: float) -> Iterator[float]:
        return accumulate((gaps.expovariate(rate) for _ in range(round(rate * seconds))), initial=began)

    return await buy_at(server, moments, prefix)


async def buy_at(server: TradingServer, moments: Callable[[float], Iterator[float]], prefix: str) -> list[tuple[int, float]]:
    """Have an account that is free buy at each moment, or the next one that is; `moments` gets the time at which all are connected."""
    connections = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", server.port) for _ in server.tokens))
    each_moment = moments(time.monotonic())
    found = await asyncio.gather(
        *(
            buy(reader, writer, token, number, each_moment, prefix)
            for number, (token, (reader, writer)) in enumerate(zip(server.tokens, connections, strict=True))
        )
    )
    return [answer for answers in found for answer in answers]


async def buy(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str, number: int, moments: Iterator[float], prefix: str
) -> list[tuple[int, float]]:
    """Buy again and again on one connection; a client's own work would be half of the time that is measured, so there is none."""
    answers: list[tuple[int, float]] = []
    for began in moments:
        await asyncio.sleep(began - time.monotonic())
        body = purchase(f"{prefix}-{len(answers)}", INSTRUMENTS[number % len(INSTRUMENTS)])
        head = f"POST {PATH} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        answer = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        await reader.readexactly(int(answer.split("content-length:")[1].split("\r\n")[0]))
        answers.append((int(answer.split()[1]), time.monotonic() - began))
    writer.close()
    await writer.wait_closed()
    return answers


def purchase(key: str, instrument_id: str) -> bytes:
    """Return the request for a contract."""
    details = {"instrument_id": instrument_id, "duration": 1, "duration_unit": "hours", "stake": "1.00", "variant": "rise"}
    return json.dumps({"idempotency_key": key, "product_id": "rise_fall", "proposal_details": details}).encode()


def write_ms() -> float:
    """Return how long a small write needs until the disk has it, in milliseconds."""
    with tempfile.TemporaryFile(dir=Path("/var/tmp")) as file:
        times = []
        for _ in range(50):
            began = time.perf_counter()
            os.pwrite(file.fileno(), b"x" * 4096, 0)
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return statistics.median(times) * 1000
