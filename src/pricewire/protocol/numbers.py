"""
Numbers as users write them: decimal notation of bounded length, in ASCII, and nothing else that Python would take for a number.

`Decimal` reads `1_250`, ` 1250`, `١٢٥٠`, `sNaN` and `1e-100000000`; the last one in decimal notation is 100 MB of zeros.
"""

from __future__ import annotations

import re
from decimal import Decimal

NUMBER = re.compile(r"[0-9]{1,12}(\.[0-9]{1,12})?")
"""An amount or a price, without its sign."""

MOST_DECIMALS = 12
"""How many decimals a number may have, and how many digits before the point."""


def read_number(value: str | float) -> Decimal | None:
    """
    Return the number that a text, or a JSON number, stands for; None where it is not written as `NUMBER`.

    Args:
        value: what a user sent. A JSON number counts as the shortest decimal that reads as the same number.
    """
    # At most some 330 characters: the exponent of a float is bounded.
    text = value if isinstance(value, str) else f"{Decimal(repr(value)):f}".removesuffix(".0")
    return Decimal(text) if NUMBER.fullmatch(text) is not None else None


def read_barrier(text: str) -> str | None:
    """Return a barrier - a price, or an offset with its sign - without needless zeros; None where it is neither."""
    unsigned = text[1:] if text[:1] in ("+", "-") else text
    return shortest_barrier(text) if NUMBER.fullmatch(unsigned) is not None else None


def is_bounded(number: Decimal) -> bool:
    """Return whether a number that a program made, or a caller of Python, can be written as `NUMBER`, perhaps with a sign."""
    if not number.is_finite():
        return False
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -MOST_DECIMALS and abs(number) < 10**MOST_DECIMALS


def shortest(number: Decimal) -> str:
    """Return a number in decimal notation without needless zeros."""
    text = f"{number:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def shortest_barrier(barrier: str) -> str:
    """Return a barrier with its sign, where it has one, and without needless zeros."""
    sign = barrier[0] if barrier[0] in "+-" else ""
    return sign + shortest(Decimal(barrier[len(sign) :]))
