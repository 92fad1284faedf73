"""The rules that the books keep at any time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Row, select
from sqlalchemy.ext.asyncio import AsyncConnection

from pricewire.store.accounts import Accounts
from pricewire.store.database import Database
from pricewire.store.tables import accounts, contracts, transactions

ENDS = {"sold": "sale", "settled": "payout", "refunded": "refund"}


async def check_books(database: Database) -> None:
    """Assert that every balance is the sum of its transactions and not below zero, and that every contract was paid for and closed once."""

    async def work(connection: AsyncConnection) -> tuple[Sequence[Row[Any]], Sequence[Row[Any]], Sequence[Row[Any]]]:
        statements = (select(accounts), select(contracts), select(transactions).order_by(transactions.c.number))
        first, second, third = [(await connection.execute(statement)).all() for statement in statements]
        return first, second, third

    account_rows, contracted, booked = await database.read(work)
    contract_rows = {row.contract_id: row for row in contracted}
    for account in account_rows:
        balance = 0
        for row in booked:
            if row.account_uuid == account.uuid:
                balance += row.amount
                assert row.balance == balance >= 0, f"{row.kind} of {row.amount}"
        assert account.balance == balance
    kinds = Counter((row.contract_id, row.kind) for row in booked if row.contract_id is not None)
    assert all(times == 1 for times in kinds.values())
    purchases = {row.contract_id: -row.amount for row in booked if row.kind == "purchase"}
    assert purchases == {row.contract_id: row.stake for row in contract_rows.values()}
    ends = {row.contract_id: (row.kind, row.amount) for row in booked if row.kind in ENDS.values()}
    assert ends == {row.contract_id: (ENDS[row.status], row.proceeds) for row in contract_rows.values() if row.proceeds}
    assert all((row.proceeds is None) == (row.status == "open") for row in contract_rows.values())


async def balance_of(database: Database, account_uuid: str) -> Decimal:
    """Return what an account has in the database."""
    account = await Accounts(database).find_uuid(account_uuid)
    assert account is not None
    return account.balance
