"""A tick as a recording has it."""

from __future__ import annotations

from pricewire.protocol.messages import Tick

Row = tuple[str, int, float, float, float]
"""What tells a tick from the one before: instrument, time in milliseconds, bid, ask, price."""


def row_of(tick: Tick) -> Row:
    """Return a tick as the file has it."""
    return tick.instrument_id, tick.epoch_ms, float(tick.bid), float(tick.ask), float(tick.price)
