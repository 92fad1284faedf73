"""Holds back ticks of an instrument that cannot be right. Pure."""

from __future__ import annotations

import math
from decimal import Decimal

from pricewire.errors import FeedError, TickRejectedError
from pricewire.market.feed import make_tick
from pricewire.market.pips import MOST_PIPS, quantum_of
from pricewire.protocol.messages import Instrument, Tick

FUTURE_MS = 60_000
"""
How far a tick's time may be after its arrival, in milliseconds: the clock of a source may be wrong by so much.

A tick of tomorrow would have all that come until then refused as older.
"""

CONFIRMATIONS = 3
"""So many ticks in a row at about the same new price are no mistake."""


class Guard:
    """What is known of an instrument's last ticks, to judge the next one by."""

    def __init__(self, instrument: Instrument, max_jump: float | None = None) -> None:
        """
        Begin without ticks.

        Args:
            instrument: whose.
            max_jump: a price that is further from the one before than this part of it is held back; None for any price.

        Raises:
            FeedError: `max_jump` is not a positive number.
        """
        if max_jump is not None and not (math.isfinite(max_jump) and max_jump > 0):
            raise FeedError(f"max_jump {max_jump} of {instrument.id} is not a positive number; 0.05 is 5 %")
        self._instrument = instrument
        self._highest = MOST_PIPS * quantum_of(instrument.pip_size)
        self._max_jump = None if max_jump is None else Decimal(repr(max_jump))
        self._newest: Tick | None = None
        self._held: Decimal | None = None
        self._held_count = 0

    @property
    def is_holding(self) -> bool:
        """Whether the newest price is held back, as it is too far from the one before: which of the two is right is not known yet."""
        return self._held is not None

    def check(self, bid: Decimal, ask: Decimal, epoch_ms: int, received_ms: int) -> Tick:
        """
        Return the tick of some prices.

        Args:
            bid: what one gets for selling.
            ask: what one pays to buy.
            epoch_ms: its time, in milliseconds since 1970.
            received_ms: when it came, likewise.

        Raises:
            TickRejectedError: it is held back.
        """
        if not 0 < bid < self._highest or not 0 < ask < self._highest:
            raise TickRejectedError("price", f"bid {bid} and ask {ask} have to be positive, and below {self._highest:.3g}")
        if bid > ask:
            raise TickRejectedError("crossed", f"bid {bid} is above ask {ask}")
        if epoch_ms > received_ms + FUTURE_MS:
            raise TickRejectedError("future", f"time {epoch_ms} is {(epoch_ms - received_ms) / 1000:.0f} s after its arrival")
        newest = self._newest
        if newest is not None and epoch_ms < newest.epoch_ms:
            raise TickRejectedError("old", f"time {epoch_ms} is {newest.epoch_ms - epoch_ms} ms before that of the newest tick")
        try:
            tick = make_tick(self._instrument, bid=bid, ask=ask, epoch_ms=epoch_ms)
        except FeedError as error:
            raise TickRejectedError("price", str(error)) from None
        if tick.bid <= 0:
            raise TickRejectedError("price", f"bid {bid} is less than half a pip of {quantum_of(self._instrument.pip_size)}: see pip_size")
        if newest is not None:
            self._check_jump(tick.price, newest.price)
        self._newest = tick
        self._held = None
        return tick

    def _check_jump(self, price: Decimal, before: Decimal) -> None:
        if self._max_jump is None or abs(price - before) <= self._max_jump * before:
            return
        agrees = self._held is not None and abs(price - self._held) <= self._max_jump * self._held
        self._held_count = self._held_count + 1 if agrees else 1
        self._held = price
        if self._held_count < CONFIRMATIONS:
            raise TickRejectedError("jump", f"price {price} is {abs(price / before - 1):.2%} from {before} before it")
