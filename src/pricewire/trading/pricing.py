"""
What contracts are worth: the probability that they pay, for many of them in one call. Pure.

The price of the instrument is a geometric Brownian motion without drift, with rates of zero: over a time T its logarithm changes by
N(-v/2, v), where v = s²T. Times are in years of 365 days, volatilities s are annual. Prices are in pips, or any other unit. Arguments may
be arrays or numbers.

Prices are published in whole pips, so an exit spot equal to the barrier has a probability: an unrounded price within half a pip of the
barrier is published as the barrier. A contract that wins above it therefore wins above its *edge*, half a pip beyond the barrier, or half a
pip before it where equality wins. So the probabilities of winning above with equality and of winning below without sum to 1. Touching is
taken as continuous: neither the pip nor the time between ticks makes a difference to it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Numbers = Floats | float

YEAR_MS: Final = 365 * 86_400_000
"""A year of 365 days, in milliseconds."""

TINY: Final = 1e-150
"""Stands for a standard deviation of zero, at expiry or without volatility: what lies on one side of the barrier stays there."""


def above_probability(spot: Numbers, barrier: Numbers, volatility: Numbers, years: Numbers) -> Floats:
    """
    Return the probability that the price ends above a barrier.

    At expiry, and without volatility, it is 0 or 1, and one half at the barrier itself.

    Args:
        spot: the price now, above 0.
        barrier: above 0.
        volatility: annual; 1.0 is 100 %.
        years: the time to expiry.

    Source: Black and Scholes, N(d2) with d2 = (ln(S/K) - s²T/2) / (s sqrt(T)).
    """
    deviation = np.maximum(volatility * np.sqrt(years), TINY)
    return np.asarray(ndtr(np.log(np.divide(spot, barrier)) / deviation - deviation / 2))


def touch_probability(spot: Numbers, barrier: Numbers, volatility: Numbers, years: Numbers) -> Floats:
    """
    Return the probability that the price reaches a barrier, above or below it, before expiry.

    Args:
        spot: the price now, above 0.
        barrier: above 0.
        volatility: annual; 1.0 is 100 %.
        years: the time to expiry.

    Source: the reflection principle for a Brownian motion with the drift m = -s²/2: for b = ln(K/S) > 0 its maximum reaches b with the
        probability N((-b + mT) / (s sqrt(T))) + exp(2mb/s²) N((-b - mT) / (s sqrt(T))), where exp(2mb/s²) = S/K. For b < 0 the same, with
        the signs of b and m turned.
    """
    deviation = np.maximum(volatility * np.sqrt(years), TINY)
    ratio = np.divide(spot, barrier)
    distance = np.log(ratio)
    side = np.where(distance > 0, -1.0, 1.0)
    steps = side * distance / deviation
    half = side * deviation / 2
    return np.minimum(ndtr(steps - half) + ratio * ndtr(steps + half), 1.0)


def win_probability(spot: Numbers, edge: Numbers, volatility: Numbers, years: Numbers, sign: Numbers, is_touch: Bools) -> Floats:
    """
    Return the probabilities that contracts pay.

    Args:
        spot: the price now, above 0.
        edge: of each contract, as `edge_shift` says; above 0.
        volatility: annual; 1.0 is 100 %.
        years: the time to expiry, of each contract.
        sign: 1 where the contract wins above the edge or at a touch, -1 where it wins below or without one.
        is_touch: whether it is a matter of touching, of each contract.
    """
    deviation = np.maximum(volatility * np.sqrt(years), TINY)
    ratio = np.divide(spot, edge)
    distance = np.log(ratio)
    won = ndtr(sign * (distance / deviation - deviation / 2))
    if not is_touch.any():
        return np.asarray(won)
    (places,) = np.nonzero(is_touch)
    spread = [np.broadcast_to(each, is_touch.shape)[places] for each in (spot, edge, volatility, years, sign)]
    touched = touch_probability(*spread[:4])
    won[places] = np.where(spread[4] > 0, touched, 1 - touched)
    return np.asarray(won)


def edge_shift(*, wins_above: bool, allow_equals: bool) -> float:
    """
    Return how far the edge of a contract lies above its barrier, in pips; touches have none.

    Args:
        wins_above: whether it wins above the barrier, or else below.
        allow_equals: whether it wins at the barrier.
    """
    return -0.5 if wins_above == allow_equals else 0.5


def default_offset(spot: Numbers, volatility: Numbers, years: Numbers) -> Floats:
    """Return one standard deviation of the price's change, rounded to the pip, at least one; all in pips."""
    return np.maximum(np.rint(spot * volatility * np.sqrt(years)), 1.0)


def payout_units(stake: int, probability: float, commission: float) -> int:
    """
    Return what a contract pays, in the currency's smallest unit.

    Args:
        stake: what it costs, in the same unit.
        probability: that it pays.
        commission: is added to the probability; above 0.
    """
    return round(stake / (probability + commission))


def price_units(payout: int, probability: float, commission: float) -> int:
    """Return what a contract costs, in the currency's smallest unit; the inverse of `payout_units`."""
    return round(payout * (probability + commission))


def bid_units(payout: Floats, probability: Floats, commission: Floats) -> npt.NDArray[np.int64]:
    """
    Return what bought contracts can be sold for, in the smallest unit of each one's currency, not below zero.

    Args:
        payout: what each pays, in the same unit.
        probability: that it pays.
        commission: is subtracted from the probability.
    """
    return np.rint(payout * np.maximum(probability - commission, 0.0)).astype(np.int64)
