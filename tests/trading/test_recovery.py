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
from pricewire.trading.contracts import Contract, enter, is_entry, reaches, settle, touch
from pricewire.trading.recovery import decide, recover
from support.contract_maker import BUY_TIME, make_contract, make_purchase, tick, write
from support.ledger_rules import balance_of, check_books

ACCOUNT = Account(
    id="alice", uuid="u", type="demo", group="default", status="active", currency="USD", balance=Decimal(0), password_hash=None
)
EXPIRY = BUY_TIME + 10_000
TICKS = {"duration": 3, "duration_unit": "ticks", "expiry_time": BUY_TIME + 3000}
TOUCH = {"product_id": "touch", "variant": "touch", "barrier": "+0.50"}


def live(contract: Contract, ticks: list[Tick], now_ms: int) -> Contract:
    """Return what becomes of a contract tick by tick, while the process runs."""
    seen = 0
    last = None
    for each in ticks:
        if contract.entry_tick_time is None:
            if not is_entry(contract, each):
                continue
            contract, last = enter(contract, each, 1000), each
            continue
        if contract.duration_unit != "ticks" and each.epoch_ms > contract.expiry_time:
            break
        seen, last = seen + 1, each
        if contract.product_id == "touch" and contract.touch_time is None and reaches(contract, each):
            contract = touch(contract, each)
        if contract.duration_unit == "ticks" and seen == contract.duration:
            return settle(contract, each)
    if contract.duration_unit != "ticks" and now_ms > contract.expiry_time and last is not None:
        return settle(contract, last)
    return contract


def test_without_a_tick_it_is_open_until_its_expiry_and_then_the_stake_is_given_back() -> None:
    contract = make_contract(ACCOUNT)
    assert decide(contract, [], EXPIRY).contract == contract
    before_and_after = [tick(0), tick(10_001)]
    refunded = decide(contract, before_and_after, EXPIRY + 1).contract
    assert (refunded.status, refunded.proceeds, refunded.exit_time) == ("refunded", Decimal("10.00"), EXPIRY)


def test_a_duration_in_ticks_without_one_is_given_back_after_its_expected_end() -> None:
    contract = make_contract(ACCOUNT, **TICKS)
    assert decide(contract, [], BUY_TIME + 3000).contract == contract
    assert decide(contract, [], BUY_TIME + 3001).contract.status == "refunded"


def test_it_is_entered_by_the_first_tick_after_the_purchase() -> None:
    recovered = decide(make_contract(ACCOUNT), [tick(0, "1.00"), tick(500, "2.00"), tick(700, "3.00")], EXPIRY)
    assert (recovered.contract.entry_tick_time, recovered.contract.entry_spot) == (BUY_TIME + 500, Decimal("2.00"))
    assert (recovered.contract.status, recovered.ticks_seen) == ("open", 1)


def test_it_is_settled_by_the_last_tick_at_or_before_its_expiry() -> None:
    ticks = [tick(500, "2.00"), tick(9000, "1.00"), tick(10_000, "3.00"), tick(10_001, "1.00")]
    settled = decide(make_contract(ACCOUNT), ticks, EXPIRY + 1).contract
    assert (settled.exit_tick_time, settled.exit_spot, settled.proceeds) == (EXPIRY, Decimal("3.00"), Decimal("19.53"))


def test_the_entry_is_the_exit_where_it_was_the_only_tick() -> None:
    entered = enter(make_contract(ACCOUNT, allow_equals=True), tick(500, "2.00"), 1000)
    settled = decide(entered, [], EXPIRY + 1).contract
    assert (settled.exit_tick_time, settled.exit_spot, settled.proceeds) == (BUY_TIME + 500, Decimal("2.00"), Decimal("19.53"))


def test_a_duration_in_ticks_ends_with_its_last_tick_or_goes_on() -> None:
    contract = make_contract(ACCOUNT, **TICKS)
    ticks = [tick(500, "2.00"), tick(500, "2.10"), tick(1500, "2.20"), tick(2500, "2.30"), tick(3500, "2.40")]
    going_on = decide(contract, ticks[:3], EXPIRY + 99_000)
    assert (going_on.contract.status, going_on.ticks_seen) == ("open", 2)
    assert decide(going_on.contract, ticks[:3], EXPIRY) == going_on
    assert decide(going_on.contract, ticks, EXPIRY).contract.exit_spot == Decimal("2.30")
    assert decide(contract, ticks, EXPIRY).contract.exit_spot == Decimal("2.30")


@pytest.mark.parametrize(("prices", "touched"), [(["2.49", "2.50", "1.00"], True), (["2.49", "2.00", "1.00"], False)])
def test_a_touch_in_its_life_is_found(prices: list[str], touched: bool) -> None:
    ticks = [tick(500, "2.00"), *(tick(1000 + 1000 * number, price) for number, price in enumerate(prices)), tick(10_500, "9.00")]
    settled = decide(make_contract(ACCOUNT, **TOUCH), ticks, EXPIRY + 1).contract
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
    written = data.draw(st.sampled_from([contract, live(contract, ticks[:died], 0)]))
    if written.status != "open":
        return
    expected = live(contract, ticks, EXPIRY + 1)
    recovered = decide(written, ticks, EXPIRY + 1).contract
    if expected.entry_tick_time is None:
        assert recovered.status == "refunded"
    else:
        assert recovered == expected


async def test_the_ledger_is_brought_to_where_the_ticks_say_once(database: Database, journal: Journal) -> None:
    account = await Accounts(database).add("alice", balance=Decimal("100.00"))
    ledger = Ledger(database, journal.sync)
    for each in (tick(500, "2.00"), tick(9000, "3.00"), tick(20_000, "4.00")):
        write(journal, each)
    won = (await ledger.buy(make_purchase(account))).contract
    lost = (await ledger.buy(make_purchase(account, variant="fall"))).contract
    without = (await ledger.buy(make_purchase(account, instrument_id="SILVER"))).contract
    going_on = (await ledger.buy(make_purchase(account, duration=60, expiry_time=BUY_TIME + 60_000))).contract
    just_bought = (await ledger.buy(make_purchase(account, buy_time=BUY_TIME + 25_000, expiry_time=BUY_TIME + 60_000))).contract
    after = BUY_TIME + 30_000
    still_open = {each.contract.contract_id: each for each in await recover(ledger, journal, after)}
    assert set(still_open) == {going_on.contract_id, just_bought.contract_id}
    assert still_open[going_on.contract_id].contract.entry_spot == Decimal("2.00")
    assert still_open[just_bought.contract_id].contract == just_bought
    assert (await ledger.find(won.contract_id, account.uuid)).exit_spot == Decimal("3.00")
    assert (await ledger.find(lost.contract_id, account.uuid)).proceeds == 0
    assert (await ledger.find(without.contract_id, account.uuid)).status == "refunded"
    assert await balance_of(database, account.uuid) == Decimal("79.53")
    assert {each.contract.contract_id: each for each in await recover(ledger, journal, after)} == still_open
    assert {contract.contract_id: contract for contract in await ledger.open_contracts()} == {
        contract_id: each.contract for contract_id, each in still_open.items()
    }
    await check_books(database)
