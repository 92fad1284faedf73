"""Prices that wander: geometric Brownian motion without drift, in exact steps."""

from __future__ import annotations

import math

import numpy as np

from pricewire.market.pips import Floats, Integers

YEAR_S = 365 * 86_400
"""A year of 365 days, in seconds, as in the pricing of contracts."""

SPREAD_STEPS = 0.2
"""Half the spread, in standard deviations of a second's price change: market makers widen it with their risk."""


class BrownianPrice:
    """
    A price whose logarithm changes by N(-s²t/2, s²t) over a time t, with volatility s: so its expectation stays what it is.

    Source: the solution of dS = s S dW, S(t) = S(0) exp(s W(t) - s²t/2).

    Attributes:
        log_price: the logarithm of the newest price, unrounded.
        volatility: the annual volatility; 1.0 is 100 %.
    """

    __slots__ = ("_random", "log_price", "volatility")

    def __init__(self, random: np.random.Generator, start_price: float, volatility: float) -> None:
        self._random = random
        self.log_price = math.log(start_price)
        self.volatility = volatility

    def walk(self, steps: int, step_s: float) -> Floats:
        """
        Return the prices after each of the next steps, unrounded; they do not depend on how the steps are divided among calls.

        Args:
            steps: how many.
            step_s: the time that a step takes, in seconds.
        """
        if steps == 0:
            return np.empty(0)
        variance = self.volatility**2 * step_s / YEAR_S
        logs = self._random.standard_normal(steps)
        logs *= math.sqrt(variance)
        logs -= variance / 2
        logs[0] += self.log_price
        np.cumsum(logs, out=logs)
        self.log_price = float(logs[-1])
        return np.exp(logs, out=logs)


def quote(prices: Floats, volatility: float, pip_size: int) -> tuple[Integers, Integers]:
    """
    Return prices as published and half their spreads, both in pips: at least one pip each side, and a bid above zero.

    Args:
        prices: unrounded.
        volatility: the annual volatility, on which the spread depends.
        pip_size: the decimals of a price.
    """
    scaled = prices * 10.0**pip_size
    relative = SPREAD_STEPS * volatility / math.sqrt(YEAR_S)
    halves = np.maximum(np.rint(scaled * relative).astype(np.int64), 1)
    return np.maximum(np.rint(scaled).astype(np.int64), halves + 1), halves
