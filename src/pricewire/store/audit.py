"""The audit trail: what operators do to accounts, by whom and why, kept in the transaction that does it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sqlalchemy import Connection, insert, select, text

from pricewire.errors import AccountError
from pricewire.store.database import Database
from pricewire.store.tables import accounts, operator_acts
from pricewire.store.transactions import now_ms

Act = Literal["account_added", "password_changed", "status_changed", "tokens_ended", "deposit", "withdrawal", "adjustment"]

ACTS_LOCK = 7_205_759_405
"""The number of the PostgreSQL advisory lock, in its database, that is held while an act is recorded."""

MOST_TEXT = 200
"""How long an author's name and a reason may be, in characters."""


@dataclass(frozen=True, slots=True)
class Operator:
    """
    Who does something to an account, and why.

    Attributes:
        author: their name; `pricewire` for what the server does by itself, as opening the demo account.
        reason: for people; may be empty where no money is moved.

    Raises:
        AccountError: one of them is too long, or has characters that do not print; or there is no author.
    """

    author: str = "pricewire"
    reason: str = ""

    def __post_init__(self) -> None:
        for name, value in (("author", self.author), ("reason", self.reason)):
            # A line break would make two lines of one in the trail.
            if len(value) > MOST_TEXT or not value.isprintable():
                raise AccountError(f"the {name} has {len(value)} characters; give at most {MOST_TEXT}, without line breaks")
        if not self.author.strip():
            raise AccountError("there is no author; say who does this")


@dataclass(frozen=True, slots=True)
class RecordedAct:
    """
    What an operator did.

    Attributes:
        number: its place in the trail.
        epoch_ms: when, in milliseconds since 1970.
        author: who did it.
        act: what it was.
        account_id: the name of the account.
        detail: what of it changed: `active -> suspended`, `+12.50 USD`.
        reason: why, in the author's words.
    """

    number: int
    epoch_ms: int
    author: str
    act: Act
    account_id: str
    detail: str
    reason: str


class AuditTrail:
    """The acts in a database."""

    def __init__(self, database: Database) -> None:
        """Use an open database."""
        self._database = database

    async def acts(self, account_id: str | None = None, *, newest: int, before: int | None = None) -> list[RecordedAct]:
        """Return acts, newest first: of one account or of all, and only those before a number of the trail, where one is given."""
        columns = operator_acts.c
        statement = select(
            columns.number, columns.epoch_ms, columns.author, columns.act, accounts.c.id, columns.detail, columns.reason
        ).join(accounts, accounts.c.uuid == columns.account_uuid)
        if account_id is not None:
            statement = statement.where(accounts.c.id == account_id)
        if before is not None:
            statement = statement.where(columns.number < before)
        rows = await self._database.rows(statement.order_by(columns.number.desc()).limit(newest))
        return [RecordedAct(*row) for row in rows]

    async def newest(self, before_ms: int) -> int:
        """Return the number of the newest act before a time, in milliseconds since 1970; 0 where there is none."""
        columns = operator_acts.c
        statement = select(columns.number).where(columns.epoch_ms < before_ms).order_by(columns.number.desc()).limit(1)
        rows = await self._database.rows(statement)
        return rows[0][0] if rows else 0

    async def moved_since(self, number: int) -> list[tuple[int, str]]:
        """Return the number and the account's uuid of each act after a number that moved money, in their order."""
        columns = operator_acts.c
        statement = select(columns.number, columns.account_uuid).where(columns.number > number, columns.transaction_number.is_not(None))
        return [(row[0], row[1]) for row in await self._database.rows(statement.order_by(columns.number))]


def record(
    connection: Connection, operator: Operator, act: Act, account_uuid: str, detail: str = "", transaction_number: int | None = None
) -> None:
    """
    Record an act, as the last thing in its transaction.

    Args:
        connection: in the transaction that does it.
        operator: who, and why.
        act: what.
        account_uuid: to which account.
        detail: what of it changes.
        transaction_number: the money that it moves.
    """
    if connection.dialect.name == "postgresql":
        # One at a time: else a number could be committed after a higher one has been seen, and be missed.
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": ACTS_LOCK})
    connection.execute(
        insert(operator_acts),
        {
            "epoch_ms": now_ms(),
            "author": operator.author,
            "act": act,
            "account_uuid": account_uuid,
            "detail": detail,
            "reason": operator.reason,
            "transaction_number": transaction_number,
        },
    )
