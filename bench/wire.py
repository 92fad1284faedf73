"""
The wire: what an update takes in bytes, and its coding in CPU time, as events and as what else prices are sent in.

Others send protobuf over WebSocket, compressed for each connection by permessage-deflate; and zstd, with or without a dictionary that both
sides have, compresses better than deflate. All code the same ticks, of prices that go up and down at random. The bytes are those after the
head: HTTP's chunks or WebSocket's frames included, TCP's and TLS's not. A state is shared where one serves all streams of a group: then
its CPU time is paid once for all of them.
"""

from __future__ import annotations

import struct
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from itertools import islice
from typing import Any

from bench.machine import Placement
from bench.report import Progress, Report, Table
from bench.workload import walks
from pricewire.hub.compression import LEVEL, GzipGroup
from pricewire.hub.event import Event, envelope
from pricewire.protocol.messages import Tick, TickBody
from pricewire.server.transport.handover import ChunkedStream

DICTIONARY = 16 * 1024
"""How large a dictionary of zstd is, in bytes: as much as 100 events."""

STREAMS = 1000
"""How many streams a group has."""

SYNC_TAIL = b"\x00\x00\xff\xff"
"""What a message's deflate ends with, and is not sent. Source: RFC 7692, section 7.2.1."""

Code = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is measured.

    Attributes:
        updates: of how many updates.
        times: how often, of which the fastest counts.
    """

    updates: int = 6000
    times: int = 3


QUICK = Settings(updates=400, times=1)
"""Whether the pieces work; the figures say nothing."""


@dataclass(frozen=True, slots=True)
class Way:
    """
    A way to send updates.

    Attributes:
        label: what the table calls it.
        is_shared: whether one state serves all streams.
        show: makes an event or a message of a tick, which is its number among those of its instrument.
        begin: begins to code what is written at once, given what came before, for a dictionary.
    """

    label: str
    is_shared: bool
    show: Callable[[Tick, int], bytes]
    begin: Callable[[list[bytes]], Code]


@dataclass(frozen=True, slots=True)
class Workload:
    """
    What is sent.

    Attributes:
        label: what the table calls it.
        instruments: how many tick, in turn.
        batch: how many updates are written at once.
    """

    label: str
    instruments: int
    batch: int


WORKLOADS = (
    Workload("1 instrument, each tick", 1, 1),
    Workload("20 instruments, each tick", 20, 1),
    Workload("20 instruments, all once in 250 ms", 20, 20),
)


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    columns = [f"{workload.label}: {unit}" for workload in WORKLOADS for unit in ("bytes", "µs")]
    table = Table("What an update takes on the wire, and its coding", ["", "state", *columns])
    report = Report("wire", [table], {}, [])
    if find_spec("zstandard") is None:
        report.notes.append("zstd is left out: pip install zstandard")
    for way in ways():
        progress(way.label)
        measured = [measure(way, workload, settings) for workload in WORKLOADS]
        table.rows.append(
            [way.label, "shared" if way.is_shared else "each its own", *(f"{each:.1f}" for pair in measured for each in pair)]
        )
        report.figures[way.label] = dict(zip(columns, (each for pair in measured for each in pair), strict=True))
    return report


def measure(way: Way, workload: Workload, settings: Settings) -> tuple[float, float]:
    """Return how many bytes an update takes, and how many microseconds its coding."""
    ticks = islice(walks(workload.instruments), 2 * settings.updates)
    shown = [way.show(tick, number // workload.instruments) for number, tick in enumerate(ticks)]
    before, events = shown[: settings.updates], shown[settings.updates :]
    writes = [b"".join(events[start : start + workload.batch]) for start in range(0, len(events), workload.batch)]
    runs = [code_all(way.begin(before), writes) for _ in range(settings.times)]
    return runs[0][0] / len(events), 1e6 * min(seconds for _, seconds in runs) / len(events)


def code_all(code: Code, writes: list[bytes]) -> tuple[int, float]:
    """Code what is written; return how many bytes it takes, and how many seconds of CPU."""
    began = time.process_time()
    return sum(len(code(data)) for data in writes), time.process_time() - began


def ways() -> list[Way]:
    """Return the ways that can be measured here."""
    found = [
        Way("events, plain", True, event, lambda before: ChunkedStream.frame),
        Way("events, gzip (ours)", True, event, lambda before: chunked(shared_gzip())),
        Way("protobuf, WebSocket", True, message, lambda before: frame),
        Way("protobuf, WebSocket, permessage-deflate", False, message, lambda before: framed(deflate())),
    ]
    if find_spec("zstandard") is not None:
        zstandard = import_module("zstandard")
        found += [
            Way("events, zstd", True, event, lambda before: chunked(zstd(zstandard, None))),
            Way("events, zstd, dictionary", True, event, lambda before: chunked(zstd(zstandard, before))),
            Way("protobuf, zstd, dictionary", True, message, lambda before: chunked(zstd(zstandard, before))),
        ]
    return found


def event(tick: Tick, number: int) -> bytes:
    """Return a tick as our streams send it."""
    topic, body = f"ticks:{tick.instrument_id}", TickBody.of(tick)
    shown = Event(position=100_000 + number, boot="3f2a9c1b", topic=topic, seq=5000 + number, key=topic, name="tick", message=body)
    return shown.encoded(envelope)


def message(tick: Tick, number: int) -> bytes:
    """Return the same as a message of protobuf, with its length before it: the topic's name, the number, the time and three prices."""
    name = f"ticks:{tick.instrument_id}".encode()
    fields = b"\x0a" + varint(len(name)) + name + b"\x10" + varint(5000 + number) + b"\x18" + varint(tick.epoch_ms)
    for tag, price in ((b"\x21", tick.price), (b"\x29", tick.ask), (b"\x31", tick.bid)):
        fields += tag + struct.pack("<d", float(price))
    return varint(len(fields)) + fields


def varint(number: int) -> bytes:
    """Return a whole number as protobuf has it: seven bits a byte, the lowest first. Source: Protocol Buffers, "Encoding"."""
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)


def chunked(code: Code) -> Code:
    """Have what is coded sent as chunks of HTTP."""
    return lambda data: ChunkedStream.frame(code(data))


def shared_gzip() -> Code:
    """Begin to compress as a group of streams does."""
    group = GzipGroup()
    return lambda data: group.encode(data, STREAMS)


def deflate() -> Code:
    """Begin to compress as a WebSocket connection that keeps its state does. Source: RFC 7692, section 7.2.1."""
    state = zlib.compressobj(LEVEL, zlib.DEFLATED, -zlib.MAX_WBITS)
    return lambda data: (state.compress(data) + state.flush(zlib.Z_SYNC_FLUSH)).removesuffix(SYNC_TAIL)


def framed(code: Code) -> Code:
    """Have what is coded sent as messages of a WebSocket connection."""
    return lambda data: frame(code(data))


def frame(data: bytes) -> bytes:
    """Return a WebSocket frame of a server. Source: RFC 6455, section 5.2."""
    size = len(data)
    return b"\x82" + (bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2, "big")) + data


def zstd(zstandard: Any, before: list[bytes] | None) -> Code:
    """Begin to compress by zstd; with a dictionary that was made of what came before, where that is given."""
    options = {} if before is None else {"dict_data": zstandard.train_dictionary(DICTIONARY, before)}
    state = zstandard.ZstdCompressor(level=LEVEL, **options).compressobj()
    return lambda data: state.compress(data) + state.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
