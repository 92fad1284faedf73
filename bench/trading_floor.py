"""
The trading floor: many streams, each with its own choice of instruments, and prices that come at a steady pace.

Unlike in the fan-out, the servers are not driven as fast as they can: a price is published every millisecond, whether the server is ready
or not, and says when it was due. What counts is the share of a core that this takes, how old the prices are when they are read, and that
every one came. The servers have their turns one after the other, as each is to have its core for itself.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from functools import partial

from bench.machine import Placement, raise_file_limit
from bench.process import cpu_seconds, no_compiler, tree_seconds
from bench.readers.auditor import Audit, Auditor
from bench.report import Progress, Report, Table, thousands, verdict
from bench.servers.centrifugo import Centrifugo
from bench.servers.mercure import Mercure
from bench.servers.nchan import Nchan
from bench.servers.peer import Peer
from bench.servers.pricewire import Handover
from bench.servers.sse_starlette import SseStarlette
from bench.servers.workers import Workers
from bench.workload import Load, choices

PATIENCE = 5.0
"""How long after the last price has been published is waited for what has not come, in seconds."""


@dataclass(frozen=True, slots=True)
class Floor:
    """
    What the streams of a floor want.

    Attributes:
        name: what the table calls it.
        streams: how many there are.
        load: what is published.
        groups: how many different choices of instruments there are; None where each stream has its own.
        each: how many instruments a stream has.
        interval: at most one update per instrument in so many seconds; 0 for every update.
        core: the share of a core that Pricewire may take.
        p99_ms: how old 99 of 100 prices may be, in milliseconds; 0 where it is the pace that makes them old.
    """

    name: str
    streams: int
    load: Load
    groups: int | None = None
    each: int = 20
    interval: float = 0.0
    core: float = 1.0
    p99_ms: float = 0.0


FLOORS = (
    Floor("every tick", 2000, Load(topics=200, rate=1000, rounds=150), core=0.65, p99_ms=25.0),
    Floor("250 ms", 2000, Load(topics=200, rate=1000, rounds=150), interval=0.25, core=0.15),
    # Somewhat more than ten ticks a second of each instrument, so that there is a new one in every interval.
    Floor("100 ms, 50 groups", 5000, Load(topics=200, rate=2200, rounds=330), groups=50, interval=0.1, core=0.4),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is measured.

    Attributes:
        floors: one after the other.
        judge: whether to say which expectations were met.
    """

    floors: tuple[Floor, ...] = FLOORS
    judge: bool = True


