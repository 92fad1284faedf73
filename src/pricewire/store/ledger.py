"""The ledger: purchases, sales and settlements, each in one transaction with its money, each answered when it is durable."""

from __future__ import annotations

import time
from collections.abc import Sequence
from decimal import Decimal

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from pricewire.errors import AccountError, ContractNotSellableError, UnknownContractError
from pricewire.store.closings import Closed, change, close
from pricewire.store.contract_rows import from_row
from pricewire.store.database import Database
from pricewire.store.purchases import Bought, Purchase, buy, first_answer
from pricewire.store.tables import accounts, contracts
from pricewire.store.ticks import RecordedTicks
from pricewire.trading.contracts import Contract
from pricewire.trading.money import from_units

__all__ = ["Bought", "Closed", "ClosedPage", "Ledger", "Purchase"]


class ClosedPage(msgspec.Struct, frozen=True):
    """
    Some of an account's closed contracts.

    Attributes:
        contracts: newest first.
        total_items: how many closed contracts the account has.
    """

    contracts: list[Contract]
    total_items: int


class Ledger:
    """
    The contracts and the money in a database.

    Every method that writes returns when the disk has it, and is carried to its end even if its caller is cancelled. What it returned is
    then to be published; nothing is published from here. An account's balance is the sum of its transactions, and never below zero.
    """

    def __init__(self, database: Database, ticks: RecordedTicks) -> None:
        """
        Use a database.

        Args:
            database: an open one.
            ticks: the recorded ticks in it; those waiting are written before an entry or a settlement that may be based on them.
        """
        self._database = database
        self._ticks = ticks

    async def buy(self, purchase: Purchase) -> Bought:
        """
        Take a contract's price from its account and keep the contract; with a key that was used before, return the first answer.

        Raises:
            IdempotencyConflictError: the key was used for another purchase.
            InsufficientBalanceError: the account has less than the price.
            AccountSuspendedError: the account may not buy.
            AccountError: there is no such account, or it has another currency.
            DatabaseError: the database does not answer; whether it was bought, a repetition with the same key shows.
        """

        async def work(connection: AsyncConnection) -> Bought:
            return await buy(connection, purchase, now_ms())

        return await self._database.write(work)

    async def bought(self, account_uuid: str, idempotency_key: str, digest: str) -> Bought | None:
        """
        Return the answer that a purchase got, or None where there was none: it is given again whatever the market does now.

        Raises:
            IdempotencyConflictError: the key was used for another purchase.
            DatabaseError: the database does not answer.
        """
        async with self._database.read() as connection:
            return await first_answer(connection, account_uuid, idempotency_key, digest)

    async def enter(self, entered: Sequence[Contract]) -> None:
        """
        Keep what became of open contracts that stay open: their entry, their touch.

        Raises:
            DatabaseError: the database does not answer.
        """
        if not entered:
            return
        await self._ticks.flush()

        async def work(connection: AsyncConnection) -> None:
            await change(connection, entered)

        await self._database.write(work)

    async def sell(self, sold: Contract) -> Closed:
        """
        Close a contract and give its proceeds to its account. Of a sale and a settlement at once one wins.

        Args:
            sold: the contract with its sale.

        Raises:
            ContractNotSellableError: it is not open any more.
            DatabaseError: the database does not answer; `find` shows whether it was sold.
        """
        closed = await self._close([sold])
        if not closed:
            raise ContractNotSellableError(sold.contract_id, "it is not open any more")
        return closed[0]

    async def settle(self, settled: Sequence[Contract]) -> list[Closed]:
        """
        Close contracts that have expired, in one transaction, and give the accounts what they pay or the stake back.

        Args:
            settled: contracts with their settlement or refund.

        Returns:
            those that were open until now, in the order given; the others were closed before.

        Raises:
            DatabaseError: the database does not answer; it does no harm to try again.
        """
        if not settled:
            return []
        await self._ticks.flush()
        return await self._close(settled)

    async def open_contracts(self) -> list[Contract]:
        """
        Return all open contracts, oldest first.

        Raises:
            DatabaseError: the database does not answer.
        """
        statement = select(contracts).where(contracts.c.status == "open").order_by(contracts.c.buy_time, contracts.c.contract_id)
        async with self._database.read() as connection:
            return [from_row(row) for row in await connection.execute(statement)]

    async def closed_contracts(self, account_uuid: str, page: int = 1, limit: int = 20) -> ClosedPage:
        """
        Return some of an account's closed contracts, newest first.

        Args:
            account_uuid: whose.
            page: which of them, from 1.
            limit: how many a page has.

        Raises:
            DatabaseError: the database does not answer.
        """
        is_wanted = (contracts.c.account_uuid == account_uuid) & (contracts.c.status != "open")
        statement = select(contracts).where(is_wanted).order_by(contracts.c.exit_time.desc(), contracts.c.contract_id.desc())
        async with self._database.read() as connection:
            total = (await connection.execute(select(func.count()).select_from(contracts).where(is_wanted))).scalar_one()
            rows = await connection.execute(statement.limit(limit).offset((page - 1) * limit))
            return ClosedPage([from_row(row) for row in rows], total)

    async def find(self, contract_id: str, account_uuid: str) -> Contract:
        """
        Return an account's contract.

        Raises:
            UnknownContractError: the account has no such contract.
            DatabaseError: the database does not answer.
        """
        is_wanted = (contracts.c.contract_id == contract_id) & (contracts.c.account_uuid == account_uuid)
        async with self._database.read() as connection:
            row = (await connection.execute(select(contracts).where(is_wanted))).one_or_none()
        if row is None:
            raise UnknownContractError(contract_id)
        return from_row(row)

    async def balance(self, account_uuid: str) -> Decimal:
        """
        Return what an account has, in its currency.

        Raises:
            AccountError: there is no such account.
            DatabaseError: the database does not answer.
        """
        async with self._database.read() as connection:
            row = (await connection.execute(select(accounts).where(accounts.c.uuid == account_uuid))).one_or_none()
        if row is None:
            raise AccountError(f"there is no account {account_uuid!r}")
        return from_units(row.balance, row.currency)

    async def _close(self, ended: Sequence[Contract]) -> list[Closed]:
        async def work(connection: AsyncConnection) -> list[Closed]:
            return await close(connection, ended, now_ms())

        return await self._database.write(work)


def now_ms() -> int:
    """Return the time, in milliseconds since 1970."""
    return time.time_ns() // 1_000_000
