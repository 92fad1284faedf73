"""Accounts: who trades, with which currency and balance."""

from __future__ import annotations

import time
import uuid
from decimal import Decimal
from typing import Literal

import msgspec
from sqlalchemy import ColumnElement, Row, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from pricewire.errors import AccountError
from pricewire.protocol.numbers import is_bounded
from pricewire.trading.money import DECIMALS, from_units, to_amount, to_units
from pricewire.trading.store import tables
from pricewire.trading.store.database import Database

AccountStatus = Literal["active", "suspended"]


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """
    Who trades.

    Attributes:
        id: the name to log in with.
        uuid: the account's name in topics and requests.
        type: `demo` or `real`.
        group: for the operator's use.
        status: `active`; or `suspended`: no login and no purchase.
        currency: of all its money.
        balance: the sum of its transactions.
        password_hash: of its password; None where it cannot log in with one.
    """

    id: str
    uuid: str
    type: str
    group: str
    status: AccountStatus
    currency: str
    balance: Decimal
    password_hash: str | None

    def __repr__(self) -> str:
        """Show the account without its password's hash, as logs and tracebacks do."""
        return f"Account(id={self.id!r}, uuid={self.uuid!r}, status={self.status!r}, currency={self.currency!r}, balance={self.balance})"


class Accounts:
    """The accounts in a database."""

    def __init__(self, database: Database) -> None:
        """
        Use a database.

        Args:
            database: an open one.
        """
        self._database = database

    async def add(
        self,
        account_id: str,
        *,
        password_hash: str | None = None,
        currency: str = "USD",
        balance: Decimal = Decimal(0),
        type: str = "demo",
        group: str = "default",
    ) -> Account:
        """
        Open an account, and return it.

        Args:
            account_id: the name to log in with.
            password_hash: of its password.
            currency: of all its money.
            balance: what it begins with: its first transaction, a deposit.
            type: `demo` or `real`.
            group: for the operator's use.

        Raises:
            AccountError: there is an account with this name, or the balance is negative or has too many decimals.
        """
        if currency not in DECIMALS:
            raise AccountError(f"currency {currency!r} is none of {', '.join(DECIMALS)}")
        if not is_bounded(balance) or balance < 0 or to_amount(balance, currency) != balance:
            raise AccountError(f"an account cannot begin with {balance} {currency}; give an amount in its decimals, not below zero")
        row = {
            "uuid": str(uuid.uuid4()),
            "id": account_id,
            "type": type,
            "group": group,
            "status": "active",
            "currency": currency,
            "password_hash": password_hash,
            "balance": to_units(balance, currency),
        }

        async def work(connection: AsyncConnection) -> None:
            try:
                await connection.execute(insert(tables.accounts).values(row))
            except IntegrityError:
                raise AccountError(f"there is an account {account_id!r} already; choose another name") from None
            if balance:
                await connection.execute(
                    insert(tables.transactions).values(
                        account_uuid=row["uuid"],
                        kind="deposit",
                        amount=row["balance"],
                        balance=row["balance"],
                        epoch_ms=time.time_ns() // 1_000_000,
                    )
                )

        await self._database.write(work)
        return msgspec.convert({**row, "balance": from_units(to_units(balance, currency), currency)}, Account)

    async def find(self, account_id: str) -> Account | None:
        """Return the account with this name, or None."""
        return await self._one(tables.accounts.c.id == account_id)

    async def find_uuid(self, account_uuid: str) -> Account | None:
        """Return the account with this uuid, or None."""
        return await self._one(tables.accounts.c.uuid == account_uuid)

    async def list(self) -> list[Account]:
        """Return all accounts, in the order of their names."""
        async with self._database.read() as connection:
            rows = await connection.execute(select(tables.accounts).order_by(tables.accounts.c.id))
            return [_account(row) for row in rows]

    async def set_password_hash(self, account_id: str, password_hash: str) -> None:
        """
        Change an account's password.

        Raises:
            AccountError: there is no such account.
        """
        await self._change(account_id, password_hash=password_hash)

    async def set_status(self, account_id: str, status: AccountStatus) -> None:
        """
        Suspend an account or let it trade again.

        Raises:
            AccountError: there is no such account.
        """
        await self._change(account_id, status=status)

    async def _one(self, condition: ColumnElement[bool]) -> Account | None:
        async with self._database.read() as connection:
            row = (await connection.execute(select(tables.accounts).where(condition))).one_or_none()
        return None if row is None else _account(row)

    async def _change(self, account_id: str, **values: str) -> None:
        async def work(connection: AsyncConnection) -> None:
            changed = await connection.execute(update(tables.accounts).where(tables.accounts.c.id == account_id).values(values))
            if changed.rowcount == 0:
                raise AccountError(f"there is no account {account_id!r}; `pricewire account list` shows those there are")

        await self._database.write(work)


def _account(row: Row[tuple[object, ...]]) -> Account:
    values = dict(row._mapping)
    return Account(**{**values, "balance": from_units(values["balance"], values["currency"])})
