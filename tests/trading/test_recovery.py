"""Recovery: what became of open contracts is read from the recorded ticks, whenever the process ended, and however often it is done."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricewire.market.journal import Journal
from pricewire.protocol.messages import Tick
from pricewire.store.accounts import Account, Accounts
from pricewire.store.database import Database
from pricewire.store.ledger import Ledger
from pricewire.trading.contracts import PATIENCE_MS, Contract, enter
from pricewire.trading.positions import Positions
from pricewire.trading.recovery import decide, recover
from support.books import MOVES
from support.contract_maker import BUY_TIME, make_contract, make_purchase, tick, write
from support.ledger_rules import balance_of, check_books

ACCOUNT = Account(
    id="alice", uuid="u", type="demo", group="default", status="active", currency="USD", balance=Decimal(0), password_hash=None
)
EXPIRY = BUY_TIME + 10_000
TICKS = {"duration": 3, "duration_unit": "ticks", "expiry_time": BUY_TIME + 3000}
TOUCH = {"product_id": "touch", "variant": "touch", "barrier": "+0.50"}


def live(contract: Contract, ticks: list[Tick]) -> Contract:
    """Return what becomes of a contract tick by tick, while the process runs."""
    positions = Positions(pip_size=2)
    is_bought = False
    for each in ticks:
        if not is_bought and each.epoch_ms > contract.buy_time:
            is_bought = True
            positions.add(contract)
        happened = positions.on_tick(each, MOVES)
        for known in [*happened.changed, *happened.ended]:
            contract = known
    return contract


def test_without_a_tick_it_is_open_and_after_one_that_is_too_late_the_stake_is_given_back() -> None:
    contract = make_contract(ACCOUNT)
    assert decide(contract, []).contract == decide(contract, [tick(0)]).contract == contract
    refunded = decide(contract, [tick(0), tick(10_001)]).contract
    assert (refunded.status, refunded.proceeds, refunded.exit_time) == ("refunded", Decimal("10.00"), EXPIRY + 1)


def test_a_duration_in_ticks_waits_for_them_but_not_for_ever() -> None:
    contract = make_contract(ACCOUNT, **TICKS)
    assert decide(contract, []).contract == contract
    late = tick(500 + PATIENCE_MS)
    assert decide(contract, [tick(500), late]).ticks_seen == 1
    refunded = decide(contract, [tick(500), tick(501 + PATIENCE_MS)]).contract
    assert (refunded.status, refunded.exit_time) == ("refunded", BUY_TIME + 501 + PATIENCE_MS)
    assert decide(contract, [tick(1 + PATIENCE_MS)]).contract.status == "refunded"


def test_it_is_entered_by_the_first_tick_after_the_purchase() -> None:
    recovered = decide(make_contract(ACCOUNT), [tick(0, "1.00"), tick(500, "2.00"), tick(700, "3.00")])
    assert (recovered.contract.entry_tick_time, recovered.contract.entry_spot) == (BUY_TIME + 500, Decimal("2.00"))
    assert (recovered.contract.status, recovered.ticks_seen) == ("open", 1)


def test_it_is_settled_by_the_last_tick_at_or_before_its_expiry() -> None:
    ticks = [tick(500, "2.00"), tick(9000, "1.00"), tick(10_000, "3.00"), tick(10_001, "1.00")]
    settled = decide(make_contract(ACCOUNT), ticks).contract
    assert (settled.exit_tick_time, settled.exit_spot, settled.proceeds) == (EXPIRY, Decimal("3.00"), Decimal("19.53"))


def test_the_entry_is_no_exit_and_the_stake_is_given_back() -> None:
    entered = enter(make_contract(ACCOUNT, allow_equals=True), tick(500, "2.00"), 1000)
    assert decide(entered, [tick(500, "2.00")]).contract == entered
    assert decide(entered, [tick(500, "2.00"), tick(10_001, "2.00")]).contract.status == "refunded"


def test_a_barrier_that_the_entry_jumps_over_is_touched() -> None:
    contract = make_contract(ACCOUNT, **TOUCH | {"barrier": "2.50"}, buy_tick_time=BUY_TIME - 70_000, buy_spot=Decimal("2.00"))
    settled = decide(contract, [tick(500, "3.00")]).contract
    assert (settled.touch_time, settled.exit_tick_time, settled.proceeds) == (BUY_TIME + 500, BUY_TIME + 500, Decimal("19.53"))


def test_a_duration_in_ticks_ends_with_its_last_tick_or_goes_on() -> None:
    contract = make_contract(ACCOUNT, **TICKS)
    ticks = [tick(500, "2.00"), tick(500, "2.10"), tick(1500, "2.20"), tick(2500, "2.30"), tick(3500, "2.40")]
    going_on = decide(contract, ticks[:3])
    assert (going_on.contract.status, going_on.ticks_seen) == ("open", 2)
    assert decide(going_on.contract, ticks[:3]) == going_on
    assert decide(going_on.contract, ticks).contract.exit_spot == Decimal("2.30")
    assert decide(contract, ticks).contract.exit_spot == Decimal("2.30")


@pytest.mark.parametrize(("prices", "touched"), [(["2.49", "2.50", "1.00"], True), (["2.49", "2.00", "1.00"], False)])
def test_a_touch_in_its_life_is_found(prices: list[str], touched: bool) -> None:
    ticks = [tick(500, "2.00"), *(tick(1000 + 1000 * number, price) for number, price in enumerate(prices)), tick(10_500, "9.00")]
    settled = decide(make_contract(ACCOUNT, **TOUCH), ticks).contract
    assert (settled.touch_time, settled.proceeds) == ((BUY_TIME + 2000, Decimal("19.53")) if touched else (None, 0))


FIELDS = st.sampled_from([{}, TICKS, TOUCH, TOUCH | TICKS, TOUCH | {"variant": "no_touch"}, {"variant": "fall", "allow_equals": True}])
TIMES = st.lists(st.integers(-500, 12_000), max_size=12).map(sorted)
PRICES = st.integers(9_900, 10_100)


@settings(max_examples=150)
@given(fields=FIELDS, times=TIMES, data=st.data())
def test_it_comes_to_what_it_would_have_without_the_restart(fields: dict[str, object], times: list[int], data: st.DataObject) -> None:
    ticks = [tick(offset, str(Decimal(data.draw(PRICES)).scaleb(-2))) for offset in times]
    died = data.draw(st.integers(0, len(ticks)))
    contract = make_contract(ACCOUNT, **fields)
    written = data.draw(st.sampled_from([contract, live(contract, ticks[:died])]))
    if written.status == "open":
        assert decide(written, ticks).contract == live(contract, ticks)


async def test_the_ledger_is_brought_to_where_the_ticks_say_once(database: Database, journal: Journal) -> None:
    account = await Accounts(database).add("alice", balance=Decimal("100.00"))
    ledger = Ledger(database, journal.sync)
    for each in (tick(500, "2.00"), tick(9000, "3.00"), tick(20_000, "4.00")):
        write(journal, each)
    won = (await ledger.buy(make_purchase(account))).contract
    lost = (await ledger.buy(make_purchase(account, variant="fall"))).contract
    write(journal, tick(10_001, instrument_id="SILVER"))
    without = (await ledger.buy(make_purchase(account, instrument_id="SILVER"))).contract
    waiting = (await ledger.buy(make_purchase(account, instrument_id="COPPER"))).contract
    going_on = (await ledger.buy(make_purchase(account, duration=60, expiry_time=BUY_TIME + 60_000))).contract
    just_bought = (await ledger.buy(make_purchase(account, buy_time=BUY_TIME + 25_000, expiry_time=BUY_TIME + 60_000))).contract
    still_open = {each.contract.contract_id: each for each in await recover(ledger, journal)}
    assert set(still_open) == {going_on.contract_id, just_bought.contract_id, waiting.contract_id}
    assert still_open[going_on.contract_id].contract.entry_spot == Decimal("2.00")
    assert still_open[just_bought.contract_id].contract == just_bought
    assert (await ledger.find(won.contract_id, account.uuid)).exit_spot == Decimal("3.00")
    assert (await ledger.find(lost.contract_id, account.uuid)).proceeds == 0
    assert (await ledger.find(without.contract_id, account.uuid)).status == "refunded"
    assert await balance_of(database, account.uuid) == Decimal("69.53")
    assert {each.contract.contract_id: each for each in await recover(ledger, journal)} == still_open
    assert {contract.contract_id: contract for contract in await ledger.open_contracts()} == {
        contract_id: each.contract for contract_id, each in still_open.items()
    }
    await check_books(database)
