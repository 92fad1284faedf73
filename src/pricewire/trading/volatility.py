"""How much an instrument's price moves, and how often: known of the simulated ones, else estimated from its ticks. Pure."""

from __future__ import annotations

import math

from pricewire.protocol.messages import Tick
from pricewire.trading.pricing import YEAR_MS

WEIGHT = 1 / 500
"""The weight of the newest change in the estimates: about the last five hundred count."""

LEAST_CHANGES = 20
"""Without so many changes nothing is estimated."""

LONGEST_CHANGE_MS = 3_600_000
"""A change over more than an hour is left out: the market was closed meanwhile, and moves less then."""

BOUNDS = (0.001, 10.0)
"""The least and the highest estimate of an annual volatility: a price that stands still has risks too."""


class Volatility:
    """
    The annual volatility of an instrument and the time between its ticks, both moving with its ticks.

    The estimate is the exponentially weighted mean of the squared changes of the price's logarithm, over that of the times that they took.
    It is a ratio of means, so that changes within a few milliseconds do not weigh more than others.
    """

    __slots__ = ("_changes", "_known", "_newest_log", "_newest_ms", "_square", "_time_ms")

    def __init__(self, known: float | None = None) -> None:
        """Begin without ticks; an annual volatility that is not known is estimated."""
        self._known = known
        self._changes = 0
        self._newest_ms = 0
        self._newest_log = 0.0
        self._square = 0.0
        self._time_ms = 0.0

    def add(self, tick: Tick) -> None:
        """Take a tick; one that is not later than the newest is left out."""
        log, elapsed_ms = math.log(tick.price), tick.epoch_ms - self._newest_ms
        if elapsed_ms <= 0:
            return
        change = log - self._newest_log
        self._newest_ms, self._newest_log = tick.epoch_ms, log
        if elapsed_ms > LONGEST_CHANGE_MS:
            return
        self._changes += 1
        # The plain mean of the first ones: none of them is to weigh more than its part.
        weight = max(WEIGHT, 1 / self._changes)
        self._square += weight * (change * change - self._square)
        self._time_ms += weight * (elapsed_ms - self._time_ms)

    @property
    def annual(self) -> float | None:
        """The annual volatility, 1.0 is 100 %; None where too few ticks have come to know it."""
        if self._known is not None:
            return self._known
        if self._changes < LEAST_CHANGES:
            return None
        least, most = BOUNDS
        return min(max(math.sqrt(self._square / self._time_ms * YEAR_MS), least), most)

    @property
    def interval_ms(self) -> int:
        """The usual time between two ticks, in milliseconds; a second where it is not known."""
        return max(1, round(self._time_ms)) if self._changes else 1000
