"""Prices of single contracts, for the tests to compare with."""

from __future__ import annotations

import numpy as np

from pricewire.trading.pricing import Floats, Numbers, win_probability


def above_probability(spot: Numbers, barrier: Numbers, volatility: Numbers, years: Numbers) -> Floats:
    """Return the probability that the price ends above a barrier; at expiry it is 0 or 1, and one half at the barrier itself."""
    return win_probability(spot, barrier, volatility, years, 1.0, np.zeros(np.shape(barrier), bool))
