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
from pricewire.trading.contracts import Contract
from pricewire.trading.positions import Positions
from pricewire.trading.pricing import YEAR_MS, bid_units, touch_probability
from pricewire.trading.recovery import decide
from support.contract_maker import BUY_TIME, make_contract, tick
from support.formulas import above_probability
from trading.test_contracts import ACCOUNT

SIDES = [
    ("rise_fall", "rise"),
    ("rise_fall", "fall"),
    ("high_low", "higher"),
    ("high_low", "lower"),
    ("touch", "touch"),
    ("touch", "no_touch"),
]


def contract(**fields: Any) -> Contract:
    return make_contract(ACCOUNT, **fields)


@st.composite
def contracts(draw: st.DrawFn) -> Contract:
    product_id, variant = draw(st.sampled_from(SIDES))
    in_ticks = draw(st.booleans())
    barrier = None if product_id == "rise_fall" else draw(st.sampled_from(["+0.01", "-0.02", "100.02", "99.99", "+0.03"]))
    duration = draw(st.integers(1, 8))
    return contract(
        product_id=product_id,
        variant=variant,
        barrier=barrier,
        allow_equals=draw(st.booleans()),
        duration=duration,
        duration_unit="ticks" if in_ticks else "seconds",
        buy_time=BUY_TIME + draw(st.integers(0, 3000)),
        expiry_time=BUY_TIME + 3000 + duration * 1000,
    )


TICKS = st.lists(st.tuples(st.integers(0, 3000), st.integers(9995, 10005)), min_size=1, max_size=25)


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
        happened = positions.on_tick(each_tick, 1000)
        for each in [*happened.changed, *happened.ended]:
            assert each.contract_id not in ended
            known[each.contract_id] = each
        assert all(each.status == "open" for each in happened.changed)
        ended |= {each.contract_id for each in happened.ended}
    now_ms = ticks[-1].epoch_ms
    assert {each for each, now in known.items() if now.status != "open"} == ended
    assert set(positions.contracts) == set(positions.table.items) == set(known) - ended
    for each in held:
        after = decide(msgspec.structs.replace(each), ticks, now_ms).contract
        live = known[each.contract_id]
        # The usual time between two ticks is only a guess, which the two make of different things.
        expected = msgspec.structs.replace(after, expiry_time=live.expiry_time, exit_time=live.exit_time)
        assert live == expected


def test_time_ends_what_no_tick_ends() -> None:
    positions = Positions(pip_size=2)
    timed, unentered = contract(), contract(buy_time=BUY_TIME + 2000)
    in_ticks = contract(duration_unit="ticks", duration=5, expiry_time=BUY_TIME + 5000)
    for each in (timed, unentered, in_ticks):
        positions.add(each)
    positions.on_tick(tick(1000), 1000)
    positions.on_tick(tick(1500, "101.00"), 1000)
    assert positions.on_time(BUY_TIME + 10_000) == []
    ended = {each.contract_id: each for each in positions.on_time(BUY_TIME + 10_001)}
    assert set(ended) == {timed.contract_id, unentered.contract_id}
    assert (ended[timed.contract_id].exit_spot, ended[timed.contract_id].proceeds) == (Decimal("101.00"), Decimal("19.53"))
    assert (ended[unentered.contract_id].status, ended[unentered.contract_id].proceeds) == ("refunded", Decimal("10.00"))
    (last,) = positions.on_time(BUY_TIME + 1000 + 5000 + 300_001)
    assert (last.contract_id, last.status) == (in_ticks.contract_id, "refunded")
    assert len(positions.table) == 0


def test_after_a_restart_the_ticks_that_came_before_count() -> None:
    positions = Positions(pip_size=2)
    in_ticks = contract(duration_unit="ticks", duration=3, expiry_time=BUY_TIME + 3000)
    entered = decide(in_ticks, [tick(1000), tick(2000)], BUY_TIME + 2500)
    positions.add(entered.contract, entered.ticks_seen)
    assert positions.on_tick(tick(3000), 1000).ended == []
    (settled,) = positions.on_tick(tick(4000, "100.01"), 1000).ended
    assert (settled.exit_tick_time, settled.proceeds) == (BUY_TIME + 4000, Decimal("19.53"))


