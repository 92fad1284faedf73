"""
Positions: what a tick costs a server with thousands of open contracts, and when the last holder has seen it.

Every account has a stream of its own contracts. A tick prices all of them, and each stream gets an update of each of its contracts. The
share of a core is that of a tick a second; the time is from the tick until the reader has the last stream's last update, whose own work is
in it.
"""

from __future__ import annotations

import statistics
import time
from dataclasses import asdict, dataclass

from bench.machine import Placement, raise_file_limit
from bench.process import cpu_seconds
from bench.readers.pool import Readers
from bench.report import Progress, Report, Table, verdict
from bench.servers.positions import Positions

SHARE = 0.15
"""What a tick a second may take of a core."""


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is measured.

    Attributes:
        accounts: how many accounts, each with a stream.
        each: how many open contracts each has.
        ticks: how many ticks are measured.
        judge: whether to say if the expectation was met.
    """

    accounts: int = 1000
    each: int = 10
    ticks: int = 30
    judge: bool = True


QUICK = Settings(accounts=20, each=3, ticks=2, judge=False)
"""Whether the pieces work; the figures say nothing."""


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    accounts = raise_file_limit(settings.accounts)
    with Positions(placement, accounts, settings.each) as server, Readers() as readers:
        for account in range(accounts):
            if account % 100 == 0:
                progress(f"opening stream {account} of {accounts}")
            readers.open("accounts", server.port, f"{server.path}?account={account}", 1)
        seen = settings.each
        # What the first tick needs once is no cost of a tick.
        server.tick()
        seen += settings.each
        counts = readers.wait("accounts", seen)
        desk_seconds, seconds = [], []
        bytes_before, cpu = counts.bytes, cpu_seconds(server.pid)
        for number in range(settings.ticks):
            progress(f"tick {number + 1} of {settings.ticks}")
            began = time.monotonic()
            desk_seconds.append(server.tick())
            seen += settings.each
            counts = readers.wait("accounts", seen)
            seconds.append(time.monotonic() - began)
            if counts.least < seen:
                # Each further tick would wait as long; the note says what is missing.
                break
        share = (cpu_seconds(server.pid) - cpu) / len(seconds)
    contracts = accounts * settings.each
    row = [f"{share:.3f}", f"{statistics.median(desk_seconds) * 1000:.0f}", f"{statistics.median(seconds) * 1000:.0f}"]
    row += [f"{max(seconds) * 1000:.0f}", f"{(counts.bytes - bytes_before) / contracts / len(seconds):.0f}"]
    table = Table(
        f"A tick for {contracts:,} open contracts of {accounts:,} accounts with streams",
        ["CPU s per tick", "of it the desk, ms", "until the last update, ms", "longest, ms", "bytes per update"],
        [row],
    )
    notes = [] if counts.least == counts.most == seen else [f"the streams got {counts.least} to {counts.most} events instead of {seen}"]
    if settings.judge:
        notes.append(f"at most {SHARE:g} of a core expected with a tick a second; {verdict(share, SHARE)}")
    figures = {"settings": asdict(settings), "cpu_seconds_per_tick": share, "desk_seconds": desk_seconds, "last_update_seconds": seconds}
    return Report("positions", [table], figures, notes)
