"""Statements that are compiled once: what every purchase executes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Delete, Insert, Select, Update

Arrange = Callable[[Mapping[str, Any]], Mapping[str, Any] | Sequence[Any]]


class Prepared:
    """
    A statement as the driver takes it, with named values.

    SQLAlchemy looks for the compiled form of a statement at every execution, which costs twice as much as the rest of it. Values go to the
    driver as they are: whole numbers, floats, texts, truths and None.
    """

    def __init__(self, statement: Insert | Update | Delete | Select[Any], names: Sequence[str] | None = None) -> None:
        """
        Prepare to execute.

        Args:
            statement: with `bindparam` for each value, or an insertion of one row.
            names: the columns of the row; all where none are given.
        """
        self._statement = statement
        self._names = names
        # By dialect: the text, and what makes the driver's values of those that are given, in its order where it goes by that.
        self._compiled: dict[str, tuple[str, Arrange]] = {}

    def __call__(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Any] | None:
        """
        Execute it, and return the first row that it returns; None where it returns none.

        Raises:
            Exception: the driver's own `Error`: the database refuses, or does not answer.
        """
        text, arrange = self._compiled.get(connection.dialect.name) or self._compile(connection)
        cursor = driver_of(connection).execute(text, arrange(values))
        row: Sequence[Any] | None = cursor.fetchone() if cursor.description else None
        return row

    def for_each(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute it, one that returns no rows, with the values of each row, as a call does with those of one."""
        text, arrange = self._compiled.get(connection.dialect.name) or self._compile(connection)
        driver_of(connection).cursor().executemany(text, [arrange(values) for values in rows])

    def _compile(self, connection: Connection) -> tuple[str, Arrange]:
        compiled: Any = self._statement.compile(dialect=connection.dialect, column_keys=self._names)
        own, order = compiled.params, compiled.positiontup

        def by_name(values: Mapping[str, Any]) -> Mapping[str, Any]:
            return {**own, **values}

        def in_order(values: Mapping[str, Any]) -> Sequence[Any]:
            return [*map({**own, **values}.__getitem__, order)]

        found = self._compiled[connection.dialect.name] = str(compiled), by_name if order is None else in_order
        return found


def driver_of(connection: Connection) -> Any:
    """
    Return the driver's own connection.

    SQLAlchemy's part of an execution is three times as long as SQLite's own.
    """
    return connection.connection.driver_connection


@contextmanager
def using_driver(connection: Connection) -> Iterator[None]:
    """
    Have a connection that the driver finds broken within the block not used again, and none of those that were made before: they will be
    broken as well. What fails within SQLAlchemy it handles so by itself.
    """
    try:
        yield
    except connection.dialect.loaded_dbapi.Error as error:
        if connection.dialect.is_disconnect(error, driver_of(connection), None):
            connection.invalidate(error)
            connection.engine.dispose()
        raise