QUICK = Settings(
    tuple(
        replace(floor, streams=100, groups=floor.groups and 10, load=replace(floor.load, rounds=floor.load.rate // 200)) for floor in FLOORS
    ),
    judge=False,
)
"""Whether the pieces work; the figures say nothing."""


@dataclass(frozen=True, slots=True)
class Turn:
    """
    One measurement.

    Attributes:
        due_seconds: in what time the prices were to be published.
        seconds: in what time they were.
        cpu_seconds: what the server took, with the processes that it has started.
        reader_cpu_seconds: what the readers' CPU took: with a whole core, they would be what limits.
        expected: how many events there had to be, those that are merged included.
        audit: what the streams got.
    """

    due_seconds: float
    seconds: float
    cpu_seconds: float
    reader_cpu_seconds: float
    expected: int
    audit: Audit

    @property
    def core(self) -> float:
        """How many cores the server would need, if it had as many as it can use."""
        return self.cpu_seconds / self.due_seconds

    @property
    def missing(self) -> int:
        """How many events neither came nor were merged into another; below 0 if there were too many."""
        return self.expected - self.audit.events - self.audit.merged


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    table = Table(
        "Trading floor",
        ["server", "pace", "streams", "cores", "deliveries/s", "merged", "missing", "p50 ms", "p99 ms", "max ms"],
    )
    floors: dict[str, object] = {}
    report = Report("trading_floor", [table], {"floors": floors}, [])
    if reason := no_compiler():
        report.notes.append(f"nothing is measured: {reason}")
        return report
    for floor in [replace(wanted, streams=raise_file_limit(wanted.streams)) for wanted in settings.floors]:
        figures: dict[str, object] = {}
        for peer in _peers(placement, floor, report.notes):
            progress(f"{floor.name}: {peer().label}")
            with peer() as server, Auditor() as auditor:
                turn = measure(server, auditor, floor)
            figures[server.name] = {"command": server.command, "core": turn.core, **asdict(turn)}
            table.rows.append(_row(server.label, floor, turn))
            if server.name == Handover.name:
                report.notes += _faults(floor, turn)
                if settings.judge:
                    report.notes += _judge(floor, turn)
        table.sections.append(len(table.rows))
        floors[floor.name] = {"floor": asdict(floor), "servers": figures}
    return report


def measure(server: Peer, auditor: Auditor, floor: Floor) -> Turn:
    """Open the streams, publish, and wait for what was published."""
    load = floor.load
    targets = [server.target(topics, floor.interval) for topics in choices(floor.streams, floor.each, load.topics, floor.groups)]
    auditor.open("floor", server.port, targets, floor.each)
    # One tick of each, so that every stream has the number to count on from.
    server.steady(replace(load, rounds=1))
    auditor.wait("floor", 1, PATIENCE)
    return take_turn(server, auditor, "floor", load, floor.streams * floor.each, load.rounds + 1, floor.interval + PATIENCE)


def take_turn(server: Peer, auditor: Auditor, group: str, load: Load, wanted: int, last: int, patience: float) -> Turn:
    """
    Publish to streams that are open, and wait for what was published.

    Args:
        server: the server.
        auditor: what reads its streams.
        group: what that calls them.
        load: what is published.
        wanted: how many streams want each round of it, those of several topics counted as often.
        last: the number that the last event of each topic will have.
        patience: how long after the last one is waited for what has not come, in seconds.
    """
    auditor.mark(group)
    readers, cpu, began = cpu_seconds(auditor.pid), tree_seconds(server.pid), time.monotonic()
    server.steady(load)
    seconds = time.monotonic() - began
    audit = auditor.wait(group, last, patience)
    return Turn(
        due_seconds=load.seconds,
        seconds=seconds,
        cpu_seconds=tree_seconds(server.pid) - cpu,
        reader_cpu_seconds=cpu_seconds(auditor.pid) - readers,
        expected=wanted * load.rounds,
        audit=audit,
    )


def _peers(placement: Placement, floor: Floor, notes: list[str]) -> list[Callable[[], Peer]]:
    """Return how to start those that can do it."""
    peers: list[Callable[[], Peer]] = [partial(Handover, placement, steady=True), partial(Workers, placement)]
    for kind in (SseStarlette, Nchan, Centrifugo, Mercure):
        if reason := "it knows no pace" if floor.interval else kind.missing():
            notes.append(f"{kind.label} is left out of {floor.name}: {reason}")
        else:
            peers.append(partial(kind, placement))
    return peers


def _row(label: str, floor: Floor, turn: Turn) -> list[str]:
    audit = turn.audit
    return [
        label,
        floor.name,
        f"{floor.streams:,}",
        f"{turn.core:.2f}",
        thousands(audit.events / turn.seconds),
        f"{audit.merged:,}",
        f"{turn.missing:,}",
        *(f"{age:.1f}" for age in (audit.p50_ms, audit.p99_ms, audit.max_ms)),
    ]


def _faults(floor: Floor, turn: Turn) -> list[str]:
    audit = turn.audit
    if turn.missing == 0 and audit.faults == 0:
        return []
    return [f"{floor.name}: {turn.missing} of {turn.expected} events missing, {audit.doubled} twice, {audit.closed} streams closed"]


def _judge(floor: Floor, turn: Turn) -> list[str]:
    notes = [f"{floor.name}: at most {floor.core:.2f} of a core expected of {Handover.label}; {verdict(turn.core, floor.core)}"]
    if floor.p99_ms:
        reached = verdict(turn.audit.p99_ms, floor.p99_ms)
        notes.append(f"{floor.name}: p99 of at most {floor.p99_ms:.0f} ms expected of {Handover.label}; {reached}")
    return notes
