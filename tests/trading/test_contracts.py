"""What can happen to a contract, one transition at a time."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import pytest

from pricewire.store.accounts import Account
from pricewire.trading.contracts import (
    PATIENCE_MS,
    Contract,
    barrier_price,
    enter,
    entry_deadline,
    is_entry,
    reaches,
    refund,
    sell,
    settle,
    touch,
)
from support.contract_maker import BUY_TIME, make_contract, tick

ACCOUNT = Account(id="a", uuid="1", type="demo", group="default", status="active", currency="USD", balance=Decimal(0), password_hash=None)


def contract(**fields: Any) -> Contract:
    return make_contract(ACCOUNT, **fields)


def test_the_entry_is_the_first_tick_after_the_purchase_and_not_after_the_end() -> None:
    assert [is_entry(contract(), tick(offset)) for offset in (-1, 0, 1, 10_000, 10_001)] == [False, False, True, True, False]
    in_ticks = contract(duration_unit="ticks", duration=5, expiry_time=BUY_TIME + 5000)
    for patient in (in_ticks, contract(expiry_time=BUY_TIME + 3_600_000)):
        assert entry_deadline(patient) == BUY_TIME + PATIENCE_MS
        assert [is_entry(patient, tick(PATIENCE_MS + late)) for late in (0, 1)] == [True, False]


@pytest.mark.parametrize(
    ("barrier", "price"), [(None, "100.00"), ("+0.57", "100.57"), ("-0.57", "99.43"), ("1250.00", "1250.00"), ("+0", "100.00")]
)
def test_the_entry_fixes_the_barrier(barrier: str | None, price: str) -> None:
    entered = enter(contract(barrier=barrier), tick(500), 2000)
    assert (entered.entry_tick_time, entered.entry_spot, entered.barrier_price) == (BUY_TIME + 500, Decimal("100.00"), Decimal(price))
    assert entered.expiry_time == BUY_TIME + 10_000
    assert barrier_price(barrier, Decimal("100.00")) == Decimal(price)


def test_the_entry_of_a_duration_in_ticks_says_when_it_is_expected_to_end() -> None:
    assert enter(contract(duration_unit="ticks", duration=5), tick(500), 2000).expiry_time == BUY_TIME + 500 + 5 * 2000


@pytest.mark.parametrize(
    ("variant", "allow_equals", "won"),
    [
        ("rise", False, [False, False, True]),
        ("rise", True, [False, True, True]),
        ("fall", False, [True, False, False]),
        ("fall", True, [True, True, False]),
        ("higher", False, [False, False, True]),
        ("lower", True, [True, True, False]),
    ],
)
def test_who_wins_below_at_and_above_the_barrier(variant: str, allow_equals: bool, won: list[bool]) -> None:
    entered = enter(contract(variant=variant, allow_equals=allow_equals), tick(500), 2000)
    settled = [settle(entered, tick(9000, price)) for price in ("99.99", "100.00", "100.01")]
    assert [each.proceeds for each in settled] == [Decimal("19.53") if win else Decimal("0.00") for win in won]
    assert {(each.status, each.exit_tick_time, each.exit_time) for each in settled} == {("settled", BUY_TIME + 9000, BUY_TIME + 10_000)}
    assert [f"{each.proceeds:f}" for each in settled].count("0.00") == won.count(False)


@pytest.mark.parametrize(("barrier", "touching"), [("+1", [False, False, True, True]), ("-1", [True, False, False, False])])
def test_a_barrier_is_touched_from_the_side_of_the_entry(barrier: str, touching: list[bool]) -> None:
    entered = enter(contract(product_id="touch", variant="touch", barrier=barrier), tick(500), 2000)
    assert [reaches(entered, tick(900, price)) for price in ("98.99", "100.99", "101.00", "105.00")] == touching


@pytest.mark.parametrize(("variant", "wins_touched"), [("touch", True), ("no_touch", False)])
def test_a_touch_ends_it(variant: str, wins_touched: bool) -> None:
    entered = enter(contract(product_id="touch", variant=variant, barrier="+1"), tick(500), 2000)
    touched = touch(entered, tick(900, "101.00"))
    settled = settle(touched, tick(900, "101.00"))
    assert (settled.touch_time, settled.exit_tick_time, settled.exit_time, settled.expiry_time) == (
        *[BUY_TIME + 900] * 3,
        BUY_TIME + 10_000,
    )
    assert (settled.proceeds == Decimal("19.53")) == wins_touched
    assert (settle(entered, tick(9000)).proceeds == Decimal("19.53")) != wins_touched


def test_an_entry_at_the_barrier_touches_it() -> None:
    assert enter(contract(product_id="touch", variant="touch", barrier="100"), tick(500), 2000).touch_time == BUY_TIME + 500


@pytest.mark.parametrize(
    ("barrier", "bought_at", "touched"),
    [
        ("99.50", "99.40", True),
        ("100.50", "100.60", True),
        ("99.50", "99.60", False),
        ("+0.50", "101.00", False),
        ("-0.50", "99.00", False),
    ],
)
def test_an_entry_beyond_a_barrier_that_is_a_price_touches_it(barrier: str, bought_at: str, touched: bool) -> None:
    bought = contract(product_id="touch", variant="touch", barrier=barrier, buy_tick_time=BUY_TIME - 100, buy_spot=Decimal(bought_at))
    assert (enter(bought, tick(500), 2000).touch_time is not None) == touched


@pytest.mark.parametrize(("barrier", "is_entered"), [("101.00", True), ("+1", False), (None, False)])
def test_a_tick_that_was_on_its_way_is_an_entry_where_the_barrier_is_a_price(barrier: str | None, is_entered: bool) -> None:
    bought = contract(product_id="high_low", variant="higher", barrier=barrier, buy_tick_time=BUY_TIME - 100, buy_spot=Decimal(100))
    assert is_entry(bought, tick(-50)) == is_entered
    assert not is_entry(bought, tick(-100))
    assert is_entry(bought, tick(50))


def test_a_duration_in_ticks_ends_with_its_last_tick() -> None:
    settled = settle(enter(contract(duration_unit="ticks"), tick(500), 2000), tick(7777))
    assert settled.expiry_time == settled.exit_time == settled.exit_tick_time == BUY_TIME + 7777


def test_a_refund_gives_the_stake_back_and_a_sale_its_price() -> None:
    refunded = refund(contract())
    assert (refunded.status, refunded.proceeds, refunded.exit_time) == ("refunded", Decimal("10.00"), BUY_TIME + 10_000)
    assert refund(contract(), BUY_TIME + 77).exit_time == BUY_TIME + 77
    bought_back = sell(contract(), Decimal("8.15"), tick(3000), BUY_TIME + 3400)
    assert (bought_back.status, bought_back.proceeds, bought_back.exit_time) == ("sold", Decimal("8.15"), BUY_TIME + 3400)
    assert (bought_back.exit_tick_time, bought_back.exit_spot) == (BUY_TIME + 3000, Decimal("100.00"))


def test_a_transition_makes_a_new_contract() -> None:
    bought = contract()
    before = msgspec.structs.asdict(bought)
    settle(enter(bought, tick(500), 2000), tick(9000))
    assert msgspec.structs.asdict(bought) == before
