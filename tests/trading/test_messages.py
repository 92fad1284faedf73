"""Contracts on the wire: the members of the surface, and updates from a template that are the same as made whole."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricewire.trading.contracts import enter, refund, sell, settle
from pricewire.trading.messages import UpdateTemplate, contract_body, first_bid, purchased, sold, tick_point
from pricewire.trading.money import from_units
from support.contract_maker import BUY_TIME, tick
from trading.test_contracts import contract

MEMBERS = [
    "allow_equals",
    "barrier",
    "bid_price",
    "bid_price_currency",
    "contract_expiry_time",
    "contract_start_time",
    "duration",
    "duration_unit",
    "entry_spot",
    "entry_tick_time",
    "exit_spot",
    "exit_tick_time",
    "exit_time",
    "instrument_id",
    "instrument_name",
    "is_expired",
    "is_refunded",
    "is_sold",
    "is_valid_to_sell",
    "potential_payout",
    "profit_loss",
    "reference_id",
    "stake",
    "variant",
    "tick_stream",
]


def details(body: Any) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(body))
    return decoded["contract_details"]  # type: ignore[no-any-return]


def test_a_contract_has_the_members_of_the_surface() -> None:
    entered = enter(contract(product_id="high_low", variant="higher", barrier="+0.50"), tick(500), 1000)
    shown = details(contract_body(entered, "Gold", Decimal("9.70"), [tick_point(tick(500))]))
    assert sorted(shown) == sorted(MEMBERS)
    assert shown["tick_stream"] == [{"ask": "100.05", "bid": "99.95", "epoch_ms": BUY_TIME + 500, "price": "100.00"}]
    assert (shown["barrier"], shown["bid_price"], shown["profit_loss"], shown["stake"]) == ("100.50", "9.70", "-0.30", "10.00")
    assert (shown["entry_spot"], shown["instrument_name"], shown["potential_payout"]) == ("100.00", "Gold", "19.53")


@pytest.mark.parametrize(
    ("closed", "flags", "worth"),
    [
        (settle(enter(contract(), tick(500), 1000), tick(900, "101.00")), (True, False, False), "19.53"),
        (settle(enter(contract(), tick(500), 1000), tick(900)), (True, False, False), "0.00"),
        (refund(contract()), (True, False, False), "10.00"),
        (sell(contract(), Decimal("8.10"), tick(900), BUY_TIME + 950), (False, True, False), "8.10"),
    ],
)
def test_a_closed_contract_is_worth_what_was_got_for_it(closed: Any, flags: tuple[bool, ...], worth: str) -> None:
    shown = details(contract_body(closed, "Gold", Decimal("5.55"), []))
    assert (shown["is_expired"], shown["is_sold"], shown["is_valid_to_sell"]) == flags
    assert shown["bid_price"] == worth


def test_a_contract_is_sold_back_from_its_entry_on_and_for_something() -> None:
    bought, entered = contract(), enter(contract(), tick(500), 1000)
    valid = [
        details(contract_body(each, "", bid, []))["is_valid_to_sell"] for each in (bought, entered) for bid in (Decimal(0), Decimal(1))
    ]
    assert valid == [False, False, False, True]


@settings(max_examples=60)
@given(
    st.sampled_from(["USD", "BTC", "JPY"]),
    st.integers(0, 10**9),
    st.integers(1, 10**9),
    st.booleans(),
    st.booleans(),
    st.sampled_from(["Gold", 'Gold "fine"', "Ὀ\u2028"]),
)
def test_an_update_from_a_template_is_the_same_as_one_made_whole(
    currency: str, bid: int, stake: int, is_entered: bool, has_tick: bool, name: str
) -> None:
    bought = contract(currency=currency, stake=from_units(stake, currency), payout=from_units(2 * stake, currency))
    current = enter(bought, tick(500), 1000) if is_entered else bought
    points = [tick_point(tick(500))] if has_tick else []
    newest = b"".join(msgspec.json.encode(point) for point in points)
    made = UpdateTemplate(current, name).message(bid, newest)
    assert bytes(made) == msgspec.json.encode(contract_body(current, name, from_units(bid, currency), points))


def test_the_answers_to_a_purchase_and_a_sale() -> None:
    answer = purchased("key", contract(), "Gold")
    assert (answer.idempotency_key, answer.buy_price, answer.buy_time) == ("key", "10.00", BUY_TIME)
    assert answer.contract_details.bid_price == f"{first_bid(contract()):f}" == "9.53"
    sale = sold(sell(contract(), Decimal("8.10"), tick(900), BUY_TIME + 950), "Gold", [])
    assert (sale.sell_price, sale.sell_time, sale.profit, sale.buy_price) == ("8.10", BUY_TIME + 950, "-1.90", "10.00")
