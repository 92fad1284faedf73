"""What is read of the books: pages of an account's entries and closed contracts, its profit and loss, and the house's accounts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Row, Select, func, literal_column, select, tuple_

from pricewire.errors import AccountError
from pricewire.store.contract_rows import IS_CLOSED, from_row
from pricewire.store.database import Database
from pricewire.store.tables import accounts, contracts, entries, house_accounts, operator_acts, transactions
from pricewire.trading.interfaces import ContractsPage, DailyResult, EntriesPage, Entry, PageOf
from pricewire.trading.money import from_units

MOST_SCANNED = 10_000
"""How many entries a page looks through at most where it wants some kinds alone: as many as take some 20 ms."""

DAY_MS = 86_400_000

OPERATOR_KINDS = frozenset({"deposit", "withdrawal", "adjustment"})
"""What an operator moves; an index has these alone."""


@dataclass(frozen=True, slots=True)
class HouseTotal:
    """
    What the house has in a currency, the sum of its entries: less than nothing, as it owes the accounts what they have, the sum of their
    balances.
    """

    currency: str
    house: Decimal
    accounts: Decimal


class Statements:
    """The books in a database: the `Statements` of `trading.interfaces`, which says what its methods do and raise."""

    def __init__(self, database: Database) -> None:
        """Use an open database."""
        self._database = database

    async def entries(self, page: PageOf, kinds: frozenset[str]) -> EntriesPage:
        """Return a page of an account's entries."""
        columns = transactions.c
        place = tuple_(columns.epoch_ms, columns.number)
        # An account's times are in the order of its numbers, so pages by time, which can begin at any, have the balances in their order.
        newest_first = (columns.epoch_ms.desc(), columns.number.desc())
        wanted = columns.account_uuid == page.account_uuid
        if page.before is not None:
            wanted &= place < (page.before[0], int(page.before[1]))
        if kinds and kinds <= OPERATOR_KINDS:
            wanted &= columns.contract_id.is_(None)
        wanted_times = wanted & columns.epoch_ms.between(page.from_ms, _last_ms(page))
        last_scanned = select(columns.epoch_ms, columns.number).where(wanted_times).order_by(*newest_first).offset(MOST_SCANNED).limit(1)

        def work(connection: Connection) -> EntriesPage:
            currency = _currency(connection, page.account_uuid)
            # First, so that what is written meanwhile only adds to the entries that are looked through.
            floor = connection.execute(last_scanned).one_or_none() if kinds else None
            condition, end = wanted_times, None
            if floor is not None:
                end = (floor.epoch_ms, str(floor.number + 1))
                condition = wanted & columns.epoch_ms.between(floor.epoch_ms, _last_ms(page)) & (place > (floor.epoch_ms, floor.number))
            if kinds:
                condition &= columns.kind.in_(sorted(kinds))
            statement: Select[Any] = (
                select(transactions, contracts.c.reference_id, contracts.c.product_id, contracts.c.instrument_id, operator_acts.c.reason)
                .outerjoin(contracts, contracts.c.contract_id == columns.contract_id)
                .outerjoin(operator_acts, operator_acts.c.transaction_number == columns.number)
                .where(condition)
                .order_by(*newest_first)
                # One more than asked for, which says whether there is another page.
                .limit(page.limit + 1)
            )
            rows, last = _cut(connection.execute(statement).all(), page.limit)
            if last is not None:
                end = (last.epoch_ms, str(last.number))
            return EntriesPage([_entry(row, currency) for row in rows], currency, end)

        return await self._database.read(work)

    async def closed_contracts(self, page: PageOf, contract_id: str | None = None) -> ContractsPage:
        """Return a page of an account's closed contracts, or of one alone."""
        columns = contracts.c
        wanted = _closed(page.account_uuid, page.from_ms, _last_ms(page))
        if contract_id is not None:
            wanted &= columns.contract_id == contract_id
        if page.before is not None:
            wanted &= tuple_(columns.exit_time, columns.contract_id) < page.before
        statement = select(contracts).where(wanted).order_by(columns.exit_time.desc(), columns.contract_id.desc())

        def work(connection: Connection) -> ContractsPage:
            _currency(connection, page.account_uuid)
            rows, end = _cut(connection.execute(statement.limit(page.limit + 1)).all(), page.limit)
            return ContractsPage([from_row(row) for row in rows], None if end is None else (end.exit_time, end.contract_id))

        return await self._database.read(work)

    async def results(self, account_uuid: str, from_ms: int, to_ms: int) -> tuple[str, list[DailyResult]]:
        """Return an account's currency, and what came of its contracts by day and product."""
        columns = contracts.c
        # Written out: PostgreSQL would take two parameters for two expressions. Both databases divide whole numbers without a remainder.
        day = literal_column(f"contracts.exit_time / {DAY_MS}", BigInteger)
        statement: Select[Any] = (
            select(day, columns.product_id, func.count(), func.sum(columns.stake), func.sum(columns.proceeds))
            .where(_closed(account_uuid, from_ms, to_ms))
            .group_by(day, columns.product_id)
            .order_by(day.desc(), columns.product_id)
        )

        def work(connection: Connection) -> tuple[str, list[DailyResult]]:
            currency = _currency(connection, account_uuid)
            rows = connection.execute(statement).all()
            # PostgreSQL sums whole numbers up as decimals.
            return currency, [
                DailyResult(row[0] * DAY_MS, row[1], row[2], from_units(int(row[3]), currency), from_units(int(row[4]), currency))
                for row in rows
            ]

        return await self._database.read(work)


