"""
History: candles and ticks of a year, which a server with `--history` has in Parquet, over HTTP.

Each day is made and written by the archive itself: a tick a second, a random walk. Measured are requests to a server in a process of its
own, and what the days take on the disk.
"""

from __future__ import annotations

import contextlib
import json
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import numpy as np

from bench.machine import ROOT, Placement
from bench.report import Progress, Report, Table, verdict
from pricewire.market.archive import Archive
from pricewire.market.archived_days import NOWHERE
from pricewire.market.candles import DAY_MS
from pricewire.market.feed import PastTicks
from pricewire.market.feeds.simulated.feed import SimulatedFeed

PATIENCE = 60.0
"""How long the server may take to begin, in seconds."""

INSTRUMENT = "R_100"
"""Whose history is asked for."""

GAP_DAYS = 10
"""So many days before today there is no archive: the server's memory has those."""

A_DAY, A_YEAR = 100.0, 1000.0
"""How long a day's candles, and a year's, may take, in milliseconds."""


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is measured.

    Attributes:
        days: how many days there are of each instrument.
        instruments: how many instruments there are; `R_100` is one.
        ticks: how many ticks a day has.
        rounds: how often each request is made, each time for another day or year.
        judge: whether to say which expectations were met.
    """

    days: int = 375
    instruments: int = 10
    ticks: int = 86_400
    rounds: int = 15
    judge: bool = True


QUICK = Settings(days=5, instruments=1, ticks=600, rounds=2, judge=False)
"""Whether the pieces work; the figures say nothing."""


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    today = time.time_ns() // 1_000_000 // DAY_MS
    days = range(today - GAP_DAYS - settings.days, today - GAP_DAYS)
    with tempfile.TemporaryDirectory() as folder:
        written = write(Path(folder, "history"), settings, days, progress)
        size = sum(path.stat().st_size for path in Path(folder, "history").rglob("*") if path.is_file())
        progress("starting the server")
        began = time.monotonic()
        with socket.create_server(("127.0.0.1", 0)) as listener, placement.on_server_cores():
            serve = ["serve", "--fd", str(listener.fileno()), "--history", "--data-dir", folder, "--log-level", "warning"]
            server = subprocess.Popen([sys.executable, "-m", "pricewire", *serve], cwd=ROOT, pass_fds=[listener.fileno()])
            port = listener.getsockname()[1]
        try:
            with contextlib.closing(HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as connection:
                connection.request("GET", "/healthz")
                connection.getresponse().read()
            started = time.monotonic() - began
            figures = requests(port, settings, days, progress)
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()
    count = settings.days * settings.instruments * settings.ticks
    title = f"History: {count:,} ticks of {settings.instruments} instruments on {settings.days} days"
    table = Table(title, ["request", "median, ms", "slowest, ms", "rows"])
    for name, (times, rows) in figures.items():
        table.rows.append([name, f"{statistics.median(times):.1f}", f"{max(times):.1f}", f"{rows:,}"])
    notes = [
        f"{size / 1e6:,.0f} MB, {size / count:.2f} bytes a tick, with the minutes",
        f"written at {count / written:,.0f} ticks a second, each day read again and brought to the disk",
        f"the server began after {started:.1f} s",
    ]
    if settings.judge:
        for name, (times, _) in figures.items():
            limit = A_YEAR if "year" in name else A_DAY
            notes.append(f"{name}: at most {limit:g} ms expected; {verdict(statistics.median(times), limit)}")
    requested = {name: {"milliseconds": times, "rows": rows} for name, (times, rows) in figures.items()}
    every = {"settings": asdict(settings), "bytes": size, "written_s": written, "started_s": started, "requests": requested}
    return Report("history", [table], every, notes)


def write(folder: Path, settings: Settings, days: range, progress: Progress) -> float:
    """Write the archive; return how long the writing took, in seconds."""
    archive, written = Archive(folder), 0.0
    names = [INSTRUMENT, *(each.id for each in SimulatedFeed(1).instruments if each.id != INSTRUMENT)][: settings.instruments]
    for number, name in enumerate(names):
        generator = np.random.default_rng(number)
        price = 1_000_000
        for day in days:
            if day == days[0]:
                progress(f"writing {name}, {number + 1} of {len(names)}")
            prices = np.maximum(price + np.cumsum(generator.integers(-9, 10, settings.ticks)), 1000)
            spreads = generator.integers(1, 4, settings.ticks)
            epochs = day * DAY_MS + np.arange(settings.ticks, dtype=np.int64) * (DAY_MS // settings.ticks)
            began = time.monotonic()
            archive.put(PastTicks(name, epochs, prices, prices + spreads, prices - spreads), 2, NOWHERE)
            written += time.monotonic() - began
            price = int(prices[-1])
    return written


def requests(port: int, settings: Settings, days: range, progress: Progress) -> dict[str, tuple[list[float], int]]:
    """Return how long each kind of request took, in milliseconds, and how many rows it brought."""
    year = min(365, settings.days)
    kinds = {
        "a day's candles, of a minute": ("candles", 1, {"granularity": 60, "count": 1440}),
        "a day's last 5,000 ticks": ("ticks", 1, {"count": 5000}),
        "a year's candles, of a day": ("candles", year, {"granularity": 86_400, "count": 5000}),
        "a year's candles, of two hours": ("candles", year, {"granularity": 7200, "count": 5000}),
    }
    found: dict[str, tuple[list[float], int]] = {}
    connection = HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    with contextlib.closing(connection):
        for name, (what, span, body) in kinds.items():
            times, rows = list[float](), 0
            for number in range(settings.rounds):
                progress(f"{name}: {number + 1} of {settings.rounds}")
                last = days[-1 - number * (len(days) - span) // settings.rounds]
                times_of = {"from_epoch_ms": (last - span + 1) * DAY_MS, "to_epoch_ms": (last + 1) * DAY_MS - 1}
                taken, answer = ask(connection, f"/v1/market/instruments/{what}/history", {"instrument_id": INSTRUMENT, **times_of, **body})
                times.append(taken)
                rows = len(answer["data"][what])
            found[name] = times, rows
    return found


def ask(connection: HTTPConnection, path: str, body: dict[str, object]) -> tuple[float, Any]:
    """Return how long a request took, in milliseconds, and its answer; what the limit of an address holds up is asked again."""
    while True:
        began = time.perf_counter()
        connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
        response = connection.getresponse()
        content = response.read()
        taken = (time.perf_counter() - began) * 1000
        if response.status == HTTPStatus.OK:
            return taken, json.loads(content)
        if response.status != HTTPStatus.TOO_MANY_REQUESTS:
            raise RuntimeError(f"status {response.status}: {content.decode()}")
        time.sleep(float(response.headers["retry-after"]))
