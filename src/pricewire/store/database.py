"""The database: opened, migrated to this version's tables, written in transactions that are durable when they return."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple

from sqlalchemy import URL, Row, Select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from pricewire.errors import DatabaseError
from pricewire.extras import missing_extra
from pricewire.store.address import parse_address, prepare_file, shown
from pricewire.store.connections import prepare_engine
from pricewire.store.group_commit import GroupWriter
from pricewire.store.migrate import migrate

Result = TypeVar("Result")
Columns = TypeVarTuple("Columns")

Work = Callable[[AsyncConnection], Awaitable[Result]]
"""What is done in one transaction, or read on one connection."""

CONNECTIONS = 10
"""How many connections to PostgreSQL a process opens at most, and how many readers of an SQLite file."""


class Database:
    """
    An SQLite file or a PostgreSQL database; several processes may have the same one open.

    SQLite has one writer at a time, and a commit waits for the disk: transactions that wait meanwhile share the next commit. PostgreSQL
    does so by itself.
    """

    def __init__(self, url: URL) -> None:
        """Prepare to connect; use `open`."""
        self._shown = shown(url)
        self._under_way: set[asyncio.Future[Any]] = set()
        self._writer: AsyncEngine | None = None
        self._group: GroupWriter | None = None
        if url.drivername == "sqlite":
            url = url.set(drivername="sqlite+aiosqlite")
            self._writer = create_async_engine(url, pool_size=1, max_overflow=0, hide_parameters=True)
            prepare_engine(self._writer.sync_engine, writes=True)
            self._group = GroupWriter(self._writer)
        self._engine = create_async_engine(url, pool_size=CONNECTIONS, max_overflow=0, pool_pre_ping=True, hide_parameters=True)
        prepare_engine(self._engine.sync_engine, writes=False)

    @classmethod
    async def open(cls, address: str | Path) -> Database:
        """
        Open a database, made where it is a file that is missing, and apply the migrations that it has not had.

        Args:
            address: the path of an SQLite file, or `postgresql://user:password@host/database`.

        Raises:
            DatabaseError: the address cannot be read, the database cannot be reached, or it is of a newer version.
            MissingExtraError: the database's driver is not installed.
        """
        url = parse_address(address)
        if url.drivername == "sqlite":
            prepare_file(Path(str(url.database)))
        try:
            await asyncio.to_thread(migrate, url)
        except SQLAlchemyError as error:
            raise DatabaseError(f"the database {shown(url)} cannot be opened: {reason(error)}") from None
        except ImportError as error:
            raise missing_extra(error, f"the database {shown(url)}") from error
        return cls(url)

    async def close(self) -> None:
        """Finish what is being written and read, and close every connection."""
        while self._under_way:
            await asyncio.wait(self._under_way)
        for engine in (self._writer, self._engine):
            if engine is not None:
                await engine.dispose()

    async def write(self, work: Work[Result]) -> Result:
        """
        Do something in one transaction, and return its result when it is durable.

        It is done to the end even if the caller is cancelled.

        Args:
            work: is called with the connection; what it raises undoes what it did, and is raised here.

        Raises:
            DatabaseError: the database does not answer, or refuses.
        """
        # Both databases go on in a task of their own: a cancelled caller would else leave it open whether its purchase was made.
        return await self._finish(asyncio.ensure_future(self._alone(work)) if self._group is None else self._group.run(work))

    async def read(self, work: Work[Result]) -> Result:
        """
        Read something, and return it.

        Args:
            work: is called with a connection, and returns what it has read.

        Raises:
            DatabaseError: the database does not answer, or refuses.
        """
        # In a task of its own: where its caller is cancelled while it connects, nobody would close the connection.
        return await self._finish(asyncio.ensure_future(self._reading(work)))

    async def rows(self, statement: Select[*Columns]) -> Sequence[Row[*Columns]]:
        """
        Return what a query finds.

        Raises:
            DatabaseError: the database does not answer, or refuses.
        """

        async def work(connection: AsyncConnection) -> Sequence[Row[*Columns]]:
            return (await connection.execute(statement)).all()

        return await self.read(work)

    async def _finish(self, future: asyncio.Future[Result]) -> Result:
        """Wait for work that finishes even if the caller is cancelled."""
        self._under_way.add(future)
        future.add_done_callback(self._under_way.discard)
        try:
            return await asyncio.shield(future)
        except SQLAlchemyError as error:
            raise DatabaseError(f"the database {self._shown} does not answer as it should: {reason(error)}") from None

    async def _alone(self, work: Work[Result]) -> Result:
        async with self._engine.begin() as connection:
            return await work(connection)

    async def _reading(self, work: Work[Result]) -> Result:
        async with self._engine.connect() as connection:
            return await work(connection)


def reason(error: SQLAlchemyError) -> str:
    """Return what is wrong in the driver's words, without the statement and its values."""
    return str(error.orig if isinstance(error, DBAPIError) else error).strip()
