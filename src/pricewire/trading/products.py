"""The products: what kinds of contracts there are, and what may be asked of them."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from functools import cache

import msgspec

from pricewire.errors import InvalidProposalError, quoted
from pricewire.protocol.topics import DEFAULT_CURRENCY
from pricewire.protocol.trading_messages import (
    AmountBounds,
    DurationsAllowed,
    Product,
    ProductConfig,
    ProductDefaults,
    ProductsBody,
    ProductValidations,
    Variant,
)
from pricewire.trading.commissions import Commissions
from pricewire.trading.durations import DURATIONS
from pricewire.trading.money import checked_amount, to_amount, to_text

STAKES = {
    "USD": ("1", "50000"),
    "EUR": ("1", "50000"),
    "GBP": ("1", "50000"),
    "JPY": ("100", "7500000"),
    "BTC": ("0.00001", "0.5"),
    "ETH": ("0.0005", "15"),
}
"""The least and the highest stake, by currency."""

DEFAULT_STAKES = {"USD": 10.0, "EUR": 10.0, "GBP": 10.0, "JPY": 1000.0, "BTC": 0.0001, "ETH": 0.005}
"""The stake that a form begins with, by currency."""

MOST_PAYOUT = 2
"""How many times the highest stake the highest payout is."""


class ProductTerms(msgspec.Struct, frozen=True):
    """
    A product and its terms.

    Attributes:
        product: its names.
        variants: its two sides: the one that wins above the barrier or at a touch, then the other.
        has_barrier: whether the barrier can be chosen; otherwise it is the entry spot.
    """

    product: Product
    variants: tuple[Variant, Variant]
    has_barrier: bool

    @property
    def is_touch(self) -> bool:
        """Whether it is about touching the barrier; equality counts as a touch."""
        return self.product.id == "touch"


PRODUCTS: tuple[ProductTerms, ...] = (
    ProductTerms(Product("rise_fall", "Rise/Fall"), ("rise", "fall"), has_barrier=False),
    ProductTerms(Product("high_low", "Higher/Lower"), ("higher", "lower"), has_barrier=True),
    ProductTerms(Product("touch", "Touch/No Touch"), ("touch", "no_touch"), has_barrier=True),
)


class Products:
    """
    The products that a server offers.

    Attributes:
        commissions: what is added to the probability in a price, and subtracted in what a contract can be sold for.
    """

    def __init__(self, commissions: Mapping[str, float] | None = None) -> None:
        """
        Offer all products.

        Args:
            commissions: those that are not the usual one, as `Commissions` reads them.

        Raises:
            InvalidProposalError: a commission is out of bounds, or is of something that there is not.
        """
        self._terms: dict[str, ProductTerms] = {terms.product.id: terms for terms in PRODUCTS}
        self.commissions = Commissions(commissions)

    def listed(self) -> ProductsBody:
        """Return all products."""
        return ProductsBody([terms.product for terms in self._terms.values()])

    def terms(self, product_id: str) -> ProductTerms:
        """
        Return a product's terms.

        Raises:
            InvalidProposalError: there is no such product.
        """
        terms = self._terms.get(product_id)
        if terms is None:
            raise InvalidProposalError(f"product {quoted(product_id)} is none of {', '.join(self._terms)}")
        return terms

    def config(self, product_id: str, currency: str = DEFAULT_CURRENCY) -> ProductConfig:
        """
        Return the defaults and the limits of a product's form, for amounts of a currency.

        Raises:
            InvalidProposalError: there is no such product or currency.
        """
        terms = self.terms(product_id)
        stake, payout = bounds(currency)
        defaults = ProductDefaults(terms.product.id, 5, "minutes", terms.is_touch, DEFAULT_STAKES[currency], list(terms.variants))
        durations = DurationsAllowed(list(DURATIONS), **DURATIONS)
        return ProductConfig(defaults, ProductValidations(durations, stake, payout))


@cache
def bounds(currency: str) -> tuple[AmountBounds, AmountBounds]:
    """
    Return the least and the highest stake, and payout.

    Raises:
        InvalidProposalError: there is no such currency.
    """
    if currency not in STAKES:
        raise InvalidProposalError(f"currency {quoted(currency)} is none of {', '.join(STAKES)}")
    least, most = (to_amount(Decimal(text), currency) for text in STAKES[currency])
    return AmountBounds(to_text(least), to_text(most)), AmountBounds(to_text(least), to_text(most * MOST_PAYOUT))


def checked_stake(stake: Decimal, currency: str) -> Decimal:
    """
    Return a stake with the decimals of its currency.

    Raises:
        InvalidProposalError: there is no such currency, or the stake has too many decimals or is out of bounds.
    """
    return _within(checked_amount(stake, currency, "stake"), bounds(currency)[0], "stake", currency)


def checked_payout(payout: Decimal, currency: str) -> Decimal:
    """
    Return a payout with the decimals of its currency.

    Raises:
        InvalidProposalError: there is no such currency, or the payout has too many decimals or is out of bounds.
    """
    return _within(checked_amount(payout, currency, "payout"), bounds(currency)[1], "payout", currency)


def _within(amount: Decimal, allowed: AmountBounds, name: str, currency: str) -> Decimal:
    if not Decimal(allowed.min) <= amount <= Decimal(allowed.max):
        raise InvalidProposalError(f"{name} {to_text(amount)} is not {allowed.min} to {allowed.max} {currency}")
    return amount


def checked_barrier(barrier: str | None, terms: ProductTerms, pip_size: int, spot: Decimal) -> str | None:
    """
    Return a barrier that can be traded.

    Args:
        barrier: a price, an offset with its sign, or None for the product's own.
        terms: of the product.
        pip_size: the decimals of the instrument's prices.
        spot: the price now, which an offset counts from.

    Raises:
        InvalidProposalError: the product has none, it lies between two pips, or at or below zero, or is no distance away.
    """
    if barrier is None:
        return None
    if not terms.has_barrier:
        raise InvalidProposalError(f"barrier {barrier}: {terms.product.id} has none, its barrier is the entry spot")
    number = Decimal(barrier)
    if number != round(number, pip_size):
        raise InvalidProposalError(f"barrier {barrier} has more than the {pip_size} decimals of the instrument's prices")
    if barrier[0] in "+-":
        if number == 0:
            raise InvalidProposalError(f"barrier {barrier} is the spot itself; choose an offset of at least a pip")
        number += spot
    if number <= 0:
        raise InvalidProposalError(f"barrier {barrier} is not above zero; the price is {spot} now")
    return barrier
