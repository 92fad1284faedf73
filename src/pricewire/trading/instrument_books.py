"""What is traded on each instrument: live quotes and open contracts, all priced together at every tick."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from decimal import Decimal

import msgspec
import numpy as np

from pricewire.errors import InvalidProposalError, JournalError, MarketClosedError, UnknownInstrumentError
from pricewire.market.clock import Clock
from pricewire.market.feed import FeedWithIntervals, FeedWithVolatility, RecordedFeed
from pricewire.market.market import Market
from pricewire.market.pace import LEAST_SILENCE_NS, PATIENCE, Pace
from pricewire.market.pips import Integers
from pricewire.protocol.messages import Instrument, Tick, TicksHistoryRequest
from pricewire.protocol.trading_messages import TickPoint
from pricewire.trading.columns import Columns
from pricewire.trading.contracts import PATIENCE_MS, Contract
from pricewire.trading.messages import TICK_STREAM, tick_point
from pricewire.trading.offers import Offer, QuoteBody
from pricewire.trading.positions import Happened, Positions
from pricewire.trading.pricing import QUOTE_COLUMNS, Priced, price_one, price_quotes
from pricewire.trading.volatility import MOST_UNLIKE, Moves, Volatility

UNKNOWN = Moves(volatility=1.0, interval_ms=1000.0, is_regular=False, margin=1.0)
"""What is assumed to guess the end of contracts that somebody still holds, while too few ticks have come to know more."""

PAST_TICKS = 2000
"""How many past ticks the estimates begin with."""

OLDEST_MS = 600_000
"""How old the newest price may be by its own time, in milliseconds: a recording that keeps its times has no price of today."""

SLOWEST_MS = 24_000
"""How seldom ticks may come to be traded on, in milliseconds: of five intervals without one a contract is given back."""

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
        came_ns: when the newest live tick came, in nanoseconds of a monotonic clock; before the first, when the book was made.
        is_live: whether a tick has come since then.
        is_foreseeable: whether its prices may be known to others before they come.
        points: the newest ticks, as contracts show them, oldest first.
    """

    __slots__ = (
        "_is_known",
        "_next_quote",
        "_offers",
        "_pace",
        "_quotes",
        "came_ns",
        "instrument",
        "is_foreseeable",
        "is_live",
        "points",
        "positions",
        "quantum",
        "tick",
        "volatility",
    )

    def __init__(
        self,
        instrument: Instrument,
        volatility: float | None,
        interval_ms: float | None = None,
        *,
        now_ns: int = 0,
        is_foreseeable: bool = False,
    ) -> None:
        """
        Begin without ticks, quotes and contracts.

        Args:
            instrument: the instrument.
            volatility: annual, where it is known; None for one that is estimated.
            interval_ms: the time between two ticks, in milliseconds, where it is known, likewise.
            now_ns: the time, in nanoseconds of a monotonic clock.
            is_foreseeable: whether its prices may be known to others before they come.
        """
        self.instrument = instrument
        self.quantum = Decimal(1).scaleb(-instrument.pip_size)
        self.volatility = Volatility(volatility, 10.0**-instrument.pip_size, interval_ms)
        self._is_known = volatility is not None and interval_ms is not None
        self.positions = Positions(instrument.pip_size)
        self.tick: Tick | None = None
        self.came_ns = now_ns
        self.is_live = False
        self.is_foreseeable = is_foreseeable
        self._pace = Pace(now_ns)
        # One more than is shown: a contract's last tick may be the one before the newest.
        self.points: deque[TickPoint] = deque(maxlen=TICK_STREAM + 1)
        self._offers: dict[str, Offer] = {}
        self._quotes: Columns[str] = Columns(QUOTE_COLUMNS)
        self._next_quote = 0

    def remember(self, tick: Tick) -> bool:
        """Note a tick, and learn from it; return False for one older than the newest, which changes nothing."""
        is_new = self._note(tick)
        if is_new:
            self.volatility.add(tick)
        return is_new

    def load(self, ticks: Iterable[Tick]) -> None:
        """
        Take ticks from before now, oldest first.

        Where it is known how the price moves, they say nothing of it: they may be of another rate, or every second one of a history.
        """
        for tick in ticks:
            if self._note(tick) and not self._is_known:
                self.volatility.add(tick)
        self.positions.newest = self.tick

    def on_tick(self, tick: Tick, now_ns: int) -> Happened | None:
        """Let a tick happen to the contracts; None where it comes late, and nothing happens. `now_ns` is that of a monotonic clock."""
        if not self.remember(tick):
            return None
        self._pace.tick(now_ns)
        self.came_ns, self.is_live = now_ns, True
        return self.positions.on_tick(tick, self.moves or UNKNOWN)

    @property
    def moves(self) -> Moves | None:
        """How the price moves; None where too few ticks have come to know it."""
        return self.volatility.moves

    def bids(self, contract_id: str | None = None, elapsed_ms: float = 0.0) -> Integers:
        """
        Return what open contracts - or one of them - can be sold for at the newest tick, so many milliseconds old, as `Positions.bids`
        does; nothing while no price is known.
        """
        moves = self.moves
        if self.tick is None or moves is None:
            return np.zeros(len(self.positions.table) if contract_id is None else 1, np.int64)
        return self.positions.bids(self.tick, moves, elapsed_ms, contract_id)

    def is_silent(self, now_ns: int) -> bool:
        """Return whether no tick has come for much longer than usual, at `now_ns` of a monotonic clock."""
        longest = self._pace.longest_silence_ns()
        if self.volatility.is_regular:
            longest = max(LEAST_SILENCE_NS, PATIENCE * self.volatility.interval_ms * 1_000_000)
        return now_ns - self.came_ns > longest

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
        tick, moves = self.tick, self.moves
        if not self._offers or tick is None or moves is None:
            return
        priced = price_quotes(self._quotes, self.pips, moves)
        names = list(self._quotes.items)
        first = self._next_quote
        for number in range(len(names)):
            row = (first + number) % len(names)
            self._next_quote = row + 1
            offer = self._offers.get(names[row])
            if offer is not None:
                yield names[row], offer.event, offer.body(priced, row, tick, self.quantum, moves.volatility)

    def quote(self, offer: Offer) -> QuoteBody | None:
        """Return the message of one quote at the newest tick; None while there is no price."""
        tick, moves = self.tick, self.moves
        if tick is None or moves is None:
            return None
        return offer.body(self.price(offer, moves), 0, tick, self.quantum, moves.volatility)

    def price(self, offer: Offer, moves: Moves, elapsed_ms: float = 0.0) -> Priced:
        """Return what an offer is worth, bought so many milliseconds after the newest tick."""
        return price_one(offer.quote, self.pips, moves, elapsed_ms)

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

    def _note(self, tick: Tick) -> bool:
        if self.tick is not None and tick.epoch_ms < self.tick.epoch_ms:
            return False
        self.tick = tick
        self.points.append(tick_point(tick))
        return True


