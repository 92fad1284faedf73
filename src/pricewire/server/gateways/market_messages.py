"""
What a process with trading asks of the one with the market, besides the prices, which come over the bus.

    trading ──Describe──> market    which instruments there are
            <──MarketDescription──
            ──AskPast────>          the ticks of its journal after those that trading has
            <──Past──
            ──Want───────>          which topics of the market have streams
            <──Wanted──
"""

from __future__ import annotations

import zlib
from typing import Any, TypeAlias

import msgspec

from pricewire.protocol.messages import Instrument


class Hours(msgspec.Struct, array_like=True, frozen=True):
    """
    The trading hours of an instrument.

    Attributes:
        zone: the name of the time zone.
        weekly: when each session of a week opens and closes, in minutes after Monday's midnight.
        closed: the days without any, in the form of ISO 8601.
    """

    zone: str
    weekly: list[tuple[int, int]]
    closed: list[str]


class MarketDescription(msgspec.Struct, frozen=True):
    """
    What trading has to know of the market before prices come.

    Attributes:
        instruments: all of them.
        volatilities: the annual volatility of those whose feed knows it.
        intervals_ms: the time between two ticks of those whose feed knows it, in milliseconds.
        recordings: the ids of those whose prices may be known to others before they come.
        hours: when the markets of some are open.
    """

    instruments: list[Instrument]
    volatilities: dict[str, float]
    intervals_ms: dict[str, float]
    recordings: list[str]
    hours: dict[str, Hours]


class Describe(msgspec.Struct, array_like=True, frozen=True, tag=0):
    """Which instruments are there?"""


class AskPast(msgspec.Struct, array_like=True, frozen=True, tag=1):
    """
    Which ticks has the journal?

    Attributes:
        instrument_id: of which instrument.
        from_ms: their first time, in milliseconds since 1970.
        known: how many of that time are known, and not asked for.
    """

    instrument_id: str
    from_ms: int
    known: int


class Want(msgspec.Struct, array_like=True, frozen=True, tag=2):
    """
    Topics of the market have streams; said again within some seconds for as long as they have.

    Attributes:
        process: the name of the process that asks.
        topics: all of them that only the market publishes where they are wanted.
    """

    process: str
    topics: list[str]


Question: TypeAlias = Describe | AskPast | Want


class Past(msgspec.Struct, array_like=True, frozen=True):
    """
    Ticks of the journal, oldest first.

    Attributes:
        columns: the columns of a `PastTicks` as 64-bit numbers of this machine's order: `epoch_ms`, `price`, `ask`, `bid`.
        is_all: whether there are no more.
    """

    columns: tuple[bytes, bytes, bytes, bytes]
    is_all: bool


class Wanted(msgspec.Struct, array_like=True, frozen=True):
    """
    The topics are published.

    Attributes:
        position: up to where a hub has to have everything to have their first values.
    """

    position: int


ZLIB = b"\x78"
"""What compressed data begins with, and no message: as a first byte of MessagePack it is a number."""


def packed(message: Any, largest: int) -> bytes:
    """
    Return a message as it is sent: compressed where it would be too long. A market may have thousands of instruments, and all be wanted.

    Args:
        message: the message.
        largest: how long a message of the bus may be, in bytes.
    """
    data = msgspec.msgpack.encode(message)
    return zlib.compress(data, 1) if len(data) > largest else data


def unpacked(data: bytes) -> bytes:
    """Return what was sent as MessagePack."""
    return zlib.decompress(data) if data.startswith(ZLIB) else data
