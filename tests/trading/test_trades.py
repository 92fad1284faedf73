"""The contract that a purchase makes."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from pricewire.errors import InvalidProposalError
from pricewire.protocol.messages import Tick
from pricewire.protocol.topics import ProposalTopic, parse_topic
from pricewire.protocol.trading_messages import ProposalBody, PurchaseDetails, PurchaseRequest, Variant
from pricewire.trading.contracts import Contract, enter
from pricewire.trading.instrument_books import InstrumentBook
from pricewire.trading.offers import make_contract, make_stake_offer
from pricewire.trading.products import Products
from pricewire.trading.trades import check_slippage, digest
from support.contract_maker import BUY_TIME, tick
from support.feeds import GOLD


def buy(text: str, variant: Variant, *, spot: Tick | None = None, now_ms: int = BUY_TIME + 300, currency: str = "USD") -> Contract:
    topic = parse_topic(f"proposal:{text}")
    assert isinstance(topic, ProposalTopic)
    newest = spot or tick(0)
    book = InstrumentBook(GOLD, 0.5)
    book.remember(newest)
    offer = make_stake_offer(topic, Products(), GOLD, newest.price, currency)
    contract = make_contract(
        offer,
        variant,
        book.price(offer, 0.5),
        newest,
        names=("id", "ref"),
        account_uuid="u",
        volatility=0.5,
        quantum=book.quantum,
        now_ms=now_ms,
    )
    body = book.quote(offer)
    assert isinstance(body, ProposalBody)
    details = {each.variant: each.contract_details for each in body.variants}[variant]
    assert contract.payout == Decimal(details.payout), "it pays what the proposal showed"
    return contract


def test_a_contract_has_what_was_asked_for() -> None:
    contract = buy("high_low:GOLD:5:minutes:10:true:+0.25", "lower")
    assert contract == Contract(
        contract_id="id",
        reference_id="ref",
        account_uuid="u",
        currency="USD",
        product_id="high_low",
        variant="lower",
        instrument_id="GOLD",
        duration=5,
        duration_unit="minutes",
        allow_equals=True,
        barrier="+0.25",
        stake=Decimal("10.00"),
        payout=contract.payout,
        commission=0.012,
        volatility=0.5,
        buy_time=BUY_TIME + 300,
        expiry_time=BUY_TIME + 300 + 300_000,
    )


def test_the_default_barrier_becomes_an_offset() -> None:
    contract = buy("touch:GOLD:1:hours:10:true", "touch")
    assert contract.barrier == "+0.53"
    assert enter(contract, tick(500, "99.00"), 1000).barrier_price == Decimal("99.53")
    assert buy("rise_fall:GOLD:1:hours:10:false", "rise").barrier is None


def test_it_is_bought_no_earlier_than_its_price() -> None:
    assert buy("rise_fall:GOLD:5:ticks:10:false", "fall", spot=tick(900)).buy_time == BUY_TIME + 900


def test_a_payout_over_the_limit_or_not_over_the_stake_is_refused() -> None:
    with pytest.raises(InvalidProposalError, match=r"exceeds the limit of 100000.00 USD"):
        buy("high_low:GOLD:5:minutes:50000:false:+5", "higher")
    with pytest.raises(InvalidProposalError, match=r"is not more than the stake of 10.00 USD"):
        buy("high_low:GOLD:5:minutes:10:false:+5", "lower")


def test_a_stake_in_bitcoin_has_eight_decimals() -> None:
    contract = buy("rise_fall:GOLD:5:minutes:0.001:false", "rise", currency="BTC")
    assert f"{contract.stake:f}" == "0.00100000"
    assert float(contract.payout) == pytest.approx(0.00195, abs=0.0001)
    assert len(f"{contract.payout:f}") == len("0.00100000")


@pytest.mark.parametrize("seen", [None, "19.00", "20.50", "1"])
def test_a_payout_near_what_the_buyer_saw_or_above_is_taken(seen: str | None) -> None:
    check_slippage(seen, Decimal("19.53"), "USD")


@pytest.mark.parametrize("seen", ["20.57", "100"])
def test_a_payout_far_below_what_the_buyer_saw_is_refused(seen: str) -> None:
    with pytest.raises(InvalidProposalError, match=r"the payout is 19.53 USD now, more than 5 % below"):
        check_slippage(seen, Decimal("19.53"), "USD")


def test_a_digest_tells_requests_apart() -> None:
    details = PurchaseDetails(instrument_id="GOLD", duration=5, duration_unit="minutes", stake="10", variant="rise")
    request = PurchaseRequest(idempotency_key="k", product_id="rise_fall", proposal_details=details)
    other = msgspec.structs.replace(request, proposal_details=msgspec.structs.replace(details, variant="fall"))
    same = msgspec.structs.replace(request, proposal_details=msgspec.structs.replace(details, stake=10.0))
    assert digest(same) == digest(request) == digest(msgspec.convert(msgspec.to_builtins(request), PurchaseRequest)) != digest(other)
