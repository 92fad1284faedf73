"""Brownian motion as a function of a key: any part of the path, without the rest. Pure."""

from __future__ import annotations

import math

import numpy as np

from pricewire.market.feeds.simulated.keystream import Keystream
from pricewire.market.pips import Floats, Integers

YEAR_S = 365 * 86_400
"""A year of 365 days, in seconds, as in the pricing of contracts."""

SPREAD_STEPS = 0.2
"""Half the spread, in standard deviations of a second's price change: market makers widen it with their risk."""

HIGHEST = 2.0**53
"""The highest price, in pips: above it, a float cannot hold every whole number. Only a clock at 1970 leads there."""

TOTALS = 64
"""The row of the keystream with the spans' totals; the rows below have the bridges, by their level."""


class BrownianPath:
    """
    Brownian motion over whole steps, with a variance of 1 for each.

    The steps are divided into spans of a power of two. The change over each span is one random number. Within, the path is a Brownian
    bridge by Lévy's construction: the middle of a span is the mean of its ends and a random number, then the middle of each half, and so on
    down to the single step. Each random number has its own place in the keystream, so any part of the path is the same however much of the
    rest is computed, and costs only its own length and a few numbers.

    Source: P. Glasserman, Monte Carlo Methods in Financial Engineering, section 3.1, "Brownian bridge construction".
    """

    __slots__ = ("_keystream", "_origin", "_span_level", "_totals")

    def __init__(self, keystream: Keystream, span_level: int, origin: int) -> None:
        """
        Prepare the path; nothing is computed yet.

        Args:
            keystream: what the path is a function of.
            span_level: the spans have `2**span_level` steps.
            origin: the span at whose beginning the path is 0.
        """
        self._keystream = keystream
        self._span_level = span_level
        self._origin = origin
        self._totals: Floats = np.zeros(1)

    def values(self, first: int, last: int, level: int = 0) -> Floats:
        """
        Return the path at a row of steps, both ends included.

        Args:
            first: the first step, from 0, in units of `2**level` steps.
            last: the last step, in the same units, not before the first.
            level: 0 for every step; above, for every `2**level`-th: the same values with fewer between them. At most the spans' level.
        """
        # Shorter and shorter pieces that the row touches: their ends, from the piece of `first` to the end of the piece of `last`.
        height = self._span_level - level
        ends = self._span_ends(first >> height, (last >> height) + 1)
        for down in range(height, 0, -1):
            piece = first >> down
            middles = (ends[:-1] + ends[1:]) / 2
            # The middle of a bridge over n steps has a variance of n/4.
            deviation = math.sqrt(2.0 ** (down + level)) / 2
            middles += deviation * self._keystream.normals(down + level - 1, piece, len(middles))
            finer = np.empty(2 * len(ends) - 1)
            finer[::2], finer[1::2] = ends, middles
            half = first >> (down - 1)
            ends = finer[half - 2 * piece : (last >> (down - 1)) + 2 - 2 * piece]
        return ends[:-1]

    def _span_ends(self, first: int, last: int) -> Floats:
        """Return the path at the beginning of the spans from `first` to `last`."""
        needed = max(last, self._origin) + 1
        if needed > len(self._totals):
            # Always from the first span on: there are few, and so the sum does not depend on what was computed before.
            totals = np.zeros(needed + 1)
            np.cumsum(self._keystream.normals(TOTALS, 0, needed), out=totals[1:])
            self._totals = totals * math.sqrt(2.0**self._span_level)
        ends: Floats = self._totals[first : last + 1] - self._totals[self._origin]
        return ends


def quote(prices: Floats, volatility: float, pip_size: int) -> tuple[Integers, Integers]:
    """
    Return prices as published and half their spreads, both in pips: at least one pip each side, and a bid above zero. The spread depends on
    the annual volatility.
    """
    scaled = np.minimum(prices * 10.0**pip_size, HIGHEST)
    relative = SPREAD_STEPS * volatility / math.sqrt(YEAR_S)
    halves = np.maximum(np.rint(scaled * relative).astype(np.int64), 1)
    return np.maximum(np.rint(scaled).astype(np.int64), halves + 1), halves
