"""
Frames: what a process publishes in one turn of its loop, as one message of the bus.

A frame is a list of records. Each record has a position, which grows over all frames; those of one frame follow one another. A frame is
encoded as one byte with the version of the format, then the records in MessagePack.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from pricewire.errors import FrameError

POSITIONS = 4096
"""How many positions a frame of a numbered stream has, and records at most: record *i* of frame *s* has the position *s* x 4096 + *i*."""

MAX_BYTES = 256 * 1024
"""From so many bytes on a frame takes no more records; one record alone may have more."""

MAX_DELAY = 0.02
"""The longest time that a record waits for others under load, in seconds; when idle, none waits."""

RECORD_BYTES = 64
"""How many bytes a record takes besides its data and its names, at most."""

VERSION = b"\x01"


def name_bytes(name: str) -> int:
    """Return how many bytes a name has as UTF-8, at most."""
    return len(name) if name.isascii() else 4 * len(name)


class Published(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=0):
    """
    An event.

    Attributes:
        topic: what it was published to.
        seq: its number among the topic's events, from 1.
        key: what it supersedes earlier events of the topic by; None where it must never be left out.
        event: what the message is, for the envelope.
        ends: a key that ends with it, or None.
        json: the message as JSON.
    """

    topic: str
    seq: int
    key: str | None
    event: str
    ends: str | None
    json: bytes


class Notified(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=1):
    """
    A named event about a topic's state, which holds until the topic's next event.

    Attributes:
        topic: the topic.
        name: the event's type.
        json: its data.
    """

    topic: str
    name: str
    json: bytes


class Forgotten(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=2):
    """
    A topic that is not published any more: who comes back to it later may have missed something.

    Attributes:
        topic: the topic.
    """

    topic: str


class Kept(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """
    The newest event of a key, as it was published at an earlier position. The attributes are those of `Published`.

    Attributes:
        position: the event's own.
    """

    position: int
    seq: int
    key: str
    event: str
    json: bytes

    @property
    def size(self) -> int:
        """How many bytes it takes in a frame, at most."""
        return RECORD_BYTES + name_bytes(self.key) + name_bytes(self.event) + len(self.json)


class TopicState(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=3):
    """
    What is known of a topic without its recent events: for readers that do not have the frames before.

    Attributes:
        topic: the topic.
        seq: the number of its newest event.
        position: where that is.
        kept: the newest events of its keys, oldest first; those that the reader gets anyway may be left out.
        notice: the name and the data of the notice that holds, or None.
    """

    topic: str
    seq: int
    position: int
    kept: list[Kept]
    notice: tuple[str, bytes] | None = None

    @property
    def size(self) -> int:
        """How many bytes it takes in a frame, at most."""
        notice = 0 if self.notice is None else name_bytes(self.notice[0]) + len(self.notice[1])
        return RECORD_BYTES + name_bytes(self.topic) + notice + sum(each.size for each in self.kept)


class Closed(msgspec.Struct, array_like=True, frozen=True, gc=False, tag=4):
    """
    Nobody knows the price of an instrument until the next tick: for whoever trades at the prices. Streams do not get it.

    Attributes:
        topic: that of the instrument's ticks.
    """

    topic: str


Record: TypeAlias = Published | Notified | Forgotten | TopicState | Closed


@dataclass(frozen=True, slots=True)
class Frame:
    """
    Some records that were published together.

    Attributes:
        first: the position of the first one; the others have the next ones.
        records: the records.
    """

    first: int
    records: Sequence[Record]

    @classmethod
    def numbered(cls, sequence: int, records: Sequence[Record]) -> Frame:
        """Return the frame that has a number in a stream, from 1."""
        return cls(sequence * POSITIONS, records)


class Gathering:
    """
    The records of the next frame.

    Attributes:
        records: the records, in the order of their publishing.
        size: about how many bytes they take.
    """

    __slots__ = ("records", "size")

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.size = 0

    def add(self, record: Record, size: int) -> bool:
        """
        Add a record; return whether the frame is full and is to be taken before the next one.

        Args:
            record: the record.
            size: about how many bytes its data and its names have.
        """
        self.records.append(record)
        self.size += size + RECORD_BYTES
        return self.size >= MAX_BYTES or len(self.records) >= POSITIONS

    def take(self) -> list[Record]:
        """Return the records, and begin the next frame."""
        records, self.records, self.size = self.records, [], 0
        return records


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(list[Record])


def encode(records: Sequence[Record]) -> bytes:
    """Return the bytes of a frame."""
    return VERSION + _encoder.encode(records)


def decode(data: bytes | memoryview) -> list[Record]:
    """
    Return the records of a frame.

    Raises:
        FrameError: the bytes are no frame, or one of another version.
    """
    if bytes(data[:1]) != VERSION:
        raise FrameError(f"a frame begins with the version 1, not with {bytes(data[:1])!r}; run the same version of pricewire everywhere")
    try:
        return _decoder.decode(data[1:])
    except msgspec.DecodeError as error:
        raise FrameError(f"a frame of {len(data)} bytes cannot be read: {error}") from None
