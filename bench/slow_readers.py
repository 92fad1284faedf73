"""
Slow readers: what streams that nobody reads do to those that are read.

The same server has its good streams measured by turns without and with the others open, so that whatever disturbs the machine disturbs
both. The others accept a few KB, read nothing, and are cut at the end of each turn.
"""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass, replace

from bench.machine import Placement, raise_file_limit
from bench.process import memory, no_compiler
from bench.readers.auditor import Audit, Auditor
from bench.report import Progress, Report, Table, verdict
from bench.servers.nchan import Nchan
from bench.servers.peer import Peer
from bench.servers.pricewire import Handover
from bench.servers.sse_starlette import SseStarlette
from bench.workload import Load, choices

PATIENCE = 5.0
"""How long after the last price has been published is waited for what has not come, in seconds."""

EXPECTED = 1.1
"""How many times as old the prices of the good streams may be with the others as without them."""


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is measured.

    Attributes:
        good: how many streams are read.
        slow: how many are not.
        each: how many of the topics each has, of its own choice.
        load: what is published in each turn; sse-starlette gets a fifth of the rate, as it cannot carry more.
        rounds: how often there is a turn without and one with the slow ones.
        judge: whether to say if the expectation was met.
    """

    good: int = 900
    slow: int = 100
    each: int = 20
    load: Load = Load(topics=200, rate=1000, rounds=50)  # noqa: RUF009 - frozen
    rounds: int = 5
    judge: bool = True


QUICK = Settings(good=40, slow=10, load=Load(topics=40, rate=800, rounds=20), rounds=1, judge=False)
"""Whether the pieces work; the figures say nothing."""


@dataclass(frozen=True, slots=True)
class Turn:
    """
    What the good streams got.

    Attributes:
        audit: the events.
        growth: by how much the server's memory grew, in bytes.
    """

    audit: Audit
    growth: float


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    raise_file_limit(settings.good + settings.slow)
    table = Table(
        f"{settings.good} good readers without and with {settings.slow} that read nothing",
        ["server", "ticks/s", "p50 ms", "p50 with", "p99 ms", "p99 with", "times", "events missing", "memory growth, KB per slow reader"],
    )
    servers: dict[str, object] = {}
    report = Report("slow_readers", [table], {"settings": asdict(settings), "servers": servers}, [])
    if reason := no_compiler():
        report.notes.append(f"nothing is measured: {reason}")
        return report
    for kind in (Handover, SseStarlette, Nchan):
        if reason := kind.missing():
            report.notes.append(f"{kind.label} is left out: {reason}")
            continue
        load = (
            settings.load
            if kind is not SseStarlette
            else replace(settings.load, rate=settings.load.rate // 5, rounds=settings.load.rounds // 5)
        )
        with Handover(placement, steady=True) if kind is Handover else kind(placement) as server, Auditor() as auditor:
            without, with_slow = _measure(server, auditor, settings, load, progress)
            counters = server.counters()
        p50, p50_with = (statistics.median(turn.audit.p50_ms for turn in turns) for turns in (without, with_slow))
        p99, p99_with = (statistics.median(turn.audit.p99_ms for turn in turns) for turns in (without, with_slow))
        faults = sum(turn.audit.faults for turn in [*without, *with_slow])
        growth = statistics.median(turn.growth for turn in with_slow) / settings.slow / 1024
        figures = (p50, p50_with, p99, p99_with, p99_with / max(p99, 0.1))
        table.rows.append([server.label, str(load.rate), *(f"{figure:.2f}" for figure in figures), str(faults), f"{growth:.0f}"])
        servers[server.name] = {
            "command": server.command,
            "without": [asdict(turn) for turn in without],
            "with": [asdict(turn) for turn in with_slow],
            "counters": counters,
        }
        if kind is Handover and settings.judge:
            reached = verdict(p99_with / p99, EXPECTED)
            report.notes.append(f"{server.label}: the good readers' p99 at most {EXPECTED:g} times as high with slow ones; {reached}")
    return report


def _measure(server: Peer, auditor: Auditor, settings: Settings, load: Load, progress: Progress) -> tuple[list[Turn], list[Turn]]:
    wants = choices(settings.good + settings.slow, settings.each, load.topics)
    targets = [server.target(topics) for topics in wants]
    auditor.open("good", server.port, targets[: settings.good], settings.each)
    done = 1
    server.steady(replace(load, rounds=done))
    auditor.wait("good", done, PATIENCE)
    turns: tuple[list[Turn], list[Turn]] = [], []
    for number in range(settings.rounds):
        for with_slow in (False, True):
            progress(f"{server.label}: round {number + 1} of {settings.rounds}, {'with' if with_slow else 'without'} slow readers")
            if with_slow:
                auditor.open("slow", server.port, targets[settings.good :], 0)
            auditor.mark("good")
            before = memory(server.pid).rss
            server.steady(load)
            done += load.rounds
            audit = auditor.wait("good", done, PATIENCE)
            turns[with_slow].append(Turn(audit, memory(server.pid).rss - before))
            if with_slow:
                auditor.close("slow")
    return turns
