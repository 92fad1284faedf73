"""
Idle memory: what a stream costs a server that has nothing to send.

One server after the other: by how much its process grows while thousands of streams are opened, once it has collected its garbage. What the
kernel keeps for a connection is not in it; it is the same for every server.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass

from bench.machine import Placement, raise_file_limit
from bench.process import Memory, memory
from bench.readers.pool import Readers
from bench.report import Progress, Report, Table
from bench.servers.centrifugo import Centrifugo, CentrifugoWebsocket
from bench.servers.mercure import Mercure
from bench.servers.nchan import Nchan
from bench.servers.peer import Peer
from bench.servers.pricewire import Fallback, Handover
from bench.servers.sse_starlette import SseStarlette
from bench.servers.websockets_broadcast import WebsocketsBroadcast

KINDS: tuple[type[Peer], ...] = (Handover, Fallback, SseStarlette, WebsocketsBroadcast, Nchan, Centrifugo, CentrifugoWebsocket, Mercure)
"""The servers that can be measured, in the order of the table."""

EXPECTED = 3 * 1024
"""What an idle stream with the hand-over may take at most, in bytes."""


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is measured.

    Attributes:
        streams: how many streams are opened.
        warm: how many are opened before: what the first ones need once is no cost of a stream.
        settling: how long is waited before the memory is read, in seconds.
        judge: whether to say if the expectation was met.
    """

    streams: int = 5000
    warm: int = 200
    settling: float = 2.0
    judge: bool = True


QUICK = Settings(streams=200, warm=20, settling=0.1, judge=False)
"""Whether the pieces work; the figures say nothing."""


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    notes = [f"{kind.label} is left out: {reason}" for kind in KINDS if (reason := kind.missing())]
    streams = raise_file_limit(settings.streams + settings.warm) - settings.warm
    table = Table(
        f"Idle memory: bytes per stream, {streams:,} streams",
        ["server", "resident", "proportional", "private and written", "events missing"],
    )
    figures: dict[str, object] = {}
    for kind in KINDS:
        if kind.missing() is not None:
            continue
        with kind(placement) as peer, Readers() as readers:
            progress(f"{peer.label}: opening {streams} streams")
            growth, missing = measure(peer, readers, streams, settings)
        table.rows.append([peer.label, *(f"{size:,.0f}" for size in asdict(growth).values()), str(missing)])
        figures[peer.name] = {"command": peer.command, "bytes_per_stream": asdict(growth), "events_missing": missing}
        if kind is Handover and settings.judge:
            verdict = "reached" if growth.rss <= EXPECTED else "MISSED"
            notes.append(f"a stream of {peer.label} takes at most {EXPECTED} bytes: {growth.rss:.0f}, {verdict}")
    return Report("memory", [table], {"streams": streams, "servers": figures}, notes)


def measure(peer: Peer, readers: Readers, streams: int, settings: Settings, coding: str = "identity") -> tuple[Memory, int]:
    """Return the growth per stream, and how many events the streams did not get."""
    readers.open(peer.name, peer.port, peer.path, settings.warm, coding, protocol=peer.protocol)
    peer.publish(3, 1)
    readers.wait(peer.name, 3)
    before = _settled(peer, settings.settling)
    new = f"{peer.name}, measured"
    readers.open(new, peer.port, peer.path, streams, coding, protocol=peer.protocol)
    time.sleep(settings.settling)
    # The snapshot has come meanwhile, where the server sends one.
    opened = readers.wait(new, 0)
    # An event to each: a stream that was never written to is none.
    peer.publish(1, 1)
    got = readers.wait(new, opened.least + 1)
    after = _settled(peer, settings.settling)
    return after.per_stream(before, streams), streams * (opened.least + 1) - got.events


def _settled(peer: Peer, seconds: float) -> Memory:
    time.sleep(seconds)
    peer.settle()
    return memory(peer.pid)
