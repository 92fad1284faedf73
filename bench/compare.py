"""
Compare: Pricewire beside every peer that is installed, in about a minute, on a reader's own machine.

It is the fan-out, the latency and the idle memory with fewer streams and shorter turns, in one table. Figures of a short run waver by a
tenth or so; `fanout`, `latency` and `memory` have them in full.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bench import fanout, latency, memory
from bench.fanout import gathering
from bench.machine import Placement, raise_file_limit
from bench.process import no_compiler
from bench.readers.pool import Readers
from bench.report import Progress, Report, Table, ratio_of, thousands
from bench.servers.floor import Floor
from bench.servers.peer import Peer
from bench.servers.pricewire import Fallback, Handover, HandoverInPython
from bench.servers.workers import Workers

KINDS = tuple(kind for kind in fanout.KINDS if kind not in (HandoverInPython, Fallback, Workers))
"""The servers that are compared, in the order of the table: of Pricewire's own the one that everybody has."""


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is measured.

    Attributes:
        fanout: how the deliveries are.
        ladder: how many streams the ages are taken at, and at how many events per second.
        seconds: for how long.
        memory: how the memory of a stream is.
    """

    fanout: fanout.Settings
    ladder: latency.Ladder
    seconds: float
    memory: memory.Settings


FULL = Settings(
    fanout.Settings(streams=500, rounds=2, cpu=0.3, judge=False),
    latency.Ladder(500, (50,)),
    2.0,
    memory.Settings(streams=1000, warm=100, settling=0.3, judge=False),
)

QUICK = Settings(
    fanout.Settings(streams=20, rounds=1, cpu=0.0, judge=False),
    latency.Ladder(20, (20,)),
    0.2,
    memory.Settings(streams=20, warm=5, settling=0.05, judge=False),
)
"""Whether the pieces work; the figures say nothing."""


@dataclass(frozen=True, slots=True)
class Ages:
    """
    How old events were at their receipt, and what that took.

    Attributes:
        p50_ms: half were younger, in milliseconds.
        p99_ms: 99 in 100 were younger.
        core: the share of a core that the server took.
        missing: how many never came.
    """

    p50_ms: float
    p99_ms: float
    core: float
    missing: int


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    notes = [f"{kind.label} is left out: {reason}" for kind in KINDS if (reason := kind.missing())]
    contestants, streams = fanout.contend(placement, KINDS, settings.fanout, progress)
    notes += [note for contestant in contestants for note in (*gathering(contestant), *contestant.faults)]
    ages = _ages(placement, settings, progress, notes)
    sizes = _sizes(placement, settings.memory, progress)
    table = Table(
        f"Pricewire beside what is installed here: {streams:,} streams of one topic",
        [
            "server",
            "deliveries per CPU second, 1 per flush",
            "20 per flush",
            "events per chunk",
            f"p50 ms at {settings.ladder.rates[0]} events/s",
            "p99 ms",
            "cores",
            "bytes per idle stream",
        ],
    )
    figures: dict[str, object] = {}
    for contestant in contestants:
        name, turns = contestant.peer.name, contestant.turns[1]
        age, size = ages.get(name), sizes.get(name)
        table.rows.append(
            [
                contestant.peer.label,
                *(thousands(contestant.rate(per_flush)) for per_flush in fanout.PER_FLUSH),
                ratio_of(sum(turn.delivered for turn in turns), sum(turn.chunks for turn in turns)),
                *(["-"] * 3 if age is None else [f"{age.p50_ms:.1f}", f"{age.p99_ms:.1f}", f"{age.core:.2f}"]),
                "-" if size is None else f"{size:,.0f}",
            ]
        )
        figures[name] = {
            "deliveries_per_cpu_second": {str(per_flush): contestant.rate(per_flush) for per_flush in fanout.PER_FLUSH},
            "ages": None if age is None else {"p50_ms": age.p50_ms, "p99_ms": age.p99_ms, "core": age.core, "missing": age.missing},
            "bytes_per_stream": size,
        }
    return Report("compare", [table], {"streams": streams, "servers": figures}, notes)


def _ages(placement: Placement, settings: Settings, progress: Progress, notes: list[str]) -> dict[str, Ages]:
    """Return the ages at an open load, by the server's name."""
    if reason := no_compiler():
        notes.append(f"no ages are measured: {reason}")
        return {}
    kinds = [kind for kind in latency.KINDS if kind is not Workers and kind.missing() is None]
    makers: list[Callable[[], Peer]] = [
        partial(Handover, placement, steady=True) if kind is Handover else partial(kind, placement) for kind in kinds
    ]
    streams = raise_file_limit(settings.ladder.streams * len(makers)) // len(makers)
    ladder = latency.Ladder(min(streams, settings.ladder.streams), settings.ladder.rates)
    climbed = latency.climb(makers, ladder, latency.Settings((ladder,), settings.seconds, rounds=1, judge=False), progress)
    rate = ladder.rates[0]
    notes += [note for each in climbed for note in latency.faults([each], ladder.streams, rate)]
    return {each.server.name: Ages(each.p50_ms(rate), each.p99_ms(rate), each.core(rate), each.missing(rate)) for each in climbed}


def _sizes(placement: Placement, settings: memory.Settings, progress: Progress) -> dict[str, float]:
    """Return by how many bytes each server grows for a stream, by the server's name."""
    sizes = {}
    for kind in KINDS:
        if kind is Floor or kind.missing() is not None:
            continue
        progress(f"{kind.label}: opening {settings.streams} idle streams")
        with kind(placement) as peer, Readers() as readers:
            grown, _ = memory.measure(peer, readers, settings.streams, settings)
        sizes[peer.name] = grown.rss
    return sizes
