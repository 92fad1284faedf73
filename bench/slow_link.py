"""
Age on a slow link: how old the prices are that a reader gets through a link which does not carry all of them.

Each server has a reader of its own behind a `SlowLink`, and publishes one instrument's prices faster than the link can take them. All
run at once. What a price is old, it has waited: for a flush, in the server's and the kernel's buffers, and in the router before the link.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from itertools import pairwise

from bench.link import SlowLink, no_link
from bench.machine import ROOT, Placement
from bench.readers.ages import Ages
from bench.report import Progress, Report, Table, verdict
from bench.servers.nchan import Nchan
from bench.servers.peer import Peer
from bench.servers.pricewire import Handover
from bench.servers.sse_starlette import SseStarlette
from bench.workload import Load, topic_name
from pricewire.hub.flush_pace import FLUSH_POLICY

RATE = 64
"""What the link carries, in kbit/s."""

QUEUE = 16
"""How much waits before the link, in KB: two seconds' worth. A phone's network has more."""

HEADERS = 66
"""Ethernet, IP and TCP around the bytes of a packet, with TCP's time stamps."""

UPDATES = 50
"""Prices per second."""

PERIODS = 6
"""Into how many periods the time is cut, to show whether the age grows."""


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is measured.

    Attributes:
        seconds: for how long prices are published.
        judge: whether to say which expectations were met.
    """

    seconds: int = 60
    judge: bool = True


QUICK = Settings(seconds=3, judge=False)
"""Whether the pieces work; the figures say nothing."""


@dataclass(frozen=True, slots=True)
class Contestant:
    """
    A server, and what its reader accepts.

    Attributes:
        kind: the server.
        coding: the reader's `Accept-Encoding`.
    """

    kind: type[Peer]
    coding: str = "identity"

    @property
    def label(self) -> str:
        """What the table calls it."""
        return f"{self.kind.label}, {'gzip' if self.coding == 'gzip' else 'plain'}"

    @property
    def name(self) -> str:
        """What the JSON file calls it."""
        return f"{self.kind.name}_gzip" if self.coding == "gzip" else self.kind.name


CONTESTANTS = (Contestant(Handover), Contestant(Handover, "gzip"), Contestant(SseStarlette), Contestant(Nchan))


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    columns = ["server", "published", "received", "merged", "lost", "bytes per event", "p50 ms", "p99 ms", "max ms", "p50 over time, ms"]
    table = Table(f"Age behind {RATE} kbit/s, {UPDATES} prices per second, {settings.seconds} s", columns)
    servers: dict[str, object] = {}
    figures = {"rate_kbit": RATE, "queue_kb": QUEUE, "updates": UPDATES, "seconds": settings.seconds, "servers": servers}
    report = Report("slow_link", [table], figures, [])
    if reason := no_link():
        report.notes.append(f"nothing is measured: {reason}")
        return report
    present = [contestant for contestant in CONTESTANTS if contestant.kind.missing() is None]
    report.notes += [f"{each.label} is left out: {reason}" for each in CONTESTANTS if (reason := each.kind.missing())]
    progress(f"{settings.seconds} s behind {RATE} kbit/s")
    with ThreadPoolExecutor(len(present)) as pool:
        results = list(pool.map(lambda contestant: _measure(placement, contestant, settings.seconds), present))
    for contestant, ages in zip(present, results, strict=True):
        published = UPDATES * settings.seconds
        servers[contestant.name] = {"published": published, "periods_ms": _periods(ages), **asdict(ages)}
        table.rows.append(_row(contestant, published, ages))
        if settings.judge and contestant.kind is Handover:
            report.notes.append(_judge(contestant, ages))
        if ages.lost:
            report.notes.append(f"{contestant.label}: {ages.lost} events lost")
    return report


def quantile(values: list[float], share: float) -> float:
    """Return the value that so many of the others are not above."""
    return sorted(values)[min(int(share * len(values)), len(values) - 1)] if values else 0.0


def _measure(placement: Placement, contestant: Contestant, seconds: int) -> Ages:
    with ExitStack() as stack:
        link = stack.enter_context(SlowLink(RATE, QUEUE))
        kind = contestant.kind
        server = kind(placement, steady=True) if issubclass(kind, Handover) else kind(placement)
        server.host = link.server
        stack.enter_context(server)
        arguments = [link.server, str(server.port), server.target([topic_name(0)]), contestant.coding, str(seconds + 1)]
        command = [*link.far, sys.executable, "-m", "bench.readers.ages", *arguments]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as reader:
            assert reader.stdout is not None, "it was asked for"
            reader.stdout.readline()
            server.steady(Load(topics=1, rate=UPDATES, rounds=UPDATES * seconds))
            return Ages(**json.loads(reader.stdout.readline()))


def _periods(ages: Ages) -> list[float]:
    """Return the median age in each period, in milliseconds."""
    end = max(ages.received, default=0.0) + 0.001
    borders = [end * number / PERIODS for number in range(PERIODS + 1)]
    parts = [[age for at, age in zip(ages.received, ages.ages, strict=True) if low <= at < high] for low, high in pairwise(borders)]
    return [statistics.median(part) if part else 0.0 for part in parts]


def _row(contestant: Contestant, published: int, ages: Ages) -> list[str]:
    count = len(ages.ages)
    figures = (quantile(ages.ages, 0.5), quantile(ages.ages, 0.99), max(ages.ages, default=0.0))
    return [
        contestant.label,
        str(published),
        str(count),
        str(ages.merged),
        str(ages.lost),
        f"{ages.wire / max(count, 1):.0f}",
        *(f"{figure:.0f}" for figure in figures),
        " ".join(f"{age:.0f}" for age in _periods(ages)),
    ]


def _judge(contestant: Contestant, ages: Ages) -> str:
    """Two flush intervals, and what the link takes for the packet of one event."""
    packet = (ages.wire / max(len(ages.ages), 1) + HEADERS) * 8 / RATE
    expected = 2 * FLUSH_POLICY.max_interval * 1000 + packet
    reached = quantile(ages.ages, 0.99)
    return f"{contestant.label}: p99 of at most {expected:.0f} ms expected ({packet:.0f} ms are the link's); {verdict(reached, expected)}"
