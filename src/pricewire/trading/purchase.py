"""From what a buyer asks for to the contract that is bought. Pure."""

from __future__ import annotations

import hashlib
from decimal import Decimal

import msgspec

from pricewire.errors import InvalidProposalError, quoted
from pricewire.protocol.messages import Tick
from pricewire.protocol.numbers import read_number, shortest
from pricewire.protocol.trading_messages import PurchaseRequest, Variant
from pricewire.trading.contracts import Contract
from pricewire.trading.money import from_units, to_text, to_units
from pricewire.trading.offers import Offer
from pricewire.trading.pricing import payout_units
from pricewire.trading.products import bounds
from pricewire.trading.quotes import Priced

MOST_SLIPPAGE = Decimal("0.05")
"""By how much the payout may have fallen since the buyer saw it, as a part of it."""


def digest(request: PurchaseRequest) -> str:
    """Return what tells one request from another: the same for the same content, whether an amount is a text or a number."""
    details = request.proposal_details
    details = msgspec.structs.replace(details, stake=_same(details.stake), payout=None if details.payout is None else _same(details.payout))
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(request, proposal_details=details))).hexdigest()


def _same(amount: str | float) -> str:
    number = read_number(amount)
    return str(amount) if number is None else shortest(number)


def make_contract(
    offer: Offer,
    variant: Variant,
    priced: Priced,
    tick: Tick,
    *,
    names: tuple[str, str],
    account_uuid: str,
    volatility: float,
    quantum: Decimal,
    now_ms: int,
) -> Contract:
    """
    Return the contract that is bought.

    Args:
        offer: what is asked for.
        variant: the side.
        priced: what it is worth.
        tick: that this was computed from.
        names: the contract's id, and its reference for people.
        account_uuid: the buyer's account.
        volatility: annual, that it was priced with.
        quantum: one pip as a price.
        now_ms: the time, in milliseconds since 1970.

    Raises:
        InvalidProposalError: it would pay too much, or no more than it costs.
    """
    topic, commission = offer.topic, offer.terms.commission
    side = priced.first if variant == offer.terms.variants[0] else priced.second
    payout = from_units(payout_units(to_units(offer.stake, offer.currency), float(side[0]), commission), offer.currency)
    most = bounds(offer.currency)[1].max
    if payout > Decimal(most):
        raise InvalidProposalError(f"the payout of {to_text(payout)} exceeds the limit of {most} {offer.currency}; choose a lower stake")
    if payout <= offer.stake:
        raise InvalidProposalError(
            f"the payout of {to_text(payout)} is not more than the stake of {to_text(offer.stake)} {offer.currency}; "
            "choose a barrier that is less certain"
        )
    # Never before the tick that the price was made of, which would become the entry otherwise after a restart.
    buy_time = max(now_ms, tick.epoch_ms)
    return Contract(
        contract_id=names[0],
        reference_id=names[1],
        account_uuid=account_uuid,
        currency=offer.currency,
        product_id=topic.product_id,
        variant=variant,
        instrument_id=topic.instrument_id,
        duration=topic.duration,
        duration_unit=topic.duration_unit,
        allow_equals=topic.allow_equals,
        barrier=bought_barrier(offer, priced, tick, quantum),
        stake=offer.stake,
        payout=payout,
        commission=commission,
        volatility=volatility,
        buy_time=buy_time,
        expiry_time=buy_time + round(priced.duration_ms[0]),
    )


def bought_barrier(offer: Offer, priced: Priced, tick: Tick, quantum: Decimal) -> str | None:
    """Return a contract's barrier: as asked for; or the default as an offset, which the entry then makes a price of."""
    if offer.topic.barrier is not None or not offer.terms.has_barrier:
        return offer.topic.barrier
    return f"{int(priced.barrier[0]) * quantum - tick.price:+f}"


def check_slippage(seen: str | float | None, payout: Decimal, currency: str) -> None:
    """
    Check that a buyer gets about what they saw.

    Args:
        seen: the payout that the buyer was shown; None where they do not say.
        payout: what the contract pays.
        currency: of both.

    Raises:
        InvalidProposalError: the payout is much lower than it was, or what they saw is no amount.
    """
    if seen is None:
        return
    number = read_number(seen)
    if number is None:
        raise InvalidProposalError(f"payout {quoted(seen)} is not an amount of money in decimal notation of at most 12 digits")
    if number * (1 - MOST_SLIPPAGE) > payout:
        raise InvalidProposalError(
            f"the payout is {to_text(payout)} {currency} now, more than 5 % below the {number} asked for; look at the proposal again"
        )
