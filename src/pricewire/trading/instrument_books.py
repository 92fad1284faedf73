"""What is traded on each instrument: live quotes and open contracts, all priced together at every tick."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from decimal import Decimal

import msgspec

from pricewire.errors import JournalError, MarketClosedError, UnknownInstrumentError
from pricewire.market.feeds.simulated.instruments import SIMULATED
from pricewire.market.market import Market
from pricewire.protocol.messages import Instrument, Tick, TicksHistoryRequest
from pricewire.protocol.trading_messages import TickPoint
from pricewire.trading.columns import Columns
from pricewire.trading.contracts import Contract
from pricewire.trading.messages import TICK_STREAM, tick_point
from pricewire.trading.offers import Offer, QuoteBody
from pricewire.trading.positions import Happened, Positions
from pricewire.trading.pricing import QUOTE_COLUMNS, Priced, price_one, price_quotes
from pricewire.trading.volatility import Volatility

KNOWN_VOLATILITIES = {simulated.instrument.id: simulated.volatility for simulated in SIMULATED}

PAST_TICKS = 2000
"""How many past ticks the estimates begin with."""

OLDEST_MS = 600_000
"""How old the newest price may be by its own time, in milliseconds: a recording that keeps its times has no price of today."""

LARGEST_PIP_SIZE = 8
"""The decimals assumed for an instrument that no feed has any more."""


class InstrumentBook:
    """
    One instrument's quotes and contracts.

    Attributes:
        instrument: the instrument.
        quantum: one pip as a price.
        volatility: how much its price moves, and how often.
        positions: the open contracts.
        tick: the newest tick, or None.
        points: the newest ticks, as contracts show them, oldest first.
    """

    __slots__ = ("_next_quote", "_offers", "_quotes", "instrument", "points", "positions", "quantum", "tick", "volatility")

    def __init__(self, instrument: Instrument, volatility: float | None) -> None:
        """Begin without ticks, quotes and contracts; an annual volatility that is not known is estimated."""
        self.instrument = instrument
        self.quantum = Decimal(1).scaleb(-instrument.pip_size)
        self.volatility = Volatility(volatility)
        self.positions = Positions(instrument.pip_size)
        self.tick: Tick | None = None
        # One more than is shown: a contract's last tick may be the one before the newest.
        self.points: deque[TickPoint] = deque(maxlen=TICK_STREAM + 1)
        self._offers: dict[str, Offer] = {}
        self._quotes: Columns[str] = Columns(QUOTE_COLUMNS)
        self._next_quote = 0

    @property
    def interval_ms(self) -> int:
        """The usual time between two ticks, in milliseconds."""
        return self.volatility.interval_ms

    def remember(self, tick: Tick) -> bool:
        """Note a tick; return False for one older than the newest, which changes nothing."""
        if self.tick is not None and tick.epoch_ms < self.tick.epoch_ms:
            return False
        self.tick = tick
        self.volatility.add(tick)
        self.points.append(tick_point(tick))
        return True

    def on_tick(self, tick: Tick) -> Happened | None:
        """Apply a tick to the contracts; None for one that comes late, which changes nothing."""
        return self.positions.on_tick(tick, self.interval_ms) if self.remember(tick) else None

    def add_quote(self, name: str, offer: Offer) -> None:
        """Price an offer with every tick from now on, for the topic `name`."""
        self._offers[name] = offer
        self._quotes.add(name, offer.quote._asdict())

    def remove_quote(self, name: str) -> None:
        """Stop what `add_quote` began; harmless where it had not."""
        self._offers.pop(name, None)
        self._quotes.remove(name)

    @property
    def has_quotes(self) -> bool:
        """Whether there are live quotes."""
        return bool(self._offers)

    def quotes(self) -> Iterator[tuple[str, str, QuoteBody]]:
        """
        Yield the topic, the event's name and the message of every live quote at the newest tick; none while there is no price.

        All are priced when the first one is asked for; one that is removed before its turn is left out. Where the last iteration was not
        finished, this one begins at the quote where that stopped.
        """
        tick, volatility = self.tick, self.volatility.annual
        if not self._offers or tick is None or volatility is None:
            return
        priced = price_quotes(self._quotes, self.pips, volatility, self.interval_ms)
        names = list(self._quotes.items)
        first = self._next_quote
        for number in range(len(names)):
            row = (first + number) % len(names)
            self._next_quote = row + 1
            offer = self._offers.get(names[row])
            if offer is not None:
                yield names[row], offer.event, offer.body(priced, row, tick, self.quantum, volatility)

    def quote(self, offer: Offer) -> QuoteBody | None:
        """Return the message of one quote at the newest tick; None while there is no price."""
        tick, volatility = self.tick, self.volatility.annual
        if tick is None or volatility is None:
            return None
        return offer.body(self.price(offer, volatility), 0, tick, self.quantum, volatility)

    def price(self, offer: Offer, volatility: float) -> Priced:
        """Return what an offer is worth at the newest tick, at an annual volatility."""
        return price_one(offer.quote, self.pips, volatility, self.interval_ms)

    @property
    def pips(self) -> float:
        """The newest price in pips; 0 before the first tick."""
        return 0.0 if self.tick is None else float(self.tick.price.scaleb(self.instrument.pip_size))

    def newest_point(self) -> bytes:
        """Return the newest tick, as contracts show it, as JSON; nothing before the first."""
        return msgspec.json.encode(self.points[-1]) if self.points else b""

    def life(self, contract: Contract) -> list[TickPoint]:
        """Return the ticks of a contract's life that are among `points`, the newest 100, oldest first."""
        begin, end = contract.entry_tick_time, contract.exit_tick_time
        if begin is None:
            return []
        return [point for point in self.points if begin <= point.epoch_ms and (end is None or point.epoch_ms <= end)][-TICK_STREAM:]


