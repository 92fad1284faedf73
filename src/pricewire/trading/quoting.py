"""Publishes live quotes with every tick, a slice in each turn of the loop: thousands of them hold up nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from pricewire.trading.account_events import Publish
from pricewire.trading.book import InstrumentBook, QuoteBody

SLICE = 64
"""How many quotes are published in a turn of the loop: each takes some 50 microseconds, until it is written to a stream."""


class Quoting:
    """
    Publishes what quotes are worth.

    The quotes of a book are priced in one go with each tick. Where they are more than a slice, the rest follows in the next turns, in which
    streams are written to and requests are answered too. What is left when the next tick comes is priced anew, and comes first then.
    """

    def __init__(self, publish: Publish) -> None:
        """
        Begin without quotes.

        Args:
            publish: what carries messages to those who listen.
        """
        self._publish = publish
        self._waiting: dict[InstrumentBook, Iterator[tuple[str, QuoteBody]]] = {}
        self._handle: asyncio.Handle | None = None

    def on_tick(self, book: InstrumentBook) -> None:
        """Publish the quotes of a book at its newest tick: the first ones now, unless others had this turn of the loop."""
        if not book.has_quotes:
            return
        self._waiting[book] = book.quotes()
        if self._handle is None:
            self._publish_slice()

    def _publish_slice(self) -> None:
        """Publish one slice, and have the next one wait for its turn."""
        self._handle = None
        left = SLICE
        while left and self._waiting:
            book, quotes = next(iter(self._waiting.items()))
            for name, body in quotes:
                self.publish(name, body)
                left -= 1
                if not left:
                    break
            else:
                del self._waiting[book]
        # Also where nothing is left: this turn has had its slice.
        if left < SLICE:
            self._handle = asyncio.get_running_loop().call_soon(self._publish_slice)

    def publish(self, name: str, body: QuoteBody) -> None:
        """Publish what one quote is worth."""
        self._publish(name, body, key=name, event=name.partition(":")[0])
