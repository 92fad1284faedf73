"""Revoked tokens, for every process that uses the database."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, delete, select, text
from sqlalchemy.dialects import postgresql, sqlite

from pricewire.store.database import Database
from pricewire.store.tables import revocations


@dataclass(frozen=True, slots=True)
class Revocation:
    """
    A revoked token.

    Attributes:
        number: its place in the order of revocations.
        token_id: the token's own name, its `jti`.
        expires_at: when it would have expired, in seconds since 1970; no one needs to know of it after that.
    """

    number: int
    token_id: str
    expires_at: int


class Revocations:
    """The revocations in a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, token_id: str, expires_at: int) -> None:
        """Revoke a token by its own name, its `jti`, until it would expire, in seconds since 1970; twice does no harm."""

        def work(connection: Connection) -> None:
            dialect = connection.dialect.name
            if dialect == "postgresql":
                # One at a time: else a number could be committed after a higher one has been seen, and be missed.
                connection.execute(text("LOCK TABLE revocations IN SHARE ROW EXCLUSIVE MODE"))
            insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
            connection.execute(insert(revocations).values(token_id=token_id, expires_at=expires_at).on_conflict_do_nothing())

        await self._database.write(work)

    async def since(self, number: int) -> list[Revocation]:
        """Return the revocations after a number, in their order; after 0 all of them."""
        statement = select(revocations).where(revocations.c.number > number).order_by(revocations.c.number)
        return [Revocation(*row) for row in await self._database.rows(statement)]

    async def prune(self, now_s: int) -> None:
        """Forget the revocations of tokens that had expired at a time, in seconds since 1970."""

        def work(connection: Connection) -> None:
            connection.execute(delete(revocations).where(revocations.c.expires_at < now_s))

        await self._database.write(work)
