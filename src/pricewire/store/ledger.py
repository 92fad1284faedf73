"""The ledger: purchases, sales and settlements, each in one transaction with its money, each answered when it is durable."""

from __future__ import annotations

import contextlib
from collections.abc import Awaitable, Callable, Collection, Iterator, Sequence
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, bindparam, delete, func, insert, select, update

from pricewire.errors import (
    ContractNotSellableError,
    FencedError,
    UnknownContractError,
)
from pricewire.store.contract_rows import CHANGING, IS_CLOSED, IS_OPEN, as_bought, from_row, to_row
from pricewire.store.database import Database
from pricewire.store.prepared import Prepared
from pricewire.store.purchases import buy, first_answer
from pricewire.store.tables import accounts, contracts, outbox, transactions
from pricewire.store.terms import begin_term, check_term
from pricewire.store.transactions import now_ms, transaction_row
from pricewire.trading.contracts import Contract
from pricewire.trading.interfaces import Bought, Closed, ClosedPage, PendingEvent, Purchase
from pricewire.trading.money import from_units, to_units
from pricewire.trading.partitions import Share

KINDS = {"sold": "sale", "settled": "payout", "refunded": "refund"}
"""The transaction that the end of a contract makes, by the contract's new status."""

MOST = 500
"""How many rows a statement names at most."""

UPDATE_OPEN = Prepared(
    update(contracts)
    .where(contracts.c.contract_id == bindparam("which"), contracts.c.status == "open")
    .values({name: bindparam(f"new_{name}") for name in CHANGING})
)

PENDING = (
    select(outbox.c.number, outbox.c.expiry_time.label("bought_expiry"), contracts)
    .join(contracts, contracts.c.contract_id == outbox.c.contract_id)
    .order_by(outbox.c.number)
)
"""The events in the outbox, oldest first."""


class Ledger:
    """
    The contracts and the money in a database: the `Ledger` of `trading.interfaces`, which says what its methods do and raise.

    Every method that writes returns when the disk has it. An account's balance is the sum of its entries, and all entries sum to zero.
    """

    def __init__(
        self,
        database: Database,
        sync: Callable[[], Awaitable[None]],
        *,
        share: Share | None = None,
        on_fenced: Callable[[], None] | None = None,
    ) -> None:
        """
        Use an open database.

        Args:
            database: an open one.
            sync: writes the ticks of the journal to the disk; called before an entry or a settlement that may be based on them.
            share: which accounts' open contracts and events this process has, and in which term; None for all, in no term.
            on_fenced: called when something is refused as another term has begun.
        """
        self._database = database
        self._sync = sync
        self._share = share
        self._term = None if share is None else share.term
        self._on_fenced = on_fenced

    async def begin_term(self) -> None:
        """
        Be the only one that moves money from now on, of several processes with the same database; called before anything is read.

        What another one is writing is finished or fails before this returns; what it would write later raises a `FencedError`.
        """
        self._term = await self._database.write(begin_term)

    async def buy(self, purchase: Purchase) -> Bought:
        """Take a contract's price from its account and keep the contract, or return the first answer."""

        def work(connection: Connection) -> Bought:
            return buy(connection, purchase, now_ms(), self._term)

        with self._fenced():
            return await self._database.write(work, is_one_statement=True)

    async def bought(self, account_uuid: str, idempotency_key: str, digest: str) -> Bought | None:
        """Return the answer that a purchase got, or None where there was none."""
        return await self._database.read(lambda connection: first_answer(connection, account_uuid, idempotency_key, digest))

    async def enter(self, entered: Sequence[Contract]) -> None:
        """Keep what became of open contracts that stay open."""
        if not entered:
            return
        await self._sync()

        def work(connection: Connection) -> None:
            check_term(connection, self._term)
            _change(connection, entered)

        with self._fenced():
            await self._database.write(work)

    async def sell(self, sold: Contract) -> Closed:
        """Close a contract and give its proceeds to its account."""
        closed = await self._close([sold])
        if not closed:
            raise ContractNotSellableError(sold.contract_id, "it is not open any more")
        return closed[0]

    async def settle(self, settled: Sequence[Contract]) -> list[Closed]:
        """Close contracts that have expired, and give the accounts what they pay or the stake back."""
        if not settled:
            return []
        await self._sync()
        return await self._close(settled)

    async def pending_events(self) -> list[PendingEvent]:
        """Return the events that were not removed from the outbox, oldest first, of this process's accounts."""
        pending = [pending_event(row) for row in await self._database.rows(PENDING)]
        return [each for each in pending if self._owns(each.contract)]

    async def decided_events(self, account_uuids: Collection[str]) -> list[PendingEvent]:
        """Return those of some accounts, when what is being written of these is decided."""

        def work(connection: Connection) -> list[PendingEvent]:
            check_term(connection, self._term)
            _lock(connection, accounts, "uuid", set(account_uuids))
            rows = connection.execute(PENDING).all()
            return [event for row in rows if (event := pending_event(row)).contract.account_uuid in account_uuids]

        with self._fenced():
            return await self._database.write(work)

    async def remove_events(self, numbers: Sequence[int]) -> None:
        """Remove events from the outbox by their numbers."""

        def work(connection: Connection) -> None:
            for start in range(0, len(numbers), MOST):
                connection.execute(delete(outbox).where(outbox.c.number.in_(numbers[start : start + MOST])))

        await self._database.write(work)

    async def open_contracts(self) -> list[Contract]:
        """Return all open contracts, oldest first, of this process's accounts."""
        statement = select(contracts).where(IS_OPEN).order_by(contracts.c.buy_time, contracts.c.contract_id)
        return [contract for row in await self._database.rows(statement) if self._owns(contract := from_row(row))]

    async def closed_contracts(self, account_uuid: str, limit: int) -> ClosedPage:
        """Return an account's newest closed contracts."""
        is_wanted = (contracts.c.account_uuid == account_uuid) & IS_CLOSED
        statement = select(contracts).where(is_wanted).order_by(contracts.c.exit_time.desc(), contracts.c.contract_id.desc())

        def work(connection: Connection) -> ClosedPage:
            total = connection.execute(select(func.count()).select_from(contracts).where(is_wanted)).scalar_one()
            return ClosedPage([from_row(row) for row in connection.execute(statement.limit(limit))], total)

        return await self._database.read(work)

    async def find(self, contract_id: str, account_uuid: str) -> Contract:
        """Return an account's contract."""
        is_wanted = (contracts.c.contract_id == contract_id) & (contracts.c.account_uuid == account_uuid)
        rows = await self._database.rows(select(contracts).where(is_wanted))
        if not rows:
            raise UnknownContractError(contract_id)
        return from_row(rows[0])

    async def _close(self, ended: Sequence[Contract]) -> list[Closed]:
        def work(connection: Connection) -> list[Closed]:
            check_term(connection, self._term)
            return _close(connection, ended, now_ms())

        with self._fenced():
            return await self._database.write(work)

    @contextlib.contextmanager
    def _fenced(self) -> Iterator[None]:
        """Have it known when something is refused within the block as another term has begun."""
        try:
            yield
        except FencedError:
            if self._on_fenced is not None:
                self._on_fenced()
            raise

    def _owns(self, contract: Contract) -> bool:
        return self._share is None or self._share.owns(contract.account_uuid)


