"""Commissions: what is added to the probability in a price, by product, instrument and duration. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import get_args

import msgspec

from pricewire.errors import InvalidProposalError
from pricewire.protocol.messages import InstrumentId
from pricewire.protocol.topics import INSTRUMENT_ID
from pricewire.protocol.trading_messages import DurationUnit, ProductId
from pricewire.trading.durations import UNIT_MS, parse_duration

COMMISSION = 0.012
"""What is added where nothing else is said."""

LEAST_COMMISSION = 0.005
"""The least commission: half of the smallest unit, by which a payout is rounded, is as much of the least stake of a hundred units."""

ANY = "*"

PRODUCT_IDS: tuple[ProductId, ...] = get_args(ProductId)


class CommissionRule(msgspec.Struct, frozen=True):
    """
    A commission of some contracts.

    Attributes:
        commission: at least `LEAST_COMMISSION`, and below 1.
        product_id: of which product.
        instrument_id: on which instrument; None for all.
        most: of contracts that last so long at most, in ticks or milliseconds; infinite for all.
        in_ticks: whether `most` is in ticks: it says nothing of a time then, and the other way round.
    """

    commission: float
    product_id: ProductId
    instrument_id: InstrumentId | None = None
    most: float = math.inf
    in_ticks: bool = False

    def fits(self, product_id: str, instrument_id: str, duration: int, unit: DurationUnit) -> bool:
        """Return whether it is of such a contract."""
        return (
            self.product_id == product_id
            and self.instrument_id in (None, instrument_id)
            and (self.most == math.inf or (self.in_ticks == (unit == "ticks") and duration * UNIT_MS.get(unit, 1) <= self.most))
        )


class Commissions:
    """
    The commission of every contract.

    Of the rules that fit a contract, one that names the instrument goes before one that does not, and then the one with the shortest
    duration.

    Attributes:
        rules: the rules, in the order in which they are tried.
    """

    def __init__(self, rules: Mapping[str, float] | None = None) -> None:
        """
        Read rules.

        Args:
            rules: commissions by whose they are: `touch`, `touch:R_100`, `touch:R_100:5t` (of up to five ticks), `touch:*:60s` (of up to
                a minute).

        Raises:
            InvalidProposalError: a rule cannot be read, or its commission is out of bounds.
        """
        self.rules = sorted((read_rule(text, commission) for text, commission in (rules or {}).items()), key=rank)

    def of(self, product_id: str, instrument_id: str, duration: int, unit: DurationUnit) -> float:
        """Return what is added to the probability of a contract."""
        return next((rule.commission for rule in self.rules if rule.fits(product_id, instrument_id, duration, unit)), COMMISSION)


def rank(rule: CommissionRule) -> tuple[bool, float]:
    """Return where a rule stands in the order in which they are tried."""
    return rule.instrument_id is None, rule.most


def read_rule(text: str, commission: float) -> CommissionRule:
    """
    Read a rule.

    Args:
        text: whose commission it is, as `Commissions` has it.
        commission: the commission.

    Raises:
        InvalidProposalError: the rule cannot be read, or the commission is out of bounds.
    """
    if not LEAST_COMMISSION <= commission < 1:
        raise InvalidProposalError(f"commission {commission} of {text} is not between {LEAST_COMMISSION} and 1")
    product_id, _, rest = text.partition(":")
    instrument_id, has_duration, duration = rest.partition(":")
    if rest and instrument_id != ANY and INSTRUMENT_ID.fullmatch(instrument_id) is None:
        raise InvalidProposalError(f"commission of {text}: {instrument_id!r} is no instrument; write '{ANY}' for all of them")
    product = next((each for each in PRODUCT_IDS if each == product_id), None)
    if product is None:
        raise InvalidProposalError(f"commission of {text}: product {product_id!r} is none of {', '.join(PRODUCT_IDS)}")
    rule = CommissionRule(commission, product, None if instrument_id in ("", ANY) else instrument_id)
    if not has_duration:
        return rule
    number, unit = parse_duration(duration)
    return msgspec.structs.replace(rule, most=float(number * UNIT_MS.get(unit, 1)), in_ticks=unit == "ticks")
