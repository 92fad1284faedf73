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

from decimal import Decimal
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from pricewire.protocol.trading_messages import DurationUnit
from pricewire.trading.columns import Columns
from pricewire.trading.products import UNIT_MS

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Numbers = Floats | float

YEAR_MS: Final = 365 * 86_400_000
"""A year of 365 days, in milliseconds."""

TINY: Final = 1e-150
"""Stands for a standard deviation of zero, at expiry or without volatility: what lies on one side of the barrier stays there."""


QUOTE_COLUMNS = {
    "base": float,
    "of_spot": float,
    "of_deviation": float,
    "duration_ms": float,
    "ticks": float,
    "shift": float,
    "is_touch": bool,
}
"""The columns of the terms of live quotes."""


class Quote(NamedTuple):
    """
    The terms of a contract that could be bought, both sides of it.

    Attributes:
        base: the barrier in pips: as a price, or as an offset from the spot.
        of_spot: 1 where the barrier counts from the spot, else 0.
        of_deviation: how many standard deviations above that it lies, rounded to the pip: 1 for the default barrier, else 0.
        duration_ms: how long it would last, in milliseconds, as far as that is known; 0 for ticks.
        ticks: how many ticks it would last; 0 for other durations.
        shift: how far the edge of the side that wins above the barrier lies above the barrier, in pips; below it for the other side.
        is_touch: whether it is a touch contract.
    """

    base: float
    of_spot: float
    of_deviation: float
    duration_ms: float
    ticks: float
    shift: float
    is_touch: bool


class Priced(NamedTuple):
    """
    What quotes are worth at a tick; each array has a value for each of them.

    Attributes:
        barrier: in pips.
        first: the probability that the first side pays, which wins above the barrier or at a touch.
        second: the probability that the other side pays.
        duration_ms: how long they would last, in milliseconds.
    """

    barrier: Floats
    first: Floats
    second: Floats
    duration_ms: Floats


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
        is_touch: whether it is a touch contract, of each contract.

    Source: Black and Scholes: the price ends above the edge with the probability N(d2), d2 = (ln(S/K) - s²T/2) / (s sqrt(T)).
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


def make_quote(
    *, duration: int, unit: DurationUnit, barrier: str | None, allow_equals: bool, pip_size: int, has_barrier: bool, is_touch: bool
) -> Quote:
    """
    Return the terms of a contract as numbers.

    Args:
        duration: how long it would last, in units.
        unit: the unit.
        barrier: a price, an offset from the spot with its sign, or None for the default.
        allow_equals: whether an exit spot equal to the barrier would win.
        pip_size: the decimals of the instrument's prices.
        has_barrier: whether the default barrier is a standard deviation above the spot, or else the spot itself.
        is_touch: whether it is a touch contract.
    """
    is_timed = unit != "ticks"
    return Quote(
        base=0.0 if barrier is None else float(Decimal(barrier).scaleb(pip_size)),
        of_spot=1.0 if barrier is None or barrier[0] in "+-" else 0.0,
        of_deviation=1.0 if barrier is None and has_barrier else 0.0,
        duration_ms=float(duration * UNIT_MS[unit]) if is_timed else 0.0,
        ticks=0.0 if is_timed else float(duration),
        shift=0.0 if is_touch else edge_shift(wins_above=True, allow_equals=allow_equals),
        is_touch=is_touch,
    )


def price_quotes(quotes: Columns[Any], spot: float, volatility: float, interval_ms: int) -> Priced:
    """
    Price quotes of one instrument, all at once.

    Args:
        quotes: with the columns of `QUOTE_COLUMNS`.
        spot: the price now, in pips.
        volatility: annual; 1.0 is 100 %.
        interval_ms: the time between two ticks, in milliseconds.
    """
    duration_ms = quotes["duration_ms"] + quotes["ticks"] * interval_ms
    years = duration_ms / YEAR_MS
    barrier = quotes["base"] + quotes["of_spot"] * spot + quotes["of_deviation"] * default_offset(spot, volatility, years)
    # An offset below the spot may have become a price below zero since it was asked for.
    barrier = np.maximum(barrier, 1.0)
    shift, is_touch = quotes["shift"], quotes["is_touch"]
    first = win_probability(spot, barrier + shift, volatility, years, 1.0, is_touch)
    second = win_probability(spot, barrier - shift, volatility, years, -1.0, is_touch)
    return Priced(barrier, first, second, duration_ms)


def price_one(quote: Quote, spot: float, volatility: float, interval_ms: int) -> Priced:
    """Price a single quote; the same as `price_quotes` with one row."""
    columns = Columns[Quote](QUOTE_COLUMNS)
    columns.add(quote, quote._asdict())
    return price_quotes(columns, spot, volatility, interval_ms)
