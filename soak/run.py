"""Runs a soak test: the server, the readers, and the control that says how much of a delay is the machine's."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from pricewire.protocol.decoder import EventStreamDecoder
from soak.audit import Auditor, Faults
from soak.http import chunks, close, connect, read_head, request
from soak.readers import misbehave
from soak.server import INSTRUMENTS, SoakServer, instrument_name

LATE_S = 1.0
"""How old an event may be, in seconds, beyond what the machine stood still."""

CONTROL_S = 0.05
"""How often the control wants to be woken, in seconds."""

MEMORY_GROWTH = 1.15
"""Memory is flat where its median in the last fifth is less than so many times that of the fifth after warming up, plus `MEMORY_SLACK`."""

MEMORY_SLACK = 16 * 1024 * 1024

DESCRIPTORS_SLACK = 60
"""So many descriptors more at the end than before there was any reader are connections that are just closing."""


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is done.

    Attributes:
        seconds: how long.
        good: well-behaved readers.
        hostile: the others.
        seed: of what they do.
    """

    seconds: float = 3600.0
    good: int = 200
    hostile: int = 500
    seed: int = 1


@dataclass(slots=True)
class Result:
    """
    What came of it.

    Attributes:
        faults: what the well-behaved readers found.
        done: what the others did, and how often.
        memory: the server's memory, sampled once a second, in bytes.
        descriptors: its open files before there was any reader, and at the end without any.
        stalled: the longest that the machine kept the control waiting, in seconds.
        has_ended: whether the server ended by itself.
        readers_failed: well-behaved readers whose connection broke.
    """

    faults: Faults = field(default_factory=Faults)
    done: dict[str, int] = field(default_factory=dict)
    memory: list[int] = field(default_factory=list)
    descriptors: tuple[int, int] = (0, 0)
    stalled: float = 0.0
    has_ended: bool = False
    readers_failed: list[str] = field(default_factory=list)

    def memory_medians(self) -> tuple[int, int]:
        """Return the median after warming up and that of the end, each of a fifth of the run, in bytes."""
        fifth = max(1, len(self.memory) // 5)
        first, last = sorted(self.memory[fifth : 2 * fifth] or [0]), sorted(self.memory[-fifth:] or [0])
        return first[len(first) // 2], last[len(last) // 2]

    def broken(self, *, judge_lateness: bool) -> list[str]:
        """Return the promises that were broken, in words."""
        faults, found = self.faults, []
        if self.has_ended:
            found.append("the server has ended")
        if self.readers_failed:
            found.append(f"{len(self.readers_failed)} well-behaved readers were cut off: {self.readers_failed[:3]}")
        if faults.wrong:
            counts = f"{faults.lost} lost, {faults.doubled} doubled, {faults.disordered} out of order, {faults.ended} other"
            found.append(f"{counts}: {faults.samples}")
        if not faults.events:
            found.append("no event came")
        if judge_lateness and faults.late:
            found.append(f"{faults.late} events later than {LATE_S:g} s, the oldest by {faults.oldest:.2f} s")
        before, after = self.memory_medians()
        if after > MEMORY_GROWTH * before + MEMORY_SLACK:
            found.append(f"memory grew from {before >> 20} to {after >> 20} MB")
        if self.descriptors[1] > self.descriptors[0] + DESCRIPTORS_SLACK:
            found.append(f"descriptors grew from {self.descriptors[0]} to {self.descriptors[1]}")
        return found

    def lines(self) -> list[str]:
        """Return what to show, a line for each thing, of 80 characters at most where nothing was wrong."""
        before, after = self.memory_medians()
        faults = self.faults
        return [
            f"events audited   {faults.events:,} and {faults.merged:,} merged",
            f"faults           {faults.lost} lost, {faults.doubled} doubled, {faults.disordered} disordered, {faults.ended} other",
            f"late             {faults.late}; the oldest {faults.oldest:.2f} s; the machine stood still {self.stalled:.2f} s",
            f"memory           {before >> 20} MB, at the end {after >> 20} MB",
            f"descriptors      {self.descriptors[0]} before, {self.descriptors[1]} after",
            *(f"{name:<24} {count:>9,} times" for name, count in sorted(self.done.items())),
        ]


class Control:
    """
    Measures by how much the machine itself is late: a timer of the readers' loop, to which no server owes anything.

    Attributes:
        worst: the longest lateness, in seconds.
    """

    def __init__(self) -> None:
        self.worst = 0.0
        self._recent = 0.0
        self._recent_at = 0.0
        self._due = time.monotonic()

    @property
    def lateness(self) -> float:
        """The longest lateness of the last two seconds, in seconds; that of now, where the timer itself is overdue, included."""
        return max(self._recent, time.monotonic() - self._due)

    async def run(self) -> None:
        """Measure until cancelled."""
        while True:
            self._due = time.monotonic() + CONTROL_S
            await asyncio.sleep(CONTROL_S)
            now = time.monotonic()
            late = now - self._due
            if late >= self._recent or now - self._recent_at > 2:
                self._recent, self._recent_at = late, now
            self.worst = max(self.worst, late)


async def run(settings: Settings, progress: Callable[[str], None] = lambda _: None) -> Result:
    """Run the test and return what came of it."""
    result, control = Result(), Control()
    with SoakServer() as server:
        await answers(server.port)
        before = server.descriptors()
        machine = asyncio.create_task(control.run())
        reading = asyncio.Semaphore(0)
        good = [asyncio.create_task(behave(server.port, number, settings, result, control, reading)) for number in range(settings.good)]
        for _ in good:
            await reading.acquire()
        hostile = [
            asyncio.create_task(misbehave(server.port, settings.seed * 100_000 + number, result.done)) for number in range(settings.hostile)
        ]
        began = reported = time.monotonic()
        while (now := time.monotonic()) < began + settings.seconds and not server.has_ended:
            await asyncio.sleep(1)
            result.memory.append(server.memory())
            if now - reported > 60:
                reported = now
                minutes, faults = (now - began) / 60, result.faults
                progress(
                    f"{minutes:.0f} min: {faults.events:,} events, {faults.wrong} wrong, {faults.late} late, "
                    f"{result.memory[-1] >> 20} MB, {server.descriptors()} descriptors"
                )
        for task in (*hostile, *good, machine):
            task.cancel()
        ends = await asyncio.gather(*hostile, *good, machine, return_exceptions=True)
        result.readers_failed = [repr(end) for end in ends if not isinstance(end, asyncio.CancelledError)]
        result.stalled = control.worst
        result.has_ended = server.has_ended
        if not server.has_ended:
            result.descriptors = before, await settle(server, before)
    return result


async def settle(server: SoakServer, before: int) -> int:
    """Return how many descriptors the server has once its readers have gone; time-outs of what they left behind run out first."""
    deadline = time.monotonic() + 90
    while (now := server.descriptors()) > before + 5 and time.monotonic() < deadline:  # noqa: ASYNC110 - nothing tells it
        await asyncio.sleep(0.5)
    await answers(server.port)
    return now


async def answers(port: int) -> None:
    """Check that the server answers."""
    reader, writer = await connect(port)
    writer.write(request("GET", "/healthz"))
    status, _ = await read_head(reader)
    assert status == 200, status
    await close(writer)


async def behave(port: int, number: int, settings: Settings, result: Result, control: Control, reading: asyncio.Semaphore) -> None:
    """Read a stream to the end of the test and audit every event of it; `reading` is released once it has begun, or cannot."""
    dice = random.Random(f"{settings.seed}/{number}")
    names = [instrument_name(each) for each in dice.sample(range(INSTRUMENTS), dice.randint(1, 5))]
    paced = number % 10 == 0
    path = "/sse?" + "&".join(f"topic=ticks:{name}" for name in names) + ("&interval_ms=500" if paced else "")
    auditor, faults = Auditor(f"reader {number}", result.faults), result.faults
    reader, writer = await connect(port)
    try:
        writer.write(request("GET", path))
        try:
            status, _ = await read_head(reader)
        finally:
            reading.release()
        if status != 200:
            raise ConnectionError(f"reader {number} was refused with {status}")
        decoder = EventStreamDecoder()
        async for chunk in chunks(reader):
            now_ms = time.time_ns() // 1_000_000
            for event in decoder.feed(chunk):
                age_ms = auditor.take(event, now_ms)
                if age_ms is not None:
                    age = age_ms / 1000 - control.lateness - (0.5 if paced else 0.0)
                    faults.oldest = max(faults.oldest, age)
                    faults.late += age > LATE_S
        raise ConnectionError(f"the stream of reader {number} ended")
    finally:
        await close(writer, at_once=True)
