"""Applies the migrations that a database has not had, by Alembic."""

from __future__ import annotations

import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection

from pricewire.errors import DatabaseError
from pricewire.store.address import shown

MIGRATIONS = Path(__file__).parent / "migrations"

logging.getLogger("alembic").setLevel(logging.WARNING)


def upgrade(connection: Connection, form: str | None, url: URL) -> None:
    """
    Bring a database's tables to the form that this version uses, within the connection's transaction.

    Args:
        connection: to the database.
        form: the form that its tables have; None where it has none.
        url: its address, for errors.

    Raises:
        DatabaseError: the database was migrated by a newer version of Pricewire.
    """
    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    scripts = ScriptDirectory.from_config(config)
    known = {script.revision for script in scripts.walk_revisions()}
    if form is not None and form not in known:
        raise DatabaseError(
            f"the database {shown(url)} is of a newer version of Pricewire (its tables have the form {form}); update Pricewire"
        )
    command.upgrade(config, "head")
