"""Publishes live quotes with every tick, a slice in each turn of the loop, so that thousands of them delay nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from pricewire.errors import InvalidProposalError
from pricewire.protocol.topics import QuoteTopic
from pricewire.trading.instrument_books import InstrumentBook, InstrumentBooks
from pricewire.trading.interfaces import Publish
from pricewire.trading.offers import Offer, QuoteBody, make_offer
from pricewire.trading.products import Products

SLICE = 64
"""How many quotes are published in a turn of the loop: each takes some 50 microseconds, until it is written to a stream."""


class Quoting:
    """
    Publishes what quotes are worth.

    The quotes of a book are priced together at each tick. Where they are more than a slice, the rest follows in the next turns, in which
    streams are written to and requests are answered too. What is left at the next tick is priced again, and comes first then.
    """

    def __init__(self, books: InstrumentBooks, products: Products, publish: Publish) -> None:
        self._books = books
        self._products = products
        self._publish = publish
        self._waiting: dict[InstrumentBook, Iterator[tuple[str, str, QuoteBody]]] = {}
        self._handle: asyncio.Handle | None = None

    def prepare(self, topic: QuoteTopic) -> QuoteTopic:
        """
        Return a topic in canonical form.

        Raises:
            InvalidProposalError: what it asks for is not offered.
            UnknownInstrumentError: no feed has its instrument.
            MarketClosedError: its instrument has no price yet.
        """
        return self._offer(topic)[1].topic

    def first_stream(self, topic: QuoteTopic) -> None:
        """Publish a quote now and with every tick from now on; its topic was prepared before."""
        try:
            book, offer = self._offer(topic)
        except InvalidProposalError:
            # An offset that was above zero when the stream was prepared, and no longer is.
            return
        name = str(topic)
        book.add_quote(name, offer)
        body = book.quote(offer)
        if body is not None:
            self._publish(name, body, key=name, event=offer.event)

    def last_stream(self, topic: QuoteTopic) -> None:
        """Stop publishing a quote."""
        self._books.find(topic.instrument_id).remove_quote(str(topic))

    def on_tick(self, book: InstrumentBook) -> None:
        """Publish the quotes of a book at its newest tick: the first ones now, unless others had this turn of the loop."""
        if not book.has_quotes:
            return
        self._waiting[book] = book.quotes()
        if self._handle is None:
            self._publish_slice()

    def _offer(self, topic: QuoteTopic) -> tuple[InstrumentBook, Offer]:
        """Return what a topic asks for, checked, and the book that it belongs to."""
        book = self._books.find(topic.instrument_id)
        return book, make_offer(topic, self._products, book.instrument, self._books.newest(book).price)

    def _publish_slice(self) -> None:
        """Publish one slice, and have the next one wait for its turn."""
        self._handle = None
        left = SLICE
        while left and self._waiting:
            book, quotes = next(iter(self._waiting.items()))
            for name, event, body in quotes:
                self._publish(name, body, key=name, event=event)
                left -= 1
                if not left:
                    break
            else:
                del self._waiting[book]
        # Also where nothing is left: this turn has had its slice.
        if left < SLICE:
            self._handle = asyncio.get_running_loop().call_soon(self._publish_slice)
