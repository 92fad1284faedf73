"""The prices of a simulated instrument as a function of a secret and of absolute time. Pure."""

from __future__ import annotations

import math

import numpy as np

from pricewire.market.feed import PastTicks
from pricewire.market.feeds.simulated.brownian import YEAR_S, BrownianPath, quote
from pricewire.market.feeds.simulated.instruments import SimulatedInstrument
from pricewire.market.feeds.simulated.keystream import Keystream
from pricewire.market.pips import Floats, Integers

DAY_NS = 86_400_000_000_000

ORIGIN_NS = 1_767_225_600_000_000_000
"""When the instruments had their start prices, to a day or two: the beginning of 2026, in nanoseconds since 1970."""


class SimulatedPath:
    """
    The ticks of one instrument, for ever.

    Tick k is due k intervals after 1970. Its price is a geometric Brownian motion without drift. It depends on the secret, the instrument
    and the interval, and on nothing else: not on when a server starts, nor on which ticks were computed before.

    Attributes:
        interval_ns: the time between two ticks, in nanoseconds.

    Source: the solution of dS = s S dW, S(t) = S(0) exp(s W(t) - s²t/2).
    """

    __slots__ = ("_brownian", "_instrument_id", "_origin", "_pip_size", "_start_log", "_variance", "_volatility", "interval_ns")

    def __init__(self, simulated: SimulatedInstrument, secret: bytes, interval_ns: int) -> None:
        """
        Prepare the path; nothing is computed yet. The secret is 32 random bytes: whoever knows them knows all prices.

        Raises:
            FeedError: the secret has another length.
        """
        instrument = simulated.instrument
        self.interval_ns = interval_ns
        self._instrument_id = instrument.id
        self._pip_size = instrument.pip_size
        self._volatility = simulated.volatility
        self._variance = simulated.volatility**2 * interval_ns / 1e9 / YEAR_S
        self._start_log = math.log(simulated.start_price)
        # A span lasts a day or, because it is a power of two of steps, up to two.
        span_level = max(0, math.ceil(math.log2(DAY_NS / interval_ns)))
        origin = ORIGIN_NS // interval_ns >> span_level
        self._origin = origin << span_level
        self._brownian = BrownianPath(Keystream(secret, f"{instrument.id} {interval_ns}"), span_level, origin)

    def step_at(self, time_ns: int) -> int:
        """Return the number of the newest tick at a time, in nanoseconds since 1970."""
        return time_ns // self.interval_ns

    def due_ns(self, step: int) -> int:
        """Return when a tick is due, in nanoseconds since 1970."""
        return step * self.interval_ns

    def prices(self, first: int, last: int, level: int = 0) -> Floats:
        """
        Return the prices of a row of ticks, unrounded, both ends included.

        Args:
            first: the number of the first tick, in units of `2**level` ticks.
            last: that of the last one, in the same units.
            level: 0 for every tick; above, for every `2**level`-th.
        """
        steps = np.arange(first, last + 1) * 2**level - self._origin
        logs = self._brownian.values(first, last, level)
        logs *= math.sqrt(self._variance)
        logs -= self._variance / 2 * steps
        logs += self._start_log
        return np.exp(logs, out=logs)

    def quotes(self, first: int, last: int, level: int = 0) -> tuple[Integers, Integers]:
        """Return the prices of a row of ticks as published and half their spreads, both in pips; the arguments are those of `prices`."""
        return quote(self.prices(first, last, level), self._volatility, self._pip_size)

    def ticks(self, first: int, last: int, level: int = 0) -> PastTicks:
        """Return a row of ticks, none if the last comes before the first; the arguments are those of `prices`."""
        if last < first:
            return PastTicks(self._instrument_id, *np.empty((4, 0), np.int64))
        prices, halves = self.quotes(first, last, level)
        epochs = np.arange(first, last + 1) * 2**level * self.interval_ns // 1_000_000
        return PastTicks(self._instrument_id, epochs, prices, prices + halves, prices - halves)
