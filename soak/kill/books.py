"""What is in the database, read by SQL of the test's own; and whether the books balance there."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
from psycopg.rows import dict_row

Row = dict[str, Any]

TABLES = ("accounts", "contracts", "transactions", "entries", "idempotency_keys")

END_KINDS = {"sold": "sale", "settled": "payout", "refunded": "refund"}
"""The movement of money that the end of a contract makes, by its status."""


class Books(NamedTuple):
    """The rows of the tables, as of one moment."""

    accounts: list[Row]
    contracts: list[Row]
    transactions: list[Row]
    entries: list[Row]
    idempotency_keys: list[Row]

    def closed_by_ticks(self) -> int:
        """Return how many contracts were settled or refunded."""
        return sum(contract["status"] in ("settled", "refunded") for contract in self.contracts)

    def open(self) -> int:
        """Return how many contracts are open."""
        return sum(contract["status"] == "open" for contract in self.contracts)


def read_books(address: str) -> Books:
    """
    Return what is in a database; blocking.

    Args:
        address: of PostgreSQL; or the path of an SQLite file, of which a copy is read, so that what a killed process has left behind is
            there for the next one as it was.
    """
    if "://" in address:
        with psycopg.connect(address, row_factory=dict_row) as connection:
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            return Books(*(connection.execute(f"SELECT * FROM {table}").fetchall() for table in TABLES))
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory) / "copy.db"
        for suffix in ("", "-wal"):
            if (path := Path(address + suffix)).exists():
                shutil.copy(path, f"{copy}{suffix}")
        with closing(sqlite3.connect(copy)) as connection:
            connection.row_factory = sqlite3.Row
            return Books(*([dict(row) for row in connection.execute(f"SELECT * FROM {table}")] for table in TABLES))


def wrong_books(books: Books) -> Iterator[str]:
    """
    Yield in words what is wrong.

    The entries of each currency sum to zero, an account has the sum of its own, and a contract was paid for once and closed once at most.
    """
    sums: defaultdict[str, int] = defaultdict(int)
    for entry in books.entries:
        sums[entry["currency"]] += entry["amount"]
    yield from (f"the entries in {currency} sum to {amount}" for currency, amount in sums.items() if amount)
    balances: defaultdict[str, int] = defaultdict(int)
    for row in sorted(books.transactions, key=lambda row: int(row["number"])):
        balances[row["account_uuid"]] += row["amount"]
        if not row["balance"] == balances[row["account_uuid"]] >= 0:
            yield f"after transaction {row['number']} an account has {row['balance']} instead of {balances[row['account_uuid']]}"
    for account in books.accounts:
        if account["balance"] != balances[account["uuid"]]:
            yield f"{account['id']} has {account['balance']}, and its transactions sum to {balances[account['uuid']]}"
    moved = Counter((row["contract_id"], row["kind"], row["amount"]) for row in books.transactions if row["contract_id"] is not None)
    due: Counter[tuple[str, str, int]] = Counter()
    for contract in books.contracts:
        due[contract["contract_id"], "purchase", -contract["stake"]] += 1
        if contract["proceeds"]:
            due[contract["contract_id"], END_KINDS[contract["status"]], contract["proceeds"]] += 1
    if moved != due:
        yield f"money moved for contracts that was not due: {moved - due}, or was due and did not: {due - moved}"
    keys = Counter(row["contract_id"] for row in books.idempotency_keys)
    if keys != Counter(contract["contract_id"] for contract in books.contracts):
        yield f"{len(books.contracts)} contracts were bought with {len(books.idempotency_keys)} keys"
