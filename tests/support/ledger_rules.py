"""The rules that the books keep at any time."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import Connection, Row, Select, select

from pricewire.store.accounts import Accounts
from pricewire.store.database import Database
from pricewire.store.tables import accounts, contracts, entries, house_accounts, operator_acts, transactions

ENDS = {"sold": "sale", "settled": "payout", "refunded": "refund"}
MONEY = {"deposit": 1, "withdrawal": -1, "adjustment": 0}
"""What operators move, and its sign; 0 for either."""


async def check_books(database: Database) -> None:
    """
    Assert that the books are right.

    All entries sum to zero in each currency, every movement has its two sides, every balance is the sum of its entries and was never below
    zero, every contract was paid for and closed once, and every other movement has its author and its reason.
    """

    def work(connection: Connection) -> list[Sequence[Row[Any]]]:
        statements: tuple[Select[Any], ...] = (
            select(accounts),
            select(contracts),
            select(transactions).order_by(transactions.c.number),
            select(entries),
            select(house_accounts),
            select(operator_acts),
        )
        return [connection.execute(statement).all() for statement in statements]

    account_rows, contracted, booked, sides, houses, acts = await database.read(work)
    check_sides(account_rows, booked, sides, houses)
    for account in account_rows:
        balance = 0
        for row in booked:
            if row.account_uuid == account.uuid:
                balance += row.amount
                assert row.balance == balance >= 0, f"{row.kind} of {row.amount}"
        assert account.balance == balance
    contract_rows = {row.contract_id: row for row in contracted}
    kinds = Counter((row.contract_id, row.kind) for row in booked if row.contract_id is not None)
    assert all(times == 1 for times in kinds.values())
    purchases = {row.contract_id: -row.amount for row in booked if row.kind == "purchase"}
    assert purchases == {row.contract_id: row.stake for row in contract_rows.values()}
    ends = {row.contract_id: (row.kind, row.amount) for row in booked if row.kind in ENDS.values()}
    assert ends == {row.contract_id: (ENDS[row.status], row.proceeds) for row in contract_rows.values() if row.proceeds}
    assert all((row.proceeds is None) == (row.status == "open") for row in contract_rows.values())
    check_acts(booked, acts)


def check_sides(account_rows: Sequence[Any], booked: Sequence[Any], sides: Sequence[Any], houses: Sequence[Any]) -> None:
    """Assert that every movement has two sides of one currency that cancel out, and that the house has what the accounts have not."""
    currencies = {account.uuid: account.currency for account in account_rows} | {house.id: house.currency for house in houses}
    totals: defaultdict[str, int] = defaultdict(int)
    of_number: defaultdict[int, list[Any]] = defaultdict(list)
    for side in sides:
        assert side.currency == currencies[side.account]
        totals[side.account] += side.amount
        of_number[side.number].append(side)
    assert of_number.keys() == {row.number for row in booked}
    house_ids = {house.id for house in houses}
    for number, both in of_number.items():
        assert len(both) == 2, f"transaction {number} has {len(both)} sides"
        assert sum(side.amount for side in both) == 0 != both[0].amount
        assert len({side.currency for side in both}) == 1
        assert len({side.account for side in both} & house_ids) == 1, "an account and the house"
    for house in houses:
        owed = sum(account.balance for account in account_rows if account.currency == house.currency)
        assert totals[house.id] == -owed, f"the house's {house.currency}"


def check_acts(booked: Sequence[Any], acts: Sequence[Any]) -> None:
    """Assert that what operators moved has its author and its reason, once."""
    moved = {row.number: row for row in booked if row.contract_id is None}
    assert {row.kind for row in moved.values()} <= MONEY.keys()
    assert all(row.amount * MONEY[row.kind] > 0 or MONEY[row.kind] == 0 for row in moved.values())
    of_money = [act for act in acts if act.transaction_number is not None]
    assert sorted(act.transaction_number for act in of_money) == sorted(moved)
    for act in of_money:
        row = moved[act.transaction_number]
        assert (act.act, act.account_uuid) == (row.kind, row.account_uuid)
        assert act.author
        assert act.reason


async def balance_of(database: Database, account_uuid: str) -> Decimal:
    """Return what an account has in the database."""
    account = await Accounts(database).find_uuid(account_uuid)
    assert account is not None
    return account.balance
