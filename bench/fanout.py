"""
Fan-out: how many deliveries a server makes with a second of its CPU.

One topic, many streams; each event goes to each stream. CPU time is what counts, not the wall's: on a machine with other work, or with
cores to spare, the wall's time says little about what a server costs. All servers run at once with all their streams open, and take turns
in being published to, so that whatever disturbs the machine disturbs all of them. The one whose turn it is gets the next flush as soon as
it has written the last one: this is what a full core does, not one that is mostly idle.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from typing import TypeVar

from bench.machine import Placement, raise_file_limit
from bench.process import CLOCK_TICK, tree_seconds
from bench.readers.pool import Counts, Readers
from bench.report import Progress, Report, Table, ratio_of, thousands
from bench.servers.centrifugo import Centrifugo, CentrifugoWebsocket
from bench.servers.floor import Floor
from bench.servers.mercure import Mercure
from bench.servers.nchan import Nchan
from bench.servers.peer import Peer, PeerError
from bench.servers.pricewire import Fallback, Handover, HandoverInPython
from bench.servers.sse_starlette import SseStarlette
from bench.servers.websockets_broadcast import WebsocketsBroadcast
from bench.servers.workers import Workers

Result = TypeVar("Result")

PER_FLUSH = (1, 20)
"""How many events are published at once: a single price, and what gathers under load."""

KINDS: tuple[type[Peer], ...] = (
    Handover,
    HandoverInPython,
    Workers,
    Fallback,
    SseStarlette,
    WebsocketsBroadcast,
    Nchan,
    Centrifugo,
    CentrifugoWebsocket,
    Mercure,
    Floor,
)
"""The servers that can be measured, in the order of the table."""

BESIDE = ("floor", "nchan", "centrifugo", "sse_starlette")
"""The peers that the others are compared with."""

PATIENCE = 60.0
"""How long the readers may take to get what one publication brings, in seconds. A server that takes longer has its turns no more."""

GATHERS = 1.1
"""A server with more events per chunk than this, at one per flush, gathers them."""

LOOK = 1.0
"""After so many seconds without all of it the server is asked how much of it was merged."""

SLICE = 400
"""
After so many events to each stream the benchmark waits until all have been read: they fit into the sockets' buffers, so that no server is
held up, or led to leave events out, by the readers.
"""


@dataclass(frozen=True, slots=True)
class Expectation:
    """What the hand-over is expected to reach: so many times what a peer does, at so many events per flush."""

    peer: str
    per_flush: int
    times: float


EXPECTATIONS = (
    Expectation("floor", 1, 0.7),
    Expectation("nchan", 1, 1.0),
    Expectation("sse_starlette", 1, 4.0),
    Expectation("nchan", 20, 10.0),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is measured.

    Attributes:
        streams: how many streams each server has.
        rounds: how often each server has its turn.
        cpu: how much of its CPU a turn is to take, in seconds; the kernel counts it in hundredths.
        judge: whether to say which expectations were met.
    """

    streams: int = 1000
    rounds: int = 5
    cpu: float = 1.0
    judge: bool = True


QUICK = Settings(streams=200, rounds=1, cpu=0.05, judge=False)
"""Whether the pieces work; the figures say nothing."""


@dataclass(frozen=True, slots=True)
class Turn:
    """
    One measurement.

    Attributes:
        flushes: how often was published.
        cpu_seconds: what the server's CPU took.
        expected: how many deliveries there had to be.
        delivered: how many there were, as its readers counted.
        merged: how many were left out for newer ones, as the server counted: a stream had lagged.
        bytes: how many bytes those were.
        chunks: in how many chunks of HTTP/1.1, or frames of a WebSocket, they came; 0 where the server sends none.
        uneven: whether a stream got more or less than its share.
    """

    flushes: int
    cpu_seconds: float
    expected: int
    delivered: int
    merged: int
    bytes: int
    chunks: int
    uneven: bool

    @property
    def rate(self) -> float:
        """Deliveries per second of CPU."""
        return self.delivered / max(self.cpu_seconds, 1 / CLOCK_TICK)


