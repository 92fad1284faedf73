"""What every server of a benchmark sends: the same events, in the same rhythm."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import count

import msgspec

from pricewire.protocol.messages import Tick, TickBody

TOPIC = "ticks:R_100"
"""The topic, or channel, that all streams of the benchmarks have."""

EVENT_MARK = b"["
"""
The byte that every event of `ticks` has exactly once, and no framing and no head has.

A reader counts events by it: one byte cannot be cut in two by the borders of what `recv` returns.
"""


def ticks() -> Iterator[dict[str, object]]:
    """Yield the messages of `/v1/market/instruments/ticks/stream`, one tick each, of the same size."""
    for number in count():
        price = Decimal(123456 + number % 1000) / 100
        spread = Decimal("0.10")
        tick = Tick("R_100", 1_796_000_000_000 + number * 1000, price, price + spread, price - spread)
        yield {"data": {"ticks": [TickBody.of(tick)]}}


def encoded_ticks() -> Iterator[bytes]:
    """Yield the same messages as JSON."""
    return map(msgspec.json.encode, ticks())
