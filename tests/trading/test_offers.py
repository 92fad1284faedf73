"""Proposals: checked, canonical, priced, and the same alone as among others."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricewire.errors import InvalidProposalError
from pricewire.protocol.topics import ProposalTopic, parse_topic
from pricewire.protocol.trading_messages import Amount, ProposalBody, PurchaseDetails, PurchaseRequest
from pricewire.trading.instrument_books import InstrumentBook
from pricewire.trading.offers import StakeOffer, make_stake_offer, requested
from pricewire.trading.products import Products
from pricewire.trading.volatility import YEAR_MS
from support.books import MOVES, steady_book
from support.contract_maker import BUY_TIME, tick
from support.exact_prices import exact_above
from support.feeds import GOLD

PRODUCTS = Products()
SPOT = Decimal("100.00")


def offer(text: str) -> StakeOffer:
    topic = parse_topic(text)
    assert isinstance(topic, ProposalTopic)
    return make_stake_offer(topic, PRODUCTS, GOLD, SPOT)


def book() -> InstrumentBook:
    return steady_book()


def proposal(text: str) -> dict[str, Any]:
    body = book().quote(offer(text))
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(body))
    return {variant["variant"]: variant["contract_details"] for variant in decoded["variants"]}


def test_a_proposal_has_the_members_of_the_surface() -> None:
    variants = proposal("proposal:high_low:GOLD:5:minutes:10:false:+0.25")
    # From the entry, a tick from now, there are 299 ticks.
    probability = exact_above(10_000, 10_025, MOVES.tick_deviation, 299, allow_equals=False)
    assert variants["higher"] == {
        "payout": f"{10 / (variants['higher']['probability'] + 0.012):.2f}",
        "stake": "10.00",
        "probability": pytest.approx(probability),
        "pricing_spot": "100.00",
        "barrier": "100.25",
        "allow_equals": False,
        "contract_expiry_time": BUY_TIME + 300_000,
    }
    assert list(variants) == ["higher", "lower"]


def test_the_commission_is_that_of_product_instrument_and_duration() -> None:
    products = Products({"high_low:GOLD": 0.05, "high_low:*:1m": 0.3, "high_low:GOLD:90s": 0.1})
    for duration, commission in ((2, 0.05), (1, 0.1)):
        topic = parse_topic(f"proposal:high_low:GOLD:{duration}:minutes:10:false:+0.1")
        assert isinstance(topic, ProposalTopic)
        body = book().quote(make_stake_offer(topic, products, GOLD, SPOT))
        assert isinstance(body, ProposalBody)
        details = body.variants[0].contract_details
        assert details.payout == f"{10 / (details.probability + commission):.2f}"


def test_rise_and_fall_are_at_the_money() -> None:
    variants = proposal("proposal:rise_fall:GOLD:1:days:10:true")
    assert variants["rise"]["barrier"] == variants["fall"]["barrier"] == "100.00"
    assert variants["rise"]["probability"] == pytest.approx(0.5, abs=0.02)


def test_without_a_barrier_it_is_a_deviation_above_the_spot() -> None:
    deviation = 100 * 0.5 * (3600_000 / YEAR_MS) ** 0.5
    variants = proposal("proposal:touch:GOLD:1:hours:10:false")
    both = [*variants.values(), *proposal("proposal:high_low:GOLD:1:hours:10:false").values()]
    assert {details["barrier"] for details in both} == {f"{100 + round(deviation, 2):.2f}"}
    assert variants["touch"]["probability"] + variants["no_touch"]["probability"] == pytest.approx(1)


def test_a_duration_in_ticks_lasts_as_long_as_they_take() -> None:
    at_two_seconds = book()
    for offset in range(2000, 62_000, 2000):
        at_two_seconds.remember(tick(offset))
    body = at_two_seconds.quote(offer("proposal:rise_fall:GOLD:5:ticks:10:false"))
    assert isinstance(body, ProposalBody)
    assert body.variants[0].contract_details.contract_expiry_time == BUY_TIME + 60_000 + 5 * 2000


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("proposal:touch:GOLD:5:minutes:10.00:false:+0.50", "proposal:touch:GOLD:5:minutes:10:true:+0.5"),
        ("proposal:touch:GOLD:5:minutes:10:true", "proposal:touch:GOLD:5:minutes:10:true"),
        ("proposal:high_low:GOLD:5:minutes:10.50:false:0100.10", "proposal:high_low:GOLD:5:minutes:10.5:false:100.1"),
        ("proposal:high_low:GOLD:5:minutes:USD:10:false:+1", "proposal:high_low:GOLD:5:minutes:10:false:+1"),
        ("proposal:rise_fall:GOLD:5:minutes:JPY:1000:false", "proposal:rise_fall:GOLD:5:minutes:JPY:1000:false"),
    ],
)
def test_a_request_gets_its_canonical_topic(text: str, canonical: str) -> None:
    assert str(offer(text).topic) == canonical


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("proposal:rise_fall:GOLD:11:ticks:10:false", "duration 11 is not 1 to 10 ticks"),
        ("proposal:rise_fall:GOLD:5:minutes:0.5:false", "stake 0.50 is not 1.00 to"),
        ("proposal:rise_fall:GOLD:5:minutes:10:false:+1", "rise_fall has none"),
        ("proposal:rise_fall:GOLD:5:minutes:JPY:10:false", "stake 10 is not 100 to 7500000 JPY"),
        ("proposal:rise_fall:GOLD:5:minutes:JPY:1000.5:false", "has more decimals than JPY"),
        ("proposal:rise_fall:GOLD:5:minutes:XXX:10:false", "currency 'XXX' is none of USD"),
    ],
)
def test_what_is_not_offered_is_refused(text: str, message: str) -> None:
    with pytest.raises(InvalidProposalError, match=message):
        offer(text)


TEXT = st.builds(
    "proposal:{}:GOLD:{}:{}:10:{}{}".format,
    st.sampled_from(["high_low", "touch"]),
    st.integers(1, 10),
    st.sampled_from(["ticks", "minutes", "hours"]),
    st.sampled_from(["true", "false"]),
    st.sampled_from(["", ":+0.1", ":-0.1", ":99.5", ":103"]),
)


@settings(max_examples=40)
@given(st.lists(TEXT, unique=True, max_size=12), st.sets(st.integers(0, 11)))
def test_a_quote_is_the_same_alone_and_among_others(texts: list[str], removed: set[int]) -> None:
    shared = book()
    offers = {text: offer(text) for text in texts}
    for text, each in offers.items():
        shared.add_quote(text, each)
    for number, text in enumerate(texts):
        if number in removed:
            shared.remove_quote(text)
            del offers[text]
    shared.remember(tick(1000, "100.03"))
    quotes = {text: body for text, _, body in shared.quotes()}
    assert quotes == {text: shared.quote(each) for text, each in offers.items()}


@settings(max_examples=50)
@given(st.decimals(1, 1000, places=2), st.integers(1, 300), st.integers(-300, 300))
def test_a_payout_is_the_stake_over_probability_and_commission(stake: Decimal, minutes: int, offset: int) -> None:
    barrier = f":{offset / 100:+.2f}" if offset else ""
    body: ProposalBody[Amount] = book().quote(offer(f"proposal:high_low:GOLD:{minutes}:minutes:{stake}:false{barrier}"))  # type: ignore[assignment]
    for variant in body.variants:
        details = variant.contract_details
        exact = float(stake) / (details.probability + 0.012)
        assert abs(float(details.payout) - exact) <= 0.005 + 1e-9
        assert len(details.payout.partition(".")[2]) == 2


def test_a_purchase_names_its_proposal() -> None:
    details = PurchaseDetails(instrument_id="GOLD", duration=5, duration_unit="minutes", stake="10.0", variant="touch")
    request = PurchaseRequest(idempotency_key="k", product_id="touch", proposal_details=details)
    topic, variant = requested(request, PRODUCTS)
    assert (str(topic), variant) == ("proposal:touch:GOLD:5:minutes:10:false", "touch")
    with pytest.raises(InvalidProposalError, match="variant 'touch' is none of rise, fall, which rise_fall has"):
        requested(msgspec.structs.replace(request, product_id="rise_fall"), PRODUCTS)


def test_nothing_is_quoted_without_a_price() -> None:
    unpriced, unknown = InstrumentBook(GOLD, 0.5), InstrumentBook(GOLD, None)
    unknown.remember(tick(0))
    for each in (unpriced, unknown):
        each.add_quote("a", offer("proposal:rise_fall:GOLD:5:minutes:10:false"))
        assert list(each.quotes()) == []
        assert each.quote(offer("proposal:rise_fall:GOLD:5:minutes:10:false")) is None


def test_an_offset_that_the_price_has_fallen_below_is_quoted_all_the_same() -> None:
    fallen = book()
    fallen.add_quote("a", offer("proposal:high_low:GOLD:5:minutes:10:false:-50"))
    fallen.remember(tick(1000, "40.00"))
    ((_, event, body),) = fallen.quotes()
    assert event == "proposal"
    assert isinstance(body, ProposalBody)
    assert [variant.contract_details.probability for variant in body.variants] == pytest.approx([1, 0])
