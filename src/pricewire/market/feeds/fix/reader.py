"""Makes ticks of FIX messages, and holds back what cannot be right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pricewire.errors import TickRejectedError
from pricewire.market.clock import Clock
from pricewire.market.feeds.fix.quotes import SEPARATOR, FixQuotes, Foreign, parse
from pricewire.market.feeds.options import FeedOptions
from pricewire.market.feeds.paths import clipped
from pricewire.market.feeds.reader import EXAMPLE, Message, MessageReader
from pricewire.protocol.messages import Tick


class FixReader(MessageReader):
    """
    Makes ticks of messages.

    Attributes:
        quotes: what is known of prices.
    """

    def __init__(self, options: FeedOptions, where: Path, name: str, clock: Clock) -> None:
        """
        Begin without prices.

        Args:
            options: of the instruments.
            where: their file, for errors.
            name: what operators know the feed by.
            clock: the time.

        Raises:
            FeedError: an option cannot be used.
        """
        super().__init__(options, where, name, clock)
        self.quotes = FixQuotes(self._of_symbol)

    def read(self, message: Message) -> Iterator[Tick]:
        """Yield the ticks of a message; what cannot be used is counted, logged and left out."""
        assert isinstance(message.data, str), "it is text"  # noqa: S101
        counters = self.counters
        counters.messages += 1
        counters.newest_ns = self._clock.monotonic_ns()
        example = clipped(message.data[: EXAMPLE + 1].replace(SEPARATOR, "|"), EXAMPLE)
        for found in self.quotes.take(parse(message.data)):
            if isinstance(found, Foreign):
                counters.pass_over(clipped(found.symbol, 64))
                continue
            try:
                if isinstance(found, TickRejectedError):
                    raise found
                tick = self._tick(found, message.received_ms)
            except TickRejectedError as error:
                counters.reject(error, example)
                continue
            if tick is not None:
                counters.ticks += 1
                yield tick
