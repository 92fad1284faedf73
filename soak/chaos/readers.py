"""Readers that keep what they get: the client of `pricewire`, over a network that fails."""

from __future__ import annotations

import asyncio
import time
import zlib
from array import array
from collections import deque
from dataclasses import dataclass, field

import msgspec

from pricewire.client.stream.event_source import EventSource
from pricewire.client.stream.reconnect import ReconnectPolicy
from pricewire.errors import ClientError
from pricewire.protocol.decoder import ServerSentEvent

POLICY = ReconnectPolicy(attempts=None, interval=0.25, ceiling=2.0)
"""How a reader comes back."""

PASSING = frozenset({"SERVER_DRAINING", "SLOW_CONSUMER"})
"""The reasons to end a stream that a server may have here: it is stopped, or the network held up what it has sent."""


class Seen(msgspec.Struct, gc=False):
    """An event of a stream, as far as it is looked at."""

    subscription_id: str
    seq: int
    data: msgspec.Raw
    merged: int = 0


SEEN = msgspec.json.Decoder(Seen)


class Start(msgspec.Struct):
    """
    The beginning of a connection.

    Attributes:
        place: how many events came before.
        kind: `snapshot`, `resumed` or `reset`.
        position: that of the last event before; 0 where there was none.
        at: when, in seconds since 1970.
    """

    place: int
    kind: str
    position: int
    at: float


@dataclass
class Received:
    """
    What a reader got.

    Attributes:
        name: of the reader.
        topics: what it asked for.
        which: of each event the place of its topic in `topics`.
        seqs: of each event its number.
        merged: how many older events each one stands for.
        checks: the CRC-32 of each event's data.
        positions: the position that the stream was at with each event, by its id; that before where it has none.
        starts: the connections.
        boot: what the ids began with first.
        wrong: what is wrong whatever was published, in words.
        stale: how often it was told that prices are old.
    """

    name: str
    topics: list[str]
    which: array[int] = field(default_factory=lambda: array("B"))
    seqs: array[int] = field(default_factory=lambda: array("Q"))
    merged: array[int] = field(default_factory=lambda: array("L"))
    checks: array[int] = field(default_factory=lambda: array("L"))
    positions: array[int] = field(default_factory=lambda: array("Q"))
    starts: list[Start] = field(default_factory=list)
    boot: str = ""
    wrong: list[str] = field(default_factory=list)
    stale: int = 0

    @property
    def position(self) -> int:
        """The position of the newest event with an id; 0 before the first."""
        return self.positions[-1] if self.positions else 0

    def take(self, event: ServerSentEvent) -> None:
        """Keep an event."""
        if event.type == "stale":
            self.stale += 1
        elif event.type == "error":
            code = msgspec.json.decode(event.data)["error"]["code"]
            if code not in PASSING:
                self.wrong.append(f"{self.name}: the stream was ended with {code}")
        if event.type != "message":
            return
        seen = SEEN.decode(event.data)
        boot, _, position = event.last_event_id.rpartition("-")
        if boot != self.boot and boot:
            if self.boot:
                self.wrong.append(f"{self.name}: ids begin with {boot} after {self.boot}")
            self.boot = boot
        self.which.append(self.topics.index(seen.subscription_id))
        self.seqs.append(seen.seq)
        self.merged.append(seen.merged)
        self.checks.append(zlib.crc32(seen.data))
        self.positions.append(int(position or 0))


class Reader:
    """
    A reader, which comes back however often its stream ends.

    Attributes:
        received: what it got.
        live_at: when the newest event came, in seconds of `time.monotonic`.

    Args:
        name: what it is called.
        port: where the server is, on 127.0.0.1.
        topics: what it asks for.
        token: its token; empty for none.
    """

    def __init__(self, name: str, port: int, topics: list[str], token: str = "") -> None:
        self.received = Received(name, topics)
        self.live_at = float("-inf")
        query = "&".join(f"topic={topic}" for topic in topics)
        self._url = f"http://127.0.0.1:{port}{'/protected' if token else ''}/sse?{query}"
        self._token = token or None
        self._newest = dict.fromkeys(topics, 0)
        # What went wrong last with connections, and when, for those who look why a reader is not live.
        self._troubles: deque[tuple[float, str]] = deque(maxlen=20)

    def has(self, newest: dict[str, int]) -> bool:
        """Return whether it has the event with a number of each of its topics, or a later one; of those that are named."""
        return all(seq >= newest.get(topic, 0) for topic, seq in self._newest.items())

    def troubles(self, since: float) -> str:
        """Return in words what has gone wrong with its connections since a time of `time.monotonic`."""
        return "; ".join(f"{at - since:+.1f} s {text}" for at, text in self._troubles if at > since - 1)

    async def run(self) -> None:
        """Read until cancelled."""
        received = self.received
        source = EventSource(
            self._url, token=self._token, reconnect=POLICY, retry_statuses=True, on_open=lambda: self._opened(source), on_error=self._failed
        )
        async with source:
            async for event in source:
                received.take(event)
                if event.type == "message":
                    self.live_at = time.monotonic()
                    self._newest[received.topics[received.which[-1]]] = received.seqs[-1]
        raise AssertionError("nobody has ended it")

    def _opened(self, source: EventSource) -> None:
        received = self.received
        kind = source.headers.get("pricewire-start", "none")
        received.starts.append(Start(len(received.seqs), kind, received.position, time.time()))

    def _failed(self, error: ClientError) -> None:
        """Go on: what matters is what comes afterwards."""
        self._troubles.append((time.monotonic(), str(error)))
        if type(error).__name__ == "CallbackError":
            self.received.wrong.append(f"{self.received.name}: {error!r}")


async def stay(readers: list[Reader], newest: dict[str, int], until: float) -> list[Reader]:
    """Return the readers that have not got some numbers of their topics until a time of `time.monotonic`."""
    waiting = readers
    while (waiting := [reader for reader in waiting if not reader.has(newest)]) and time.monotonic() < until:  # noqa: ASYNC110 - nothing tells it
        await asyncio.sleep(0.05)
    return waiting
