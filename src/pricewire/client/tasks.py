"""Tasks: waiting for their end, so that nothing is left running, and whether one was cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any


async def finish(tasks: Iterable[asyncio.Task[Any]]) -> None:
    """Return when all tasks have ended, even where the caller is cancelled meanwhile; the cancellation follows then."""
    pending = {task for task in tasks if not task.done()}
    cancelled: asyncio.CancelledError | None = None
    while pending:
        try:
            _, pending = await asyncio.wait(pending)
        except asyncio.CancelledError as error:
            cancelled = error
            pending = {task for task in pending if not task.done()}
    if cancelled is not None:
        raise cancelled


def is_cancelled() -> bool:
    """
    Whether the running task was cancelled.

    A `CancelledError` without that comes from something that the task awaits or calls: to pass it on would end the task although nobody
    cancelled it, and without an error.
    """
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0
