"""The contract that a purchase makes."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest

from pricewire.errors import InvalidProposalError, PriceMovedError
from pricewire.protocol.topics import ProposalTopic, parse_topic
from pricewire.protocol.trading_messages import ProposalBody, PurchaseDetails, PurchaseRequest, Variant
from pricewire.trading.contracts import Contract, enter
from pricewire.trading.offers import make_contract, make_stake_offer
from pricewire.trading.products import Products
from pricewire.trading.trades import check_payout, digest
from pricewire.trading.volatility import Moves
from support.books import MOVES, steady_book
from support.contract_maker import BUY_TIME, tick
from support.feeds import GOLD


def buy(text: str, variant: Variant, *, currency: str = "USD", moves: Moves = MOVES) -> Contract:
    topic = parse_topic(f"proposal:{text}")
    assert isinstance(topic, ProposalTopic)
    topic = msgspec.structs.replace(topic, currency=currency)
    newest = tick(0)
    book = steady_book()
    offer = make_stake_offer(topic, Products(), GOLD, newest.price)
    contract = make_contract(
        offer,
        variant,
        book.price(offer, moves),
        newest,
        names=("id", "ref"),
        account_uuid="u",
        moves=moves,
        quantum=book.quantum,
        now_ms=newest.epoch_ms,
    )
    body = book.quote(offer)
    assert isinstance(body, ProposalBody)
    details = {each.variant: each.contract_details for each in body.variants}[variant]
    if moves is MOVES:
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
        buy_time=BUY_TIME,
        buy_tick_time=BUY_TIME,
        buy_spot=Decimal("100.00"),
        expiry_time=BUY_TIME + 300_000,
    )


def test_the_default_barrier_becomes_an_offset() -> None:
    contract = buy("touch:GOLD:1:hours:10:true", "touch")
    assert contract.barrier == "+0.53"
    assert enter(contract, tick(500, "99.00"), 1000).barrier_price == Decimal("99.53")
    assert buy("rise_fall:GOLD:1:hours:10:false", "rise").barrier is None


def test_what_hardly_ever_wins_or_loses_is_refused() -> None:
    for text, variant in (("high_low:GOLD:5:minutes:10:false:+5", "higher"), ("touch:GOLD:1:ticks:10:true:+0.05", "touch")):
        with pytest.raises(InvalidProposalError, match=r"the chance to win is below 0.1%"):
            buy(text, variant)  # type: ignore[arg-type]
    # A barrier at the price is touched already.
    with pytest.raises(InvalidProposalError, match=r"the chance to win is below 0.1%"):
        buy("touch:GOLD:5:minutes:10:true:100.00", "no_touch")
    with pytest.raises(InvalidProposalError, match=r"is not more than the stake"):
        buy("touch:GOLD:5:minutes:10:true:100.00", "touch")


def test_a_contract_has_a_tick_between_its_entry_and_its_end() -> None:
    moves = MOVES._replace(interval_ms=16_000.0)
    with pytest.raises(InvalidProposalError, match=r"has a tick every 16 s: choose a duration of at least 48 seconds"):
        buy("rise_fall:GOLD:15:seconds:10:false", "rise", moves=moves)
    assert buy("rise_fall:GOLD:48:seconds:10:false", "rise", moves=moves).payout > 0


def test_irregular_ticks_need_time_and_a_margin() -> None:
    moves = MOVES._replace(is_regular=False, margin=0.03)
    with pytest.raises(InvalidProposalError, match=r"GOLD has ticks at irregular intervals: touch on it lasts a time"):
        buy("touch:GOLD:5:ticks:10:true:+0.02", "touch", moves=moves)
    with pytest.raises(InvalidProposalError, match=r"choose a duration of at least 2 ticks"):
        buy("rise_fall:GOLD:1:ticks:10:false", "rise", moves=moves)
    assert buy("rise_fall:GOLD:1:ticks:10:false", "rise", moves=moves._replace(margin=0.0)).payout > 0
    with pytest.raises(InvalidProposalError, match=r"choose a duration of at least 30 seconds"):
        buy("high_low:GOLD:20:seconds:10:true:+0.02", "higher", moves=moves._replace(interval_ms=3000.0))
    assert buy("touch:GOLD:5:minutes:10:true:+0.02", "touch", moves=moves).commission == pytest.approx(0.052)
    with pytest.raises(InvalidProposalError, match=r"rise_fall with allow_equals on it lasts a time"):
        buy("rise_fall:GOLD:5:ticks:10:true", "rise", moves=moves)


def test_where_changes_are_uneven_every_contract_has_the_margin_for_that() -> None:
    moves = MOVES._replace(unlike=0.04)
    cases: list[tuple[str, Variant]] = [("rise_fall:GOLD:10:hours:100:false", "rise"), ("touch:GOLD:5:minutes:10:true:+0.02", "touch")]
    for topic, variant in cases:
        bought, without = (buy(topic, variant, moves=each) for each in (moves, MOVES))
        assert bought.commission - without.commission == pytest.approx(0.04)
        assert bought.stake / bought.payout - without.stake / without.payout == pytest.approx(Decimal("0.04"), abs=Decimal("0.0005"))


def test_without_a_barrier_the_margin_is_for_an_equal_price() -> None:
    moves = MOVES._replace(margin=0.03)
    for duration, most in (("1:ticks", 0.03), ("5:minutes", 0.003), ("10:hours", 0.0003)):
        for equals in ("true", "false"):
            bought, without = (buy(f"rise_fall:GOLD:{duration}:100:{equals}", "rise", moves=each) for each in (moves, MOVES))
            assert most / 3 < 100 / float(bought.payout) - 100 / float(without.payout) < most + 0.0001
            assert bought.commission == pytest.approx(0.042), "what it is sold for depends on the volatility, once the price has moved"
    assert buy("rise_fall:GOLD:1:ticks:10:true", "rise").commission == 0.012


def test_a_payout_over_the_limit_or_not_over_the_stake_is_refused() -> None:
    with pytest.raises(InvalidProposalError, match=r"exceeds the limit of 100000.00 USD"):
        buy("high_low:GOLD:5:minutes:50000:false:+0.4", "higher")
    with pytest.raises(InvalidProposalError, match=r"is not more than the stake of 10.00 USD"):
        buy("high_low:GOLD:5:minutes:10:false:+5", "lower")


def test_a_stake_in_bitcoin_has_eight_decimals() -> None:
    contract = buy("rise_fall:GOLD:5:minutes:0.001:false", "rise", currency="BTC")
    assert f"{contract.stake:f}" == "0.00100000"
    assert float(contract.payout) == pytest.approx(0.00195, abs=0.0001)
    assert len(f"{contract.payout:f}") == len("0.00100000")


def seen(payout: str | float | None, tolerance: float | None = None) -> PurchaseDetails:
    return PurchaseDetails(
        instrument_id="GOLD", duration=5, duration_unit="minutes", stake="10", variant="rise", payout=payout, tolerance=tolerance
    )


PAYS = msgspec.structs.replace(buy("rise_fall:GOLD:5:minutes:10:false", "rise"), payout=Decimal("19.53"))


@pytest.mark.parametrize(
    ("payout", "tolerance"),
    [(None, None), ("19.00", None), ("20.55", None), ("1", 0), ("19.53", 0.0), (19.53, 0), ("39.06", 0.5), ("100", 1)],
)
def test_a_payout_near_what_the_buyer_saw_or_above_is_taken(payout: str | float | None, tolerance: float | None) -> None:
    check_payout(PAYS, seen(payout, tolerance))


@pytest.mark.parametrize(
    ("payout", "tolerance", "least"),
    [
        ("20.57", None, "19.55"),
        ("19.531", 0, "19.54"),
        ("19.80", 0.0132, "19.54"),
        ("100", None, "95.00"),
        ("19.54", 0, "19.54"),
        ("20", 0.02, "19.60"),
        ("39.10", 0.5, "19.55"),
    ],
)
def test_a_payout_below_what_the_buyer_accepts_is_refused(payout: str, tolerance: float | None, least: str) -> None:
    with pytest.raises(PriceMovedError, match=rf"the payout is 19\.53 USD now, and you accept {least} at least") as caught:
        check_payout(PAYS, seen(payout, tolerance))
    assert caught.value.least == Decimal(least)


def test_a_tolerance_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidProposalError, match=r"tolerance 0\.1 needs the payout that was shown"):
        check_payout(PAYS, seen(None, 0.1))
    with pytest.raises(InvalidProposalError, match=r"payout 'much' is not an amount of money"):
        check_payout(PAYS, seen("much"))


def test_a_digest_tells_requests_apart() -> None:
    details = PurchaseDetails(instrument_id="GOLD", duration=5, duration_unit="minutes", stake="10", variant="rise")
    request = PurchaseRequest(idempotency_key="k", product_id="rise_fall", proposal_details=details)
    other = msgspec.structs.replace(request, proposal_details=msgspec.structs.replace(details, variant="fall"))
    same = msgspec.structs.replace(request, proposal_details=msgspec.structs.replace(details, stake=10.0))
    assert digest(same) == digest(request) == digest(msgspec.convert(msgspec.to_builtins(request), PurchaseRequest)) != digest(other)
