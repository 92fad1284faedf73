"""Brings a database's tables to the form that this version uses, one process at a time."""

from __future__ import annotations

import threading
from importlib import import_module

from sqlalchemy import URL, Connection, NullPool, create_engine, inspect, text

from pricewire.store.connections import prepare_engine

FORM = "0007_moved"
"""The form of the tables that this version uses: the name of the newest migration."""

PROCESS_LOCK = threading.Lock()
"""Alembic runs one migration at a time in a process: its operations find their connection in a global."""

SERVER_LOCK = 7_205_759_403
"""The number of the PostgreSQL advisory lock, in its database, that a migrating process holds."""


def migrate(url: URL) -> None:
    """
    Apply the migrations that the database has not had, all of them or none; blocking.

    Of several processes that start at once, one does it and the others wait.

    Raises:
        DatabaseError: the database was migrated by a newer version of Pricewire.
        sqlalchemy.exc.SQLAlchemyError: the database cannot be reached, or refuses.
    """
    engine = create_engine(url, poolclass=NullPool)
    prepare_engine(engine, writes=True)
    with PROCESS_LOCK, engine.begin() as connection:
        if url.get_backend_name() == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": SERVER_LOCK})
        form = form_of(connection)
        if form != FORM:
            # It imports Alembic: a tenth of what it takes to start a server, and of no use to almost all starts.
            import_module("pricewire.store.upgrade").upgrade(connection, form, url)


def forms(url: URL) -> tuple[str | None, str | None]:
    """
    Return the form of a database's tables, None where it has none yet, and the form that this version uses; nothing is changed.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database cannot be reached, or refuses.
    """
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        return form_of(connection), FORM


def form_of(connection: Connection) -> str | None:
    """Return the form of a database's tables; None where it has none yet."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    form: str | None = connection.scalar(text("SELECT version_num FROM alembic_version"))
    return form
