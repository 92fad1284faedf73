"""
Latency under an open load: one topic, many streams, and events at a fixed rate, whoever keeps up with it.

Unlike the fan-out, which asks how many deliveries a second of CPU makes, this asks how old an event is when it is read, from a server that
has time to spare up to one that has none. All servers run at once with all their streams open and have their turns at a rate one after the
other, so that whatever disturbs the machine disturbs all of them. One that is behind at a rate has no turn at the higher ones.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from functools import partial

from bench.machine import Placement, raise_file_limit
from bench.process import no_compiler
from bench.readers.auditor import Auditor
from bench.report import Progress, Report, Table, verdict
from bench.servers.centrifugo import Centrifugo
from bench.servers.mercure import Mercure
from bench.servers.nchan import Nchan
from bench.servers.peer import Peer
from bench.servers.pricewire import Handover
from bench.servers.sse_starlette import SseStarlette
from bench.servers.workers import Workers
from bench.trading_floor import PATIENCE, Turn, take_turn
from bench.workload import Load, topic_name

KINDS: tuple[type[Peer], ...] = (Handover, Workers, Nchan, Centrifugo, Mercure, SseStarlette)
"""The servers that can be measured, in the order of the table."""

BEHIND_MS = 1000.0
"""A server whose oldest event was older than this at its receipt does not keep up, in milliseconds."""

TIMES_NCHAN = 1.1
"""How many times the p50 and p99 of nchan Pricewire's may be, wherever nchan keeps up."""


@dataclass(frozen=True, slots=True)
class Ladder:
    """
    Rates that one number of streams gets, one after the other.

    Attributes:
        streams: how many streams each server has.
        rates: events per second, from low to high.
    """

    streams: int
    rates: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is measured.

    Attributes:
        ladders: one after the other.
        seconds: how long each server is published to at each rate.
        rounds: how many turns it has at each of them.
        judge: whether to say which expectations were met.
    """

    ladders: tuple[Ladder, ...] = (Ladder(1000, (20, 50, 100, 200)), Ladder(8000, (10, 40, 100, 400)))
    seconds: float = 4.0
    rounds: int = 3
    judge: bool = True


QUICK = Settings((Ladder(100, (20, 100)),), seconds=0.5, rounds=1, judge=False)
"""Whether the pieces work; the figures say nothing."""


@dataclass(slots=True)
class Contestant:
    """
    A server with its streams open.

    Attributes:
        server: the server.
        group: what the auditor calls its streams.
        published: how many events each stream was to get so far.
        turns: what was measured, by the rate.
        is_behind: whether it did not keep up, and has no more turns.
    """

    server: Peer
    group: str
    published: int = 0
    turns: dict[int, list[Turn]] = field(default_factory=dict)
    is_behind: bool = False

    def p50_ms(self, rate: int) -> float:
        """Return the median of its turns' median ages at a rate, in milliseconds."""
        return statistics.median(turn.audit.p50_ms for turn in self.turns[rate])

    def p99_ms(self, rate: int) -> float:
        """Return the median of its turns' 99th percentiles at a rate, in milliseconds."""
        return statistics.median(turn.audit.p99_ms for turn in self.turns[rate])

    def max_ms(self, rate: int) -> float:
        """Return the greatest age at a rate, in milliseconds."""
        return max(turn.audit.max_ms for turn in self.turns[rate])

    def core(self, rate: int) -> float:
        """Return the median of the cores that its turns at a rate took."""
        return statistics.median(turn.core for turn in self.turns[rate])

    def missing(self, rate: int) -> int:
        """Return how many events neither came nor were merged into others."""
        return sum(turn.missing for turn in self.turns[rate])

    def keeps_up(self, rate: int) -> bool:
        """Return whether nothing was lost or late at a rate."""
        return rate in self.turns and self.max_ms(rate) < BEHIND_MS and self.missing(rate) == 0


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    kinds = [kind for kind in KINDS if kind is not Workers or placement.cores > 1]
    notes = [f"{kind.label} is left out: {reason}" for kind in kinds if (reason := kind.missing())]
    makers: list[Callable[[], Peer]] = [
        partial(Handover, placement, steady=True) if kind is Handover else partial(kind, placement)
        for kind in kinds
        if kind.missing() is None
    ]
    table = Table(
        "Latency under an open load",
        ["server", "streams", "events/s", "cores", "p50 ms", "p99 ms", "max ms", "merged", "missing"],
    )
    ladders: list[object] = []
    report = Report("latency", [table], {"ladders": ladders}, notes)
    if reason := no_compiler():
        notes.append(f"nothing is measured: {reason}")
        return report
    for wanted in settings.ladders:
        streams = raise_file_limit(wanted.streams * len(makers)) // len(makers)
        contestants = climb(makers, Ladder(min(wanted.streams, streams), wanted.rates), settings, progress)
        for rate in wanted.rates:
            rows = [_row(each, streams, rate) for each in contestants if rate in each.turns]
            table.rows += rows
            table.sections.append(len(table.rows))
            notes += faults(contestants, streams, rate)
            if settings.judge:
                notes += _judge(contestants, streams, rate)
        ladders.append(
            {
                "streams": streams,
                "servers": {
                    each.server.name: {
                        "command": each.server.command,
                        "rates": {str(rate): [{"core": turn.core, **asdict(turn)} for turn in turns] for rate, turns in each.turns.items()},
                    }
                    for each in contestants
                },
            }
        )
    return report


