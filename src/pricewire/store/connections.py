"""How connections to a database begin, and how their transactions do."""

from __future__ import annotations

import time

from sqlalchemy import Connection, Engine, event
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.pool import ConnectionPoolEntry

BUSY_MS = 30_000
"""How long to wait for another process's transaction, in milliseconds."""

UNUSED_S = 1.0
"""After how long without use a connection to a server is looked at first, in seconds."""

STOPPED_MS = 20_000
"""
How long a transaction may wait for its own process, in milliseconds: others would wait for one that was stopped, or whose machine is gone.
It is less than they wait, and more than a thread does on a busy machine.
"""

BEGIN = "BEGIN IMMEDIATE"
"""How a transaction of SQLite begins that writes."""

PRAGMAS = (
    f"PRAGMA busy_timeout = {BUSY_MS}",
    "PRAGMA journal_mode = WAL",
    # In WAL mode, NORMAL would not wait for the disk at a commit: a purchase that was answered could be lost with the power.
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
)


def prepare_engine(engine: Engine, *, writes: bool) -> None:
    """
    Have an engine begin its transactions explicitly, and its SQLite connections wait for each other and commit to the disk.

    The drivers would begin one with every first statement: SQLite's late and never with IMMEDIATE, PostgreSQL's also with a statement that
    is to be a transaction by itself.

    Args:
        engine: of either database.
        writes: whether its transactions write. In SQLite, one that began as a reader could not become a writer when another process has
            written meanwhile, so these take the lock at their beginning.
    """
    is_file = engine.dialect.name == "sqlite"
    statement = BEGIN if writes and is_file else "BEGIN"

    def connect(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        if not is_file:
            connection.autocommit = True
            return
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in PRAGMAS:
            cursor.execute(pragma)
        cursor.close()

    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    event.listen(engine, "connect", connect)
    event.listen(engine, "begin", begin)


def limit_waiting(engine: Engine) -> None:
    """
    Have an engine's transactions fail that wait too long for a row of another one, or for their own process; those of SQLite do so anyway.

    A session that somebody has forgotten can hold one for hours.
    """
    if engine.dialect.name != "postgresql":
        return

    def connect(connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
        cursor = connection.cursor()
        cursor.execute(f"SET lock_timeout = {BUSY_MS}")
        cursor.execute(f"SET idle_in_transaction_session_timeout = {STOPPED_MS}")
        cursor.close()
        connection.commit()

    event.listen(engine, "connect", connect)


def look_after_silence(engine: Engine) -> None:
    """
    Have an engine's connections to a server looked at before they are used again after a while: the server may have closed them.

    Before each use, as `pool_pre_ping` does it, a look would cost as much as a purchase.
    """
    if engine.dialect.name != "postgresql":
        return

    def checkin(_: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
        entry.info["unused_since"] = time.monotonic()

    def checkout(connection: DBAPIConnection, entry: ConnectionPoolEntry, _: object) -> None:
        if time.monotonic() - entry.info.get("unused_since", 0.0) < UNUSED_S:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise InvalidatePoolError from error

    event.listen(engine, "checkin", checkin)
    event.listen(engine, "checkout", checkout)