class InstrumentBooks:
    """The books that have been asked for; each begins with the market's recent ticks."""

    def __init__(self, market: Market) -> None:
        self._market = market
        self._books: dict[str, InstrumentBook] = {}

    def __iter__(self) -> Iterator[InstrumentBook]:
        """Iterate over the books."""
        return iter(self._books.values())

    def find(self, instrument_id: str) -> InstrumentBook:
        """
        Return an instrument's book.

        Raises:
            UnknownInstrumentError: no feed has the instrument.
        """
        book = self._books.get(instrument_id)
        if book is None:
            book = InstrumentBook(self._market.instrument(instrument_id), KNOWN_VOLATILITIES.get(instrument_id))
            for tick in self._market.ticks(TicksHistoryRequest(instrument_id=instrument_id, count=PAST_TICKS)):
                book.remember(tick)
            self._books[instrument_id] = book
        return book

    def restore(self, instrument_id: str) -> InstrumentBook:
        """Return the book of an instrument with open contracts, even if no feed has it any more."""
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

    def tradable(self, book: InstrumentBook, now_ms: int) -> tuple[Tick, float]:
        """
        Return the newest tick and the annual volatility that an instrument is traded at.

        Args:
            book: the instrument's.
            now_ms: the time, in milliseconds since 1970.

        Raises:
            MarketClosedError: there is no price to trade at.
            JournalError: ticks cannot be written to the journal now.
        """
        if self._market.journal_failure:
            raise JournalError(self._market.journal_failure)
        instrument_id = book.instrument.id
        tick, volatility = book.tick, book.volatility.annual
        if tick is None or not self._market.instrument(instrument_id).is_market_open:
            raise MarketClosedError(instrument_id, "its market is closed")
        if self._market.is_stale(instrument_id):
            raise MarketClosedError(instrument_id, "its prices have stopped coming; try again when they do")
        age_ms = now_ms - tick.epoch_ms
        if age_ms > OLDEST_MS:
            raise MarketClosedError(instrument_id, f"its newest price is {age_ms // 60_000} minutes old")
        if volatility is None:
            raise MarketClosedError(instrument_id, "too few prices have come to know how much they move; try again in a while")
        return tick, volatility