def pending_event(row: Row[Any]) -> PendingEvent:
    """Return a row of `PENDING` as an event."""
    contract = from_row(row)
    return PendingEvent(row.number, contract if row.bought_expiry is None else as_bought(contract, row.bought_expiry))


def _change(connection: Connection, changed: Sequence[Contract]) -> None:
    """Write what has changed of contracts, where they are still open in the database."""
    rows = [to_row(contract) for contract in changed]
    UPDATE_OPEN.for_each(connection, [{"which": row["contract_id"], **{f"new_{name}": row[name] for name in CHANGING}} for row in rows])


def _close(connection: Connection, ended: Sequence[Contract], now_ms: int) -> list[Closed]:
    """
    Write the ends of contracts and their money; return those that were open until now, in the order given.

    Contracts are locked before accounts, and both in their order, as every transaction does that locks several: none waits for another that
    waits for it.
    """
    were_open = _lock(connection, contracts, "contract_id", {contract.contract_id for contract in ended}, contracts.c.status == "open")
    ended = [contract for contract in ended if contract.contract_id in were_open]
    if not ended:
        return []
    _change(connection, ended)
    locked = _lock(connection, accounts, "uuid", {contract.account_uuid for contract in ended})
    balances = {uuid: row.balance for uuid, row in locked.items()}
    # As `MOVED_MS`.
    moved_ms = {uuid: max(row.moved_ms, now_ms) for uuid, row in locked.items()}
    events = insert(outbox).returning(outbox.c.number, sort_by_parameter_order=True)
    numbers = connection.execute(events, [{"contract_id": contract.contract_id} for contract in ended]).scalars().all()
    closed, booked = [], []
    for contract, number in zip(ended, numbers, strict=True):
        uuid, currency = contract.account_uuid, contract.currency
        amount = to_units(contract.proceeds or Decimal(0), currency)
        balance = balances[uuid] = balances[uuid] + amount
        closed.append(Closed(contract, from_units(balance, currency), from_units(amount, currency), number))
        if amount:
            kind = KINDS[contract.status]
            booked.append(transaction_row(uuid, currency, kind, amount, balance, moved_ms[uuid], contract.contract_id))
    if booked:
        paid = sorted({row["account_uuid"] for row in booked})
        connection.execute(
            update(accounts)
            .where(accounts.c.uuid == bindparam("which"))
            .values(balance=bindparam("new_balance"), moved_ms=bindparam("new_ms")),
            [{"which": uuid, "new_balance": balances[uuid], "new_ms": moved_ms[uuid]} for uuid in paid],
        )
        connection.execute(insert(transactions), booked)
    return closed


def _lock(connection: Connection, table: Table, key: str, keys: set[str], *conditions: ColumnElement[bool]) -> dict[str, Row[Any]]:
    """Return rows by their keys, locked until the transaction's end. (SQLite has one writer at a time, and ignores the locking.)"""
    found = {}
    ordered = sorted(keys)
    for start in range(0, len(ordered), MOST):
        statement = (
            select(table).where(table.c[key].in_(ordered[start : start + MOST]), *conditions).order_by(table.c[key]).with_for_update()
        )
        for row in connection.execute(statement):
            found[row._mapping[key]] = row
    return found
