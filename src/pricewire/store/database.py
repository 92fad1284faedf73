"""The database: opened, migrated to this version's tables, written in transactions that are durable when they return."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar, TypeVarTuple

from sqlalchemy import URL, Connection, Row, Select, create_engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from pricewire.errors import DatabaseError
from pricewire.extras import missing_extra
from pricewire.store.address import parse_address, prepare_file, shown
from pricewire.store.connections import limit_waiting, look_after_silence, prepare_engine
from pricewire.store.group_commit import GroupWriter
from pricewire.store.migrate import migrate
from pricewire.store.prepared import using_driver

Result = TypeVar("Result")
Columns = TypeVarTuple("Columns")

Work = Callable[[Connection], Result]
"""What is done in one transaction, or read on one connection, in a thread."""

CONNECTIONS = 8
"""
How many connections, each with a thread, a process reads with at most, and with how many it writes to PostgreSQL.

PostgreSQL has transactions that wait for the disk share one write, if there are several at once.
"""


class Database:
    """
    An SQLite file or a PostgreSQL database; several processes may have the same one open.

    SQLite has one writer at a time, and a commit waits for the disk: what is to be written meanwhile shares the next commit. In PostgreSQL
    each has a transaction of its own, so that who waits for a row of another session holds up nobody else.
    """

    def __init__(self, url: URL) -> None:
        """Prepare to connect; use `open`."""
        self._shown = shown(url)
        self._under_way: set[asyncio.Future[Any]] = set()
        is_file = url.get_backend_name() == "sqlite"
        options: dict[str, Any] = {"max_overflow": 0, "hide_parameters": True}
        if is_file:
            options["connect_args"] = {"check_same_thread": False}
        self._writing = create_engine(url, pool_size=1 if is_file else CONNECTIONS, **options)
        self._driver_error: type[Exception] = self._writing.dialect.loaded_dbapi.Error
        prepare_engine(self._writing, writes=True)
        limit_waiting(self._writing)
        look_after_silence(self._writing)
        self._group = GroupWriter(self._writing) if is_file else None
        self._writers = ThreadPoolExecutor(CONNECTIONS, "database writer")
        self._reading = create_engine(url, pool_size=CONNECTIONS, **options)
        prepare_engine(self._reading, writes=False)
        look_after_silence(self._reading)
        self._readers = ThreadPoolExecutor(CONNECTIONS, "database reader")

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
        if self._group is not None:
            self._group.close()
        self._writers.shutdown()
        self._readers.shutdown()
        self._writing.dispose()
        self._reading.dispose()

    async def write(self, work: Work[Result], *, is_one_statement: bool = False) -> Result:
        """
        Do something in one transaction, and return its result when it is durable.

        It is done to the end even if the caller is cancelled.

        Args:
            work: is called with the connection, in a thread; what it raises undoes what it did, and is raised here.
            is_one_statement: whether it writes by a single statement in PostgreSQL, which spares it the messages that begin and end a
                transaction: each costs as much as the statement.

        Raises:
            DatabaseError: the database does not answer, or refuses.
        """
        if self._group is not None:
            return await self._finish(self._group.run(work))
        write = self._write_alone if is_one_statement else self._write
        return await self._finish(asyncio.get_running_loop().run_in_executor(self._writers, write, work))

    async def read(self, work: Work[Result]) -> Result:
        """
        Read something, and return it.

        Args:
            work: is called with a connection, in a thread, and returns what it has read.

        Raises:
            DatabaseError: the database does not answer, or refuses.
        """
        return await self._finish(asyncio.get_running_loop().run_in_executor(self._readers, self._read, work))

    async def rows(self, statement: Select[*Columns]) -> Sequence[Row[*Columns]]:
        """
        Return what a query finds.

        Raises:
            DatabaseError: the database does not answer, or refuses.
        """
        return await self.read(lambda connection: connection.execute(statement).all())

    async def _finish(self, future: asyncio.Future[Result]) -> Result:
        """Wait for work that finishes even if the caller is cancelled."""
        self._under_way.add(future)
        future.add_done_callback(self._finished)
        try:
            # Not `asyncio.shield`: from Python 3.14 on, it logs an error that comes when the caller has gone.
            await asyncio.wait([future])
            return future.result()
        except (SQLAlchemyError, self._driver_error) as error:
            raise DatabaseError(f"the database {self._shown} does not answer as it should: {reason(error)}") from None

    def _finished(self, future: asyncio.Future[Any]) -> None:
        self._under_way.discard(future)
        # Whoever waited may have gone: then nobody asks for the error, which would be logged as one that was forgotten.
        if not future.cancelled():
            future.exception()

    def _write(self, work: Work[Result]) -> Result:
        with self._writing.begin() as connection, using_driver(connection):
            return work(connection)

    def _write_alone(self, work: Work[Result]) -> Result:
        with self._writing.connect() as connection, using_driver(connection):
            return work(connection)

    def _read(self, work: Work[Result]) -> Result:
        with self._reading.connect() as connection:
            return work(connection)


def reason(error: Exception) -> str:
    """Return what is wrong in the driver's words, without the statement and its values."""
    return str(error.orig if isinstance(error, DBAPIError) else error).strip()
