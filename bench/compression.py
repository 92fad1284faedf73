"""
Compression: how many bytes an update takes on the wire, and what that costs the server.

The bytes are those of the body, HTTP's chunks included, and are worked out without a server. CPU and memory are those of servers with many
streams of one topic; each event goes to each stream, as in the fan-out. Pricewire compresses once for all of them, a middleware for each.
nchan does not compress: nginx's gzip filter leaves its streams alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from itertools import islice

from bench import memory
from bench.fanout import Contestant, faults, take_turn, warm_up
from bench.machine import Placement, raise_file_limit
from bench.readers.pool import Readers
from bench.report import Progress, Report, Table, ratio_of, thousands, verdict
from bench.servers.nchan import Nchan
from bench.servers.peer import Peer
from bench.servers.pricewire import Handover, HandoverGzip
from bench.servers.sse_starlette import SseStarlette, SseStarletteGzip
from bench.workload import walks
from pricewire.hub.compression import LEVEL, GzipGroup
from pricewire.hub.event import Event, Format, envelope, plain
from pricewire.protocol.messages import TickBody
from pricewire.server.transport.handover import ChunkedStream

KINDS: tuple[type[Peer], ...] = (Handover, HandoverGzip, SseStarlette, SseStarletteGzip, Nchan)

BATCH = 20
"""How many updates are written at once under load."""

KEY_EVERY = 30
"""After so many blocks a stream joins: the next one refers to nothing."""

UPDATES = 6000
"""How many updates the bytes are worked out of."""

TICK_BYTES = 35.0
"""What a single tick of one instrument may take at most."""

BATCH_SHARE = 0.25
"""What a batch may take at most of what it takes plain."""

MORE_CPU = 1.05
"""How many times the CPU that streams take plain they may take with shared compression."""

Encode = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is measured.

    Attributes:
        streams: how many streams each server has, and how many are opened to measure their memory.
        rounds: how often each server has its turn.
        cpu: how much of its CPU a turn is to take, in seconds.
        memory: how the memory is measured.
        judge: whether to say which expectations were met.
    """

    streams: int = 1000
    rounds: int = 5
    cpu: float = 0.5
    memory: memory.Settings = field(default_factory=lambda: memory.Settings(streams=1000))
    judge: bool = True


QUICK = Settings(streams=100, rounds=1, cpu=0.02, memory=replace(memory.QUICK, streams=50), judge=False)
"""Whether the pieces work; the figures say nothing."""


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    progress("bytes per update")
    bytes_table, sizes = _bytes()
    report = Report("compression", [bytes_table], {"bytes_per_update": sizes}, [])
    report.notes += [f"{kind.label} is left out: {reason}" for kind in KINDS if (reason := kind.missing())]
    present = [kind for kind in KINDS if kind.missing() is None]
    streams = raise_file_limit(settings.streams * len(present)) // len(present)
    contestants = _cpu(placement, present, streams, settings, report.notes, progress)
    grown = {kind.name: _memory(placement, kind, settings.memory, progress) for kind in present}
    cost = Table(
        f"What compression costs: {streams:,} streams of one topic, one event per flush",
        ["server", "deliveries per CPU second", "bytes per event", "memory per stream"],
    )
    for contestant in contestants:
        last = contestant.turns[1][-1]
        row = [contestant.peer.label, thousands(contestant.rate(1)), ratio_of(last.bytes, last.delivered)]
        cost.rows.append([*row, f"{grown[contestant.peer.name]:,.0f}"])
    report.tables.append(cost)
    report.figures["streams"] = streams
    report.figures["servers"] = {
        contestant.peer.name: {
            "command": contestant.peer.command,
            "deliveries_per_cpu_second": contestant.rate(1),
            "bytes_per_stream": grown[contestant.peer.name],
            "turns": [asdict(turn) for turn in contestant.turns[1]],
        }
        for contestant in contestants
    }
    if settings.judge:
        rates = {contestant.peer.name: contestant.rate(1) for contestant in contestants}
        report.notes += _judge(sizes, rates)
    return report


def codings() -> dict[str, Callable[[], Encode]]:
    """Return how to begin each way to compress; each then takes what is written at once."""
    return {
        "plain": lambda: lambda data: data,
        "shared gzip": lambda: _shared(0),
        f"shared gzip, a join every {KEY_EVERY}": lambda: _shared(KEY_EVERY),
        "own gzip": _own,
    }


