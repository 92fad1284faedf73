"""What a contract would cost: the request as numbers, priced together with all others of its instrument. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from pricewire.protocol.trading_messages import DurationUnit
from pricewire.trading.columns import Columns
from pricewire.trading.pricing import YEAR_MS, Floats, default_offset, edge_shift, win_probability
from pricewire.trading.products import UNIT_MS

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
        is_touch: whether it is a matter of touching.
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
        first: the probability that the side pays that wins above the barrier, or at a touch.
        second: the probability that the other side pays.
        duration_ms: how long they would last, in milliseconds.
    """

    barrier: Floats
    first: Floats
    second: Floats
    duration_ms: Floats


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
        is_touch: whether it is a matter of touching.
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
