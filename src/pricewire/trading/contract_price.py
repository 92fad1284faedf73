"""What a contract with a given payout costs, as `action=contract_price` asks. Pure."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import NamedTuple

import msgspec

from pricewire.errors import InvalidProposalError, quoted
from pricewire.protocol.messages import Instrument, Tick
from pricewire.protocol.numbers import shortest, shortest_barrier
from pricewire.protocol.topics import ContractPriceTopic
from pricewire.protocol.trading_messages import Amount, ContractPrice, DurationUnit, PricingParameters, TradeType
from pricewire.trading.money import to_text, to_units, units_text
from pricewire.trading.pricing import YEAR_MS, price_units
from pricewire.trading.products import Products, ProductTerms, check_duration, checked_barrier, checked_payout
from pricewire.trading.quotes import Priced, Quote, make_quote

TOUCHES: frozenset[TradeType] = frozenset({"TOUCH", "NOTOUCH"})

FIRST_SIDES: frozenset[TradeType] = frozenset({"CALL", "TOUCH"})
"""The trade types that are the first side of their product."""

UNITS: dict[str, DurationUnit] = {"t": "ticks", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}

DURATION = re.compile(r"([1-9][0-9]{0,8})([tsmhd])")


class PayoutOffer(NamedTuple):
    """
    A checked request for the price of a payout.

    Attributes:
        topic: in canonical form: the same for all who ask for the same.
        terms: of the product that it is: `high_low` or `touch`.
        quote: its terms as numbers.
        payout: with the currency's decimals.
    """

    topic: ContractPriceTopic
    terms: ProductTerms
    quote: Quote
    payout: Decimal


def parse_duration(text: str) -> tuple[int, DurationUnit]:
    """
    Read a duration with its unit, `5m` for instance.

    Raises:
        InvalidProposalError: it is not a number and one of the letters `d`, `h`, `m`, `s`, `t`.
    """
    match = DURATION.fullmatch(text)
    if match is None:
        raise InvalidProposalError(f"duration {quoted(text)} is not a number and a unit, d, h, m, s or t (ticks), as in '5m'")
    return int(match[1]), UNITS[match[2]]


def make_payout_offer(topic: ContractPriceTopic, products: Products, instrument: Instrument, spot: Decimal) -> PayoutOffer:
    """
    Check a request for the price of a payout against what is offered.

    Args:
        topic: the request.
        products: what is offered.
        instrument: the one that the request names.
        spot: the price now.

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
        # Without a strike it is the spot; which is touched already, so there it is the product's own barrier.
        has_barrier=terms.is_touch,
        is_touch=terms.is_touch,
    )
    return PayoutOffer(canonical, terms, quote, payout)


def contract_price(offer: PayoutOffer, priced: Priced, row: int, tick: Tick, quantum: Decimal, volatility: float) -> ContractPrice[Amount]:
    """
    Return the message of a contract's price at a tick.

    Args:
        offer: the request.
        priced: what it and others are worth at the tick.
        row: which of them it is.
        tick: the tick.
        quantum: one pip as a price.
        volatility: annual; 1.0 is 100 %.
    """
    topic, commission = offer.topic, offer.terms.commission
    duration_ms = float(priced.duration_ms[row])
    probability = float((priced.first if topic.trade_type in FIRST_SIDES else priced.second)[row])
    payout = to_units(offer.payout, topic.currency)
    return ContractPrice(
        date_start=tick.epoch_ms // 1000,
        date_expiry=(tick.epoch_ms + round(duration_ms)) // 1000,
        spot=tick.price,
        strike=int(priced.barrier[row]) * quantum,
        price=units_text(price_units(payout, probability, commission), topic.currency),
        trade_type=topic.trade_type,
        instrument=topic.instrument_id,
        currency=topic.currency,
        payout=to_text(offer.payout),
        pricing_parameters=PricingParameters(
            commission_percent=round(commission * 100, 10),
            commission_amount=units_text(round(payout * commission), topic.currency),
            volatility=volatility,
            spot_price=tick.price,
            duration_in_years=duration_ms / YEAR_MS,
        ),
    )
