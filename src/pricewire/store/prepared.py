"""Statements that are compiled once: what every purchase executes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Delete, Insert, Select, Update


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
        # By dialect: the text, the values that are part of the statement, and the order of all, where the driver goes by order.
        self._compiled: dict[str, tuple[str, dict[str, Any], Sequence[str] | None]] = {}

    def __call__(self, connection: Connection, values: Mapping[str, Any]) -> Sequence[Any] | None:
        """
        Execute it, and return the first row that it returns; None where it returns none.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: PostgreSQL refuses, or does not answer.
            sqlite3.Error: SQLite refuses.
        """
        text, own, order = self._compiled.get(connection.dialect.name) or self._compile(connection)
        parameters = {**own, **values}
        if order is None:
            result = connection.exec_driver_sql(text, parameters)
            return result.first() if result.returns_rows else None
        row: Sequence[Any] | None = driver_of(connection).execute(text, [*map(parameters.__getitem__, order)]).fetchone()
        return row

    def for_each(self, connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
        """Execute it, one that returns no rows, with the values of each row, as a call does with those of one; there is at least one."""
        text, own, order = self._compiled.get(connection.dialect.name) or self._compile(connection)
        parameters = [{**own, **values} for values in rows]
        if order is None:
            connection.exec_driver_sql(text, parameters)
        else:
            driver_of(connection).executemany(text, [[*map(each.__getitem__, order)] for each in parameters])

    def _compile(self, connection: Connection) -> tuple[str, dict[str, Any], Sequence[str] | None]:
        compiled: Any = self._statement.compile(dialect=connection.dialect, column_keys=self._names)
        found = self._compiled[connection.dialect.name] = str(compiled), compiled.params, compiled.positiontup
        return found


def driver_of(connection: Connection) -> Any:
    """
    Return the driver's own connection, to SQLite.

    SQLAlchemy's part of an execution is three times as long as SQLite's own, and there is no connection that could be lost.
    """
    return connection.connection.driver_connection
