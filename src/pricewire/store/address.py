"""Where a database is: a file, or a PostgreSQL server, from what the user wrote."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from pricewire.errors import DatabaseError


def parse_address(address: str | Path) -> URL:
    """
    Return the address of an SQLite file or of `postgresql://user:password@host/database`, with the driver that Pricewire uses.

    Raises:
        DatabaseError: it is neither.
    """
    if isinstance(address, Path) or "://" not in address:
        return URL.create("sqlite", database=str(Path(address).absolute()))
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        url = None
    if url is None or url.drivername not in ("postgresql", "postgres") or not url.database:
        # The address itself is not shown: it may hold a password.
        raise DatabaseError("the database's address cannot be read; give the path of a file, or postgresql://user:password@host/database")
    return url.set(drivername="postgresql+psycopg")


def shown(url: URL) -> str:
    """Return an address for people, without its password and options."""
    if url.drivername == "sqlite":
        return str(url.database)
    return URL.create("postgresql", url.username, None, url.host, url.port, url.database).render_as_string()


def prepare_file(path: Path) -> None:
    """
    Make an SQLite file that only its owner can read, and its directory, where they are missing.

    SQLite gives its journal files the mode of the database.

    Raises:
        DatabaseError: the file cannot be made or opened.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
    except OSError as error:
        raise DatabaseError(f"the database {path} cannot be made: {error.strerror}") from None
