"""Offers: checked requests for a price, of a given stake or of a given payout; how they are sent, and how they are bought. Pure."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import ClassVar, Protocol

import msgspec

from pricewire.errors import InvalidProposalError, quoted
from pricewire.protocol.messages import Instrument, Tick
from pricewire.protocol.numbers import read_barrier, read_number, shortest, shortest_barrier
from pricewire.protocol.topics import DEFAULT_CURRENCY, ContractPriceTopic, ProposalTopic, QuoteTopic
from pricewire.protocol.trading_messages import (
    Amount,
    ContractPrice,
    PricingParameters,
    ProposalBody,
    ProposalDetails,
    ProposalVariant,
    PurchaseRequest,
    TradeType,
    Variant,
)
from pricewire.trading.contracts import Contract
from pricewire.trading.durations import check_duration
from pricewire.trading.money import from_units, to_text, to_units, units_text
from pricewire.trading.pricing import Priced, Quote, make_quote, payout_units, price_units
from pricewire.trading.products import Products, ProductTerms, bounds, checked_barrier, checked_payout, checked_stake
from pricewire.trading.volatility import YEAR_MS, Moves

QuoteBody = ProposalBody[Amount] | ContractPrice[Amount]

TOUCHES: frozenset[TradeType] = frozenset({"TOUCH", "NOTOUCH"})

FIRST_SIDES: frozenset[TradeType] = frozenset({"CALL", "TOUCH"})
"""The trade types that are the first side of their product."""

LEAST_PROBABILITY = 0.001
"""The least chance to win of a contract that is sold: nobody pays for what cannot happen."""

EQUAL_PART = 2.1
"""
What a time that is longer by a part changes in the probability of a price that is the same, beside what it changes at most with a barrier:
half of the probability, and at most 0.242.
"""

LEAST_LOOKS = 8
"""
How many ticks have to be expected between entry and end where they are irregular: of fewer, their number is too uncertain. More where they
come in bursts: so many times as long as a tick is away from any moment.
"""

LEAST_TICKS = 2
"""How many ticks a contract lasts at least where they are irregular: a quote that has just been raised is often raised once more."""


class Offer(Protocol):
    """A checked request for a price, as live quotes see it: a `StakeOffer` or a `PayoutOffer`."""

    event: ClassVar[str]
    """The name of its events."""

    @property
    def topic(self) -> QuoteTopic:
        """The request in canonical form: the same for all who ask for the same."""

    @property
    def quote(self) -> Quote:
        """Its terms as numbers."""

    def body(self, priced: Priced, row: int, tick: Tick, quantum: Decimal, volatility: float) -> QuoteBody:
        """
        Return its message at a tick.

        Args:
            priced: what it and others are worth at the tick.
            row: which of them it is.
            tick: the tick.
            quantum: one pip as a price.
            volatility: annual; 1.0 is 100 %.
        """


class StakeOffer(msgspec.Struct, frozen=True):
    """
    What a stake would pay, on both sides of a contract: a proposal.

    Attributes:
        topic: in canonical form: the same for all who ask for the same.
        terms: of its product.
        quote: its terms as numbers.
        commission: of its product, instrument and duration.
        currency: of the stake.
        stake: with the currency's decimals.
    """

    event: ClassVar[str] = "proposal"

    topic: ProposalTopic
    terms: ProductTerms
    quote: Quote
    commission: float
    currency: str
    stake: Decimal

    def body(self, priced: Priced, row: int, tick: Tick, quantum: Decimal, volatility: float) -> ProposalBody[Amount]:
        """Return the message of a proposal at a tick, as `Offer.body` says."""
        stake, stake_units = to_text(self.stake), to_units(self.stake, self.currency)
        commission = commission_of(self, priced, row)
        barrier = int(priced.barrier[row]) * quantum
        expiry_time = tick.epoch_ms + round(priced.duration_ms[row])
        variants = []
        for variant, probabilities in zip(self.terms.variants, (priced.first, priced.second), strict=True):
            probability = float(probabilities[row])
            payout = units_text(payout_units(stake_units, probability, commission), self.currency)
            details = ProposalDetails(payout, stake, probability, tick.price, barrier, self.topic.allow_equals, expiry_time)
            variants.append(ProposalVariant(variant, details))
        return ProposalBody(variants)


class PayoutOffer(msgspec.Struct, frozen=True):
    """
    What a payout would cost, on one side of a contract, as `action=contract_price` asks.

    Attributes:
        topic: in canonical form: the same for all who ask for the same.
        terms: of the product that it is: `high_low` or `touch`.
        quote: its terms as numbers.
        commission: of its product, instrument and duration.
        payout: with the currency's decimals.
    """

    event: ClassVar[str] = "contract_price"

    topic: ContractPriceTopic
    terms: ProductTerms
    quote: Quote
    commission: float
    payout: Decimal

    def body(self, priced: Priced, row: int, tick: Tick, quantum: Decimal, volatility: float) -> ContractPrice[Amount]:
        """Return the message of a contract's price at a tick, as `Offer.body` says."""
        topic, commission = self.topic, commission_of(self, priced, row)
        duration_ms = float(priced.duration_ms[row])
        probability = float((priced.first if topic.trade_type in FIRST_SIDES else priced.second)[row])
        payout = to_units(self.payout, topic.currency)
        return ContractPrice(
            date_start=tick.epoch_ms // 1000,
            date_expiry=(tick.epoch_ms + round(duration_ms)) // 1000,
            spot=tick.price,
            strike=int(priced.barrier[row]) * quantum,
            price=units_text(price_units(payout, probability, commission), topic.currency),
            trade_type=topic.trade_type,
            instrument=topic.instrument_id,
            currency=topic.currency,
            payout=to_text(self.payout),
            pricing_parameters=PricingParameters(
                commission_percent=round(commission * 100, 10),
                commission_amount=units_text(round(payout * commission), topic.currency),
                volatility=volatility,
                spot_price=tick.price,
                duration_in_years=duration_ms / YEAR_MS,
            ),
        )


