"""
Idle streams: what thousands of them cost a server that has nothing to send but heartbeats.

Memory is measured as in `memory`, with twice the streams; the CPU over a minute, in which each stream gets four heartbeats. Streams of one
topic share their heartbeat's bytes, and the look at whether it is due; streams that chose their own topics do not.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass

from bench.machine import Placement, raise_file_limit
from bench.process import cpu_seconds, memory, no_compiler
from bench.readers.auditor import Auditor
from bench.report import Progress, Report, Table, verdict
from bench.servers.pricewire import Handover
from bench.workload import Load, choices

MEMORY = 4096.0
"""What an idle stream may take at most, in bytes."""

SHARE = 0.02
"""What the heartbeats may take of a core."""


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is measured.

    Attributes:
        streams: how many streams are opened.
        heartbeat: after so many seconds of silence a stream gets one.
        seconds: how long the CPU is measured.
        judge: whether to say which expectations were met.
    """

    streams: int = 10_000
    heartbeat: float = 15.0
    seconds: float = 60.0
    judge: bool = True


QUICK = Settings(streams=200, heartbeat=0.5, seconds=1.0, judge=False)
"""Whether the pieces work; the figures say nothing."""

WISHES = {"one topic": (1, 1), "20 topics, 50 choices": (20, 50), "20 topics, own choice": (20, None)}
"""How many of 200 topics a stream has, and how many different choices there are; None where each stream has its own."""


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    streams = raise_file_limit(settings.streams)
    table = Table(
        f"Idle: {streams:,} streams, a heartbeat every {settings.heartbeat:g} s",
        ["streams of", "bytes per stream", "share of a core", "heartbeats", "bytes each"],
    )
    figures: dict[str, object] = {}
    report = Report("idle", [table], {"streams": streams, "heartbeat": settings.heartbeat, "wishes": figures}, [])
    if reason := no_compiler():
        report.notes.append(f"nothing is measured: {reason}")
        return report
    for name, (each, groups) in WISHES.items():
        with Handover(placement, steady=True, heartbeat=settings.heartbeat) as server, Auditor() as auditor:
            progress(f"{name}: opening {streams} streams")
            # What the first ones need once is no cost of a stream.
            wants = choices(streams + 100, each, 200, groups)
            auditor.open("warm", server.port, [server.target(topics) for topics in wants[:100]], each)
            server.steady(Load(topics=200, rate=1000, rounds=1))
            server.settle()
            before = memory(server.pid).rss
            auditor.open("idle", server.port, [server.target(topics) for topics in wants[100:]], each)
            server.settle()
            grown = (memory(server.pid).rss - before) / streams
            progress(f"{name}: {settings.seconds:g} s of heartbeats")
            auditor.mark("idle")
            cpu = cpu_seconds(server.pid)
            time.sleep(settings.seconds)
            share = (cpu_seconds(server.pid) - cpu) / settings.seconds
            audit = auditor.wait("idle", 1, 5.0)
        beats = streams * settings.seconds / settings.heartbeat
        table.rows.append([name, f"{grown:,.0f}", f"{share:.4f}", f"{beats:,.0f}", f"{audit.bytes / beats:.1f}"])
        figures[name] = {"bytes_per_stream": grown, "core": share, "heartbeats_due": beats, "audit": asdict(audit)}
        if settings.judge:
            report.notes.append(f"{name}: at most {MEMORY:,.0f} bytes per stream expected; {verdict(grown, MEMORY)}")
            report.notes.append(f"{name}: at most {SHARE:g} of a core expected; {verdict(share, SHARE)}")
    return report
