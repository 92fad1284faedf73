"""
The client: ticks per second of CPU from a server's socket to typed objects, by a reader that keeps up and by one that does not.

The server sends as fast as it is read. A reader that falls behind takes what is left in a small buffer after each read of the socket, about
one tick in ten; what newer ticks have superseded is never parsed. A figure is the best round, as other work on the machine can only make a
round slower; the rounds take turns.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from bench.decoder import read_httpx_sse, served_ticks
from bench.machine import Placement
from bench.report import Progress, Report, Table, ratio, thousands
from pricewire.client.stream.reconnect import ReconnectPolicy
from pricewire.client.wire import connect
from pricewire.errors import ReconnectExhausted

SMALL = 100
"""How many ticks the buffer of the reader that falls behind holds: of a read of the socket, with some 300, about one in ten is left."""

AHEAD_BEHIND = 5.0
"""How many times the ticks of httpx-sse with `json.loads` are expected where only one in ten is taken."""

ALL, BEHIND, PEER = "pricewire, every tick", "pricewire, one in ten", "httpx-sse, json.loads"


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is measured.

    Attributes:
        events: how many ticks the server sends.
        rounds: how often each reader has its turn.
        judge: whether to say which expectations were met.
    """

    events: int = 200_000
    rounds: int = 5
    judge: bool = True


QUICK = Settings(events=2000, rounds=1, judge=False)
"""Whether the pieces work; the figures say nothing."""


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    readers: dict[str, Callable[[str], Awaitable[int]]] = {
        ALL: lambda url: read(url, settings.events),
        BEHIND: lambda url: read(url, SMALL),
        PEER: read_httpx_sse,
    }
    best = dict.fromkeys(readers, float("inf"))
    taken = dict.fromkeys(readers, 0)
    with served_ticks(placement, settings.events) as url:
        for number in range(settings.rounds):
            progress(f"round {number + 1} of {settings.rounds}")
            for name, reader in readers.items():
                before = time.process_time()
                taken[name] = asyncio.run(_awaited(reader(url)))
                best[name] = min(best[name], time.process_time() - before)
    rates = {name: settings.events / seconds for name, seconds in best.items()}
    table = Table("From a server's socket to typed objects, per second of CPU", ["client", "ticks/s", "taken", "times httpx-sse"])
    table.rows += [
        [name, thousands(rate), f"{taken[name] / settings.events:.0%}", ratio(rate / rates[PEER])] for name, rate in rates.items()
    ]
    notes = [f"{name} took {taken[name]} of {settings.events}" for name in (ALL, PEER) if taken[name] != settings.events]
    if settings.judge:
        reached = rates[BEHIND] / rates[PEER]
        verdict = "reached" if reached >= AHEAD_BEHIND else "MISSED"
        notes.append(f"behind a reader of one in ten: at least {AHEAD_BEHIND:g} times {PEER} expected; {reached:.2f}, {verdict}")
    figures: dict[str, object] = {"events": settings.events, "ticks_per_cpu_second": rates, "taken": taken}
    return Report("client", [table], figures, notes)


async def _awaited(reading: Awaitable[int]) -> int:
    return await reading


async def read(url: str, buffer: int) -> int:
    """Read ticks with a buffer of a size until the server ends; return how many were taken."""
    count = 0
    async with connect(url, reconnect=ReconnectPolicy(attempts=0), on_error=lambda _: None) as wire:
        try:
            async for _ in wire.ticks("R_100", buffer=buffer):
                count += 1
        except ReconnectExhausted:
            return count
    return count
