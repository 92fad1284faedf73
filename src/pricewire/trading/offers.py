"""Proposals: what a contract that could be bought costs and pays, both sides of it. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import msgspec

from pricewire.errors import InvalidProposalError, quoted
from pricewire.protocol.messages import Instrument, Tick
from pricewire.protocol.numbers import read_barrier, read_number, shortest, shortest_barrier
from pricewire.protocol.topics import ProposalTopic
from pricewire.protocol.trading_messages import Amount, ProposalBody, ProposalDetails, ProposalVariant, PurchaseRequest, Variant
from pricewire.trading.money import DEFAULT_CURRENCY, to_text, to_units, units_text
from pricewire.trading.pricing import payout_units
from pricewire.trading.products import Products, ProductTerms, check_duration, checked_barrier, checked_stake
from pricewire.trading.quotes import Priced, Quote, make_quote


class Offer(NamedTuple):
    """
    A checked request for a price.

    Attributes:
        topic: in canonical form: the same for all who ask for the same.
        terms: of its product.
        quote: its terms as numbers.
        currency: of the stake.
        stake: with the currency's decimals.
    """

    topic: ProposalTopic
    terms: ProductTerms
    quote: Quote
    currency: str
    stake: Decimal


def make_offer(topic: ProposalTopic, products: Products, instrument: Instrument, spot: Decimal, currency: str = DEFAULT_CURRENCY) -> Offer:
    """
    Check a request for a price against what is offered.

    Args:
        topic: the request.
        products: what is offered.
        instrument: the one that the request names.
        spot: the price now.
        currency: of the stake.

    Raises:
        InvalidProposalError: it is not offered.
    """
    terms = products.terms(topic.product_id)
    check_duration(topic.duration, topic.duration_unit)
    stake = checked_stake(topic.stake, currency)
    barrier = checked_barrier(topic.barrier, terms, instrument.pip_size, spot)
    # A barrier that is reached is touched: there is nothing to allow.
    allow_equals = True if terms.is_touch else topic.allow_equals
    canonical = msgspec.structs.replace(
        topic,
        stake=Decimal(shortest(stake)),
        allow_equals=allow_equals,
        barrier=None if barrier is None else shortest_barrier(barrier),
    )
    quote = make_quote(
        duration=topic.duration,
        unit=topic.duration_unit,
        barrier=barrier,
        allow_equals=allow_equals,
        pip_size=instrument.pip_size,
        has_barrier=terms.has_barrier,
        is_touch=terms.is_touch,
    )
    return Offer(canonical, terms, quote, currency, stake)


def requested(request: PurchaseRequest, products: Products) -> tuple[ProposalTopic, Variant]:
    """
    Return what a purchase asks for, as the topic of its proposal and the side.

    Raises:
        InvalidProposalError: the product has no such side, or the stake or the barrier cannot be read.
    """
    details = request.proposal_details
    terms = products.terms(request.product_id)
    if details.variant not in terms.variants:
        raise InvalidProposalError(f"variant {details.variant!r} is none of {', '.join(terms.variants)}, which {request.product_id} has")
    stake = read_number(details.stake)
    if stake is None:
        raise InvalidProposalError(f"stake {quoted(details.stake)} is not an amount of money in decimal notation of at most 12 digits")
    barrier = None if details.barrier is None else read_barrier(details.barrier)
    if barrier is None and details.barrier is not None:
        raise InvalidProposalError(f"barrier {quoted(details.barrier)} is neither a price nor an offset with its sign")
    topic = ProposalTopic(
        product_id=request.product_id,
        instrument_id=details.instrument_id,
        duration=details.duration,
        duration_unit=details.duration_unit,
        stake=stake,
        allow_equals=details.allow_equals,
        barrier=barrier,
    )
    return topic, details.variant


def proposal_body(offer: Offer, priced: Priced, row: int, tick: Tick, quantum: Decimal) -> ProposalBody[Amount]:
    """
    Return the message of a proposal at a tick.

    Args:
        offer: the request.
        priced: what it and others are worth at the tick.
        row: which of them it is.
        tick: the tick.
        quantum: one pip as a price.
    """
    stake, stake_units = to_text(offer.stake), to_units(offer.stake, offer.currency)
    barrier = int(priced.barrier[row]) * quantum
    expiry_time = tick.epoch_ms + round(priced.duration_ms[row])
    variants = []
    for variant, probabilities in zip(offer.terms.variants, (priced.first, priced.second), strict=True):
        probability = float(probabilities[row])
        payout = units_text(payout_units(stake_units, probability, offer.terms.commission), offer.currency)
        details = ProposalDetails(payout, stake, probability, tick.price, barrier, offer.topic.allow_equals, expiry_time)
        variants.append(ProposalVariant(variant, details))
    return ProposalBody(variants)
