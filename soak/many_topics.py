"""`python -m soak.many_topics`: one client with 250 topics at twenty times their rate: memory and CPU for an event have to stay flat."""

from __future__ import annotations

import argparse
import asyncio
import resource
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pricewire.client.wire import Wire, connect
from soak.server import SoakServer, instrument_name

TOPICS = 250

INTERVAL_MS = 50
"""Between two ticks of an instrument: most simulated ones tick once a second."""

GROWTH_BYTES = 8 * 1024 * 1024
"""So much more memory in the last fifth than in the second is still flat: the collector of garbage has its own pace."""

GROWTH_CPU = 1.25
"""So many times the CPU for an event is still the same."""


@dataclass(slots=True)
class Figures:
    """
    What one client took, once a second.

    Attributes:
        memory: what of its memory was resident, in bytes.
        events: how many events its readers had got.
        cpu: how much CPU it had used, in seconds.
        merged: how many events were left out as newer ones came before they were read.
        silent: topics of which nothing came.
    """

    memory: list[int] = field(default_factory=list)
    events: list[int] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    merged: int = 0
    silent: int = 0

    def memory_medians(self) -> tuple[int, int]:
        """Return the median after warming up and that of the end, each of a fifth of the run, in bytes."""
        return round(median(second_fifth(self.memory))), round(median(last_fifth(self.memory)))

    def costs(self) -> tuple[float, float]:
        """Return what an event cost after warming up and at the end, each in a fifth of the run, in seconds of CPU."""
        first, last = (
            (cpu[-1] - cpu[0]) / max(1, events[-1] - events[0])
            for cpu, events in (
                (second_fifth(self.cpu), second_fifth(self.events)),
                (last_fifth(self.cpu), last_fifth(self.events)),
            )
        )
        return first, last

    def broken(self) -> list[str]:
        """Return what did not stay flat."""
        (before, after), (first, last) = self.memory_medians(), self.costs()
        return [
            *([f"memory grew from {before >> 20} to {after >> 20} MiB"] if after > before + GROWTH_BYTES else []),
            *([f"an event cost {first * 1e6:.1f} and then {last * 1e6:.1f} microseconds"] if last > GROWTH_CPU * first else []),
            *([f"nothing came of {self.silent} topics"] if self.silent else []),
        ]


def second_fifth(values: Sequence[float]) -> Sequence[float]:
    """Return the values after the first fifth, in which caches fill."""
    return values[len(values) // 5 : 2 * len(values) // 5]


def last_fifth(values: Sequence[float]) -> Sequence[float]:
    """Return the values of the end."""
    return values[4 * len(values) // 5 :]


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def memory() -> int:
    """Return what of this process's memory is resident, in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()


async def measure(url: str, seconds: float, topics: int = TOPICS, report: Callable[[str], None] = lambda _: None) -> Figures:
    """
    Read for a while, each topic by a subscription of its own.

    Args:
        url: the server's.
        seconds: how long.
        topics: how many.
        report: told how it goes, once a minute.
    """
    figures = Figures()
    counts, merged = [0] * topics, [0] * topics

    async def read(wire: Wire, number: int) -> None:
        ticks = wire.ticks(instrument_name(number))
        async for _ in ticks:
            counts[number] += 1
            merged[number] = ticks.merged

    async with connect(url) as wire, asyncio.TaskGroup() as group:
        readers = [group.create_task(read(wire, number)) for number in range(topics)]
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            await asyncio.sleep(1)
            figures.memory.append(memory())
            figures.events.append(sum(counts))
            figures.cpu.append(time.process_time())
            if len(figures.memory) % 60 == 0:
                report(f"{figures.events[-1]} events, {figures.memory[-1] >> 20} MiB, {figures.cpu[-1]:.1f} s of CPU")
        for reader in readers:
            reader.cancel()
    figures.merged = sum(merged)
    figures.silent = counts.count(0)
    return figures


def main() -> None:
    """Run what the command line says; the status is 1 where something did not stay flat."""
    parser = argparse.ArgumentParser(prog="python -m soak.many_topics", description="Read many topics at a high rate over one connection.")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--topics", type=int, default=TOPICS)
    arguments = parser.parse_args()
    with SoakServer(arguments.topics, INTERVAL_MS) as server:
        url = f"http://127.0.0.1:{server.port}"
        figures = asyncio.run(measure(url, arguments.minutes * 60, arguments.topics, lambda text: print(text, flush=True)))
    (before, after), (first, last) = figures.memory_medians(), figures.costs()
    print(f"{figures.events[-1]} events, {figures.merged} more left out for newer ones, {figures.cpu[-1]:.1f} s of CPU")
    print(f"memory {before / 1e6:.1f} MB after warming up, {after / 1e6:.1f} MB at the end")
    print(f"an event cost {first * 1e6:.1f} microseconds of CPU after warming up, {last * 1e6:.1f} at the end")
    broken = figures.broken()
    sys.exit("BROKEN: " + "; ".join(broken) if broken else 0)


if __name__ == "__main__":
    main()
