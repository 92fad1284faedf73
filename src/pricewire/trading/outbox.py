"""The outbox: the database has each event of a contract until the bus has it, so that a process that is killed loses and doubles none."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from pricewire.errors import BusError, DatabaseError
from pricewire.market.clock import Clock
from pricewire.trading.interfaces import Ledger

logger = logging.getLogger(__name__)

REMOVE_S = 1.0
"""
How often events that the bus has are removed from the database, in seconds: together, as each transaction costs a write to the disk. It is
far less than what the bus keeps, where the next process looks for those that were not removed.
"""

CLOSE_S = 2.0
"""How long a process that ends waits for the bus and the database, in seconds; what is left the next one finds on the bus."""


class Outbox:
    """
    Removes from the database what the bus has.

    The transaction that buys or ends a contract also writes that there is an event of it. Whoever publishes the event says so here.
    """

    def __init__(self, ledger: Ledger, flush: Callable[[], Awaitable[None]], clock: Clock) -> None:
        """
        Begin with nothing to remove.

        Args:
            ledger: has the events.
            flush: returns when the bus has everything that was published so far.
            clock: the time to run by.
        """
        self._ledger = ledger
        self._flush = flush
        self._clock = clock
        self._numbers: list[int] = []
        self._work = asyncio.Event()

    def published(self, number: int) -> None:
        """Have an event removed, which was just published, by its number in the outbox."""
        self._numbers.append(number)
        self._work.set()

    @property
    def numbers(self) -> frozenset[int]:
        """The events that were published and are not removed yet."""
        return frozenset(self._numbers)

    async def run(self) -> None:
        """Remove events until it is cancelled."""
        while True:
            await self._work.wait()
            await self._clock.sleep(REMOVE_S)
            try:
                await self._remove()
            except (DatabaseError, BusError) as error:
                logger.warning("events that were published stay in the database for now: %s", error)

    async def close(self) -> None:
        """Remove what is left, if the bus and the database are there."""
        try:
            await asyncio.wait_for(self._remove(), CLOSE_S)
        except (TimeoutError, DatabaseError, BusError):
            logger.info(
                "%d events that were published stay in the database; the next process looks for them on the bus", len(self._numbers)
            )

    async def _remove(self) -> None:
        self._work.clear()
        count = len(self._numbers)
        if not count:
            return
        await self._flush()
        try:
            await self._ledger.remove_events(self._numbers[:count])
        except DatabaseError:
            self._work.set()
            raise
        del self._numbers[:count]
