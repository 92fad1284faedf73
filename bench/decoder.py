"""
The decoder: events per second of CPU, beside other decoders, and from a server's socket to typed objects.

Every decoder gets the same bytes, cut in the same places; an event has some 140 bytes. A decoder's figure is its best round, as other
work on the machine can only make a round slower, and the rounds of all decoders take turns. That of Node is CPU time of its whole process,
its garbage collector's threads included.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import httpx_sse

from bench.decoders.node import Node, installed
from bench.decoders.peers import DECODERS, Decode, objects_alone
from bench.decoders.source import decoder_stream
from bench.machine import ROOT, Placement
from bench.report import Progress, Report, Table, ratio_of, thousands
from pricewire.client.parsing import TypedDecoder
from pricewire.client.stream.event_source import EventSource
from pricewire.client.stream.reconnect import ReconnectPolicy
from pricewire.errors import ReconnectExhausted
from pricewire.protocol.decoder import EventStreamDecoder
from pricewire.protocol.messages import Envelope, Tick

SIZES = (16384, 1400)
"""How many bytes a chunk has: what is read from a socket at once under load, and what a packet holds."""

LARGE = (1_000_000, 2_000_000)
"""The sizes of one large event, in bytes; it comes in chunks of a packet each."""

AHEAD = 1.3
"""How many times the events per second of the fastest other decoder in Python are expected."""

AHEAD_END_TO_END = 2.0
"""How many times those of httpx-sse with `json.loads` are expected from the socket to typed objects."""

LINEAR = 3.0
"""How many times as long an event of twice the size may take: 2 is linear, 4 quadratic."""

NODE = "eventsource-parser (Node)"
OBJECTS = "the objects alone"

Read = Callable[[str], Awaitable[int]]
"""Reads a stream to its end; returns how many messages came."""


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is measured.

    Attributes:
        events: how many events a stream has.
        rounds: how often each decoder has its turn.
        node: whether to install the one for Node and measure it as well.
        judge: whether to say which expectations were met.
    """

    events: int = 200_000
    rounds: int = 5
    node: bool = True
    judge: bool = True


QUICK = Settings(events=2000, rounds=1, node=False, judge=False)
"""Whether the pieces work; the figures say nothing."""


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    notes: list[str] = []
    stream = decoder_stream(settings.events)
    rates = {size: _rates(stream, size, settings, progress) for size in SIZES}
    large = {name: [_best(decode, _large(size), 3) for size in LARGE] for name, decode in DECODERS.items()}
    if settings.node:
        progress(NODE)
        _measure_node(stream, rates, settings, notes)
    progress("end to end")
    with served_ticks(placement, settings.events) as url:
        ends = _end_to_end(url, settings)
    if settings.judge:
        notes += _judge(rates, large, ends)
    figures: dict[str, object] = {
        "events": settings.events,
        "bytes": len(stream),
        "events_per_cpu_second": {str(size): found for size, found in rates.items()},
        "large_event_seconds": {name: dict(zip(map(str, LARGE), seconds, strict=True)) for name, seconds in large.items()},
        "end_to_end_events_per_cpu_second": ends,
    }
    return Report("decoder", [_decoders(rates, large, len(stream) / settings.events), _ends(ends)], figures, notes)


def _rates(stream: bytes, size: int, settings: Settings, progress: Progress) -> dict[str, float]:
    """Return the events per second of CPU of every decoder, and of making the events' objects without decoding anything."""
    chunks = cut(stream, size)
    events = EventStreamDecoder().feed(stream)
    best = dict.fromkeys([*DECODERS, OBJECTS], float("inf"))
    for number in range(settings.rounds):
        progress(f"chunks of {size} bytes, round {number + 1} of {settings.rounds}")
        for name, decode in DECODERS.items():
            best[name] = min(best[name], _best(decode, chunks, 1, expected=settings.events))
        before = time.process_time()
        objects_alone(events)
        best[OBJECTS] = min(best[OBJECTS], time.process_time() - before)
    return {name: settings.events / seconds for name, seconds in best.items()}


def _measure_node(stream: bytes, rates: dict[int, dict[str, float]], settings: Settings, notes: list[str]) -> None:
    """Add the events per second of CPU of the decoder for Node, or say why there are none."""
    with installed() as node:
        if not isinstance(node, Node):
            notes.append(f"{NODE} is left out: {node}")
            return
        for size in SIZES:
            events, seconds = node.decode(stream, size, settings.rounds)
            assert events == settings.events, f"{events} events instead of {settings.events}"
            rates[size][NODE] = settings.events / seconds


