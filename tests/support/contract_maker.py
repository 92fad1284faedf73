"""Contracts for the tests, as the desk would make them."""

from __future__ import annotations

import uuid
from decimal import Decimal
from typing import Any

import msgspec

from pricewire.market.journal import Journal
from pricewire.protocol.messages import Tick
from pricewire.store.accounts import Account
from pricewire.trading.contracts import Contract
from pricewire.trading.interfaces import Purchase

BUY_TIME = 1_700_000_000_000
"""When the contracts are bought, in milliseconds since 1970."""


def tick(offset_ms: int, price: str = "100.00", instrument_id: str = "GOLD") -> Tick:
    """Return a tick at so many milliseconds after the purchase."""
    spot = Decimal(price)
    return Tick(instrument_id, BUY_TIME + offset_ms, spot, spot + Decimal("0.05"), spot - Decimal("0.05"))


def write(journal: Journal, tick: Tick) -> None:
    """Write a tick to a journal, with two decimals."""
    journal.add(tick.instrument_id, tick.epoch_ms, *(int(price * 100) for price in (tick.price, tick.ask, tick.bid)))


async def nothing_to_sync() -> None:
    """Stand in for a journal, where no contract depends on a tick."""


def make_contract(account: Account, **fields: Any) -> Contract:
    """Return an account's contract on rising within ten seconds for 10.00, or with other fields."""
    return msgspec.structs.replace(make_open(account.uuid, BUY_TIME, 10_000), **({"currency": account.currency} | fields))


def make_open(account_uuid: str, buy_time: int, life_ms: int) -> Contract:
    """Return a contract on rising, for 10.00, of an account in USD."""
    contract_id = uuid.uuid4().hex
    return Contract(
        contract_id=contract_id,
        reference_id=contract_id[:8].upper(),
        account_uuid=account_uuid,
        currency="USD",
        product_id="rise_fall",
        variant="rise",
        instrument_id="GOLD",
        duration=10,
        duration_unit="seconds",
        allow_equals=False,
        barrier=None,
        stake=Decimal("10.00"),
        payout=Decimal("19.53"),
        commission=0.012,
        volatility=0.5,
        buy_time=buy_time,
        expiry_time=buy_time + life_ms,
    )


def make_purchase(account: Account, key: str | None = None, digest: str = "digest", **fields: Any) -> Purchase:
    """Return a purchase of such a contract, with a key of its own or with a given one."""
    contract = make_contract(account, **fields)
    return Purchase(contract, key or contract.contract_id, digest)
