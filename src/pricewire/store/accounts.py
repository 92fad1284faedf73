"""Accounts: who trades, with which currency and balance."""

from __future__ import annotations

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, case, func, insert, select, text, update
from sqlalchemy.exc import IntegrityError

from pricewire.errors import AccountError
from pricewire.protocol.numbers import is_bounded
from pricewire.store import tables
from pricewire.store.audit import Act, Operator, record
from pricewire.store.cashier import move
from pricewire.store.database import Database
from pricewire.store.transactions import now_ms
from pricewire.trading.money import DECIMALS, from_units, to_amount

UUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
"""The text of a UUID. It is kept as given: front ends that have it built in compare it letter by letter. Source: RFC 9562, section 4."""

AccountStatus = Literal["active", "suspended"]

GENERATION_LOCK = 7_205_759_404
"""The number of the PostgreSQL advisory lock, in its database, that is held while an account's generation changes."""


PROGRAM = Operator()
"""The server itself."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """
    Who trades.

    Attributes:
        id: the name to log in with.
        uuid: the account's name in topics and requests.
        type: `demo` or `real`.
        group: for the operator's use.
        status: `active`; or `suspended`: no login, no token, and no purchase.
        currency: of all its money.
        balance: the sum of its entries.
        password_hash: of its password; None where it cannot log in with one.
        generation: which of its tokens are valid: those with this number. It grows with each change of password or status.
    """

    id: str
    uuid: str
    type: str
    group: str
    status: AccountStatus
    currency: str
    balance: Decimal
    password_hash: str | None
    generation: int = 0

    def __repr__(self) -> str:
        """Show the account without its password's hash, as logs and tracebacks do."""
        return f"Account(id={self.id!r}, uuid={self.uuid!r}, status={self.status!r}, currency={self.currency!r}, balance={self.balance})"


@dataclass(frozen=True, slots=True)
class Standing:
    """
    Which tokens of an account are valid.

    Attributes:
        account_uuid: the account's.
        generation: what a token of this server must claim.
        not_before_ms: when a token of another issuer must have been issued at the earliest, in milliseconds since 1970.
        is_suspended: whether none is valid.
    """

    account_uuid: str
    generation: int
    not_before_ms: int
    is_suspended: bool


@dataclass(frozen=True, slots=True)
class AccountsTotal:
    """
    All accounts of a currency.

    Attributes:
        currency: theirs.
        accounts: how many there are.
        suspended: how many of them are suspended.
        balance: what they have together.
    """

    currency: str
    accounts: int
    suspended: int
    balance: Decimal