def cut(stream: bytes, size: int) -> list[bytes]:
    """Cut a stream into chunks of a size."""
    return [stream[start : start + size] for start in range(0, len(stream), size)]


def _large(size: int) -> list[bytes]:
    return cut(b"id: 1\ndata: " + b"x" * size + b"\n\n", SIZES[-1])


def _best(decode: Decode, chunks: list[bytes], rounds: int, *, expected: int = 1) -> float:
    """Return the seconds of CPU of the best round."""
    best = float("inf")
    for _ in range(rounds):
        before = time.process_time()
        found = decode(chunks)
        best = min(best, time.process_time() - before)
        assert found == expected, f"{found} events instead of {expected}"
    return best


@contextmanager
def served_ticks(placement: Placement, events: int) -> Iterator[str]:
    """Yield the address of a server of so many events, in a process of its own."""
    with placement.on_server_cores():
        command = [sys.executable, "-m", "bench.decoders.source", str(events)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}/"
    finally:
        process.kill()
        process.communicate()


async def read_pricewire(url: str) -> int:
    """Read with `EventSource`, into typed objects."""
    decode = TypedDecoder(Envelope[Tick]).decode
    count = 0
    async with EventSource(url, reconnect=ReconnectPolicy(attempts=0), on_error=lambda _: None) as source:
        try:
            async for event in source:
                decode(event.data)
                count += 1
        except ReconnectExhausted:
            return count
    return count


async def read_httpx_sse(url: str) -> int:
    """Read with httpx-sse, into dictionaries."""
    count = 0
    async with httpx.AsyncClient(timeout=None) as client, httpx_sse.aconnect_sse(client, "GET", url) as source:
        async for event in source.aiter_sse():
            json.loads(event.data)
            count += 1
    return count


READERS: dict[str, Read] = {"pricewire, typed": read_pricewire, "httpx-sse, json.loads": read_httpx_sse}


def _end_to_end(url: str, settings: Settings) -> dict[str, float]:
    best = dict.fromkeys(READERS, float("inf"))
    for _ in range(settings.rounds):
        for name, read in READERS.items():
            before = time.process_time()
            count = asyncio.run(_awaited(read(url)))
            best[name] = min(best[name], time.process_time() - before)
            assert count == settings.events, f"{count} events instead of {settings.events}"
    return {name: settings.events / seconds for name, seconds in best.items()}


async def _awaited(reading: Awaitable[int]) -> int:
    return await reading


def _decoders(rates: dict[int, dict[str, float]], large: dict[str, list[float]], event_size: float) -> Table:
    columns = [column for size in SIZES for column in (f"events/s, {size:,}", f"MB/s, {size:,}")]
    table = Table("Decoding, per second of CPU, in chunks of so many bytes", ["decoder", *columns, "an event of 2 MB, ms"])
    for name in rates[SIZES[0]]:
        cells = [cell for size in SIZES for cell in (thousands(rates[size][name]), f"{rates[size][name] * event_size / 1e6:.0f}")]
        table.rows.append([name, *cells, f"{large[name][-1] * 1000:.1f}" if name in large else "-"])
    return table


def _ends(ends: dict[str, float]) -> Table:
    slowest = min(ends.values())
    table = Table("From a server's socket to objects, per second of CPU", ["client", "messages/s", "times"])
    table.rows += [[name, thousands(rate), ratio_of(rate, slowest)] for name, rate in ends.items()]
    return table


def _judge(rates: dict[int, dict[str, float]], large: dict[str, list[float]], ends: dict[str, float]) -> list[str]:
    notes = []
    for size, found in rates.items():
        rival, rate = max(((name, found[name]) for name in DECODERS if name != "pricewire"), key=lambda each: each[1])
        notes.append(_at_least(f"chunks of {size} bytes: {AHEAD:g} times {rival}", found["pricewire"] / rate, AHEAD))
    small, double = large["pricewire"]
    notes.append(f"twice the event: at most {LINEAR:g} times the time expected; {double / small:.2f}")
    ours, theirs = (ends[name] for name in READERS)
    notes.append(_at_least(f"end to end: {AHEAD_END_TO_END:g} times httpx-sse", ours / theirs, AHEAD_END_TO_END))
    return notes


def _at_least(expectation: str, reached: float, least: float) -> str:
    return f"{expectation} expected; {reached:.2f}, {'reached' if reached >= least else 'MISSED'}"
