"""The ends of contracts in the database: each at most once, with its money."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Row, Table, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from pricewire.store.contract_rows import CHANGING, to_row
from pricewire.store.tables import accounts, contracts, transactions
from pricewire.trading.contracts import Contract
from pricewire.trading.money import from_units, to_units

KINDS = {"sold": "sale", "settled": "payout", "refunded": "refund"}
"""The transaction that the end of a contract makes, by the contract's new status."""

MOST = 500
"""How many contracts a statement names at most."""

UPDATE_OPEN = (
    update(contracts)
    .where(contracts.c.contract_id == bindparam("which"), contracts.c.status == "open")
    .values({name: bindparam(f"new_{name}") for name in CHANGING})
)


class Closed(msgspec.Struct, frozen=True):
    """
    A contract that has ended.

    Attributes:
        contract: the contract with its end.
        balance: what its account had after it.
        change: by how much its end changed the balance: its proceeds, 0 where it has lost.
    """

    contract: Contract
    balance: Decimal
    change: Decimal


async def change(connection: AsyncConnection, changed: Sequence[Contract]) -> None:
    """Write what has changed of contracts, where they are still open in the database."""
    rows = [to_row(contract) for contract in changed]
    await connection.execute(
        UPDATE_OPEN, [{"which": row["contract_id"], **{f"new_{name}": row[name] for name in CHANGING}} for row in rows]
    )


async def close(connection: AsyncConnection, ended: Sequence[Contract], now_ms: int) -> list[Closed]:
    """
    Write the ends of contracts and their money; return those that were open until now, in the order given.

    Contracts are locked before accounts, and both in their order, as every transaction does that locks several: none waits for another that
    waits for it.

    Args:
        connection: in a transaction.
        ended: contracts with their end, each once.
        now_ms: the time, in milliseconds since 1970.
    """
    were_open = await _lock(
        connection, contracts, "contract_id", {contract.contract_id for contract in ended}, contracts.c.status == "open"
    )
    ended = [contract for contract in ended if contract.contract_id in were_open]
    if not ended:
        return []
    await change(connection, ended)
    balances = {
        uuid: row.balance
        for uuid, row in (await _lock(connection, accounts, "uuid", {contract.account_uuid for contract in ended})).items()
    }
    closed, booked = [], []
    for contract in ended:
        amount = to_units(contract.proceeds or Decimal(0), contract.currency)
        balance = balances[contract.account_uuid] = balances[contract.account_uuid] + amount
        closed.append(Closed(contract, from_units(balance, contract.currency), from_units(amount, contract.currency)))
        if amount:
            booked.append(
                {
                    "account_uuid": contract.account_uuid,
                    "contract_id": contract.contract_id,
                    "kind": KINDS[contract.status],
                    "amount": amount,
                    "balance": balance,
                    "epoch_ms": now_ms,
                }
            )
    if booked:
        paid = sorted({row["account_uuid"] for row in booked})
        await connection.execute(
            update(accounts).where(accounts.c.uuid == bindparam("which")).values(balance=bindparam("new_balance")),
            [{"which": uuid, "new_balance": balances[uuid]} for uuid in paid],
        )
        await connection.execute(insert(transactions), booked)
    return closed


async def _lock(
    connection: AsyncConnection, table: Table, key: str, keys: set[str], *conditions: ColumnElement[bool]
) -> dict[str, Row[Any]]:
    """Return rows by their keys, locked until the transaction's end. (SQLite has one writer at a time, and ignores the locking.)"""
    found = {}
    ordered = sorted(keys)
    for start in range(0, len(ordered), MOST):
        statement = (
            select(table).where(table.c[key].in_(ordered[start : start + MOST]), *conditions).order_by(table.c[key]).with_for_update()
        )
        for row in await connection.execute(statement):
            found[row._mapping[key]] = row
    return found
