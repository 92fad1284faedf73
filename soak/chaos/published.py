"""What was published: the bus's stream, read message by message, by no code of Pricewire's but the form of a frame."""

from __future__ import annotations

import asyncio
import time
import zlib
from collections import defaultdict
from dataclasses import dataclass, field
from typing import NamedTuple

import nats
import nats.errors
import nats.js.errors
from nats.aio.client import Client

from pricewire.bus.frames import POSITIONS, Forgotten, Published, decode

LOOK_S = 0.05
"""How often it is looked for new messages, in seconds."""

STREAM = "pw"


class Item(NamedTuple):
    """
    An event as it was published.

    Attributes:
        position: its place among all events.
        seq: its number among the topic's events.
        key: what it supersedes earlier events by; None where it must reach everybody.
        name: what it is.
        check: the CRC-32 of its JSON.
        at: when the bus stored it, in seconds since 1970.
        json: its JSON, where it tells of money or prices.
    """

    position: int
    seq: int
    key: str | None
    name: str
    check: int
    at: float
    json: bytes


@dataclass
class Publications:
    """
    Everything that was published.

    Attributes:
        events: the events of each topic, in their order.
        forgotten: the positions where each topic was forgotten.
        writers: the processes that have written, with the times of their first events, in seconds of `time.monotonic`.
        boot: what the ids of all events begin with.
        frames: how many messages there were.
        wrong: what is wrong with the stream itself, in words.
        sequence: that of the newest message.
    """

    events: defaultdict[str, list[Item]] = field(default_factory=lambda: defaultdict(list))
    forgotten: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    writers: list[tuple[float, str]] = field(default_factory=list)
    boot: str = ""
    frames: int = 0
    wrong: list[str] = field(default_factory=list)
    sequence: int = 0

    def take(self, sequence: int, data: bytes, headers: dict[str, str], at: float) -> None:
        """Note a message."""
        self.frames += 1
        self.sequence = sequence
        if "Pricewire-Lost" in headers:
            self.wrong.append(f"frame {sequence} says that others were lost before it")
        records = decode(data)
        writer = headers.get("Pricewire-Writer", "")
        if records and (not self.writers or self.writers[-1][1] != writer):
            self.writers.append((time.monotonic(), writer))
        for position, record in enumerate(records, sequence * POSITIONS):
            match record:
                case Published(topic, seq, key, name, _, json):
                    kept = json if name != "contract_updated" else b""
                    self.events[topic].append(Item(position, seq, key, name, zlib.crc32(json), at, kept))
                case Forgotten(topic):
                    self.forgotten[topic].append(position)


class Recorder:
    """
    Reads the bus's stream from its beginning, whatever becomes of the servers.

    Attributes:
        publications: what was read so far.

    Args:
        servers: the addresses of the NATS servers themselves.
    """

    def __init__(self, servers: list[str]) -> None:
        self.publications = Publications()
        self._servers = servers
        # How often everything was read that there was.
        self._looks = 0

    async def run(self) -> None:
        """Read until cancelled."""
        client = await nats.connect(
            self._servers,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0,
            ping_interval=2,
            pending_size=0,
            error_cb=ignore,
        )
        try:
            while True:
                try:
                    await self._read(client)
                except (nats.errors.Error, OSError):
                    await asyncio.sleep(LOOK_S)
        finally:
            await client.close()

    async def catch_up(self) -> None:
        """Wait until everything has been read that was published until now."""
        # A look may be under way that has begun before.
        enough = self._looks + 2
        while self._looks < enough:  # noqa: ASYNC110 - it looks as often itself
            await asyncio.sleep(LOOK_S)

    async def _read(self, client: Client) -> None:
        context = client.jetstream(timeout=2)
        found = self.publications
        while True:
            info = await context.stream_info(STREAM)
            assert info.created is not None, "every stream has been made at some time"
            boot = f"{int(info.created.timestamp() * 1_000_000):x}"
            if found.boot not in ("", boot):
                found.wrong.append("the stream is another one than before")
            found.boot = boot
            while found.sequence < info.state.last_seq:
                sequence = found.sequence + 1
                try:
                    message = await context.get_msg(STREAM, sequence)
                except nats.js.errors.NotFoundError:
                    # A leader that has only just been elected may not have it yet.
                    if info.state.first_seq > sequence:
                        found.wrong.append(f"frame {sequence} has left the stream, and was not read before")
                        found.sequence = sequence
                    break
                at = message.time.timestamp() if message.time is not None else 0.0
                found.take(sequence, message.data or b"", message.headers or {}, at)
            else:
                self._looks += 1
            await asyncio.sleep(LOOK_S)


async def ignore(error: Exception) -> None:
    """Say nothing: servers are killed here all the time."""
