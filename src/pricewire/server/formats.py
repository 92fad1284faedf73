"""The formats in which the endpoints show ticks and candles (`http-api.md` names them)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from pricewire.hub.event import Event, Format
from pricewire.protocol.messages import InstrumentPrice, TickBody
from pricewire.protocol.topics import ClosedContractsTopic, OpenContractsTopic

ContractListTopic = OpenContractsTopic | ClosedContractsTopic

TICK = msgspec.json.Decoder(TickBody)


def data_format(event: Event, merged: int) -> bytes:
    """Show a message as the endpoints of trading do."""
    return b'{"data":%b}' % event.json


@dataclass(frozen=True)
class ContractFormat:
    """Shows one contract of a list, with the ticks of its life, which the list has not; `choose` returns the list with that one alone."""

    topic: ContractListTopic
    contract_id: str
    choose: Callable[[ContractListTopic, str], object]

    def __call__(self, event: Event, merged: int) -> bytes:
        return b'{"data":%b}' % msgspec.json.encode(self.choose(self.topic, self.contract_id))


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


@dataclass(frozen=True)
class ChosenContract:
    """
    Shows one contract of a list of contracts, with what the list has of it.

    Attributes:
        contract_id: which one.
    """

    contract_id: str

    def __call__(self, event: Event, merged: int) -> bytes:
        body = msgspec.json.decode(event.json)
        body["contracts"] = [each for each in body["contracts"] if each["contract_id"] == self.contract_id]
        return b'{"data":%b}' % msgspec.json.encode(body)


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