def test_after_a_restart_an_entry_is_also_the_exit_where_nothing_came_after() -> None:
    positions = Positions(pip_size=2)
    positions.add(decide(contract(allow_equals=True), [tick(1000)], BUY_TIME + 2000).contract)
    (settled,) = positions.on_time(BUY_TIME + 10_001)
    assert (settled.exit_tick_time, settled.proceeds) == (BUY_TIME + 1000, Decimal("19.53"))


@pytest.mark.parametrize(("product_id", "variant"), SIDES)
@pytest.mark.parametrize("allow_equals", [False, True])
def test_a_contract_is_worth_its_payout_times_its_probability_less_the_commission(
    product_id: str, variant: str, allow_equals: bool
) -> None:
    positions = Positions(pip_size=2)
    barrier = None if product_id == "rise_fall" else "+0.02"
    positions.add(contract())
    held = contract(product_id=product_id, variant=variant, barrier=barrier, allow_equals=allow_equals)
    positions.add(held)
    positions.on_tick(tick(1000), 1000)
    newest = tick(4000, "100.01")
    positions.on_tick(newest, 1000)
    spot, strike, years = 10_001.0, 10_000.0 if barrier is None else 10_002.0, 6000 / YEAR_MS
    if product_id == "touch":
        probability = float(touch_probability(spot, strike, held.volatility, years))
        probability = probability if variant == "touch" else 1 - probability
    elif variant in ("rise", "higher"):
        probability = float(above_probability(spot, strike + (-0.5 if allow_equals else 0.5), held.volatility, years))
    else:
        probability = 1 - float(above_probability(spot, strike + (0.5 if allow_equals else -0.5), held.volatility, years))
    expected = round(1953 * max(0.0, probability - 0.012))
    assert positions.bids(newest, 1000, held.contract_id).tolist() == [expected]
    assert positions.bids(newest, 1000)[positions.table.row(held.contract_id)] == expected
    assert bid_units(np.array([1953.0]), np.array([probability]), np.array([0.012]))[0] == expected


def test_a_touched_barrier_is_certain_and_before_the_entry_the_barrier_follows_the_spot() -> None:
    positions = Positions(pip_size=2)
    touched, spared, rising = (
        contract(product_id="touch", variant="touch", barrier="+1"),
        contract(product_id="touch", variant="no_touch", barrier="+1"),
        contract(),
    )
    positions.add(rising)
    before = int(positions.bids(tick(0, "250.00"), 1000, rising.contract_id)[0])
    assert before == pytest.approx(1953 * (0.5 - 0.012), abs=100)
    positions.add(touched)
    positions.add(spared)
    positions.on_tick(tick(1000), 1000)
    positions.on_tick(tick(2000, "101.00"), 1000)
    back = tick(3000, "100.00")
    positions.on_tick(back, 1000)
    assert positions.bids(back, 1000, touched.contract_id).tolist() == [round(1953 * (1 - 0.012))]
    assert positions.bids(back, 1000, spared.contract_id).tolist() == [0]


def test_what_is_left_of_a_duration_in_ticks_is_its_ticks() -> None:
    positions = Positions(pip_size=2)
    held = contract(duration_unit="ticks", duration=5, variant="rise", expiry_time=BUY_TIME + 5000)
    positions.add(held)
    positions.on_tick(tick(1000), 1000)
    newest = tick(2000, "100.02")
    positions.on_tick(newest, 1000)
    probability = float(above_probability(10_002.0, 10_000.5, held.volatility, 4 * 1500 / YEAR_MS))
    assert positions.bids(newest, 1500, held.contract_id).tolist() == [round(1953 * (probability - 0.012))]