@dataclass(slots=True)
class Contestant:
    """
    A server with its streams open.

    Attributes:
        peer: the server.
        sent: how many events were published to each stream since they were opened.
        turns: what was measured, by how many events a flush had.
        flushes: how many flushes make up a turn.
        failed: why it is out of the measurement; empty as long as it is not.
        counters: what the server had counted at the end.
        faults: where it did not do what it was measured for, said at the end.
    """

    peer: Peer
    sent: int = 0
    turns: dict[int, list[Turn]] = field(default_factory=lambda: {size: [] for size in PER_FLUSH})
    flushes: dict[int, int] = field(default_factory=dict)
    failed: str = ""
    counters: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def rate(self, per_flush: int) -> float:
        """Return the median of the deliveries per second of CPU; 0 where nothing was measured."""
        return statistics.median([turn.rate for turn in self.turns[per_flush]] or [0.0])

    def merged(self) -> int:
        """Return how many events its streams were spared so far."""
        return self.peer.counters().get("events_merged", 0)


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    # Several gateways are for several cores.
    kinds = [kind for kind in KINDS if kind is not Workers or placement.cores > 1]
    contestants, streams = contend(placement, kinds, settings, progress)
    notes = [f"{kind.label} is left out: {reason}" for kind in kinds if (reason := kind.missing())]
    notes += [note for contestant in contestants for note in (*gathering(contestant), *contestant.faults)]
    return _report(contestants, streams, notes, judge=settings.judge)


def contend(placement: Placement, kinds: Sequence[type[Peer]], settings: Settings, progress: Progress) -> tuple[list[Contestant], int]:
    """Have those of some servers that are installed take their turns; return what was measured, and how many streams each had."""
    present = [kind for kind in kinds if kind.missing() is None]
    streams = raise_file_limit(settings.streams * len(present)) // len(present)
    with ExitStack() as stack:
        peers = [stack.enter_context(Floor(placement, PER_FLUSH) if kind is Floor else kind(placement)) for kind in present]
        # Entered last, so that the streams are closed before the servers are: these have nothing to complain of then.
        readers = stack.enter_context(Readers())
        contestants = [Contestant(peer) for peer in peers]
        for peer in peers:
            progress(f"{peer.label}: opening {streams} streams")
            readers.open(peer.name, peer.port, peer.path, streams, protocol=peer.protocol)
        for contestant in contestants:
            for per_flush in PER_FLUSH:
                progress(f"{contestant.peer.label}: warming up, {per_flush} per flush")
                warm_up(contestant, readers, streams, per_flush, settings.cpu)
        for number in range(settings.rounds):
            for per_flush in PER_FLUSH:
                for contestant in contestants:
                    progress(f"round {number + 1} of {settings.rounds}: {contestant.peer.label}, {per_flush} per flush")
                    take_turn(contestant, readers, streams, per_flush)
        for contestant in contestants:
            contestant.counters = contestant.peer.counters()
            contestant.faults = faults(contestant)
    return contestants, streams


class DeliveryError(Exception):
    """What was published did not arrive in time."""


def attempt(contestant: Contestant, action: Callable[[], Result]) -> Result | None:
    """Return what something with a server results in; should it refuse, or its deliveries not arrive, it is out: every run ends."""
    if contestant.failed:
        return None
    try:
        return action()
    except (DeliveryError, PeerError, OSError) as error:
        contestant.failed = str(error)
        return None


def warm_up(contestant: Contestant, readers: Readers, streams: int, per_flush: int, cpu: float) -> None:
    """Find out how many flushes make up a turn."""
    flushes = attempt(contestant, lambda: calibrate(contestant, readers, streams, per_flush, cpu))
    if flushes is not None:
        contestant.flushes[per_flush] = flushes


def take_turn(contestant: Contestant, readers: Readers, streams: int, per_flush: int) -> None:
    """Measure a server once."""
    turn = attempt(contestant, lambda: measure(contestant, readers, streams, per_flush, contestant.flushes[per_flush]))
    if turn is not None:
        contestant.turns[per_flush].append(turn)


def calibrate(contestant: Contestant, readers: Readers, streams: int, per_flush: int, cpu: float) -> int:
    """Return how many flushes take about so much of the server's CPU, after enough of them that it runs as it will go on."""
    flushes = 4
    while True:
        turn = measure(contestant, readers, streams, per_flush, flushes)
        if turn.cpu_seconds >= cpu / 5:
            return max(1, round(flushes * cpu / max(turn.cpu_seconds, 1 / CLOCK_TICK)))
        flushes *= 2


