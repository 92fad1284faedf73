"""Movements of money as rows: each with both of its sides, an account and the house's account of the same currency."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import BigInteger, bindparam, case

from pricewire.store.tables import accounts

MOST_UNITS = 10**18
"""The highest balance, in the currency's smallest unit: well below what 64 bits hold, where SQLite would go on in floating point."""

NOW = bindparam("now_ms", type_=BigInteger)

MOVED_MS = case((accounts.c.moved_ms > NOW, accounts.c.moved_ms), else_=NOW)
"""
When a transaction of an account is, where the time is `now_ms`: not before the account's newest one.

A clock may be set back, and processes have clocks of their own. Statements are read by time, and each balance follows from the one before.
"""


def house_account(currency: str) -> str:
    """Return the id of the house's account of a currency."""
    return f"house:{currency}"


def transaction_row(
    account_uuid: str, currency: str, kind: str, amount: int, balance: int, epoch_ms: int, contract_id: str | None = None
) -> dict[str, Any]:
    """
    Return a movement of money as a row of `transactions`.

    Args:
        account_uuid: the account that gets it, or gives it.
        currency: the account's.
        kind: what moved it: `purchase`, `deposit`, for instance.
        amount: what the account gets, in the currency's smallest unit; negative where it gives.
        balance: what the account has after it.
        epoch_ms: when, in milliseconds since 1970; the account's new `moved_ms`.
        contract_id: the contract that it was for; None for the acts of an operator.
    """
    return {
        "account_uuid": account_uuid,
        "house_account": house_account(currency),
        "contract_id": contract_id,
        "kind": kind,
        "amount": amount,
        "balance": balance,
        "epoch_ms": epoch_ms,
    }


def now_ms() -> int:
    """Return the time, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000
