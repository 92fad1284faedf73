"""`action=contract_price`: what a payout costs."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest

from pricewire.errors import InvalidProposalError
from pricewire.protocol.topics import ContractPriceTopic, ProposalTopic, parse_topic
from pricewire.protocol.trading_messages import ProposalBody
from pricewire.trading.durations import parse_duration
from pricewire.trading.offers import PayoutOffer, make_offer, make_payout_offer
from pricewire.trading.pricing import place_margin
from pricewire.trading.products import Products
from pricewire.trading.volatility import YEAR_MS
from support.books import MOVES, steady_book
from support.contract_maker import BUY_TIME
from support.exact_prices import exact_above
from support.feeds import GOLD
from support.formulas import above_probability
from trading.test_offers import SPOT


def offer(text: str) -> PayoutOffer:
    topic = parse_topic(f"contract_price:{text}")
    assert isinstance(topic, ContractPriceTopic)
    return make_payout_offer(topic, Products(), GOLD, SPOT)


def price(text: str) -> dict[str, Any]:
    book = steady_book()
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(book.quote(offer(text))))
    return decoded


def commission(ticks: float) -> float:
    """Return the commission of a barrier that is a price: GOLD moves less than a pip with a tick, so there is a margin for its place."""
    return 0.012 + float(place_margin(10_000 * MOVES.tick_deviation, np.array([ticks]))[0])


def test_a_price_has_the_members_of_the_surface() -> None:
    # A barrier that is a price is 300 ticks from now.
    probability = exact_above(10_000, 10_025, MOVES.tick_deviation, 300, allow_equals=False)
    assert price("CALL:GOLD:5:minutes:USD:100:100.25") == {
        "date_start": BUY_TIME // 1000,
        "date_expiry": BUY_TIME // 1000 + 300,
        "spot": "100.00",
        "strike": "100.25",
        "price": f"{100 * (probability + commission(300)):.2f}",
        "trade_type": "CALL",
        "instrument": "GOLD",
        "currency": "USD",
        "payout": "100.00",
        "pricing_parameters": {
            "commission_percent": pytest.approx(100 * commission(300)),
            "commission_amount": f"{100 * commission(300):.2f}",
            "volatility": 0.5,
            "spot_price": "100.00",
            "duration_in_years": pytest.approx(300_000 / YEAR_MS),
        },
    }


def test_call_and_put_cost_the_payout_the_commissions_and_no_equality() -> None:
    call, put = price("CALL:GOLD:1:days:USD:1000"), price("PUT:GOLD:1:days:USD:1000")
    assert call["strike"] == put["strike"] == "100.00"
    equal = float(above_probability(10_000, 9999.5, 0.5, 1 / 365) - above_probability(10_000, 10_000.5, 0.5, 1 / 365))
    assert float(call["price"]) + float(put["price"]) == pytest.approx(1000 * (1 + 2 * 0.012 - equal), abs=0.02)


@pytest.mark.parametrize("strike", ["100.25", "-0.5", None])
def test_touches_cost_what_the_product_says(strike: str | None) -> None:
    end = "" if strike is None else f":{strike}"
    topic = parse_topic(f"proposal:touch:GOLD:5:minutes:10:true{end}")
    assert isinstance(topic, ProposalTopic)
    book = steady_book()
    proposal = book.quote(make_offer(topic, Products(), GOLD, SPOT))
    assert isinstance(proposal, ProposalBody)
    for trade_type, variant in zip(("TOUCH", "NOTOUCH"), proposal.variants, strict=True):
        quoted = price(f"{trade_type}:GOLD:5:minutes:USD:1000{end}")
        assert quoted["trade_type"] == trade_type
        assert quoted["strike"] == str(variant.contract_details.barrier)
        charged = commission(300) if strike == "100.25" else 0.012
        assert quoted["price"] == f"{1000 * (variant.contract_details.probability + charged):.2f}"


def test_another_currency_and_an_offset() -> None:
    quoted = price("PUT:GOLD:10:ticks:BTC:0.5:-1.5")
    assert (quoted["strike"], quoted["payout"], quoted["currency"]) == ("98.50", "0.50000000", "BTC")
    assert len(quoted["price"]) == len("0.00600000")


def test_it_has_a_canonical_topic() -> None:
    assert str(offer("CALL:GOLD:5:minutes:USD:100.00:+01.50").topic) == "contract_price:CALL:GOLD:5:minutes:USD:100:+1.5"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("CALL:GOLD:11:ticks:USD:100", "duration 11"),
        ("CALL:GOLD:5:minutes:XXX:100", "currency 'XXX' is none of"),
        ("CALL:GOLD:5:minutes:USD:100001", "payout 100001.00 is not 1.00 to 100000.00 USD"),
        ("CALL:GOLD:5:minutes:USD:100:-100", "is not above zero"),
    ],
)
def test_what_is_not_offered_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidProposalError, match=message):
        offer(text)


def test_durations() -> None:
    assert [parse_duration(text) for text in ("5t", "15s", "1m", "24h", "365d")] == [
        (5, "ticks"),
        (15, "seconds"),
        (1, "minutes"),
        (24, "hours"),
        (365, "days"),
    ]
    for text in ("", "5", "m", "05m", "5 m", "5M", "-1m", "1.5h", "5m\n"):
        with pytest.raises(InvalidProposalError, match="is not a number and a unit"):
            parse_duration(text)
