"""Group commit for SQLite: work that comes while other work is written shares the next transaction, and one hop to a thread."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Connection, Engine

from pricewire.store.connections import BEGIN
from pricewire.store.prepared import driver_of

MOST = 64
"""How many pieces of work share a commit at most, so that the first of them does not wait long."""

Work = Callable[[Connection], Any]


class GroupWriter:
    """
    Writes to an engine in a thread of its own, one transaction after another, each with all that was waiting for it.

    A piece of work that fails takes back what it did and nothing else: all are taken back then, and done again with a savepoint for each,
    which costs a third of a purchase. Results are given when the commit is done.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, "database writer")
        self._waiting: deque[tuple[Work, asyncio.Future[Any]]] = deque()
        self._task: asyncio.Task[None] | None = None

    def run(self, work: Work) -> asyncio.Future[Any]:
        """Return the future result of a piece of work, there when it is durable."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting.append((work, future))
        if self._task is None:
            self._task = loop.create_task(self._write(), name="database writer")
        return future

    def close(self) -> None:
        """End the thread; nothing is being written any more."""
        self._thread.shutdown()

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
            try:
                outcomes = await loop.run_in_executor(self._thread, self._write_group, [work for work, _ in group])
            except Exception as error:  # of the transaction as a whole: each of them has failed
                outcomes = [error] * len(group)
            for (_, future), outcome in zip(group, outcomes, strict=True):
                if isinstance(outcome, Exception):
                    future.set_exception(outcome)
                else:
                    future.set_result(outcome)
        self._task = None

    def _write_group(self, group: list[Work]) -> list[Any]:
        with self._engine.begin() as connection:
            if len(group) == 1:
                return [group[0](connection)]
            try:
                return [work(connection) for work in group]
            except Exception:
                driver = driver_of(connection)
                # Where the database has rolled back everything by itself, this fails, and so does the group.
                driver.execute("ROLLBACK")
                driver.execute(BEGIN)
            return [self._write_apart(connection, work) for work in group]

    @staticmethod
    def _write_apart(connection: Connection, work: Work) -> Any:
        """Do a piece of work, and return its result, or the error that it has raised, which has taken back what it did."""
        # Of the driver alone: SQLAlchemy's `begin_nested` costs more than a purchase.
        driver = driver_of(connection)
        driver.execute("SAVEPOINT work")
        try:
            outcome = work(connection)
        except Exception as error:
            driver.execute("ROLLBACK TO SAVEPOINT work")
            outcome = error
        driver.execute("RELEASE SAVEPOINT work")
        return outcome