class InstrumentBooks:
    """The books that have been asked for; each begins with the market's recent ticks."""

    def __init__(self, market: Market, clock: Clock, *, trades_replays: bool = False) -> None:
        """
        Begin without books.

        Args:
            market: the instruments and their ticks.
            clock: the time.
            trades_replays: whether to trade on recordings, whose future others may know.
        """
        self._market = market
        self._clock = clock
        self._trades_replays = trades_replays
        self._books: dict[str, InstrumentBook] = {}

    def __iter__(self) -> Iterator[InstrumentBook]:
        """Iterate over the books."""
        return iter(self._books.values())

    def find(self, instrument_id: str, coming: Tick | None = None) -> InstrumentBook:
        """
        Return an instrument's book.

        Args:
            instrument_id: the instrument's.
            coming: a tick that the market has already, and that the book is about to get.

        Raises:
            UnknownInstrumentError: no feed has the instrument.
        """
        book = self._books.get(instrument_id)
        if book is None:
            feed = self._market.feed(instrument_id)
            book = InstrumentBook(
                self._market.instrument(instrument_id),
                feed.volatilities.get(instrument_id) if isinstance(feed, FeedWithVolatility) else None,
                feed.intervals_ms.get(instrument_id) if isinstance(feed, FeedWithIntervals) else None,
                now_ns=self._clock.monotonic_ns(),
                is_foreseeable=isinstance(feed, RecordedFeed) and feed.is_recording,
            )
            waiting = self._market.unrecorded(instrument_id)
            past = self._market.ticks(TicksHistoryRequest(instrument_id=instrument_id, count=PAST_TICKS + waiting))
            # What waits for the journal comes when that has it; so do those that have come with this one.
            end = len(past) - waiting
            if coming is not None:
                end = next((place for place in range(end - 1, -1, -1) if past[place] == coming), end)
            book.load(past[:end])
            self._books[instrument_id] = book
        return book

    def restore(self, instrument_id: str) -> InstrumentBook:
        """Return the book of an instrument with open contracts, even if no feed has it any more."""
        try:
            return self.find(instrument_id)
        except UnknownInstrumentError:
            gone = Instrument(instrument_id, instrument_id, [], LARGEST_PIP_SIZE, is_market_open=False)
            return self._books.setdefault(instrument_id, InstrumentBook(gone, None, now_ns=self._clock.monotonic_ns()))

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

    def elapsed_ms(self, book: InstrumentBook) -> int:
        """Return how long ago an instrument's newest tick came, in milliseconds; before the first, since the book was made."""
        return (self._clock.monotonic_ns() - book.came_ns) // 1_000_000

    def time_ms(self, book: InstrumentBook) -> int:
        """
        Return the time by an instrument's ticks, in milliseconds since 1970: that of the newest, and what has passed since it came.

        Nobody gets at it by setting the clock. Where there has been no tick it is the clock's.
        """
        if book.tick is None:
            return self._clock.now_ns() // 1_000_000
        return book.tick.epoch_ms + self.elapsed_ms(book)

    @property
    def is_paused(self) -> bool:
        """Whether ticks wait for the journal, and come to the books later: that none comes now is no silence."""
        return bool(self._market.journal_failure)

    def is_due(self, book: InstrumentBook) -> bool:
        """Return whether the next tick of an instrument with regular ticks is due; the later it is, the surer is that it was lost."""
        moves = book.moves
        return moves is not None and book.is_live and moves.is_regular and self.elapsed_ms(book) >= moves.interval_ms

    def tradable(self, book: InstrumentBook, *, is_overdue: bool) -> tuple[Tick, Moves]:
        """
        Return the newest tick and how the price moves, where an instrument can be traded.

        Args:
            book: the instrument's.
            is_overdue: whether its next tick was waited for and has not come. One that falls due only now is no reason to refuse.

        Raises:
            MarketClosedError: there is no price to trade at.
            JournalError: ticks cannot be written to the journal now.
        """
        if self._market.journal_failure:
            raise JournalError(self._market.journal_failure)
        instrument_id = book.instrument.id
        tick, moves = book.tick, book.moves
        if book.is_foreseeable and not self._trades_replays:
            raise MarketClosedError(instrument_id, "it is a recording, whose prices others may know; the option --trade-replays allows it")
        if tick is not None and book.is_live and book.is_silent(self._clock.monotonic_ns()):
            raise MarketClosedError(instrument_id, "its prices have stopped coming; try again when they do")
        if tick is None or not book.is_live:
            raise MarketClosedError(instrument_id, "its first price has not come yet; try again in a moment")
        now_ms = self._clock.now_ns() // 1_000_000
        hours = self._market.hours(instrument_id)
        if hours is not None and not hours.is_open(now_ms):
            session = hours.session(now_ms)
            raise MarketClosedError(
                instrument_id, f"its market is closed until {'further notice' if session is None else session.opens_at}"
            )
        if not self._market.instrument(instrument_id).is_market_open:
            raise MarketClosedError(instrument_id, "its market is closed")
        age_ms = now_ms - tick.epoch_ms
        if age_ms > OLDEST_MS:
            raise MarketClosedError(instrument_id, f"its newest price is {age_ms // 60_000} minutes old")
        if moves is None:
            raise MarketClosedError(instrument_id, "too few prices have come to know how much they move; try again in a while")
        if moves.unlike > MOST_UNLIKE:
            raise MarketClosedError(instrument_id, "its prices move too unevenly to know what to expect of them; try again in a while")
        if moves.interval_ms > SLOWEST_MS:
            raise MarketClosedError(instrument_id, f"its prices come too seldom, every {moves.interval_ms / 1000:.0f} s")
        if is_overdue:
            raise MarketClosedError(instrument_id, "its next price is overdue; try again when it has come")
        return tick, moves

    def check_end(self, book: InstrumentBook, contract: Contract, moves: Moves) -> None:
        """
        Check that a contract ends while its market is still open, long enough before it closes that a later tick can settle it.

        Args:
            book: the instrument's.
            contract: one that is to be sold.
            moves: how the price moves.

        Raises:
            InvalidProposalError: it would end later.
        """
        hours = self._market.hours(book.instrument.id)
        session = None if hours is None else hours.session(contract.buy_time)
        if session is None:
            return
        end_ms = float(contract.expiry_time)
        if contract.duration_unit == "ticks":
            # Ticks may come later than expected.
            end_ms = contract.buy_time + 2 * (contract.duration + 1) * moves.interval_ms
        if end_ms > session.closes_ms - PATIENCE_MS:
            raise InvalidProposalError(
                f"{book.instrument.id} closes at {session.closes_at}, and contracts end {PATIENCE_MS // 60_000} minutes before "
                "at the latest; choose a shorter duration"
            )
