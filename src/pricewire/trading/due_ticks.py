"""Due ticks: a trade waits for a tick that should have come, so that nobody trades on its absence."""

from __future__ import annotations

import asyncio
import contextlib

from pricewire.trading.instrument_books import InstrumentBook, InstrumentBooks


class DueTicks:
    """
    Has trades wait for ticks that are due.

    What is traded before a tick is priced as if it came in time. Who sees that it does not, knows better: it may be lost, and others too.
    """

    def __init__(self, books: InstrumentBooks) -> None:
        self._books = books
        self._next: dict[InstrumentBook, asyncio.Event] = {}

    def came(self, book: InstrumentBook) -> None:
        """Wake those who wait for a tick, which has come."""
        event = self._next.pop(book, None)
        if event is not None:
            event.set()

    async def wait(self, book: InstrumentBook, longest_s: float) -> bool:
        """Wait for the next tick of an instrument where it is due, so many seconds at most; return whether it has not come by then."""
        if not self._books.is_due(book):
            return False
        event = self._next.setdefault(book, asyncio.Event())
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(event.wait(), longest_s)
        return self._books.is_due(book)