def make_offer(topic: QuoteTopic, products: Products, instrument: Instrument, spot: Decimal) -> Offer:
    """
    Check a request for a price against what is offered, at the instrument's price of now.

    Raises:
        InvalidProposalError: it is not offered.
    """
    match topic:
        case ProposalTopic():
            return make_stake_offer(topic, products, instrument, spot)
        case ContractPriceTopic():
            return make_payout_offer(topic, products, instrument, spot)


def make_stake_offer(topic: ProposalTopic, products: Products, instrument: Instrument, spot: Decimal) -> StakeOffer:
    """
    Check a request for the payout of a stake, as `make_offer` does.

    Raises:
        InvalidProposalError: it is not offered.
    """
    terms = products.terms(topic.product_id)
    check_duration(topic.duration, topic.duration_unit)
    stake = checked_stake(topic.stake, topic.currency)
    barrier = checked_barrier(topic.barrier, terms, instrument.pip_size, spot)
    # To reach a barrier is to touch it: equality always counts.
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
    commission = products.commissions.of(topic.product_id, topic.instrument_id, topic.duration, topic.duration_unit)
    return StakeOffer(canonical, terms, quote, commission, topic.currency, stake)


def make_payout_offer(topic: ContractPriceTopic, products: Products, instrument: Instrument, spot: Decimal) -> PayoutOffer:
    """
    Check a request for the price of a payout, as `make_offer` does.

    Raises:
        InvalidProposalError: it is not offered.
    """
    terms = products.terms("touch" if topic.trade_type in TOUCHES else "high_low")
    check_duration(topic.duration, topic.duration_unit)
    payout = checked_payout(topic.payout, topic.currency)
    strike = checked_barrier(topic.strike, terms, instrument.pip_size, spot)
    canonical = msgspec.structs.replace(
        topic, payout=Decimal(shortest(payout)), strike=None if strike is None else shortest_barrier(strike)
    )
    quote = make_quote(
        duration=topic.duration,
        unit=topic.duration_unit,
        barrier=strike,
        allow_equals=False,
        pip_size=instrument.pip_size,
        # Without a strike it is the spot. A touch would begin touched, so it gets its product's default barrier.
        has_barrier=terms.is_touch,
        is_touch=terms.is_touch,
    )
    commission = products.commissions.of(terms.product.id, topic.instrument_id, topic.duration, topic.duration_unit)
    return PayoutOffer(canonical, terms, quote, commission, payout)


def commission_of(offer: StakeOffer | PayoutOffer, priced: Priced, row: int) -> float:
    """
    Return what is added to a probability in a row: more where that rests on estimates, or ticks may be lost.

    Without a barrier only the probability of an equal price does: both sides have one half of what is left, or one half more of it.
    """
    margin = float(priced.margin[row])
    if not offer.terms.has_barrier:
        equal = abs(float(priced.first[row] + priced.second[row]) - 1)
        margin *= min(1.0, EQUAL_PART * equal)
    return offer.commission + margin + float(priced.doubt[row])


