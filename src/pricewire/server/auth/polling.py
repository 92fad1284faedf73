"""How a process learns what others have written to the database that they share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from pricewire.errors import DatabaseError

logger = logging.getLogger(__name__)

POLL_S = 1.0
"""The time between two queries, in seconds."""


async def poll(load: Callable[[], Awaitable[None]], what: str) -> None:
    """Load what is new again and again, until cancelled; a database that fails for a while does not end it. `what` names it in the log."""
    is_away = False
    while True:
        await asyncio.sleep(POLL_S)
        try:
            await load()
        except DatabaseError as error:
            # Once, not every second.
            if not is_away:
                logger.warning("%s cannot be loaded: %s", what, error)
            is_away = True
        else:
            is_away = False
