"""The formats in which the endpoints show ticks and candles (`http-api.md` names them)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from pricewire.hub.event import Event, Format
from pricewire.protocol.messages import InstrumentPrice, TickBody

TICK = msgspec.json.Decoder(TickBody)


def data_format(event: Event, merged: int) -> bytes:
    """Show a message as the endpoints of trading do."""
    return b'{"data":%b}' % event.json


def ticks_format(event: Event, merged: int) -> bytes:
    """Show a tick as the ticks endpoint does."""
    return b'{"data":{"ticks":[%b]}}' % event.json


def candles_format(event: Event, merged: int) -> bytes:
    """Show a candle as the candles endpoint does."""
    return b'{"data":{"candles":[%b]}}' % event.json


def instrument_price_format(event: Event, merged: int) -> bytes:
    """Show a tick as `/sse?action=instrument_price` does."""
    tick = TICK.decode(event.json)
    time = timestamp(int(tick.epoch_ms) / 1000)
    return msgspec.json.encode(InstrumentPrice(tick.instrument_id, float(tick.bid), float(tick.ask), time))


@dataclass(frozen=True, eq=False)
class NarrowFormat:
    """
    Shows only some members of the data, for readers to whom every byte counts.

    Attributes:
        form: what the events look like otherwise.
        members: the names of the members to keep.
    """

    form: Format
    members: frozenset[str]

    def __call__(self, event: Event, merged: int) -> bytes:
        return self.form(event.narrowed(self.members), merged)


@lru_cache(maxsize=1024)
def narrow_format(form: Format, members: frozenset[str]) -> NarrowFormat:
    """
    Return a format that shows only some members of the data.

    The same arguments give the same format, so that streams which chose the same members share their bytes.
    """
    return NarrowFormat(form, members)


def timestamp(seconds: float) -> str:
    """Return a time in seconds since 1970 in the form of ISO 8601."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
