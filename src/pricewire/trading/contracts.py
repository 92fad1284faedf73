"""A bought contract and what can happen to it: it is entered, touched, settled, refunded or sold. Pure: times and prices are arguments."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

import msgspec

from pricewire.protocol.messages import Tick
from pricewire.protocol.trading_messages import DurationUnit, ProductId, Variant

Status = Literal["open", "sold", "settled", "refunded"]

UPWARD = frozenset({"rise", "higher"})
"""The variants that win above the barrier."""

PATIENCE_MS = 120_000
"""
How long ticks may stay away, in milliseconds, before the contracts that need them are given back: real markets pause for a minute or two.
"""


class Contract(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    A contract from its purchase on; each transition makes a new one.

    Attributes:
        contract_id: its own name, unique among all contracts.
        reference_id: its name for people and receipts.
        account_uuid: the holder's account.
        currency: of the stake and the payout.
        product_id: what kind of contract it is.
        variant: which side of it was bought.
        instrument_id: the underlying instrument.
        duration: how long it lasts, in units.
        duration_unit: the unit.
        allow_equals: whether an exit spot equal to the barrier wins.
        barrier: a price (`1250.00`), an offset from the entry spot with its sign (`+0.57`), or None: the entry spot itself.
        stake: what was paid for it.
        payout: what it pays if it wins.
        commission: is subtracted from the probability in what it can be sold for; at most as much was added to that in its price.
        volatility: the annual volatility that it was priced with; 1.0 is 100 %.
        buy_time: when it was bought, in milliseconds since 1970 in UTC; so are the other times.
        buy_tick_time: the time of the tick that it was priced at; None of one from before this was kept.
        buy_spot: the price of that tick; None likewise.
        expiry_time: when it ends. Of a duration in ticks it is an estimate until its last tick has come.
        entry_tick_time: the time of its first tick, the first one after `entry_after`; None before it.
        entry_spot: the price of that tick.
        barrier_price: the barrier as a price, known with the entry.
        touch_time: of the product `touch`, when the barrier was reached, which ended it; None where it was not (yet).
        exit_tick_time: the time of the last tick of its life; None while it is open.
        exit_spot: the price of that tick.
        exit_time: when it was sold, or expired.
        proceeds: what the account got for it at its end; None while it is open.
        status: `open`, `sold`, `settled`, or `refunded` where its ticks did not come.
    """

    contract_id: str
    reference_id: str
    account_uuid: str
    currency: str
    product_id: ProductId
    variant: Variant
    instrument_id: str
    duration: int
    duration_unit: DurationUnit
    allow_equals: bool
    barrier: str | None
    stake: Decimal
    payout: Decimal
    commission: float
    volatility: float
    buy_time: int
    buy_tick_time: int | None = None
    buy_spot: Decimal | None = None
    expiry_time: int
    entry_tick_time: int | None = None
    entry_spot: Decimal | None = None
    barrier_price: Decimal | None = None
    touch_time: int | None = None
    exit_tick_time: int | None = None
    exit_spot: Decimal | None = None
    exit_time: int | None = None
    proceeds: Decimal | None = None
    status: Status = "open"


def entry_after(contract: Contract) -> int:
    """
    Return the time that the first tick after is a contract's entry, in milliseconds since 1970: that of its purchase.

    Where the barrier is a price, it is the time of the tick that the contract was priced at: on which side of the barrier the price is was
    known then, and a tick that is still on its way may change it.
    """
    return contract.buy_tick_time if contract.buy_tick_time is not None and is_price(contract.barrier) else contract.buy_time


def entry_deadline(contract: Contract) -> int:
    """Return when the entry comes at the latest, in milliseconds since 1970: a contract without one by then is given back."""
    latest = contract.buy_time + PATIENCE_MS
    return latest if contract.duration_unit == "ticks" else min(latest, contract.expiry_time)


def is_entry(contract: Contract, tick: Tick) -> bool:
    """Return whether a tick, the first one after `entry_after`, comes in time for an entry."""
    return entry_after(contract) < tick.epoch_ms <= entry_deadline(contract)


