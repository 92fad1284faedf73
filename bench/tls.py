"""TLS: the fan-out to streams under TLS 1.3 beside nginx's with nchan, and both without."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from bench.fanout import PER_FLUSH, Settings, contend
from bench.machine import Placement
from bench.report import Progress, Report, Table, ratio_of, thousands
from bench.servers.nchan import Nchan
from bench.servers.peer import Peer
from bench.servers.pricewire import Handover
from bench.servers.tls import HandoverTls, NchanTls

KINDS: tuple[type[Peer], ...] = (HandoverTls, NchanTls, Handover, Nchan)


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    return measure("tls", KINDS, NchanTls, placement, settings, progress)


def measure(
    name: str, kinds: Sequence[type[Peer]], beside: type[Peer], placement: Placement, settings: Settings, progress: Progress
) -> Report:
    """
    Measure some servers and return the report.

    Args:
        name: of the benchmark.
        kinds: the servers.
        beside: the one of them that the others are compared with.
        placement: which cores they and the readers run on.
        settings: how much is measured.
        progress: told what is being done.
    """
    contestants, streams = contend(placement, kinds, settings, progress)
    rates = {contestant.peer.name: {size: contestant.rate(size) for size in PER_FLUSH} for contestant in contestants}
    columns = [f"{size} per flush{what}" for size in PER_FLUSH for what in ("", f": times {beside.label}")]
    table = Table(f"Deliveries per CPU second: {streams:,} streams of one topic", ["server", *columns])
    for contestant in contestants:
        peer = rates.get(beside.name)
        row = [contestant.peer.label]
        for size in PER_FLUSH:
            rate = rates[contestant.peer.name][size]
            row += [thousands(rate), "-" if peer is None else ratio_of(rate, peer[size])]
        table.rows.append(row)
    servers = {
        contestant.peer.name: {
            "command": contestant.peer.command,
            "deliveries_per_cpu_second": {str(size): rate for size, rate in rates[contestant.peer.name].items()},
            "turns": {str(size): [asdict(turn) for turn in contestant.turns[size]] for size in PER_FLUSH},
        }
        for contestant in contestants
    }
    notes = [f"{kind.label} is left out: {reason}" for kind in kinds if (reason := kind.missing())]
    notes += [fault for contestant in contestants for fault in contestant.faults]
    return Report(name, [table], {"streams": streams, "servers": servers}, notes)
