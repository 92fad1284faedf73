"""Prices as whole numbers of pips, the smallest step of an instrument's price: compact to keep, fast to compare, and exact."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal, InvalidOperation

import numpy as np
import numpy.typing as npt

from pricewire.errors import FeedError

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

Number = Decimal | float | int | str
"""A price as a feed may have it; a float means the shortest decimal that reads as this float."""

MAX_PIP_SIZE = 12
"""The most decimals of a price: with twelve, prices up to nine million still fit 64 bits."""

MOST_PIPS = 2**62
"""The highest price, in pips, that fits a column of 64 bits with room for the sum of bid and ask."""


def quantum_of(pip_size: int) -> Decimal:
    """Return one pip as a price: `Decimal("0.01")` for a `pip_size` of two decimals."""
    return Decimal(1).scaleb(-pip_size)


def rounded(number: Number, quantum: Decimal) -> Decimal:
    """
    Return a number as a price with the decimals of `quantum`, rounded half even.

    Raises:
        FeedError: it is not a number, or has more than 28 digits.
    """
    try:
        return Decimal(str(number) if isinstance(number, float) else number).quantize(quantum, ROUND_HALF_EVEN)
    except (InvalidOperation, TypeError, ValueError) as error:
        raise FeedError(f"{number!r} cannot be read as a price") from error


def middle(bid: Decimal, ask: Decimal, quantum: Decimal) -> Decimal:
    """
    Return the price halfway between bid and ask, with the decimals of `quantum`.

    Half a pip is always rounded up: rounded to even ones, a spread of an odd number of pips would leave only every other price.
    """
    return ((bid + ask) / 2).quantize(quantum, ROUND_HALF_UP)


def middles(bids: Integers, asks: Integers) -> Integers:
    """Return the prices halfway between bids and asks, all in pips; half a pip is rounded up, as `middle` does."""
    return (bids + asks + 1) >> 1
