"""The cashier: deposits, withdrawals and adjustments, each with its author and its reason, each in one transaction with the balance."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

from sqlalchemy import Connection, bindparam, insert, select, update

from pricewire.errors import AccountError
from pricewire.protocol.numbers import is_bounded
from pricewire.store.audit import Operator, record
from pricewire.store.database import Database
from pricewire.store.tables import accounts, transactions
from pricewire.store.transactions import MOST_UNITS, MOVED_MS, NOW, now_ms, transaction_row
from pricewire.trading.money import from_units, to_amount, to_signed_text, to_text, to_units

Movement = Literal["deposit", "withdrawal", "adjustment"]

MOVE = (
    update(accounts)
    .where(
        accounts.c.uuid == bindparam("which"),
        accounts.c.balance + bindparam("amount") >= 0,
        accounts.c.balance + bindparam("amount") <= MOST_UNITS,
    )
    .values(balance=accounts.c.balance + bindparam("amount"), moved_ms=MOVED_MS)
    .returning(accounts.c.balance, accounts.c.moved_ms)
)


class Cashier:
    """Moves money between accounts and the house, for operators."""

    def __init__(self, database: Database) -> None:
        """Use an open database."""
        self._database = database

    async def deposit(self, account_id: str, amount: Decimal, operator: Operator) -> Decimal:
        """
        Give an account money, above zero and in its currency, and return its balance.

        Raises:
            AccountError: there is no such account, no reason, or the amount is none.
            DatabaseError: the database does not answer; whether it was done, the audit trail shows.
        """
        return await self._move(account_id, "deposit", amount, operator)

    async def withdraw(self, account_id: str, amount: Decimal, operator: Operator) -> Decimal:
        """
        Take money from an account, also a suspended one, and return its balance.

        Raises:
            AccountError: as `deposit`; or the account has less.
            DatabaseError: as `deposit`.
        """
        return await self._move(account_id, "withdrawal", amount, operator)

    async def adjust(self, account_id: str, amount: Decimal, operator: Operator) -> Decimal:
        """
        Correct an account's balance by an amount, up or down but not by zero, and return it.

        Raises:
            AccountError: as `deposit`; or the account would have less than nothing.
            DatabaseError: as `deposit`.
        """
        return await self._move(account_id, "adjustment", amount, operator)

    async def _move(self, account_id: str, kind: Movement, amount: Decimal, operator: Operator) -> Decimal:
        if not operator.reason.strip():
            raise AccountError(f"a {kind} has a reason; say why")
        if not is_bounded(amount) or (amount == 0 if kind == "adjustment" else amount <= 0):
            wanted = "an amount that is not zero" if kind == "adjustment" else "an amount above zero"
            raise AccountError(f"{amount} is no amount of a {kind}; give {wanted}, of at most 12 digits and 12 decimals")
        change = -amount if kind == "withdrawal" else amount

        def work(connection: Connection) -> Decimal:
            account = connection.execute(select(accounts).where(accounts.c.id == account_id)).one_or_none()
            if account is None:
                raise AccountError(f"there is no account {account_id!r}; `pricewire account list` shows those there are")
            currency = account.currency
            if to_amount(change, currency) != change:
                raise AccountError(f"{amount} has more decimals than {currency}")
            return move(connection, account.uuid, currency, kind, change, operator)

        return await self._database.write(work)


def move(connection: Connection, account_uuid: str, currency: str, kind: Movement, change: Decimal, operator: Operator) -> Decimal:
    """
    Write a movement of money with its act, and return the account's balance after it.

    Raises:
        AccountError: the account would have less than nothing, or more than can be counted.
    """
    change = to_amount(change, currency)
    units = to_units(change, currency)
    moved = None
    if abs(units) <= MOST_UNITS:
        moved = connection.execute(MOVE, {"which": account_uuid, "amount": units, NOW.key: now_ms()}).one_or_none()
    if moved is None:
        has = connection.execute(select(accounts.c.balance).where(accounts.c.uuid == account_uuid)).scalar_one()
        shown = f"the balance of {to_text(from_units(has, currency))} {currency}"
        if change > 0:
            raise AccountError(f"{shown} can grow to {to_text(from_units(MOST_UNITS, currency))} at most; give less")
        raise AccountError(f"{shown} is less than the {to_text(-change)} to be taken; take less")
    row = transaction_row(account_uuid, currency, kind, units, moved.balance, moved.moved_ms)
    number = connection.execute(insert(transactions).returning(transactions.c.number), row).scalar_one()
    record(connection, operator, kind, account_uuid, f"{to_signed_text(change)} {currency}", number)
    return from_units(moved.balance, currency)
