"""Prices of single contracts, for the tests to compare with."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from pricewire.trading.pricing import Floats, Numbers


def above_probability(spot: Numbers, barrier: Numbers, volatility: Numbers, years: Numbers) -> Floats:
    """Return the probability that a price that is known exactly ends above a barrier, by Black and Scholes."""
    deviation = volatility * np.sqrt(years)
    above: Floats = ndtr(np.log(np.divide(spot, barrier)) / deviation - deviation / 2)
    return above
