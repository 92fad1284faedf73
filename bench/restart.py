"""
The restart: a server is stopped, or killed, and begun again on the same port, and all its streams come back with `Last-Event-ID`.

Measured is how many are resumed, whether each got every event exactly once across the restart, how long it takes from the first connection
to the new process until every stream is live, and what the ring of the last events costs with each event that is published.
"""

from __future__ import annotations

import asyncio
import gc
import signal
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from http.client import HTTPException
from pathlib import Path

import uvloop

from bench.machine import Placement, raise_file_limit
from bench.process import cpu_seconds, no_compiler
from bench.readers.auditor import Audit, Auditor
from bench.report import Progress, Report, Table, verdict
from bench.servers.pricewire import Ring
from bench.workload import Load, choices, timed_tick
from pricewire.bus.memory import MemoryBus
from pricewire.hub.hub import Hub
from pricewire.hub.streams import Stream, StreamSpec

PATIENCE = 60.0
"""How long the streams may take to come back, and their events to come, in seconds."""

DEARER = 3.0
"""What the ring may cost with each event, in microseconds of CPU."""

ENDS = {"SIGTERM": signal.SIGTERM, "SIGKILL": signal.SIGKILL}


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is measured.

    Attributes:
        streams: how many streams come back.
        each: how many of the topics each has, of its own choice.
        load: what is published before and after each restart.
        calm: after how many seconds of it the server is ended.
        restarts: how often, for each way to end it.
        events: how many events a round of publishing has.
        rounds: how often publishing with and without a ring has its turn; the best counts.
        judge: whether to say which expectations were met.
    """

    streams: int = 5000
    each: int = 4
    load: Load = Load(topics=200, rate=500, rounds=20)  # noqa: RUF009 - frozen
    calm: float = 3.0
    restarts: int = 2
    events: int = 20_000
    rounds: int = 7
    judge: bool = True


QUICK = Settings(streams=100, load=Load(topics=20, rate=500, rounds=20), calm=0.3, restarts=1, events=500, rounds=1, judge=False)
"""Whether the pieces work; the figures say nothing."""


@dataclass(frozen=True, slots=True)
class Restart:
    """
    One restart.

    Attributes:
        end: how the process was ended.
        serves_seconds: how long the new process took to begin, and to read the ring.
        heads_seconds: how long it took from the first connection until every stream had the head of its response.
        live_seconds: how long until every stream had an event.
        cpu_seconds: what that took of the server's CPU.
        resumed: how many streams went on where they were.
        reset: how many could not.
        faults: how many events were lost or doubled since the restart before it, or have not come.
        not_live: how many streams had no event in time.
    """

    end: str
    serves_seconds: float
    heads_seconds: float
    live_seconds: float
    cpu_seconds: float
    resumed: int
    reset: int
    faults: int
    not_live: int


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    settings = replace(settings, streams=raise_file_limit(settings.streams))
    back = Table(
        f"Restart: {settings.streams:,} streams of {settings.each} topics each, {settings.load.rate} ticks per second",
        ["ended by", "serves, s", "all heads, s", "all live, s", "CPU, s", "resumed", "reset", "faults"],
    )
    costs = Table("The ring: microseconds of CPU for each event published", ["streams flushed", "without", "with", "dearer by"])
    figures: dict[str, object] = {"settings": asdict(settings)}
    report = Report("restart", [back, costs], figures, [])
    if reason := no_compiler():
        report.notes.append(f"no restart is measured: {reason}")
    else:
        restarts = _restarts(placement, settings, progress)
        figures["restarts"] = [asdict(restart) for restart in restarts]
        for each in restarts:
            times = [f"{value:.2f}" for value in (each.serves_seconds, each.heads_seconds, each.live_seconds, each.cpu_seconds)]
            back.rows.append([each.end, *times, f"{each.resumed:,}", f"{each.reset:,}", f"{each.faults:,}"])
            if each.not_live or each.faults or each.resumed != settings.streams:
                report.notes.append(f"{each.end}: {each.faults} events wrong, {each.not_live} streams not live in time")
    for name, (with_stream, turn) in {
        "none": (False, 1),
        "after each event": (True, 1),
        "after 20 events": (True, 20),
    }.items():
        without, recorded = _publishing(settings, progress, with_stream=with_stream, turn=turn)
        costs.rows.append([name, f"{without:.2f}", f"{recorded:.2f}", f"{recorded - without:.2f}"])
        figures[f"publishing, {name}"] = {"without": without, "with": recorded}
        if settings.judge:
            report.notes.append(
                f"streams flushed: {name}: at most {DEARER:g} microseconds dearer expected; {verdict(recorded - without, DEARER)}"
            )
    return report


def _restarts(placement: Placement, settings: Settings, progress: Progress) -> list[Restart]:
    restarts, load = [], settings.load
    with Ring(placement) as server, Auditor() as auditor, ThreadPoolExecutor(1) as pool:
        progress(f"opening {settings.streams} streams")
        targets = [server.target(topics) for topics in choices(settings.streams, settings.each, load.topics)]
        auditor.open("restart", server.port, targets, settings.each)
        server.steady(replace(load, rounds=1))
        auditor.wait("restart", 1, PATIENCE)
        for end, number in ENDS.items():
            for _ in range(settings.restarts):
                progress(f"{end}: {settings.calm:g} s of ticks")
                # A server that is stopped waits for its last request, and so for the end of this.
                rounds = round((settings.calm + 2) * load.rate / load.topics)
                publishing = pool.submit(_until_ended, server, replace(load, rounds=rounds))
                time.sleep(settings.calm)
                server.end(number)
                publishing.result()
                before = auditor.mark("restart")
                progress(f"{end}: starting again")
                began = time.monotonic()
                server.begin_again()
                serves = time.monotonic() - began
                cpu = cpu_seconds(server.pid)
                publishing = pool.submit(server.steady, load)
                audit = auditor.cut("restart", PATIENCE)
                spent = cpu_seconds(server.pid) - cpu
                publishing.result()
                counters = server.counters()
                after = auditor.wait("restart", counters["least_seq"], PATIENCE)
                restarts.append(_restart(end, serves, spent, counters, before, audit, after))
    return restarts


def _restart(end: str, serves: float, spent: float, counters: dict[str, int], before: Audit, back: Audit, after: Audit) -> Restart:
    # Streams that the server has closed, and its errors when it was stopped, are no faults here.
    faults = after.behind + sum(audit.lost + audit.doubled + audit.miscounted for audit in (before, after))
    return Restart(end, serves, back.heads_seconds, back.live_seconds, spent, counters["resumed"], counters["reset"], faults, back.not_live)


def _until_ended(server: Ring, load: Load) -> None:
    """Have ticks published until the server is ended."""
    with suppress(OSError, HTTPException):
        server.steady(load)


class Sink(Stream):
    """A stream whose reader takes everything."""

    def __init__(self) -> None:
        super().__init__("sink")
        self.write = len

    def end(self, data: bytes) -> None:
        """Take the last bytes."""

    def abort(self) -> None:
        """Be ended."""


def _publishing(settings: Settings, progress: Progress, *, with_stream: bool, turn: int) -> tuple[float, float]:
    """Return what an event costs without and with a ring, in microseconds of CPU; the best of some rounds that take turns."""
    best = [float("inf")] * 2
    for number in range(settings.rounds):
        for place, recorded in enumerate((False, True)):
            progress(f"publishing: round {number + 1} of {settings.rounds}")
            with tempfile.TemporaryDirectory() as folder:
                spent = uvloop.run(_publish(settings.events, Path(folder) if recorded else None, with_stream=with_stream, turn=turn))
            best[place] = min(best[place], spent / settings.events * 1e6)
    return best[0], best[1]


async def _publish(count: int, folder: Path | None, *, with_stream: bool, turn: int) -> float:
    """Publish so many events, some in each turn of the loop; return the CPU time that it took, in seconds."""
    hub = Hub()
    bus = MemoryBus(hub, folder)
    message = timed_tick("ticks:R_100", time.monotonic_ns())
    async with bus.open():
        if with_stream:
            hub.join(Sink(), StreamSpec(("ticks:R_100",)), hub.start(["ticks:R_100"], None))
        gc.collect()
        began = time.process_time()
        for number in range(count):
            bus.publish("ticks:R_100", message, key="ticks:R_100", event="tick")
            if number % turn == turn - 1:
                await asyncio.sleep(0)
        spent = time.process_time() - began
        hub.close()
    return spent
