"""The forms in which the endpoints show ticks and candles (`http-api.md` names them)."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

import msgspec

from pricewire.hub.event import Event, Form
from pricewire.protocol.messages import InstrumentPrice, TickBody
from pricewire.protocol.trading_messages import ClosedContractsBody, ContractsBody, Pagination


def data_form(event: Event, merged: int) -> bytes:
    """Show a message as the endpoints of trading do."""
    return b'{"data":%b}' % event.json


@lru_cache(maxsize=1024)
def contract_form(contract_id: str) -> Form:
    """
    Return a form that shows one contract of a list of contracts.

    Args:
        contract_id: which one.
    """

    def show(event: Event, merged: int) -> bytes:
        body = event.message
        if not isinstance(body, ContractsBody | ClosedContractsBody):
            raise TypeError(f"a contract is chosen from a list of contracts, not from {type(body).__name__}")
        chosen = [contract for contract in body.contracts if contract.contract_id == contract_id]
        body = msgspec.structs.replace(body, contracts=chosen)
        if isinstance(body, ClosedContractsBody):
            body = msgspec.structs.replace(body, pagination=Pagination(1, body.pagination.limit, len(chosen), len(chosen)))
        return b'{"data":%b}' % msgspec.json.encode(body)

    return show


def ticks_form(event: Event, merged: int) -> bytes:
    """Show a tick as the ticks endpoint does."""
    return b'{"data":{"ticks":[%b]}}' % event.json


def candles_form(event: Event, merged: int) -> bytes:
    """Show a candle as the candles endpoint does."""
    return b'{"data":{"candles":[%b]}}' % event.json


def instrument_price_form(event: Event, merged: int) -> bytes:
    """Show a tick as `/sse?action=instrument_price` does."""
    tick = event.message
    if not isinstance(tick, TickBody):
        raise TypeError(f"an instrument's price is made of a tick, not of {type(tick).__name__}")
    time = datetime.fromtimestamp(int(tick.epoch_ms) / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return msgspec.json.encode(InstrumentPrice(tick.instrument_id, float(tick.bid), float(tick.ask), time))


@lru_cache(maxsize=1024)
def narrow_form(form: Form, members: frozenset[str]) -> Form:
    """
    Return a form that shows only some members of the data, for readers to whom every byte counts.

    The same arguments give the same form, so that streams which chose the same members share their bytes.

    Args:
        form: what the events look like otherwise.
        members: the names of the members to keep.
    """

    def narrow(event: Event, merged: int) -> bytes:
        return form(event.narrowed(members), merged)

    return narrow