def enter(contract: Contract, tick: Tick, interval_ms: int) -> Contract:
    """
    Return the contract with its entry.

    Args:
        contract: an open one that has no entry.
        tick: the first tick after `entry_after`.
        interval_ms: the time between two ticks, in milliseconds: a duration in ticks is expected to end after so many.
    """
    barrier = barrier_price(contract.barrier, tick.price)
    expiry_time = contract.expiry_time
    if contract.duration_unit == "ticks":
        expiry_time = tick.epoch_ms + contract.duration * interval_ms
    is_touched = contract.product_id == "touch" and (tick.price == barrier or is_crossed(contract, tick))
    return msgspec.structs.replace(
        contract,
        entry_tick_time=tick.epoch_ms,
        entry_spot=tick.price,
        barrier_price=barrier,
        expiry_time=expiry_time,
        touch_time=tick.epoch_ms if is_touched else None,
    )


def is_crossed(contract: Contract, entry: Tick) -> bool:
    """Return whether the entry is on the other side of a barrier that is a price than what the contract was priced at."""
    spot, barrier = contract.buy_spot, contract.barrier
    if spot is None or barrier is None or not is_price(barrier):
        return False
    return (spot < Decimal(barrier)) != (entry.price < Decimal(barrier))


def is_price(barrier: str | None) -> bool:
    """Return whether a barrier is a price, or else counts from the entry."""
    return barrier is not None and barrier[0] not in "+-"


def barrier_price(barrier: str | None, spot: Decimal) -> Decimal:
    """Return a barrier - a price, an offset from the spot with its sign, or None for the spot itself - as a price."""
    if barrier is None:
        return spot
    return Decimal(barrier) if is_price(barrier) else spot + Decimal(barrier)


def reaches(contract: Contract, tick: Tick) -> bool:
    """Return whether a tick of an entered contract that has not been touched reaches the barrier, from whichever side the entry was."""
    entry_spot, barrier = contract.entry_spot, contract.barrier_price
    if entry_spot is None or barrier is None:
        return False
    return tick.price >= barrier if entry_spot <= barrier else tick.price <= barrier


def touch(contract: Contract, tick: Tick) -> Contract:
    """Return the contract as touched by a tick that reaches its barrier."""
    return msgspec.structs.replace(contract, touch_time=tick.epoch_ms)


def wins(contract: Contract, exit_spot: Decimal) -> bool:
    """Return whether an entered contract pays, with its touch if there was one, or at the price of its last tick."""
    if contract.product_id == "touch":
        return (contract.touch_time is not None) == (contract.variant == "touch")
    if exit_spot == contract.barrier_price:
        return contract.allow_equals
    return (exit_spot > (contract.barrier_price or 0)) == (contract.variant in UPWARD)


def settle(contract: Contract, exit_tick: Tick) -> Contract:
    """
    Return the contract as settled: it pays its payout or nothing.

    Args:
        contract: an entered one, with its touch if there was one.
        exit_tick: the last tick that it looks at: the last one at or before its end, the last one of a duration in ticks, or the one that
            touches its barrier.
    """
    is_at_end = contract.duration_unit != "ticks" and contract.touch_time is None
    exit_time = contract.expiry_time if is_at_end else exit_tick.epoch_ms
    return msgspec.structs.replace(
        contract,
        expiry_time=exit_time if contract.duration_unit == "ticks" else contract.expiry_time,
        exit_tick_time=exit_tick.epoch_ms,
        exit_spot=exit_tick.price,
        exit_time=exit_time,
        proceeds=contract.payout if wins(contract, exit_tick.price) else contract.stake * 0,
        status="settled",
    )


def refund(contract: Contract, at_ms: int | None = None) -> Contract:
    """Return an open contract as given back for its stake, as its ticks did not come: certain at a time in ms since 1970, or its end."""
    return msgspec.structs.replace(
        contract, exit_time=contract.expiry_time if at_ms is None else at_ms, proceeds=contract.stake, status="refunded"
    )


def sell(contract: Contract, price: Decimal, tick: Tick, now_ms: int) -> Contract:
    """Return an open contract as sold for a price, which was computed from the tick; `now_ms` is in milliseconds since 1970."""
    return msgspec.structs.replace(
        contract, exit_tick_time=tick.epoch_ms, exit_spot=tick.price, exit_time=now_ms, proceeds=price, status="sold"
    )
