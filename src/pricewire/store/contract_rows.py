"""Contracts as rows: the same fields, with money in units and prices as text."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import Row, literal_column

from pricewire.store.tables import contracts
from pricewire.trading.contracts import Contract
from pricewire.trading.money import from_units, to_units

MONEY = ("stake", "payout", "proceeds")
NAMES = Contract.__struct_fields__
PRICES = ("buy_spot", "entry_spot", "barrier_price", "exit_spot")

IS_OPEN = contracts.c.status == literal_column("'open'")
IS_CLOSED = contracts.c.status != literal_column("'open'")
"""Written out, as the indexes of open and of closed contracts have them: SQLite uses a partial index for no parameter."""

CHANGING = (
    "expiry_time",
    "entry_tick_time",
    "entry_spot",
    "barrier_price",
    "touch_time",
    "exit_tick_time",
    "exit_spot",
    "exit_time",
    "proceeds",
    "status",
)
"""The fields that a contract's transitions change."""


def to_row(contract: Contract) -> dict[str, Any]:
    """Return a contract's values for the database."""
    row = msgspec.structs.asdict(contract)
    for name in MONEY:
        if row[name] is not None:
            row[name] = to_units(row[name], contract.currency)
    for name in PRICES:
        if row[name] is not None:
            row[name] = format(row[name], "f")
    return row


def from_row(row: Row[tuple[Any, ...]]) -> Contract:
    """Return the contract of a row."""
    values = {name: row._mapping[name] for name in NAMES}
    for name in MONEY:
        if values[name] is not None:
            values[name] = from_units(values[name], values["currency"])
    for name in PRICES:
        if values[name] is not None:
            values[name] = Decimal(values[name])
    return Contract(**values)


def as_bought(contract: Contract, expiry_time: int) -> Contract:
    """
    Return a contract as it was right after its purchase.

    Args:
        contract: whatever has become of it.
        expiry_time: when it was expected to end then, in milliseconds since 1970.
    """
    changed: dict[str, Any] = dict.fromkeys(CHANGING)
    return msgspec.structs.replace(contract, **(changed | {"status": "open", "expiry_time": expiry_time}))
