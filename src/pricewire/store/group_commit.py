"""Group commit for SQLite: work that comes while other work is written shares the next transaction, and one hop to a thread."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import Connection, Engine

MOST = 64
"""How many pieces of work share a commit at most, so that the first of them does not wait long."""

Job = tuple[Callable[[Connection], Any], asyncio.Future[Any]]


class GroupWriter:
    """
    Writes to an engine in a thread of its own, one transaction after another, each with all that was waiting for it.

    Each piece of work has a savepoint: one that fails takes back what it did and nothing else. Results are given when the commit is done.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._thread = ThreadPoolExecutor(1, "database writer")
        self._waiting: deque[Job] = deque()
        self._task: asyncio.Task[None] | None = None

    def run(self, work: Callable[[Connection], Any]) -> asyncio.Future[Any]:
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

    def _write_group(self, group: list[Callable[[Connection], Any]]) -> list[Any]:
        with self._engine.begin() as connection:
            if len(group) == 1:
                return [group[0](connection)]
            # Of the driver alone: SQLAlchemy's `begin_nested` costs more than a purchase.
            driver: Any = connection.connection.driver_connection
            outcomes = []
            for work in group:
                driver.execute("SAVEPOINT work")
                try:
                    outcomes.append(work(connection))
                except Exception as error:
                    # Where the database has rolled back everything by itself, this fails, and so does the group.
                    driver.execute("ROLLBACK TO SAVEPOINT work")
                    outcomes.append(error)
                driver.execute("RELEASE SAVEPOINT work")
            return outcomes