def climb(makers: list[Callable[[], Peer]], ladder: Ladder, settings: Settings, progress: Progress) -> list[Contestant]:
    """Have all servers take their turns at each rate, and return what was measured."""
    with ExitStack() as stack:
        contestants = [Contestant(server, server.name) for server in [stack.enter_context(make()) for make in makers]]
        # Entered last, so that the streams are closed before the servers are: these have nothing to complain of then.
        auditor = stack.enter_context(Auditor())
        for each in contestants:
            progress(f"{each.server.label}: opening {ladder.streams} streams")
            auditor.open(each.group, each.server.port, [each.server.target([topic_name(0)])] * ladder.streams, 1)
            # So that every stream has the number to count on from.
            each.server.steady(Load(topics=1, rate=ladder.rates[0], rounds=1))
            each.published = 1
            auditor.wait(each.group, 1, PATIENCE)
        for rate in ladder.rates:
            for number in range(settings.rounds):
                for each in contestants:
                    if each.is_behind:
                        continue
                    progress(f"{ladder.streams} streams, {rate} events/s, {number + 1} of {settings.rounds}: {each.server.label}")
                    load = Load(topics=1, rate=rate, rounds=max(1, round(rate * settings.seconds)))
                    each.published += load.rounds
                    turn = take_turn(each.server, auditor, each.group, load, ladder.streams, each.published, PATIENCE)
                    each.turns.setdefault(rate, []).append(turn)
                    each.is_behind = not each.keeps_up(rate)
    return contestants


def _row(each: Contestant, streams: int, rate: int) -> list[str]:
    audits = [turn.audit for turn in each.turns[rate]]
    return [
        each.server.label,
        f"{streams:,}",
        f"{rate:,}",
        f"{each.core(rate):.2f}",
        f"{each.p50_ms(rate):.1f}",
        f"{each.p99_ms(rate):.1f}",
        f"{each.max_ms(rate):.1f}",
        f"{sum(audit.merged for audit in audits):,}",
        f"{each.missing(rate):,}",
    ]


def faults(contestants: list[Contestant], streams: int, rate: int) -> list[str]:
    """Name the servers that do not keep up, and what went wrong with those that do."""
    notes = []
    for each in contestants:
        where = f"{each.server.label}, {streams:,} streams, {rate} events/s"
        if rate not in each.turns:
            notes.append(f"{where}: left out, as it was behind at a lower rate")
        elif not each.keeps_up(rate):
            notes.append(f"{where}: behind, by {each.max_ms(rate) / 1000:.1f} s; {each.missing(rate):,} events missing")
        elif faults := sum(turn.audit.faults for turn in each.turns[rate]):
            notes.append(f"{where}: {faults} events or streams went wrong")
    return notes


def _judge(contestants: list[Contestant], streams: int, rate: int) -> list[str]:
    """Compare Pricewire with nchan where that keeps up."""
    servers = {each.server.name: each for each in contestants}
    ours, peer = servers[Handover.name], servers.get(Nchan.name)
    if peer is None or not peer.keeps_up(rate):
        return []
    where, expected = f"{streams:,} streams, {rate} events/s", f"at most {TIMES_NCHAN} times nchan's"
    return [
        # The auditor knows tenths of a millisecond.
        f"{where}: {name} {expected} expected; {verdict(mine / max(other, 0.1), TIMES_NCHAN)}"
        for name, mine, other in (("p50", ours.p50_ms(rate), peer.p50_ms(rate)), ("p99", ours.p99_ms(rate), peer.p99_ms(rate)))
    ]
