"""Brings a database's tables to the form that this version uses, one process at a time."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from sqlalchemy import URL, Connection, NullPool, create_engine, inspect, text

from pricewire.errors import DatabaseError
from pricewire.store.address import shown
from pricewire.store.connections import prepare_engine

MIGRATIONS = Path(__file__).parent / "migrations"

FORM = "0005_terms"
"""The form of the tables that this version uses: the name of the newest migration."""

PROCESS_LOCK = threading.Lock()
"""Alembic runs one migration at a time in a process: its operations find their connection in a global."""

SERVER_LOCK = 7_205_759_403
"""The number of the PostgreSQL advisory lock, in its database, that a migrating process holds."""

logging.getLogger("alembic").setLevel(logging.WARNING)


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
        if form_of(connection) != FORM:
            _upgrade(connection, url)


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


def _upgrade(connection: Connection, url: URL) -> None:
    # A tenth of what it takes to start a server, and of no use to almost all starts.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    current = form_of(connection)
    if current is not None and current not in known:
        raise DatabaseError(
            f"the database {shown(url)} is of a newer version of Pricewire (its tables have the form {current}); update Pricewire"
        )
    command.upgrade(config, "head")