def requested(request: PurchaseRequest, products: Products, currency: str = DEFAULT_CURRENCY) -> tuple[ProposalTopic, Variant]:
    """
    Return what a purchase asks for, by an account of this currency, as the topic of its proposal and the side.

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
        currency=currency,
    )
    return topic, details.variant


def make_contract(
    offer: StakeOffer,
    variant: Variant,
    priced: Priced,
    tick: Tick,
    *,
    names: tuple[str, str],
    account_uuid: str,
    moves: Moves,
    quantum: Decimal,
    now_ms: int,
) -> Contract:
    """
    Return the contract that is bought.

    Args:
        offer: what is asked for.
        variant: the side.
        priced: what it is worth.
        tick: the tick that it was priced at.
        names: the contract's id, and its reference for people.
        account_uuid: the buyer's account.
        moves: how the price moves, as it was priced with.
        quantum: one pip as a price.
        now_ms: the time, in milliseconds since 1970, not before the tick.

    Raises:
        InvalidProposalError: too few ticks come in its life, it would pay too much, no more than it costs, or hardly ever.
    """
    topic, commission = offer.topic, commission_of(offer, priced, 0)
    check_life(offer, float(priced.looks[0]), moves)
    side = priced.first if variant == offer.terms.variants[0] else priced.second
    probability = float(side[0])
    if probability < LEAST_PROBABILITY:
        raise InvalidProposalError(f"the chance to win is below {LEAST_PROBABILITY:.1%}; choose a barrier that is less certain")
    payout = from_units(payout_units(to_units(offer.stake, offer.currency), probability, commission), offer.currency)
    most = bounds(offer.currency)[1].max
    if payout > Decimal(most):
        raise InvalidProposalError(f"the payout of {to_text(payout)} exceeds the limit of {most} {offer.currency}; choose a lower stake")
    if payout <= offer.stake:
        raise InvalidProposalError(
            f"the payout of {to_text(payout)} is not more than the stake of {to_text(offer.stake)} {offer.currency}; "
            "choose a barrier that is less certain"
        )
    barrier = topic.barrier
    if barrier is None and offer.terms.has_barrier:
        # The default, as an offset: the entry makes it a price.
        barrier = f"{int(priced.barrier[0]) * quantum - tick.price:+f}"
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
        barrier=barrier,
        stake=offer.stake,
        payout=payout,
        # Once the price has moved away from the entry, what it is worth depends on the volatility as with a barrier.
        commission=max(commission, offer.commission + moves.margin + moves.unlike),
        volatility=moves.volatility,
        buy_time=now_ms,
        buy_tick_time=tick.epoch_ms,
        buy_spot=tick.price,
        expiry_time=now_ms + round(priced.duration_ms[0]),
    )


def check_life(offer: StakeOffer, looks: float, moves: Moves) -> None:
    """
    Check that enough ticks come between the entry and the end of a contract for it to be priced.

    Raises:
        InvalidProposalError: too few come, or not at equal intervals.
    """
    topic = offer.topic
    if topic.duration_unit == "ticks":
        # Where the volatility is known there is no margin for it, and a tick says nothing of the next one.
        if topic.duration < LEAST_TICKS and not moves.is_regular and moves.margin > 0:
            raise InvalidProposalError(
                f"{topic.instrument_id} has ticks at irregular intervals: choose a duration of at least {LEAST_TICKS} ticks"
            )
        # Shortly after a tick the price is more often the same than after a usual interval, and equality wins on both sides.
        if (offer.terms.has_barrier or topic.allow_equals) and not moves.is_regular:
            which = topic.product_id if offer.terms.has_barrier else f"{topic.product_id} with allow_equals"
            raise InvalidProposalError(
                f"{topic.instrument_id} has ticks at irregular intervals: {which} on it lasts a time, not a number of ticks"
            )
        return
    least = 1.0 if moves.is_regular else LEAST_LOOKS * max(1.0, moves.wait)
    if looks < least:
        seconds = math.ceil((least + 1 + max(1.0, moves.wait)) * moves.interval_ms / 1000)
        raise InvalidProposalError(
            f"{topic.instrument_id} has a tick every {moves.interval_ms / 1000:g} s: choose a duration of at least {seconds} seconds"
        )
