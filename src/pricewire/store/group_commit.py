"""Group commit: transactions that come while another is being written share the next commit."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

MOST = 64
"""How many transactions share a commit at most, so that the first of them does not wait long."""

Job = tuple[Callable[[AsyncConnection], Awaitable[Any]], asyncio.Future[Any]]


class GroupWriter:
    """
    Writes to an engine, one database transaction after another, each with all that was waiting for it.

    Each piece of work has a savepoint: one that fails takes back what it did and nothing else. Results are given when the commit is done.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._waiting: deque[Job] = deque()
        self._task: asyncio.Task[None] | None = None

    def run(self, work: Callable[[AsyncConnection], Awaitable[Any]]) -> asyncio.Future[Any]:
        """Return the future result of a piece of work, there when it is durable."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((work, future))
        if self._task is None:
            self._task = asyncio.create_task(self._write(), name="database writer")
        return future

    async def _write(self) -> None:
        while self._waiting:
            group = [self._waiting.popleft() for _ in range(min(MOST, len(self._waiting)))]
            try:
                outcomes = await self._write_group([work for work, _ in group])
            except Exception as error:  # of the transaction as a whole: each of them has failed
                outcomes = [error] * len(group)
            for (_, future), outcome in zip(group, outcomes, strict=True):
                if isinstance(outcome, Exception):
                    future.set_exception(outcome)
                else:
                    future.set_result(outcome)
        self._task = None

    async def _write_group(self, group: list[Callable[[AsyncConnection], Awaitable[Any]]]) -> list[Any]:
        async with self._engine.begin() as connection:
            if len(group) == 1:
                return [await group[0](connection)]
            outcomes = []
            for work in group:
                savepoint = await connection.begin_nested()
                try:
                    outcomes.append(await work(connection))
                except Exception as error:
                    # Where the database has rolled back everything by itself, this fails, and so does the group.
                    await savepoint.rollback()
                    outcomes.append(error)
                else:
                    await savepoint.commit()
            return outcomes
