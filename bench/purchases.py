"""
Purchases: how many a second over HTTP, each durable before it is answered, and how long a buyer waits.

The whole server runs as `pricewire serve` does, with its prices, its tokens and a database; every buyer has an account and a connection,
and buys again as soon as the last purchase was answered. A commit waits for the disk, so what a disk needs for a write is measured too.
The CPU is that of the server alone; PostgreSQL's own processes run on the same core and are not in it.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg

from bench.machine import Placement
from bench.process import cpu_seconds
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
        seconds: how long they do.
    """

    buyers: tuple[int, ...] = (1, 8, 64)
    seconds: float = 10.0


QUICK = Settings(buyers=(1, 8), seconds=1.0)
"""Whether the pieces work; the figures say little."""


@dataclass(frozen=True, slots=True)
class Measured:
    """
    What buyers have seen.

    Attributes:
        database: which one.
        buyers: how many they were.
        per_second: how many purchases were answered in a second.
        p50_ms: the time that half of them took at most, in milliseconds.
        p99_ms: the time that 99 of 100 took at most.
        cpu_ms: the server's CPU for one, in milliseconds.
        refused: how many were answered by anything but 200.
    """

    database: str
    buyers: int
    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    refused: int


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    notes, measured = [], []
    for name in ("SQLite", "PostgreSQL"):
        if name == "PostgreSQL" and (reason := postgres.missing()):
            notes.append(f"PostgreSQL is left out: {reason}")
            continue
        for buyers in settings.buyers:
            progress(f"{name}, {buyers} buyers")
            measured.append(measure(placement, name, buyers, settings.seconds))
    disk_ms = write_ms()
    notes.append(f"a write of 4 KiB is on this disk in {disk_ms:.2f} ms (median of fdatasync)")
    notes += [f"{each.database}, {each.buyers} buyers: {each.refused} purchases were refused" for each in measured if each.refused]
    rows = [
        [each.database, str(each.buyers), f"{each.per_second:,.0f}", f"{each.p50_ms:.1f}", f"{each.p99_ms:.1f}", f"{each.cpu_ms:.2f}"]
        for each in measured
    ]
    table = Table(
        "Purchases over HTTP, durable when they are answered",
        ["database", "buyers at once", "purchases per second", "p50, ms", "p99, ms", "CPU of the server for one, ms"],
        rows,
    )
    figures = {"settings": asdict(settings), "measured": [asdict(each) for each in measured], "fdatasync_ms": disk_ms}
    return Report("purchases", [table], figures, notes)


def measure(placement: Placement, name: str, buyers: int, seconds: float) -> Measured:
    """Have so many buyers buy for a while, with an empty database."""
    if name == "SQLite":
        return measure_on(placement, name, None, buyers, seconds)
    with placement.on_server_core():
        server = PostgresServer()
    try:
        with psycopg.connect(server.address("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE pricewire")
        return measure_on(placement, name, server.address("pricewire"), buyers, seconds)
    finally:
        server.stop()


def measure_on(placement: Placement, name: str, address: str | None, buyers: int, seconds: float) -> Measured:
    """Have so many buyers buy for a while."""
    with TradingServer(placement, buyers, address) as server:
        # What the first purchases need once is no cost of a purchase.
        asyncio.run(buy_at_once(server, seconds=0.3, prefix="first"))
        cpu, began = cpu_seconds(server.pid), time.monotonic()
        answers = asyncio.run(buy_at_once(server, seconds=seconds, prefix="next"))
        took, cpu = time.monotonic() - began, cpu_seconds(server.pid) - cpu
    times = sorted(duration for _, duration in answers)
    refused = sum(status != 200 for status, _ in answers)
    p99 = times[min(len(times) - 1, len(times) * 99 // 100)]
    return Measured(name, buyers, len(times) / took, statistics.median(times) * 1000, p99 * 1000, cpu / len(times) * 1000, refused)


async def buy_at_once(server: TradingServer, *, seconds: float, prefix: str) -> list[tuple[int, float]]:
    """Have every account buy for a while; return the status of each answer, and how long it took, in seconds."""
    until = time.monotonic() + seconds
    found = await asyncio.gather(*(buy(server.port, token, number, until, prefix) for number, token in enumerate(server.tokens)))
    return [answer for answers in found for answer in answers]


async def buy(port: int, token: str, number: int, until: float, prefix: str) -> list[tuple[int, float]]:
    """Buy again and again on one connection; a client's own work would be half of the time that is measured, so there is none."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answers: list[tuple[int, float]] = []
    while (began := time.monotonic()) < until:
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
