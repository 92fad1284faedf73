"""
The storm: all streams are cut at once, and come back with `Last-Event-ID` while prices go on.

A proxy that restarts does this to a server. Measured is how long it takes until every stream is live again, what that costs the server, and
whether each stream got every event exactly once across the cut. sse-starlette leaves resuming to the application, so it has no turn.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace

from bench.machine import Placement, raise_file_limit
from bench.process import no_compiler, tree_seconds
from bench.readers.auditor import Audit, Auditor
from bench.report import Progress, Report, Table
from bench.servers.application import WholeApplication
from bench.servers.nchan import Nchan
from bench.servers.peer import Peer
from bench.servers.pricewire import Handover
from bench.workload import Load, choices

PATIENCE = 30.0
"""How long the streams may take to come back, and their events to come, in seconds."""


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is measured.

    Attributes:
        streams: how many streams are cut.
        each: how many of the topics each has, of its own choice.
        load: what is published meanwhile.
        calm: after how many seconds the streams are cut.
        cuts: how often.
        apart: how many seconds pass between two cuts.
    """

    streams: int = 5000
    each: int = 4
    load: Load = Load(topics=200, rate=500, rounds=50)  # noqa: RUF009 - frozen
    calm: float = 3.0
    cuts: int = 3
    apart: float = 3.0


QUICK = Settings(streams=100, load=Load(topics=20, rate=500, rounds=50), calm=0.3, cuts=2, apart=0.3)
"""Whether the pieces work; the figures say nothing."""


@dataclass(frozen=True, slots=True)
class Cut:
    """
    One cut.

    Attributes:
        heads_seconds: how long it took until every stream had the head of its response.
        live_seconds: how long it took until every stream had an event.
        cpu_seconds: what that took of the server's CPU.
        not_live: how many streams were not back in time.
        retries: how many connections had to be made again.
    """

    heads_seconds: float
    live_seconds: float
    cpu_seconds: float
    not_live: int
    retries: int


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    settings = replace(settings, streams=raise_file_limit(settings.streams))
    table = Table(
        f"Storm: {settings.streams:,} streams of {settings.each} topics each, {settings.load.rate} ticks per second",
        ["server", "all heads, s", "all live, s", "CPU, s", "events", "lost", "doubled", "not come", "oldest, ms"],
    )
    servers: dict[str, object] = {}
    report = Report("storm", [table], {"settings": asdict(settings), "servers": servers}, [])
    if reason := no_compiler():
        report.notes.append(f"nothing is measured: {reason}")
        return report
    for kind in (WholeApplication, Handover, Nchan):
        if reason := kind.missing():
            report.notes.append(f"{kind.label} is left out: {reason}")
            continue
        with Handover(placement, steady=True) if kind is Handover else kind(placement) as server, Auditor() as auditor:
            progress(f"{server.label}: opening {settings.streams} streams")
            cuts, audit = _measure(server, auditor, settings, progress)
        servers[server.name] = {"command": server.command, "cuts": [asdict(cut) for cut in cuts], "audit": asdict(audit)}
        for number, cut in enumerate(cuts):
            times = [f"{seconds:.2f}" for seconds in (cut.heads_seconds, cut.live_seconds, cut.cpu_seconds)]
            counts = [f"{count:,}" for count in (audit.events, audit.lost, audit.doubled, audit.behind)] if number == 0 else [""] * 4
            table.rows.append([server.label if number == 0 else "", *times, *counts, f"{audit.max_ms:.0f}" if number == 0 else ""])
        table.sections.append(len(table.rows))
        if audit.faults or any(cut.not_live for cut in cuts):
            report.notes.append(
                f"{server.label}: {audit.faults} events wrong, {max(cut.not_live for cut in cuts)} streams not back in time"
            )
    return report


def _measure(server: Peer, auditor: Auditor, settings: Settings, progress: Progress) -> tuple[list[Cut], Audit]:
    load, cuts = settings.load, []
    targets = [server.target(topics) for topics in choices(settings.streams, settings.each, load.topics)]
    auditor.open("storm", server.port, targets, settings.each)
    server.steady(replace(load, rounds=1))
    auditor.wait("storm", 1, PATIENCE)
    auditor.mark("storm")
    with ThreadPoolExecutor(1) as pool:
        publishing = pool.submit(server.steady, load)
        time.sleep(settings.calm)
        for number in range(settings.cuts):
            progress(f"{server.label}: cut {number + 1} of {settings.cuts}")
            cpu = tree_seconds(server.pid)
            back = auditor.cut("storm", PATIENCE)
            cuts.append(Cut(back.heads_seconds, back.live_seconds, tree_seconds(server.pid) - cpu, back.not_live, back.retries))
            time.sleep(settings.apart)
        publishing.result()
    return cuts, auditor.wait("storm", load.rounds + 1, PATIENCE)
