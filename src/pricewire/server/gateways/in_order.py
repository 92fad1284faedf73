"""Waiting for something for many streams: what follows comes in order for one stream, and no stream waits for another one's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

Found = TypeVar("Found")


class InOrder:
    """Waits for several things at once, and for each stream does what follows in the order in which it was asked for."""

    def __init__(self) -> None:
        # For each stream what was asked for last.
        self._last: dict[str, asyncio.Task[None]] = {}

    def begin(self, stream_id: str, wait: Callable[[], Awaitable[Found]], then: Callable[[Found], None]) -> asyncio.Task[None]:
        """
        Begin to wait.

        Args:
            stream_id: for which stream.
            wait: waits; it begins at once.
            then: called with what it returns, when what was asked for the same stream before has been done, or has failed.

        Returns:
            the task that does it.
        """
        before = self._last.get(stream_id)
        task = self._last[stream_id] = asyncio.create_task(run(wait, before, then))

        def done(_: asyncio.Task[None]) -> None:
            if self._last[stream_id] is task:
                del self._last[stream_id]

        task.add_done_callback(done)
        return task


async def run(wait: Callable[[], Awaitable[Found]], before: asyncio.Task[None] | None, then: Callable[[Found], None]) -> None:
    """Do what follows when both are done."""
    found = await wait()
    if before is not None:
        await asyncio.wait([before])
    then(found)