async def house_totals(database: Database) -> list[HouseTotal]:
    """
    Return what the house and the accounts have, of each currency that was ever moved, as they are at one instant.

    Raises:
        DatabaseError: the database does not answer.
    """
    of_house = select(func.coalesce(func.sum(entries.c.amount), 0)).where(entries.c.account == house_accounts.c.id).scalar_subquery()
    of_accounts = (
        select(func.coalesce(func.sum(accounts.c.balance), 0)).where(accounts.c.currency == house_accounts.c.currency).scalar_subquery()
    )
    is_used = select(accounts.c.uuid).where(accounts.c.currency == house_accounts.c.currency).exists()
    # One statement: it sees the books at one instant.
    statement = select(house_accounts.c.currency, of_house, of_accounts).where(is_used).order_by(house_accounts.c.currency)
    return [
        HouseTotal(currency, from_units(int(house), currency), from_units(int(owed), currency))
        for currency, house, owed in await database.rows(statement)
    ]


def _last_ms(page: PageOf) -> int:
    """Return the last time of a page: so the index is entered there, and not at the newest row again for each page."""
    return page.to_ms if page.before is None else min(page.to_ms, page.before[0])


def _cut(rows: Sequence[Row[Any]], limit: int) -> tuple[Sequence[Row[Any]], Row[Any] | None]:
    """Return the rows of a page, and the last one where there are more than these."""
    return rows[:limit], rows[limit - 1] if len(rows) > limit else None


def _closed(account_uuid: str, from_ms: int, to_ms: int) -> ColumnElement[bool]:
    columns = contracts.c
    return (columns.account_uuid == account_uuid) & IS_CLOSED & columns.exit_time.between(from_ms, to_ms)


def _currency(connection: Connection, account_uuid: str) -> str:
    currency: str | None = connection.execute(select(accounts.c.currency).where(accounts.c.uuid == account_uuid)).scalar_one_or_none()
    if currency is None:
        raise AccountError(f"there is no account {account_uuid!r}")
    return currency


def _entry(row: Row[Any], currency: str) -> Entry:
    return Entry(
        number=row.number,
        epoch_ms=row.epoch_ms,
        kind=row.kind,
        amount=from_units(row.amount, currency),
        balance=from_units(row.balance, currency),
        contract_id=row.contract_id,
        reference_id=row.reference_id,
        product_id=row.product_id,
        instrument_id=row.instrument_id,
        reason=row.reason,
    )
