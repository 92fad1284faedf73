"""All that is traded on one instrument: live quotes and open contracts, each priced in one go with every tick. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from decimal import Decimal

import msgspec

from pricewire.protocol.messages import Instrument, Tick
from pricewire.protocol.trading_messages import Amount, ContractPrice, ProposalBody, TickPoint
from pricewire.trading.columns import Columns
from pricewire.trading.contract_price import PayoutOffer, contract_price
from pricewire.trading.contracts import Contract
from pricewire.trading.messages import TICK_STREAM, tick_point
from pricewire.trading.offers import Offer, proposal_body
from pricewire.trading.positions import Happened, Positions
from pricewire.trading.quotes import QUOTE_COLUMNS, Priced, price_one, price_quotes
from pricewire.trading.volatility import Volatility

QuoteBody = ProposalBody[Amount] | ContractPrice[Amount]


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
        """
        Begin without ticks, quotes and contracts.

        Args:
            instrument: the instrument.
            volatility: annual, where it is known; by default it is estimated.
        """
        self.instrument = instrument
        self.quantum = Decimal(1).scaleb(-instrument.pip_size)
        self.volatility = Volatility(volatility)
        self.positions = Positions(instrument.pip_size)
        self.tick: Tick | None = None
        # One more than is shown: a contract's last tick may be the one before the newest.
        self.points: deque[TickPoint] = deque(maxlen=TICK_STREAM + 1)
        self._offers: dict[str, Offer | PayoutOffer] = {}
        self._quotes: Columns[str] = Columns(QUOTE_COLUMNS)
        self._next_quote = 0

    @property
    def interval_ms(self) -> int:
        """The usual time between two ticks, in milliseconds."""
        return self.volatility.interval_ms

    def remember(self, tick: Tick) -> bool:
        """Take a tick from before now; return whether it is new, and not one that comes late."""
        if self.tick is not None and tick.epoch_ms < self.tick.epoch_ms:
            return False
        self.tick = tick
        self.volatility.add(tick)
        self.points.append(tick_point(tick))
        return True

    def on_tick(self, tick: Tick) -> Happened | None:
        """Let a tick happen to the contracts; None where it comes late, and nothing happens."""
        return self.positions.on_tick(tick, self.interval_ms) if self.remember(tick) else None

    def add_quote(self, name: str, offer: Offer | PayoutOffer) -> None:
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

    def quotes(self) -> Iterator[tuple[str, QuoteBody]]:
        """
        Yield the topic and the message of every live quote at the newest tick; none while there is no price.

        All are priced at the first one. Others may come and go before the last: one that has gone is left out. Where an earlier iteration
        was not gone through, this one begins with the quote that it stopped before.
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
                yield names[row], self._body(offer, priced, row, tick, volatility)

    def quote(self, offer: Offer | PayoutOffer) -> QuoteBody | None:
        """Return the message of one quote at the newest tick; None while there is no price."""
        priced, volatility = self.price(offer), self.volatility.annual
        if priced is None or volatility is None or self.tick is None:
            return None
        return self._body(offer, priced, 0, self.tick, volatility)

    def price(self, offer: Offer | PayoutOffer) -> Priced | None:
        """Return what an offer is worth at the newest tick; None while there is no price."""
        volatility = self.volatility.annual
        if self.tick is None or volatility is None:
            return None
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

    def _body(self, offer: Offer | PayoutOffer, priced: Priced, row: int, tick: Tick, volatility: float) -> QuoteBody:
        if isinstance(offer, Offer):
            return proposal_body(offer, priced, row, tick, self.quantum)
        return contract_price(offer, priced, row, tick, self.quantum, volatility)