def _shared(key_every: int) -> Encode:
    group, blocks = GzipGroup(), 0

    def encode(data: bytes) -> bytes:
        nonlocal blocks
        if key_every and blocks % key_every == 0:
            group.require_key()
        blocks += 1
        return group.encode(data, 1000)

    return encode


def _own() -> Encode:
    state = zlib.compressobj(LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    return lambda data: state.compress(data) + state.flush(zlib.Z_SYNC_FLUSH)


def bytes_per_update(events: list[bytes], batch: int, encode: Encode) -> float:
    """Return what an event takes on the wire, when so many are written at once."""
    writes = [b"".join(events[start : start + batch]) for start in range(0, len(events), batch)]
    return sum(len(ChunkedStream.frame(encode(data))) for data in writes) / len(events)


def _events(instruments: int, form: Format) -> list[bytes]:
    return [
        Event(
            position=100_000 + number,
            boot="3f2a9c1b",
            topic=f"ticks:{tick.instrument_id}",
            seq=5000 + number // instruments,
            key="tick",
            name="tick",
            message=TickBody.of(tick) if form is envelope else {"data": {"ticks": [TickBody.of(tick)]}},
        ).encoded(form)
        for number, tick in enumerate(islice(walks(instruments), UPDATES))
    ]


def _bytes() -> tuple[Table, dict[str, dict[str, float]]]:
    workloads = {
        "1 instrument, single": (_events(1, plain), 1),
        f"1 instrument, {BATCH} at once": (_events(1, plain), BATCH),
        "20 instruments, single": (_events(20, envelope), 1),
        f"20 instruments, {BATCH} at once": (_events(20, envelope), BATCH),
    }
    table = Table("Bytes per update on the wire", ["coding", *workloads])
    sizes: dict[str, dict[str, float]] = {}
    for name, begin in codings().items():
        sizes[name] = {title: bytes_per_update(events, batch, begin()) for title, (events, batch) in workloads.items()}
        table.rows.append([name, *(f"{size:.1f}" for size in sizes[name].values())])
    return table, sizes


def _coding(kind: type[Peer]) -> str:
    return "gzip" if kind.name.endswith("_gzip") else "identity"


def _cpu(
    placement: Placement, kinds: list[type[Peer]], streams: int, settings: Settings, notes: list[str], progress: Progress
) -> list[Contestant]:
    with ExitStack() as stack:
        contestants = [Contestant(stack.enter_context(kind(placement))) for kind in kinds]
        readers = stack.enter_context(Readers())
        for contestant, kind in zip(contestants, kinds, strict=True):
            peer = contestant.peer
            progress(f"{peer.label}: opening {streams} streams")
            readers.open(peer.name, peer.port, peer.path, streams, _coding(kind))
            warm_up(contestant, readers, streams, 1, settings.cpu)
        for number in range(settings.rounds):
            for contestant in contestants:
                progress(f"round {number + 1} of {settings.rounds}: {contestant.peer.label}")
                take_turn(contestant, readers, streams, 1)
        notes += [fault for contestant in contestants for fault in faults(contestant)]
        return contestants


def _memory(placement: Placement, kind: type[Peer], settings: memory.Settings, progress: Progress) -> float:
    with kind(placement) as peer, Readers() as readers:
        progress(f"{peer.label}: memory")
        growth, _ = memory.measure(peer, readers, settings.streams, settings, _coding(kind))
        return growth.rss


def _judge(sizes: dict[str, dict[str, float]], rates: dict[str, float]) -> list[str]:
    plain_sizes, shared = sizes["plain"], sizes["shared gzip"]
    single, *rest = shared
    notes = [f"{single}: at most {TICK_BYTES:g} bytes expected of shared gzip; {verdict(shared[single], TICK_BYTES)}"]
    notes += [
        f"{title}: at most {BATCH_SHARE:g} of plain expected of shared gzip; {verdict(shared[title] / plain_sizes[title], BATCH_SHARE)}"
        for title in rest
        if "at once" in title
    ]
    if not rates[HandoverGzip.name]:
        return notes
    more = rates[Handover.name] / rates[HandoverGzip.name]
    notes.append(f"at most {MORE_CPU:g} times the CPU of plain expected of shared gzip; {verdict(more, MORE_CPU)}")
    return notes
