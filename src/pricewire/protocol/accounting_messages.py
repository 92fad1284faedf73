"""
The messages of an account's books on the wire, as typed objects: its statement, its profit and loss, pages of its closed contracts.

A page goes back in time, newest first; `next_cursor` asks for the page after it, and is null where there is nothing older.
"""

from __future__ import annotations

from typing import Annotated, Generic, Literal, get_args

import msgspec

from pricewire.protocol.messages import InstrumentId
from pricewire.protocol.trading_messages import ContractBody, Money, ProductId

TransactionKind = Literal["deposit", "withdrawal", "adjustment", "purchase", "sale", "payout", "refund"]

TRANSACTION_KINDS: tuple[TransactionKind, ...] = get_args(TransactionKind)

Cursor = Annotated[str, msgspec.Meta(description="asks for the next page, as `cursor`; to be taken as it is")]


class StatementEntry(msgspec.Struct, Generic[Money], frozen=True, kw_only=True):
    """
    A movement of an account's money.

    Attributes:
        transaction_id: its own name.
        timestamp: when, in milliseconds since 1970.
        kind: what moved it. `purchase`, `sale`, `payout` and `refund` are of a contract, the others are an operator's.
        amount: what the account got; negative where it gave.
        balance: what it had after it.
        contract_id: which contract it was for; null for an operator's.
        reference_id: that contract's name for people and receipts.
        product_id: what kind of contract.
        instrument_id: on whose price.
        reason: why an operator moved it; null for a contract's.
    """

    transaction_id: str
    timestamp: int
    kind: TransactionKind
    amount: Money
    balance: Money
    contract_id: str | None
    reference_id: str | None
    product_id: ProductId | None
    instrument_id: InstrumentId | None
    reason: str | None


class StatementBody(msgspec.Struct, Generic[Money], frozen=True, kw_only=True):
    """
    A page of an account's statement.

    Attributes:
        entries: newest first. With a filter of kinds there may be fewer than asked for, or none, though there are more pages.
        currency: of all amounts.
        next_cursor: asks for the next page; null where this is the last.
    """

    entries: list[StatementEntry[Money]]
    currency: str
    next_cursor: Cursor | None


class ClosedContractsPage(msgspec.Struct, Generic[Money], frozen=True, kw_only=True):
    """
    A page of an account's closed contracts.

    Attributes:
        contracts: newest first, by when they were sold or expired; without the ticks of their lives.
        next_cursor: asks for the next page; null where this is the last.
    """

    contracts: list[ContractBody[Money]]
    next_cursor: Cursor | None


class DayResult(msgspec.Struct, Generic[Money], frozen=True, kw_only=True):
    """
    What came of an account's contracts of one product that ended on one day.

    Attributes:
        day: the day in UTC, `2026-11-28` for instance.
        product_id: the product.
        contracts: how many ended.
        stake: what was paid for them.
        proceeds: what was got for them.
        profit_loss: proceeds less stake, always with its sign.
    """

    day: str
    product_id: ProductId
    contracts: int
    stake: Money
    proceeds: Money
    profit_loss: Money


class ProfitAndLossBody(msgspec.Struct, Generic[Money], frozen=True, kw_only=True):
    """
    An account's profit and loss, by day and product.

    Attributes:
        results: newest day first; days and products without an end of a contract are left out.
        currency: of all amounts.
    """

    results: list[DayResult[Money]]
    currency: str
