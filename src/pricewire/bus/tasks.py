"""Tasks beside a block, which end with it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine

logger = logging.getLogger(__name__)

AGAIN_S = 0.5
"""How long a cancelled task may take before it is cancelled again, in seconds."""


@contextlib.asynccontextmanager
async def running(work: Coroutine[None, None, None], name: str) -> AsyncIterator[asyncio.Task[None]]:
    """Run a task beside the block, and end it with the block; its failure is logged."""
    task = asyncio.create_task(work, name=name)
    task.add_done_callback(report)
    try:
        yield task
    finally:
        # Before Python 3.12, `asyncio.wait_for` swallows a cancellation that comes together with what it waits for.
        while not task.done():
            task.cancel()
            await asyncio.wait([task], timeout=AGAIN_S)


def report(task: asyncio.Task[None]) -> None:
    """Log why a task has failed."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.critical("%s has failed; start the server again", task.get_name(), exc_info=error)
