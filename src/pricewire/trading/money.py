"""Money: currencies and their decimals, and amounts rounded once, half even."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal

from pricewire.errors import InvalidProposalError, quoted
from pricewire.protocol.numbers import is_bounded

DECIMALS = {"USD": 2, "EUR": 2, "GBP": 2, "JPY": 0, "BTC": 8, "ETH": 8}
"""How many decimals an amount of a currency has."""


def to_amount(value: Decimal | int, currency: str) -> Decimal:
    """Return a finite value as an amount of a currency, rounded half even to its decimals."""
    return Decimal(value).quantize(Decimal(1).scaleb(-DECIMALS[currency]), ROUND_HALF_EVEN)


def to_amount_above(value: Decimal, currency: str) -> Decimal:
    """Return the least amount of a currency that is not below a finite value."""
    return value.quantize(Decimal(1).scaleb(-DECIMALS[currency]), ROUND_CEILING)


def to_text(amount: Decimal) -> str:
    """Return an amount in decimal notation, with all its decimals: `0.00000000`, where `str` says `0E-8`."""
    return f"{amount:f}"


def to_units(amount: Decimal, currency: str) -> int:
    """Return an amount in the currency's smallest unit; it has no more decimals than the currency."""
    return int(amount.scaleb(DECIMALS[currency]))


def from_units(units: int, currency: str) -> Decimal:
    """Return an amount in the currency's smallest unit as a decimal, with all its decimals."""
    return Decimal(units).scaleb(-DECIMALS[currency])


def units_text(units: int, currency: str) -> str:
    """Return an amount in the currency's smallest unit as text; the same as `to_text` of `from_units`, in a third of the time."""
    decimals = DECIMALS[currency]
    if decimals == 0:
        return str(units)
    sign = "-" if units < 0 else ""
    whole, part = divmod(abs(units), 10**decimals)
    return f"{sign}{whole}.{part:0{decimals}d}"


def to_signed_text(amount: Decimal) -> str:
    """Return a gain or a loss in decimal notation, always with its sign: `+12.57`, `-3.00`, `+0.00`."""
    return f"{amount:+f}"


def checked_amount(value: Decimal, currency: str, name: str) -> Decimal:
    """
    Return an amount as given, with all decimals of its currency.

    Args:
        value: the amount.
        currency: its code.
        name: how to call it in an error.

    Raises:
        InvalidProposalError: there is no such currency, or the amount is not a number or has more decimals than the currency.
    """
    if currency not in DECIMALS:
        raise InvalidProposalError(f"currency {quoted(currency)} is none of {', '.join(DECIMALS)}")
    if not is_bounded(value):
        raise InvalidProposalError(f"{name} {quoted(value)} is not an amount of money of at most 12 digits and 12 decimals")
    amount = to_amount(value, currency)
    if amount != value:
        raise InvalidProposalError(f"{name} {to_text(value)} has more decimals than {currency}, which has {DECIMALS[currency]}")
    return amount