class Accounts:
    """The accounts in a database."""

    def __init__(self, database: Database) -> None:
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
        account_uuid: str | None = None,
        operator: Operator = PROGRAM,
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
            account_uuid: what topics and requests call it; by default one is drawn.
            operator: who opens it, and why.

        Raises:
            AccountError: there is an account with this name or uuid, the uuid is none, or the balance is negative or has too many decimals.
        """
        if currency not in DECIMALS:
            raise AccountError(f"currency {currency!r} is none of {', '.join(DECIMALS)}")
        if not is_bounded(balance) or balance < 0 or to_amount(balance, currency) != balance:
            raise AccountError(f"an account cannot begin with {balance} {currency}; give an amount in its decimals, not below zero")
        if account_uuid is not None and UUID.fullmatch(account_uuid) is None:
            raise AccountError(f"uuid {account_uuid!r} is not of the form '7d444840-9dc0-11d1-b245-5ffdce74fad2'")
        new_uuid = account_uuid or str(uuid.uuid4())
        row = {
            "uuid": new_uuid,
            "id": account_id,
            "type": type,
            "group": group,
            "status": "active",
            "currency": currency,
            "password_hash": password_hash,
            "balance": 0,
            "generation": 0,
            "not_before_ms": 0,
            "moved_ms": 0,
        }

        def work(connection: Connection) -> None:
            holder = connection.execute(select(tables.accounts.c.id).where(tables.accounts.c.uuid == new_uuid)).scalar()
            if holder is not None:
                raise AccountError(f"the account {holder!r} has the uuid {new_uuid} already; choose another")
            try:
                connection.execute(insert(tables.accounts).values(row))
            except IntegrityError:
                raise AccountError(f"there is an account {account_id!r} already; choose another name") from None
            record(connection, operator, "account_added", new_uuid, f"{account_id} in {currency}")
            if balance:
                reason = operator.reason or "opening balance"
                move(connection, new_uuid, currency, "deposit", balance, Operator(operator.author, reason))

        await self._database.write(work)
        return msgspec.convert({**row, "balance": to_amount(balance, currency)}, Account)

    async def find(self, account_id: str) -> Account | None:
        """Return the account with this name, or None."""
        return await self._one(tables.accounts.c.id == account_id)

    async def find_uuid(self, account_uuid: str) -> Account | None:
        """Return the account with this uuid, or None."""
        return await self._one(tables.accounts.c.uuid == account_uuid)

    async def list(self) -> list[Account]:
        """Return all accounts, in the order of their names."""
        return [_account(row) for row in await self._database.rows(select(tables.accounts).order_by(tables.accounts.c.id))]

    async def totals(self) -> Sequence[AccountsTotal]:
        """Return the accounts of each currency together, in the order of the currencies."""
        columns = tables.accounts.c
        suspended = func.coalesce(func.sum(case((columns.status == "suspended", 1), else_=0)), 0)
        statement = select(columns.currency, func.count(), suspended, func.sum(columns.balance))
        rows = await self._database.rows(statement.group_by(columns.currency).order_by(columns.currency))
        return [AccountsTotal(currency, count, int(few), from_units(int(units), currency)) for currency, count, few, units in rows]

    async def set_password_hash(self, account_id: str, password_hash: str, operator: Operator = PROGRAM) -> None:
        """
        Change an account's password; its tokens end with that.

        Raises:
            AccountError: there is no such account.
        """
        await self._change(account_id, "password_changed", operator, password_hash=password_hash)

    async def set_status(self, account_id: str, status: AccountStatus, operator: Operator = PROGRAM) -> None:
        """
        Suspend an account or let it trade again; its tokens end with that. Nothing changes where it has that status already.

        Raises:
            AccountError: there is no such account.
        """
        await self._change(account_id, "status_changed", operator, status=status)

    async def end_tokens(self, account_id: str, operator: Operator = PROGRAM) -> None:
        """
        End an account's tokens.

        Raises:
            AccountError: there is no such account.
        """
        await self._change(account_id, "tokens_ended", operator)

    async def standings(self, generation: int | None = None) -> Sequence[Standing]:
        """
        Return which tokens are valid, of each account that has ended any or is suspended, and whose generation is above the given one; in
        its order.
        """
        columns = tables.accounts.c
        wanted = (columns.generation > 0) | (columns.status != "active") if generation is None else columns.generation > generation
        statement = select(columns.uuid, columns.generation, columns.not_before_ms, columns.status != "active").where(wanted)
        return [Standing(*row) for row in await self._database.rows(statement.order_by(columns.generation))]

    async def _one(self, condition: ColumnElement[bool]) -> Account | None:
        rows = await self._database.rows(select(tables.accounts).where(condition))
        return _account(rows[0]) if rows else None

    async def _change(self, account_id: str, act: Act, operator: Operator, **values: str) -> None:
        columns = tables.accounts.c

        def work(connection: Connection) -> None:
            if connection.dialect.name == "postgresql":
                # One at a time: else a generation could be committed after a higher one has been seen, and be missed.
                connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": GENERATION_LOCK})
            found = connection.execute(select(tables.accounts).where(columns.id == account_id).with_for_update()).one_or_none()
            if found is None:
                raise AccountError(f"there is no account {account_id!r}; `pricewire account list` shows those there are")
            if values.get("status") == found.status:
                return
            newest = connection.execute(select(func.coalesce(func.max(columns.generation), 0))).scalar_one()
            ended = {"generation": newest + 1, "not_before_ms": now_ms()}
            connection.execute(update(tables.accounts).where(columns.id == account_id).values({**values, **ended}))
            detail = f"{found.status} -> {values['status']}" if "status" in values else ""
            record(connection, operator, act, found.uuid, detail)

        await self._database.write(work)


def _account(row: Row[tuple[object, ...]]) -> Account:
    values = dict(row._mapping)
    del values["not_before_ms"], values["moved_ms"]
    return Account(**{**values, "balance": from_units(values["balance"], values["currency"])})
