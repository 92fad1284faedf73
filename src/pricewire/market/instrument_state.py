"""What is known of one instrument: its newest tick, its recent ticks, its candles, and its pace."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

from pricewire.errors import FeedError
from pricewire.market.candles import BuildingCandle, CandleSeries
from pricewire.market.feed import EARLIEST_MS, LATEST_MS, PastTicks, check_past
from pricewire.market.history import TickHistory
from pricewire.market.hours import TradingHours
from pricewire.market.pace import Pace
from pricewire.market.pips import MOST_PIPS, Integers, quantum_of, rounded
from pricewire.protocol.messages import Candle, Instrument, Tick
from pricewire.protocol.topics import CandlesTopic, TicksTopic

Pips = tuple[int, int, int]
"""Price, ask and bid, in pips."""


class SelectedCandles(NamedTuple):
    """
    Some candles of an instrument, as rows of their own.

    Attributes:
        instrument_id: whose candles.
        quantum: one pip as a price.
        granularity: the span of a candle, in seconds.
        rows: the candles, oldest first.
    """

    instrument_id: str
    quantum: Decimal
    granularity: int
    rows: Integers

    def candles(self) -> list[Candle]:
        """Return the candles, oldest first."""
        one, span_ms = self.quantum, self.granularity * 1000
        return [
            Candle(self.instrument_id, self.granularity, start, open_ * one, high * one, low * one, close * one, start + span_ms)
            for start, open_, high, low, close in self.rows.tolist()
        ]


class InstrumentState:
    """One instrument and what its feed has brought."""

    __slots__ = ("_live", "_quantum", "_scale", "candles", "history", "hours", "instrument", "is_live", "is_up", "newest", "pace", "topic")

    def __init__(self, instrument: Instrument, start_ns: int, hours: TradingHours | None = None) -> None:
        """
        Begin without ticks.

        Args:
            instrument: as the feed announced it.
            start_ns: the time, in nanoseconds of a monotonic clock.
            hours: when its market is open; None for whenever ticks come.
        """
        self.instrument = instrument
        self.topic = str(TicksTopic(instrument.id))
        self.newest: Tick | None = None
        self.is_up = instrument.is_market_open
        self.is_live = False
        self.hours = hours
        self.history = TickHistory(instrument)
        self.candles = CandleSeries()
        self.pace = Pace(start_ns)
        self._quantum = quantum_of(instrument.pip_size)
        self._scale = 10**instrument.pip_size
        self._live: dict[int, tuple[str, BuildingCandle | None]] = {}

    def load(self, past: PastTicks) -> None:
        """
        Begin with past ticks.

        Raises:
            FeedError: the columns differ in length, or the times are not in order.
        """
        check_past(past)
        if len(past.epoch_ms) == 0:
            return
        self.history.load(past)
        self.candles.load(past.epoch_ms, past.price)
        self.newest = self.history.query(None, None, None, 1)[0]

    def check(self, tick: Tick) -> tuple[Tick, Pips]:
        """
        Return a tick with exactly the instrument's decimals, and its prices in pips; the state does not change.

        Raises:
            FeedError: its prices are not positive numbers, bid is above ask, its time is not in milliseconds since 1970, or it is older
                than the newest.
        """
        try:
            one = self._quantum
            exact = tick.price.same_quantum(one) and tick.ask.same_quantum(one) and tick.bid.same_quantum(one)
        except AttributeError:  # a feed without a type checker has put in floats
            exact = False
        if not exact:
            tick = self._exact(tick)
        epoch_ms = tick.epoch_ms
        if type(epoch_ms) is not int:
            raise FeedError(f"tick of {tick.instrument_id}: its time {epoch_ms!r} is not a whole number of milliseconds")
        scale = self._scale
        price, ask, bid = int(tick.price * scale), int(tick.ask * scale), int(tick.bid * scale)
        if not (0 < bid <= ask < MOST_PIPS and 0 < price < MOST_PIPS and EARLIEST_MS <= epoch_ms < LATEST_MS):
            raise FeedError(self._fault(tick))
        if self.newest is not None and epoch_ms < self.newest.epoch_ms:
            # What was decided on the newest tick cannot be decided again.
            raise FeedError(f"tick of {tick.instrument_id} at {epoch_ms}: one at {self.newest.epoch_ms} has come before")
        return tick, (price, ask, bid)

    def add(self, tick: Tick, pips: Pips, now_ns: int) -> list[tuple[str, Candle]]:
        """
        Keep a tick and its pips, as `check` returned them; return the candles that somebody wants and that it has changed, with their
        topics. `now_ns` is that of a monotonic clock.
        """
        epoch_ms, (price, ask, bid) = tick.epoch_ms, pips
        self.history.add(epoch_ms, price, ask, bid)
        self.candles.add(epoch_ms, price)
        self.pace.tick(now_ns)
        self.newest = tick
        self.is_up = self.is_live = True
        return self._changed(epoch_ms, price) if self._live else []

    def want(self, granularity: int) -> None:
        """Keep the newest candle of so many seconds up to date from now on."""
        if granularity not in self._live:
            topic = str(CandlesTopic(self.instrument.id, granularity))
            self._live[granularity] = (topic, self.candles.current(granularity))

    def unwant(self, granularity: int) -> None:
        """Stop what `want` began."""
        self._live.pop(granularity, None)

    def candle(self, granularity: int) -> Candle | None:
        """Return the newest candle of so many seconds, or None before the first tick."""
        building = self.candles.current(granularity)
        return None if building is None else self._message(granularity, building)

    def select_candles(self, rows: Integers, granularity: int) -> SelectedCandles:
        """Return rows of the candle series with what candles are made by."""
        return SelectedCandles(self.instrument.id, self._quantum, granularity, rows)

    def _changed(self, epoch_ms: int, price: int) -> list[tuple[str, Candle]]:
        changed = []
        for granularity, (topic, building) in self._live.items():
            if building is None or epoch_ms >= building.end:
                building = BuildingCandle(granularity * 1000, epoch_ms, price)
                self._live[granularity] = (topic, building)
            else:
                building.add(price)
            changed.append((topic, self._message(granularity, building)))
        return changed

    def _message(self, granularity: int, candle: BuildingCandle) -> Candle:
        one = self._quantum
        return Candle(
            self.instrument.id,
            granularity,
            candle.start,
            candle.open * one,
            candle.high * one,
            candle.low * one,
            candle.close * one,
            candle.end,
        )

    def _exact(self, tick: Tick) -> Tick:
        one = self._quantum
        exact = Tick(
            tick.instrument_id,
            tick.epoch_ms,
            rounded(tick.price, one),
            rounded(tick.ask, one),
            rounded(tick.bid, one),
            tick.source,
        )
        if not (exact.price.is_finite() and exact.ask.is_finite() and exact.bid.is_finite()):
            raise FeedError(self._fault(tick))
        return exact

    def _fault(self, tick: Tick) -> str:
        """Return what is wrong with a tick that is not kept."""
        shown = f"tick of {self.instrument.id} at {tick.epoch_ms} with bid {tick.bid}, ask {tick.ask}, price {tick.price}"
        prices = (Decimal(tick.bid), Decimal(tick.ask), Decimal(tick.price))
        if not all(price.is_finite() and 0 < price < MOST_PIPS / self._scale for price in prices):
            return f"{shown}: the prices must be positive numbers (and below 2^62 pips)"
        if tick.bid > tick.ask:
            return f"{shown}: bid is above ask"
        return f"{shown}: the time is not in milliseconds since 1970"