def measure(contestant: Contestant, readers: Readers, streams: int, per_flush: int, flushes: int) -> Turn:
    """Have a server publish, and return what that took once all streams have got everything."""
    peer = contestant.peer
    merged_before = contestant.merged()
    before = wait(contestant, readers, streams)
    after = before
    cpu_before = tree_seconds(peer.pid)
    left = flushes
    while left > 0:
        now = min(left, max(1, SLICE // per_flush))
        peer.publish(now, per_flush)
        contestant.sent += now * per_flush
        after = wait(contestant, readers, streams)
        left -= now
    merged = contestant.merged() - merged_before
    return Turn(
        flushes=flushes,
        cpu_seconds=tree_seconds(peer.pid) - cpu_before,
        expected=flushes * per_flush * streams,
        delivered=after.events - before.events,
        merged=merged,
        bytes=after.bytes - before.bytes,
        chunks=after.chunks - before.chunks,
        uneven=not after.least == after.most == contestant.sent and contestant.merged() == 0,
    )


def wait(contestant: Contestant, readers: Readers, streams: int) -> Counts:
    """
    Return what the readers have once all has come that was published, or has been merged into what came.

    Raises:
        DeliveryError: it has not come in time, or cannot come any more.
    """
    peer, expected = contestant.peer, contestant.sent * streams
    deadline = time.monotonic() + PATIENCE
    while True:
        counts = readers.wait(peer.name, contestant.sent, LOOK)
        merged = contestant.merged() if counts.events < expected else 0
        left = expected - counts.events - merged
        if left <= 0:
            return counts
        what = f"{left} of {expected} deliveries did not come"
        # What was lost, and what a stream that is closed has not got, is not waited for.
        if counts.closed or (counts.lost and not merged):
            raise DeliveryError(f"{what}: {counts.lost} streams lost some, {counts.closed} were closed")
        if time.monotonic() > deadline:
            raise DeliveryError(f"{what} within {PATIENCE:g} s")


def gathering(contestant: Contestant) -> list[str]:
    """Say where a server wrote several events at once though each was published by itself: it makes fewer writes, for later events."""
    turns = contestant.turns[1]
    delivered, chunks = sum(turn.delivered for turn in turns), sum(turn.chunks for turn in turns)
    if not chunks or delivered / chunks < GATHERS:
        return []
    return [f"{contestant.peer.label} gathers: {delivered / chunks:.1f} events per chunk at 1 per flush"]


def faults(contestant: Contestant) -> list[str]:
    """Say where a server did not do what it was measured for."""
    label, found = contestant.peer.label, []
    if contestant.failed:
        found.append(f"{label} FAILED: {contestant.failed}")
    for per_flush, turns in contestant.turns.items():
        missing = sum(turn.expected - turn.delivered - turn.merged for turn in turns)
        if missing or any(turn.uneven for turn in turns):
            found.append(f"{label}: {missing} of {sum(turn.expected for turn in turns)} deliveries missing at {per_flush} per flush")
    counters = contestant.peer.counters()
    if lagged := counters.get("streams_lagged"):
        found.append(f"{label}: streams lagged {lagged} times, and were spared {counters['events_merged']} events")
    return found


def _report(contestants: list[Contestant], streams: int, notes: list[str], *, judge: bool) -> Report:
    by_name = {contestant.peer.name: contestant for contestant in contestants}
    beside = [by_name[name] for name in BESIDE if name in by_name]
    table = Table(
        f"Fan-out: {streams:,} streams of one topic",
        [
            "server",
            "events per flush",
            "deliveries per CPU second",
            *(f"times {contestant.peer.name.replace('_', '-')}" for contestant in beside),
            "bytes per event",
            "events per chunk",
        ],
    )
    for per_flush in PER_FLUSH:
        for contestant in contestants:
            if not contestant.turns[per_flush]:
                continue
            rate, last = contestant.rate(per_flush), contestant.turns[per_flush][-1]
            table.rows.append(
                [
                    contestant.peer.label,
                    str(per_flush),
                    thousands(rate),
                    *(ratio_of(rate, other.rate(per_flush)) for other in beside),
                    ratio_of(last.bytes, last.delivered),
                    ratio_of(last.delivered, last.chunks),
                ]
            )
        table.sections.append(len(table.rows))
    expectations = []
    for expected in EXPECTATIONS:
        if judge and expected.peer in by_name and by_name[expected.peer].rate(expected.per_flush):
            reached = by_name[Handover.name].rate(expected.per_flush) / by_name[expected.peer].rate(expected.per_flush)
            expectations.append({**asdict(expected), "reached": reached})
            notes.append(
                f"{expected.per_flush} per flush: at least {expected.times:g} times {expected.peer} expected of {Handover.label}; "
                f"{reached:.2f} times, {'reached' if reached >= expected.times else 'MISSED'}"
            )
    servers = {
        contestant.peer.name: {
            "command": contestant.peer.command,
            "deliveries_per_cpu_second": {str(size): contestant.rate(size) for size in PER_FLUSH},
            "turns": {str(size): [asdict(turn) for turn in contestant.turns[size]] for size in PER_FLUSH},
            "counters": contestant.counters,
        }
        for contestant in contestants
    }
    return Report("fanout", [table], {"streams": streams, "servers": servers, "expectations": expectations}, notes)
