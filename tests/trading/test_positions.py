"""Open contracts in columns: ticks do to them what the same ticks do after a restart, and they are worth what the formula says."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricewire.protocol.messages import Tick
from pricewire.protocol.trading_messages import DurationUnit, Variant
from pricewire.trading import pricing
from pricewire.trading.contracts import PATIENCE_MS, Contract
from pricewire.trading.positions import Positions
from pricewire.trading.pricing import bid_units
from pricewire.trading.recovery import decide
from support.books import MOVES
from support.contract_maker import BUY_TIME, make_contract, tick
from support.exact_prices import exact_above, exact_touch
from trading.test_contracts import ACCOUNT

SIDES = [
    ("rise_fall", "rise"),
    ("rise_fall", "fall"),
    ("high_low", "higher"),
    ("high_low", "lower"),
    ("touch", "touch"),
    ("touch", "no_touch"),
]


def place_margin(pips: float, ticks: float) -> float:
    return float(pricing.place_margin(pips, np.array([ticks]))[0])


def contract(**fields: Any) -> Contract:
    return make_contract(ACCOUNT, **fields)


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    product_id, variant = draw(st.sampled_from(SIDES))
    in_ticks = draw(st.booleans())
    barrier = None if product_id == "rise_fall" else draw(st.sampled_from(["+0.01", "-0.02", "100.02", "99.99", "+0.03"]))
    duration = draw(st.integers(1, 8))
    buy_time = BUY_TIME + draw(st.integers(0, 3000))
    return contract(
        product_id=product_id,
        variant=variant,
        barrier=barrier,
        allow_equals=draw(st.booleans()),
        duration=duration,
        duration_unit="ticks" if in_ticks else "seconds",
        buy_time=buy_time,
        buy_tick_time=buy_time - draw(st.integers(0, 3000)),
        buy_spot=Decimal(draw(st.sampled_from(["99.98", "100.00", "100.04"]))),
        expiry_time=BUY_TIME + 3000 + duration * 1000,
    )


TICKS = st.lists(
    st.tuples(st.integers(0, 3000) | st.sampled_from([PATIENCE_MS, PATIENCE_MS + 1]), st.integers(9995, 10005)), min_size=1, max_size=25
)


@settings(max_examples=150)
@given(st.lists(contracts(), min_size=1, max_size=8), TICKS)
def test_ticks_do_the_same_one_after_the_other_and_all_at_once_after_a_restart(held: list[Contract], steps: list[tuple[int, int]]) -> None:
    ticks: list[Tick] = []
    at = 0
    for step, pips in steps:
        at += step
        ticks.append(tick(at, f"{pips / 100:.2f}"))
    positions = Positions(pip_size=2)
    for each in held:
        positions.add(each)
    known = {each.contract_id: each for each in held}
    ended: set[str] = set()
    for each_tick in ticks:
        # As after a purchase, and as the recorded ticks are found: what comes in the same millisecond is no later tick.
        happened = positions.on_tick(each_tick, MOVES)
        for each in [*happened.changed, *happened.ended]:
            assert each.contract_id not in ended
            known[each.contract_id] = each
        assert all(each.status == "open" for each in happened.changed)
        ended |= {each.contract_id for each in happened.ended}
    assert {each for each, now in known.items() if now.status != "open"} == ended
    assert set(positions.contracts) == set(positions.table.items) == set(known) - ended
    for each in held:
        after = decide(msgspec.structs.replace(each), ticks).contract
        live = known[each.contract_id]
        # The usual time between two ticks is only a guess, which the two make of different things.
        expected = msgspec.structs.replace(after, expiry_time=live.expiry_time, exit_time=live.exit_time)
        assert live == expected


def test_only_ticks_settle_and_what_gets_none_is_given_back() -> None:
    positions = Positions(pip_size=2)
    timed, unentered = contract(), contract(buy_time=BUY_TIME + 2000)
    in_ticks = contract(duration_unit="ticks", duration=5, expiry_time=BUY_TIME + 5000)
    later = contract(expiry_time=BUY_TIME + 3_600_000)
    for each in (timed, unentered, in_ticks, later):
        positions.add(each)
    positions.on_tick(tick(1000), MOVES)
    positions.on_tick(tick(1500, "101.00"), MOVES)
    now_ms = BUY_TIME + 1501 + PATIENCE_MS
    ended = {each.contract_id: each for each in positions.on_silence(now_ms)}
    assert set(ended) == {timed.contract_id, unentered.contract_id, in_ticks.contract_id}
    assert {(each.status, each.proceeds, each.exit_time) for each in ended.values()} == {("refunded", Decimal("10.00"), now_ms)}
    assert positions.table.items == [later.contract_id]


@pytest.mark.parametrize(("late_ms", "status"), [(PATIENCE_MS, "settled"), (PATIENCE_MS + 1, "refunded")])
def test_a_tick_that_comes_after_its_end_says_what_its_last_one_was(late_ms: int, status: str) -> None:
    positions = Positions(pip_size=2)
    positions.add(contract())
    positions.on_tick(tick(1000), MOVES)
    positions.on_tick(tick(9000, "101.00"), MOVES)
    (ended,) = positions.on_tick(tick(9000 + late_ms, "99.00"), MOVES).ended
    assert (ended.status, ended.proceeds) == (status, Decimal("19.53" if status == "settled" else "10.00"))


@pytest.mark.parametrize("variant", ["rise", "fall"])
def test_an_entry_is_never_the_exit(variant: str) -> None:
    positions = Positions(pip_size=2)
    positions.add(contract(variant=variant, allow_equals=True))
    positions.on_tick(tick(8000), MOVES)
    (ended,) = positions.on_tick(tick(28_000), MOVES).ended
    assert (ended.status, ended.proceeds) == ("refunded", Decimal("10.00"))


@pytest.mark.parametrize(("variant", "proceeds"), [("touch", "19.53"), ("no_touch", "0.00")])
def test_a_touch_settles_at_once(variant: str, proceeds: str) -> None:
    positions = Positions(pip_size=2)
    positions.add(contract(product_id="touch", variant=variant, barrier="+1"))
    positions.on_tick(tick(1000), MOVES)
    (ended,) = positions.on_tick(tick(2000, "101.00"), MOVES).ended
    assert (ended.status, f"{ended.proceeds:f}", ended.exit_time) == ("settled", proceeds, BUY_TIME + 2000)
    assert positions.on_silence(BUY_TIME + 10_000_000) == []


def test_a_barrier_that_the_entry_jumps_over_is_touched() -> None:
    positions = Positions(pip_size=2)
    positions.on_tick(tick(-500), MOVES)
    priced = {"buy_tick_time": BUY_TIME - 500, "buy_spot": Decimal("100.00")}
    positions.add(contract(product_id="touch", variant="touch", barrier="100.50", **priced))
    (ended,) = positions.on_tick(tick(500, "101.00"), MOVES).ended
    assert (ended.touch_time, ended.proceeds) == (BUY_TIME + 500, Decimal("19.53"))


def test_a_tick_that_was_on_its_way_at_the_purchase_does_not_turn_the_side_of_a_barrier() -> None:
    positions = Positions(pip_size=2)
    positions.on_tick(tick(-2000), MOVES)
    priced = {"buy_tick_time": BUY_TIME - 2000, "buy_spot": Decimal("100.00")}
    positions.add(contract(product_id="touch", variant="no_touch", barrier="100.50", **priced))
    (ended,) = positions.on_tick(tick(-1, "101.00"), MOVES).ended
    assert (ended.entry_tick_time, ended.touch_time, ended.proceeds) == (BUY_TIME - 1, BUY_TIME - 1, Decimal("0.00"))


def test_after_a_restart_the_ticks_that_came_before_count() -> None:
    positions = Positions(pip_size=2)
    in_ticks = contract(duration_unit="ticks", duration=3, expiry_time=BUY_TIME + 3000)
    entered = decide(in_ticks, [tick(1000), tick(2000)])
    positions.add(entered.contract, entered.ticks_seen)
    positions.newest = tick(2000)
    assert positions.on_tick(tick(3000), MOVES).ended == []
    (settled,) = positions.on_tick(tick(4000, "100.01"), MOVES).ended
    assert (settled.exit_tick_time, settled.proceeds) == (BUY_TIME + 4000, Decimal("19.53"))


@pytest.mark.parametrize(("product_id", "variant"), SIDES)
@pytest.mark.parametrize("allow_equals", [False, True])
@pytest.mark.parametrize("unit", ["seconds", "ticks"])
def test_a_contract_is_worth_its_payout_times_its_probability_less_the_commission(
    product_id: str, variant: str, allow_equals: bool, unit: str
) -> None:
    positions = Positions(pip_size=2)
    barrier = None if product_id == "rise_fall" else "+0.02"
    positions.add(contract())
    held = contract(product_id=product_id, variant=variant, barrier=barrier, allow_equals=allow_equals, duration_unit=unit)
    positions.add(held)
    positions.on_tick(tick(1000), MOVES)
    positions.on_tick(tick(2000), MOVES)
    newest = tick(3000, "100.01")
    positions.on_tick(newest, MOVES)
    # Seven more ticks come before ten seconds have passed, and eight until ten ticks have.
    spot, strike, left, deviation = 10_001.0, 10_000.0 if barrier is None else 10_002.0, 7 if unit == "seconds" else 8, MOVES.tick_deviation
    if product_id == "touch":
        probability = exact_touch(spot, strike, deviation, left)
        probability = probability if variant == "touch" else 1 - probability
    elif variant in ("rise", "higher"):
        probability = exact_above(spot, strike, deviation, left, allow_equals=allow_equals)
    else:
        probability = 1 - exact_above(spot, strike, deviation, left, allow_equals=not allow_equals)
    probability -= place_margin(spot * deviation, left)
    expected = 1953 * max(0.0, probability - 0.012)
    (bid,) = positions.bids(newest, MOVES, contract_id=held.contract_id).tolist()
    assert bid == pytest.approx(expected, abs=0.8)
    assert positions.bids(newest, MOVES)[positions.table.row(held.contract_id)] == bid
    assert bid_units(np.array([1953.0]), np.array([probability]), np.array([0.012]))[0] == pytest.approx(bid, abs=1)


def test_nothing_is_left_of_a_contract_whose_last_tick_has_come() -> None:
    positions = Positions(pip_size=2)
    won, lost = contract(variant="fall"), contract(variant="rise")
    for each in (won, lost):
        positions.add(each)
    positions.on_tick(tick(500), MOVES)
    newest = tick(9500, "99.99")
    positions.on_tick(newest, MOVES)
    assert positions.bids(newest, MOVES).tolist() == [round(1953 * (1 - 0.012)), 0]


def test_before_the_entry_an_offset_follows_the_spot_and_a_price_is_a_tick_further_away() -> None:
    positions = Positions(pip_size=2)
    offset, price = (contract(product_id="touch", variant="touch", barrier=barrier) for barrier in ("+0.02", "250.02"))
    for each in (offset, price):
        positions.add(each)
    bids = positions.bids(tick(0, "250.00"), MOVES).tolist()
    margins = [0.012 + place_margin(25_000 * MOVES.tick_deviation, ticks) for ticks in (9, 10)]
    touched = [exact_touch(25_000, 25_002, MOVES.tick_deviation, ticks) for ticks in (9, 10)]
    expected = np.array(touched) - margins
    assert bids == [pytest.approx(1953 * each, abs=0.8) for each in expected]


def test_where_ticks_are_irregular_what_is_left_is_an_estimate_that_falls_with_the_time() -> None:
    positions = Positions(pip_size=2)
    held = contract(expiry_time=BUY_TIME + 60_000)
    positions.add(held)
    positions.on_tick(tick(1000), MOVES)
    newest, moves = tick(2000), MOVES._replace(is_regular=False)
    positions.on_tick(newest, moves)
    assert [positions.ticks_left(newest, moves, elapsed_ms, held.contract_id) for elapsed_ms in (0, 30_000, 100_000)] == [57.5, 27.5, 0.0]
    in_ticks = contract(duration_unit="ticks")
    positions.add(in_ticks)
    positions.on_tick(tick(3000), moves)
    assert positions.ticks_left(newest, moves, 30_000, in_ticks.contract_id) == 10


@pytest.mark.parametrize("unit", ["seconds", "ticks"])
@pytest.mark.parametrize("variant", ["rise", "fall"])
def test_the_price_moves_while_an_irregular_tick_is_awaited(variant: Variant, unit: DurationUnit) -> None:
    positions, moves = Positions(pip_size=2), MOVES._replace(is_regular=False, wait=1.0)
    held = contract(variant=variant, duration=60, duration_unit=unit, expiry_time=BUY_TIME + 61_000)
    positions.add(held)
    positions.on_tick(tick(1000), moves)
    newest = tick(1000, "100.02")
    for elapsed_ms in (0.0, 4000.0):
        (bid,) = positions.bids(newest, moves, elapsed_ms)
        # The time from the newest tick to the last one is the same, however long the next one is awaited. Ticks are still as many, or
        # fewer, where some are on their way: the contract is worth the less of both.
        left = [60 - 1] if unit == "seconds" else [60, 60 + elapsed_ms / 1000]
        if variant == "rise":
            probability = min(exact_above(10_002, 10_000, MOVES.tick_deviation, ticks, allow_equals=False) for ticks in left)
        else:
            probability = min(1 - exact_above(10_002, 10_000, MOVES.tick_deviation, ticks, allow_equals=True) for ticks in left)
        probability -= place_margin(10_002 * MOVES.tick_deviation, left[0])
        assert bid == pytest.approx(1953 * (probability - 0.012), abs=0.8)
