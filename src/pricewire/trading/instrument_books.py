"""The books of all instruments, and whether an instrument can be traded now."""

from __future__ import annotations

from collections.abc import Iterator

from pricewire.errors import MarketClosedError, UnknownInstrumentError
from pricewire.market.clock import Clock
from pricewire.market.feeds.simulated.instruments import SIMULATED
from pricewire.market.market import Market
from pricewire.protocol.messages import Instrument, Tick, TicksHistoryRequest
from pricewire.protocol.trading_messages import TickPoint
from pricewire.trading.book import InstrumentBook
from pricewire.trading.contracts import Contract
from pricewire.trading.messages import TICK_STREAM, tick_point

KNOWN_VOLATILITIES = {simulated.instrument.id: simulated.volatility for simulated in SIMULATED}

PAST_TICKS = 2000
"""How many past ticks the estimates begin with."""

OLDEST_MS = 600_000
"""How old a price may be by its own time, in milliseconds: one of a recording that keeps its times is no price of today."""

LARGEST_PIP_SIZE = 8
"""The decimals that are assumed of an instrument that no feed brings any more."""


class InstrumentBooks:
    """The books that have been asked for; each begins with the market's recent ticks."""

    def __init__(self, market: Market, clock: Clock) -> None:
        """
        Begin without books.

        Args:
            market: the instruments and their ticks.
            clock: the time.
        """
        self._market = market
        self._clock = clock
        self._books: dict[str, InstrumentBook] = {}

    def __iter__(self) -> Iterator[InstrumentBook]:
        """Iterate over the books."""
        return iter(self._books.values())

    def find(self, instrument_id: str) -> InstrumentBook:
        """
        Return an instrument's book.

        Raises:
            UnknownInstrumentError: no feed brings the instrument.
        """
        book = self._books.get(instrument_id)
        if book is None:
            book = InstrumentBook(self._market.instrument(instrument_id), KNOWN_VOLATILITIES.get(instrument_id))
            for tick in self._market.ticks(TicksHistoryRequest(instrument_id=instrument_id, count=PAST_TICKS)):
                book.remember(tick)
            self._books[instrument_id] = book
        return book

    def restore(self, instrument_id: str) -> InstrumentBook:
        """Return the book of an instrument that there are contracts of, also where no feed brings it any more."""
        try:
            return self.find(instrument_id)
        except UnknownInstrumentError:
            gone = Instrument(instrument_id, instrument_id, [], LARGEST_PIP_SIZE, is_market_open=False)
            return self._books.setdefault(instrument_id, InstrumentBook(gone, None))

    def name(self, instrument_id: str) -> str:
        """Return an instrument's name for people."""
        book = self._books.get(instrument_id)
        return instrument_id if book is None else book.instrument.display_name

    def life(self, contract: Contract) -> list[TickPoint]:
        """Return the ticks of a contract's life, the newest 100, oldest first, as far as the market still knows them."""
        begin, book = contract.entry_tick_time, self._books.get(contract.instrument_id)
        if begin is None or book is None or not book.points:
            return []
        if contract.status == "open" or begin >= book.points[0].epoch_ms:
            return book.life(contract)
        request = TicksHistoryRequest(
            instrument_id=contract.instrument_id, from_epoch_ms=begin, to_epoch_ms=contract.exit_tick_time, count=TICK_STREAM
        )
        return [tick_point(tick) for tick in self._market.ticks(request)]

    def newest(self, book: InstrumentBook) -> Tick:
        """
        Return an instrument's newest tick.

        Raises:
            MarketClosedError: there has been none.
        """
        if book.tick is None:
            raise MarketClosedError(book.instrument.id, "no price has come yet")
        return book.tick

    def tradable(self, book: InstrumentBook) -> tuple[Tick, float]:
        """
        Return the newest tick and the annual volatility that an instrument is traded at.

        Raises:
            MarketClosedError: there is no price that one could trade at.
        """
        instrument_id = book.instrument.id
        tick, volatility = book.tick, book.volatility.annual
        if tick is None or not self._market.instrument(instrument_id).is_market_open:
            raise MarketClosedError(instrument_id, "its market is closed")
        if self._market.is_stale(instrument_id):
            raise MarketClosedError(instrument_id, "its prices have stopped coming; try again when they do")
        age_ms = self._clock.now_ns() // 1_000_000 - tick.epoch_ms
        if age_ms > OLDEST_MS:
            raise MarketClosedError(instrument_id, f"its newest price is {age_ms // 60_000} minutes old")
        if volatility is None:
            raise MarketClosedError(instrument_id, "too few prices have come to know how much they move; try again in a while")
        return tick, volatility
