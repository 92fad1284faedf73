"""A real PostgreSQL for the tests: one server for the process, a fresh database for each test."""

from __future__ import annotations

from itertools import count

import psycopg
from bench.servers.postgres import PostgresServer
from psycopg import sql

from pricewire.store.address import parse_address
from pricewire.store.migrate import migrate


class Postgres(PostgresServer):
    """
    A PostgreSQL server.

    It waits for no disk: whether the disk keeps what a commit wrote is PostgreSQL's business, and no test cuts the power.
    """

    def __init__(self) -> None:
        """Make the server's data and start it."""
        super().__init__("fsync=off", "max_connections=200")
        self._numbers = count(1)
        migrate(parse_address(self.make("template1", "pricewire")))

    def make(self, template: str = "pricewire", name: str | None = None) -> str:
        """Make a database like another one, by default with Pricewire's tables, and return its address."""
        name = name or f"test_{next(self._numbers)}"
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy").format(sql.Identifier(name), sql.Identifier(template))
        with psycopg.connect(self.address("postgres"), autocommit=True) as connection:
            connection.execute(statement)
        return self.address(name)
