"""The desk with a real ledger: purchases, ticks, sales, settlements, and what is published of them."""

from __future__ import annotations

import asyncio
import gc
import shutil
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from pricewire.errors import (
    AccountError,
    ContractNotSellableError,
    DatabaseError,
    IdempotencyConflictError,
    InsufficientBalanceError,
    InvalidProposalError,
    MarketClosedError,
    PriceMovedError,
    UnknownContractError,
    UnknownInstrumentError,
)
from pricewire.market.feeds.replay.feed import ReplayFeed
from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.market.hours import parse_hours
from pricewire.market.journal import Journal
from pricewire.market.market import Market
from pricewire.protocol.topics import parse_topic
from pricewire.protocol.trading_messages import Amount, Purchased
from pricewire.store.database import Database
from pricewire.store.ledger import Ledger
from pricewire.trading.contracts import PATIENCE_MS, Contract
from pricewire.trading.instrument_books import InstrumentBooks
from pricewire.trading.interfaces import Bought, Closed, Purchase
from pricewire.trading.offers import StakeOffer, make_stake_offer
from pricewire.trading.settlement import RETRY_S
from pricewire.trading.volatility import Moves
from support.contract_maker import tick as contract_tick
from support.fake_market import START_MS, FakeClock, running, settle
from support.full_disk import full_disk
from support.ledger_rules import balance_of, check_books
from support.trading_env import Published, TradingEnv, open_account, order


@pytest.fixture
async def sqlite(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(shutil.copy(sqlite_template, tmp_path))
    yield database
    await check_books(database)
    await database.close()


@pytest.fixture
async def trading_env(sqlite: Database, tmp_path: Path) -> AsyncIterator[TradingEnv]:
    async with TradingEnv(sqlite, tmp_path / "journal").open() as trading_env:
        yield trading_env


async def settled_contract(trading_env: TradingEnv) -> tuple[str, Purchased[Amount], Published]:
    """Buy a contract on rising, and let it win; return its account, the answer to the purchase, and the event of its settlement."""
    account = await open_account(trading_env)
    await trading_env.listen(f"contracts:{account.uuid}", f"balance:{account.uuid}")
    bought = await trading_env.desk.buy(account.uuid, order())
    await trading_env.give("100.20", 2)
    await trading_env.until(lambda: any(each.data["contract_details"]["entry_spot"] for each in trading_env.events("contract_updated")))
    await trading_env.give("100.50", 8)
    await trading_env.give("100.30", 15)
    assert trading_env.events("contract_settled") == []
    await trading_env.give("90.00", 16)
    return account.uuid, bought, await trading_env.event("contract_settled")


async def test_a_purchase_is_answered_with_the_contract_before_its_entry(trading_env: TradingEnv) -> None:
    account = await open_account(trading_env)
    bought = await trading_env.desk.buy(account.uuid, order())
    assert (bought.idempotency_key, bought.product_id, bought.buy_price, bought.buy_time) == ("key", "rise_fall", "10.00", START_MS)
    assert (bought.contract_details.entry_spot, bought.contract_details.is_valid_to_sell) == (None, False)


async def test_a_contract_is_settled_by_its_first_and_its_last_tick(trading_env: TradingEnv) -> None:
    _, bought, settled = await settled_contract(trading_env)
    assert (settled.key, settled.ends, settled.data["contract_id"]) == (None, bought.contract_id, bought.contract_id)
    payout = Decimal(bought.contract_details.potential_payout)
    expected = {
        "entry_spot": "100.20",
        "barrier": "100.20",
        "exit_spot": "100.30",
        "entry_tick_time": START_MS + 2000,
        "exit_tick_time": START_MS + 15_000,
        "exit_time": START_MS + 15_000,
        "contract_expiry_time": START_MS + 15_000,
        "bid_price": f"{payout:f}",
        "profit_loss": f"{payout - 10:+f}",
        "is_expired": True,
        "is_sold": False,
        "is_valid_to_sell": False,
    }
    details = settled.data["contract_details"]
    assert {name: details[name] for name in expected} == expected
    assert [each["price"] for each in details["tick_stream"]] == ["100.20", "100.50", "100.30"]


async def test_every_step_of_a_contract_and_every_change_of_the_balance_is_published(trading_env: TradingEnv) -> None:
    account_uuid, bought, _ = await settled_contract(trading_env)
    payout = Decimal(bought.contract_details.potential_payout)
    await trading_env.until(lambda: len(trading_env.events("balance")) == 3)
    balances = [(each.data["balance"], each.data["change"]) for each in trading_env.events("balance")]
    assert balances == [("100.00", "0.00"), ("90.00", "-10.00"), (f"{90 + payout:f}", f"{payout:f}")]
    published = [each.event for each in trading_env.published if each.topic.startswith("contracts:")]
    assert published == ["contract_opened", *["contract_updated"] * 4, "contract_settled"]
    assert await balance_of(trading_env.database, account_uuid) == 90 + payout


async def sellable_contract(trading_env: TradingEnv) -> tuple[str, str, Any]:
    """Buy a contract that is listened to, and let it be entered; return its account, its id, and its newest update."""
    account = await open_account(trading_env)
    await trading_env.listen(f"contracts:{account.uuid}", f"open_contracts:{account.uuid}", f"closed_contracts:{account.uuid}")
    bought = await trading_env.desk.buy(account.uuid, order())
    await trading_env.give("100.20", 1)
    await trading_env.until(lambda: trading_env.events("contract_updated")[-1].data["contract_details"]["is_valid_to_sell"])
    await trading_env.give("100.90", 3)
    return account.uuid, bought.contract_id, trading_env.events("contract_updated")[-1].data["contract_details"]


async def test_updates_and_lists_have_the_newest_tick_and_a_chosen_contract_has_all(trading_env: TradingEnv) -> None:
    account_uuid, contract_id, shown = await sellable_contract(trading_env)
    assert [each["price"] for each in shown["tick_stream"]] == ["100.90"]

    def listed() -> Any:
        return trading_env.events("contracts")[-1].data["contracts"][0]["contract_details"]

    await trading_env.until(lambda: bool(listed()["bid_price"] == shown["bid_price"]))
    assert [each["price"] for each in listed()["tick_stream"]] == ["100.90"]
    topic = f"{{}}_contracts:{account_uuid}:{contract_id}"
    await trading_env.listen(topic.format("open"), topic.format("closed"))

    def chosen(kind: str) -> list[tuple[str, list[str]]]:
        newest = [each for each in trading_env.events("contracts") if each.topic == topic.format(kind)][-1]
        contracts = [(each["contract_id"], each["contract_details"]) for each in newest.data["contracts"]]
        return [(name, [point["price"] for point in details["tick_stream"]]) for name, details in contracts]

    assert chosen("open") == [(contract_id, ["100.20", "100.90"])]
    assert chosen("closed") == []
    await trading_env.give("100.95", 4)
    await trading_env.until(lambda: chosen("open") == [(contract_id, ["100.20", "100.90", "100.95"])])
    await trading_env.desk.sell(account_uuid, contract_id)
    await trading_env.until(lambda: chosen("closed") == [(contract_id, ["100.20", "100.90", "100.95"])])
    assert chosen("open") == []
    for name in ("open", "closed"):
        trading_env.desk.last_stream(parse_topic(topic.format(name)))  # type: ignore[arg-type]
    # The lists of all are still listened to.
    trading_env.published.clear()
    other = await trading_env.desk.buy(account_uuid, order("other"))
    await trading_env.give("100.97", 5)
    await trading_env.until(lambda: trading_env.desk.open_contracts == 1)
    await trading_env.desk.sell(account_uuid, other.contract_id)
    await trading_env.until(lambda: any(each.topic.startswith("closed_contracts:") for each in trading_env.published))
    lists = {each.topic for each in trading_env.events("contracts")}
    assert lists == {f"open_contracts:{account_uuid}", f"closed_contracts:{account_uuid}"}


async def test_a_sale_pays_what_the_newest_update_has_shown(trading_env: TradingEnv) -> None:
    account_uuid, contract_id, shown = await sellable_contract(trading_env)
    sold = await trading_env.desk.sell(account_uuid, contract_id)
    assert (sold.sell_price, sold.buy_price) == (shown["bid_price"], "10.00")
    assert sold.contract_details.profit_loss == shown["profit_loss"] == f"{Decimal(sold.profit):+f}"
    assert (sold.contract_details.is_sold, sold.contract_details.is_valid_to_sell) == (True, False)
    assert (await trading_env.desk.balance(account_uuid)).balance == f"{90 + Decimal(sold.sell_price):f}"


async def test_a_contract_that_was_sold_moves_to_the_closed_ones_and_is_not_settled(trading_env: TradingEnv) -> None:
    account_uuid, contract_id, _ = await sellable_contract(trading_env)
    await trading_env.desk.sell(account_uuid, contract_id)
    assert trading_env.events("contract_sold")[0].ends == contract_id
    lists = [each for each in trading_env.published if each.event == "contracts"]
    assert [each.data["contracts"] for each in lists if each.topic.startswith("open_")][-1] == []
    assert [each["contract_id"] for each in lists[-1].data["contracts"]] == [contract_id]
    assert lists[-1].data["pagination"] == {"current_page": 1, "limit": 50, "total_items": 1, "total_pages": 1}
    await trading_env.give("100.90", 20)
    assert trading_env.events("contract_settled") == []


async def test_only_an_open_contract_that_was_entered_can_be_sold(trading_env: TradingEnv) -> None:
    account = await open_account(trading_env)
    bought = await trading_env.desk.buy(account.uuid, order())
    with pytest.raises(ContractNotSellableError, match="its first tick has not come"):
        await trading_env.desk.sell(account.uuid, bought.contract_id)
    await trading_env.give("100.20", 1)
    await trading_env.desk.sell(account.uuid, bought.contract_id)
    with pytest.raises(ContractNotSellableError, match="it is sold"):
        await trading_env.desk.sell(account.uuid, bought.contract_id)


async def test_a_repeated_request_gets_the_first_answer_whatever_the_market_does(trading_env: TradingEnv) -> None:
    account, other = await open_account(trading_env), await open_account(trading_env, name="other")
    first = await trading_env.desk.buy(account.uuid, order(duration=5, duration_unit="ticks"))
    await trading_env.give("100.20", 1)
    await trading_env.clock.advance(120)
    with pytest.raises(MarketClosedError, match="prices have stopped coming"):
        await trading_env.desk.buy(account.uuid, order("another"))
    assert await trading_env.desk.buy(account.uuid, order(duration=5, duration_unit="ticks")) == first
    with pytest.raises(IdempotencyConflictError):
        await trading_env.desk.buy(account.uuid, order(duration=6, duration_unit="ticks"))
    await trading_env.give("100.20", 121)
    assert (await trading_env.desk.buy(other.uuid, order(duration=5, duration_unit="ticks"))).contract_id != first.contract_id
    assert len(trading_env.events("contract_opened")) == 2


async def test_two_requests_with_a_key_at_once_buy_once(trading_env: TradingEnv) -> None:
    account = await open_account(trading_env)
    first, second = await asyncio.gather(*(trading_env.desk.buy(account.uuid, order()) for _ in range(2)))
    assert first == second
    assert len((await trading_env.list_of(f"open_contracts:{account.uuid}"))["contracts"]) == 1
    assert len(trading_env.events("contract_opened")) == 1


async def test_of_many_purchases_at_once_those_that_are_paid_for_succeed(trading_env: TradingEnv) -> None:
    account = await open_account(trading_env, "50.00")
    results = await asyncio.gather(*(trading_env.desk.buy(account.uuid, order(str(key))) for key in range(20)), return_exceptions=True)
    assert [type(each) for each in results].count(InsufficientBalanceError) == 15
    assert [each.data["balance"] for each in trading_env.events("balance")] == ["40.00", "30.00", "20.00", "10.00", "0.00"]
    assert len((await trading_env.list_of(f"open_contracts:{account.uuid}"))["contracts"]) == 5
    await trading_env.give("100.20", 1)
    await trading_env.give("100.20", 16)
    await trading_env.until(lambda: len(trading_env.events("contract_settled")) == 5)


@pytest.mark.parametrize("tick_at", [2.0, None])
async def test_a_contract_whose_ticks_stay_away_is_given_back(trading_env: TradingEnv, tick_at: float | None) -> None:
    account = await open_account(trading_env)
    await trading_env.desk.buy(account.uuid, order(variant="rise"))
    if tick_at is not None:
        await trading_env.give("100.20", tick_at)
    await trading_env.clock.advance(PATIENCE_MS / 1000 - 1)
    assert trading_env.events("contract_settled") == []
    await trading_env.clock.advance(2)
    settled = await trading_env.event("contract_settled")
    assert (settled.data["contract_details"]["is_refunded"], settled.data["contract_details"]["exit_tick_time"]) == (True, None)
    assert f"{await balance_of(trading_env.database, account.uuid):f}" == "100.00"
    assert (await trading_env.desk.balance(account.uuid)).balance == "100.00"


async def test_a_stall_settles_by_the_ticks_that_come_after_it(trading_env: TradingEnv) -> None:
    account = await open_account(trading_env)
    await trading_env.desk.buy(account.uuid, order())
    await trading_env.give("100.20", 1)
    await trading_env.clock.advance(29)
    assert trading_env.events("contract_settled") == []
    for seconds, price in ((2, "100.10"), (15, "100.40"), (16, "100.00")):
        await trading_env.give(price, seconds)
    details = (await trading_env.event("contract_settled")).data["contract_details"]
    assert (details["exit_spot"], details["exit_tick_time"], details["is_refunded"]) == ("100.40", START_MS + 15_000, False)


async def test_an_account_trades_in_its_own_currency(trading_env: TradingEnv) -> None:
    account = await trading_env.accounts.add("yen", currency="JPY", balance=Decimal(100_000))
    proposal = parse_topic("proposal:rise_fall:GOLD:15:seconds:JPY:1000:false")
    await trading_env.listen(str(proposal))
    shown = trading_env.events("proposal")[0].data["variants"][0]["contract_details"]
    bought = await trading_env.desk.buy(account.uuid, order(stake="1000"))
    assert (bought.buy_price, bought.contract_details.potential_payout) == (shown["stake"], shown["payout"])
    assert "." not in shown["payout"]
    with pytest.raises(InvalidProposalError, match="stake 10 is not 100 to 7500000 JPY"):
        await trading_env.desk.buy(account.uuid, order("another"))


async def test_a_touch_settles_at_once(trading_env: TradingEnv) -> None:
    account = await open_account(trading_env)
    bought = await trading_env.desk.buy(account.uuid, order(product_id="touch", variant="touch", barrier="+0.30"))
    await trading_env.give("100.00", 1)
    await trading_env.give("100.30", 2)
    details = (await trading_env.event("contract_settled")).data["contract_details"]
    assert (details["bid_price"], details["exit_tick_time"]) == (bought.contract_details.potential_payout, START_MS + 2000)
    with pytest.raises(ContractNotSellableError, match="it is settled"):
        await trading_env.desk.sell(account.uuid, bought.contract_id)


async def test_a_loser_is_not_bought_back_at_its_end(trading_env: TradingEnv) -> None:
    account = await open_account(trading_env)
    bought = await trading_env.desk.buy(account.uuid, order(variant="fall"))
    for seconds in range(1, 15):
        await trading_env.give("100.11", seconds)
    await trading_env.clock.advance(1)
    with pytest.raises(ContractNotSellableError, match="it has reached its end"):
        await trading_env.desk.sell(account.uuid, bought.contract_id)


async def test_a_trade_waits_for_a_tick_that_is_due_and_has_its_price(trading_env: TradingEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pricewire.trading.trades.LATEST_S", 60.0)
    account = await open_account(trading_env)
    bought = await trading_env.desk.buy(account.uuid, order())
    await trading_env.give("100.20", 1)
    # The tick of the next second is late by half of one.
    await trading_env.clock.advance(1.5)
    selling = asyncio.create_task(trading_env.desk.sell(account.uuid, bought.contract_id))
    buying = asyncio.create_task(trading_env.desk.buy(account.uuid, order("another")))
    await settle()
    assert [selling.done(), buying.done()] == [False, False]
    await trading_env.give("100.80", 2.5)
    assert (await selling).contract_details.exit_spot == Decimal("100.80")
    assert (await buying).buy_time == START_MS + 2500


async def test_a_trade_is_refused_where_a_tick_that_is_due_stays_away(trading_env: TradingEnv, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pricewire.trading.trades.LATEST_S", 0.01)
    account = await open_account(trading_env)
    bought = await trading_env.desk.buy(account.uuid, order())
    await trading_env.give("100.20", 1)
    await trading_env.clock.advance(1.5)
    for attempt in (trading_env.desk.sell(account.uuid, bought.contract_id), trading_env.desk.buy(account.uuid, order("another"))):
        with pytest.raises(MarketClosedError, match="its next price is overdue"):
            await attempt
    await trading_env.give("100.20", 3)
    await trading_env.desk.sell(account.uuid, bought.contract_id)


async def test_a_tick_that_falls_due_while_a_trade_is_made_is_no_reason_to_refuse_it(
    trading_env: TradingEnv, monkeypatch: pytest.MonkeyPatch
) -> None:
    account = await open_account(trading_env)
    await trading_env.give("100.20", 1)
    await trading_env.clock.advance(0.999)

    def slowly(*arguments: Any) -> StakeOffer:
        trading_env.clock.jump(0.002)
        return make_stake_offer(*arguments)

    monkeypatch.setattr("pricewire.trading.trades.make_stake_offer", slowly)
    bought = await trading_env.desk.buy(account.uuid, order())
    assert bought.buy_time == START_MS + 1999


async def test_a_clock_that_is_set_back_does_not_keep_an_old_price_for_trade(trading_env: TradingEnv) -> None:
    account = await open_account(trading_env)
    bought = await trading_env.desk.buy(account.uuid, order())
    await trading_env.give("100.30", 1)
    trading_env.clock.set(-3600)
    await trading_env.clock.advance(10)
    for attempt in (trading_env.desk.sell(account.uuid, bought.contract_id), trading_env.desk.buy(account.uuid, order("another"))):
        with pytest.raises(MarketClosedError, match="prices have stopped coming"):
            await attempt
    # The ticks of the new time are older than the newest.
    trading_env.feed.give(90, 91, START_MS - 3_590_000)
    await trading_env.clock.advance(PATIENCE_MS / 1000)
    settled = await trading_env.event("contract_settled")
    assert settled.data["contract_details"]["is_refunded"]
    assert trading_env.clock.now_ns() // 1_000_000 < START_MS


async def test_a_clock_that_is_set_back_does_not_stop_ticks_that_go_on(trading_env: TradingEnv) -> None:
    account = await open_account(trading_env)
    trading_env.clock.set(-3600)
    bought = await trading_env.desk.buy(account.uuid, order(duration=2, duration_unit="ticks"))
    assert bought.buy_time == START_MS
    for seconds in (1, 2, 3):
        trading_env.feed.give(100 + seconds, 101 + seconds, START_MS + seconds * 1000)
    details = (await trading_env.event("contract_settled")).data["contract_details"]
    assert (details["entry_tick_time"], details["exit_tick_time"]) == (START_MS + 1000, START_MS + 3000)


async def test_before_a_tick_has_come_nothing_is_traded_at_a_price_of_before_the_start(sqlite: Database, tmp_path: Path) -> None:
    trading_env = TradingEnv(sqlite, tmp_path / "journal")
    account = await open_account(trading_env)
    book = trading_env.desk._books.find("GOLD")
    book.load(contract_tick(-1000 * number) for number in range(40, -1, -1))
    with pytest.raises(MarketClosedError, match="its first price has not come yet"):
        await trading_env.desk.buy(account.uuid, order())


async def test_outside_of_its_hours_nothing_is_traded_and_no_contract_ends_near_their_end(sqlite: Database, tmp_path: Path) -> None:
    # The fake clock begins on a Tuesday, at 22:13:20.
    hours = {"GOLD": parse_hours("UTC Tue 22:00-22:20, Wed 22:00-22:20")}
    async with TradingEnv(sqlite, tmp_path / "journal", hours=hours).open() as env:
        account = await open_account(env)
        for details in ({"duration": 281}, {"duration": 1, "duration_unit": "days"}):
            with pytest.raises(InvalidProposalError, match="GOLD closes at 2023-11-14T22:20:00Z, and contracts end 2 minutes before"):
                await env.desk.buy(account.uuid, order(**details))
        held = await env.desk.buy(account.uuid, order(duration=280))
        for seconds in range(1, 275):
            await env.give("100.20" if seconds % 2 else "100.10", seconds)
        with pytest.raises(InvalidProposalError, match="contracts end 2 minutes before"):
            await env.desk.buy(account.uuid, order("ticks", duration=3, duration_unit="ticks"))
        for seconds in range(275, 402):
            await env.give("100.20" if seconds % 2 else "100.10", seconds)
        details = (await env.event("contract_settled")).data["contract_details"]
        assert (details["exit_tick_time"], details["is_refunded"]) == (START_MS + 280_000, False)
        for attempt in (env.desk.buy(account.uuid, order("late")), env.desk.buy(account.uuid, order("later", duration=86_400))):
            with pytest.raises(MarketClosedError, match="its market is closed until 2023-11-15T22:00:00Z"):
                await attempt
        assert held.contract_id not in env.desk._books.find("GOLD").positions.contracts


async def test_what_has_a_tick_now_and_then_is_not_traded(trading_env: TradingEnv) -> None:
    account = await open_account(trading_env)
    for number in range(1, 60):
        await trading_env.give("100.00", number * 30)
    with pytest.raises(MarketClosedError, match="its prices come too seldom, every 30 s"):
        await trading_env.desk.buy(account.uuid, order(duration=5, duration_unit="minutes"))


async def test_a_recording_is_traded_only_where_that_is_allowed(sqlite: Database, tmp_path: Path) -> None:
    recording = tmp_path / "gold.csv"
    recording.write_text("timestamp,bid,ask\n" + "".join(f"{START_MS + n * 1000},{100 + n % 2}.0,{101 + n % 2}.0\n" for n in range(60)))
    clock = FakeClock()
    market = Market([ReplayFeed(recording, instrument_id="GOLD", clock=clock)], lambda topic, tick, event: None, clock=clock)
    tried = [InstrumentBooks(market, clock, trades_replays=allowed) for allowed in (False, True)]
    for books in tried:
        book = books.find("GOLD")
        for number in range(40, -1, -1):
            book.on_tick(contract_tick(-1000 * number, f"{100 + number % 2}.00"), clock.monotonic_ns())
    async with running(market):
        await settle()
        with pytest.raises(MarketClosedError, match="it is a recording, whose prices others may know; the option --trade-replays"):
            tried[0].tradable(tried[0].find("GOLD"), is_overdue=False)
        assert tried[1].tradable(tried[1].find("GOLD"), is_overdue=False)[1].is_regular


@pytest.mark.parametrize("rate", [0.5, 2.0, 3.0, 4.0])
async def test_how_often_computed_prices_come_the_past_does_not_say(tmp_path: Path, rate: float) -> None:
    clock = FakeClock()
    before, feed = (SimulatedFeed(3, rate=each, clock=clock) for each in (1.0, rate))
    recorded = {past.instrument_id: past for past in before.history() if past.instrument_id == "R_100"}
    market = Market([feed], lambda *_: None, clock=clock)
    journal = Journal(tmp_path, market.instruments())
    # One was started at another rate before; the history of the other has not each of its ticks.
    market.write_to(journal, recorded)
    async with running(market):
        await settle()
        books = InstrumentBooks(market, clock)
        for instrument_id, interval_ms in (("R_100", 2000), ("R_75", 2000), ("1HZ100V", 1000)):
            book = books.find(instrument_id)
            expected = Moves(feed.volatilities[instrument_id], round(interval_ms / rate), is_regular=True, margin=0.0)
            assert book.moves == expected
            for _ in range(2):
                # The first one comes after a gap, or after what another path had.
                await clock.advance(interval_ms / rate / 1000)
                await settle()
                live = market.tick(instrument_id)
                assert live is not None
                book.on_tick(live, clock.monotonic_ns())
                assert book.moves == expected
    journal.close()


async def test_ticks_that_wait_for_the_journal_happen_to_contracts_when_it_has_them(trading_env: TradingEnv) -> None:
    account = await open_account(trading_env)
    await trading_env.desk.buy(account.uuid, order(duration=8, duration_unit="ticks"))
    await trading_env.give("101.00", 1)
    with full_disk():
        for number in range(2, 10):
            await trading_env.give("102.00", number)
        # They have come: this is no silence, after which contracts would be given back.
        await trading_env.clock.advance(PATIENCE_MS / 1000 + 5)
        await settle()
        assert trading_env.events("contract_settled") == []
        # Whoever begins to trade meanwhile gets them later, too.
        book = InstrumentBooks(trading_env.market, trading_env.clock).find("GOLD")
        assert book.tick is not None
        assert book.tick.price == Decimal("101.00")
    # The database may not have been written either, and is tried again.
    async with asyncio.timeout(30):
        while not trading_env.events("contract_settled"):
            await trading_env.clock.advance(1)
            await trading_env.database.read(lambda connection: None)
    (ended,) = trading_env.events("contract_settled")
    assert (ended.data["contract_details"]["entry_spot"], ended.data["contract_details"]["exit_spot"]) == ("101.00", "102.00")


async def test_what_cannot_be_bought(trading_env: TradingEnv) -> None:
    account = await open_account(trading_env)
    for request, error in [
        (order(duration=5), InvalidProposalError),
        (order(payout="100"), PriceMovedError),
        (order(payout="20", tolerance=0.01), PriceMovedError),
        (order(product_id="touch"), InvalidProposalError),
        (order(instrument_id="SILVER"), UnknownInstrumentError),
        (order(stake="100.01"), InsufficientBalanceError),
    ]:
        with pytest.raises(error):
            await trading_env.desk.buy(account.uuid, request)
    with pytest.raises(AccountError):
        await trading_env.desk.buy("nobody", order())
    assert await trading_env.ledger.open_contracts() == []
    assert (await trading_env.list_of(f"open_contracts:{account.uuid}"))["contracts"] == []
    assert trading_env.published == []


async def test_another_s_contract_can_neither_be_sold_nor_found(trading_env: TradingEnv) -> None:
    account, other = await open_account(trading_env), await open_account(trading_env, name="other")
    bought = await trading_env.desk.buy(account.uuid, order())
    await trading_env.give("100.20", 1)
    for contract_id in (bought.contract_id, "none"):
        with pytest.raises(UnknownContractError):
            await trading_env.desk.sell(other.uuid, contract_id)
        for kind in ("open", "closed"):
            with pytest.raises(UnknownContractError):
                await trading_env.listen(f"{kind}_contracts:{other.uuid}:{contract_id}")
    await trading_env.listen(f"open_contracts:{account.uuid}:{bought.contract_id}")


async def test_quotes_are_published_while_somebody_listens(trading_env: TradingEnv) -> None:
    proposal = await trading_env.desk.prepare(parse_topic("proposal:touch:GOLD:5:minutes:10.00:false:+1"))  # type: ignore[arg-type]
    price = await trading_env.desk.prepare(parse_topic("contract_price:CALL:GOLD:5:minutes:USD:20"))  # type: ignore[arg-type]
    assert str(proposal) == "proposal:touch:GOLD:5:minutes:10:true:+1"
    trading_env.desk.first_stream(proposal)
    trading_env.desk.first_stream(price)
    await trading_env.give("101.00", 1)
    trading_env.desk.last_stream(proposal)
    await trading_env.give("102.00", 2)
    quoted = [(each.topic, each.key, each.event) for each in trading_env.published]
    assert quoted == [
        (str(proposal), str(proposal), "proposal"),
        (str(price), str(price), "contract_price"),
        (str(proposal), str(proposal), "proposal"),
        (str(price), str(price), "contract_price"),
        (str(price), str(price), "contract_price"),
    ]
    assert trading_env.published[2].data["variants"][0]["contract_details"]["barrier"] == "102.00"
    assert trading_env.published[-1].data["spot"] == "102.00"


async def test_who_does_not_listen_gets_no_updates_but_all_that_happens(trading_env: TradingEnv) -> None:
    account = await open_account(trading_env)
    await trading_env.listen(f"contracts:{account.uuid}")
    await trading_env.desk.buy(account.uuid, order())
    trading_env.desk.last_stream(parse_topic(f"contracts:{account.uuid}"))  # type: ignore[arg-type]
    updates = len(trading_env.events("contract_updated"))
    await trading_env.give("100.20", 1)
    await trading_env.give("100.20", 2)
    assert len(trading_env.events("contract_updated")) == updates
    await trading_env.listen(f"contracts:{account.uuid}")
    await trading_env.until(lambda: len(trading_env.events("contract_updated")) > updates)
    (update,) = trading_env.events("contract_updated")[updates:]
    assert update.data["contract_details"]["entry_spot"] == "100.20"
    await trading_env.give("100.20", 16)
    await trading_env.event("contract_settled")


async def test_a_late_tick_changes_nothing(trading_env: TradingEnv) -> None:
    account = await open_account(trading_env)
    await trading_env.desk.buy(account.uuid, order())
    await trading_env.give("100.20", 3)
    trading_env.feed.give(249.95, 250.05, START_MS + 2000)
    await trading_env.give("100.20", 4)
    await trading_env.give("250.00", 16)
    details = (await trading_env.event("contract_settled")).data["contract_details"]
    assert (details["entry_spot"], details["exit_spot"]) == ("100.20", "100.20")


class SlowLedger(Ledger):
    """A ledger whose purchases the test holds up after they are durable."""

    go_on: asyncio.Event
    written: asyncio.Event

    async def buy(self, purchase: Purchase) -> Bought:
        bought = await super().buy(purchase)
        self.written.set()
        await self.go_on.wait()
        return bought


@pytest.fixture
async def slow_floor(sqlite: Database, tmp_path: Path) -> AsyncIterator[tuple[TradingEnv, SlowLedger]]:
    trading_env = TradingEnv(sqlite, tmp_path / "journal", SlowLedger)
    ledger = trading_env.ledger
    assert isinstance(ledger, SlowLedger)
    ledger.go_on, ledger.written = asyncio.Event(), asyncio.Event()
    async with trading_env.open():
        yield trading_env, ledger


async def test_a_tick_that_comes_while_the_purchase_is_written_is_its_entry(slow_floor: tuple[TradingEnv, SlowLedger]) -> None:
    trading_env, ledger = slow_floor
    account = await open_account(trading_env)
    await trading_env.listen(f"contracts:{account.uuid}")
    buying = asyncio.create_task(trading_env.desk.buy(account.uuid, order(duration=1, duration_unit="ticks", variant="fall")))
    await ledger.written.wait()
    await trading_env.give("100.40", 1)
    await trading_env.give("100.30", 2)
    assert trading_env.published == []
    ledger.go_on.set()
    bought = await buying
    settled = await trading_env.event("contract_settled")
    details = settled.data["contract_details"]
    assert (details["entry_spot"], details["exit_spot"], details["bid_price"]) == (
        "100.40",
        "100.30",
        bought.contract_details.potential_payout,
    )
    assert next(each.event for each in trading_env.published if each.topic.startswith("contracts:")) == "contract_opened"


async def test_a_purchase_whose_caller_is_gone_is_told_all_the_same(slow_floor: tuple[TradingEnv, SlowLedger]) -> None:
    trading_env, ledger = slow_floor
    account = await open_account(trading_env)
    buying = asyncio.create_task(trading_env.desk.buy(account.uuid, order()))
    await ledger.written.wait()
    buying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await buying
    ledger.go_on.set()
    await trading_env.event("balance")
    await trading_env.give("100.20", 1)
    await trading_env.give("100.20", 16)
    await trading_env.event("contract_settled")


async def test_a_refusal_whose_caller_is_gone_is_not_logged_as_forgotten(
    trading_env: TradingEnv, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    account = await open_account(trading_env)
    begun, go_on = asyncio.Event(), asyncio.Event()
    refuse = trading_env.ledger.bought

    async def bought(*arguments: Any) -> Any:
        begun.set()
        await go_on.wait()
        return await refuse(*arguments)

    monkeypatch.setattr(trading_env.ledger, "bought", bought)
    buying = asyncio.create_task(trading_env.desk.buy(account.uuid, order(stake="50000")))
    await begun.wait()
    buying.cancel()
    with pytest.raises(asyncio.CancelledError):
        await buying
    go_on.set()
    del buying
    # The next purchase is refused behind it.
    with pytest.raises(InsufficientBalanceError):
        await trading_env.desk.buy(account.uuid, order(stake="50000"))
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []


class BrokenLedger(Ledger):
    """A ledger whose database does not answer the first settlement."""

    refused: asyncio.Event

    async def settle(self, settled: Sequence[Contract]) -> list[Closed]:
        if settled and not self.refused.is_set():
            self.refused.set()
            raise DatabaseError("the database does not answer")
        return await super().settle(settled)


async def test_what_the_database_did_not_take_is_tried_again(sqlite: Database, tmp_path: Path) -> None:
    trading_env = TradingEnv(sqlite, tmp_path / "journal", BrokenLedger)
    ledger = trading_env.ledger
    assert isinstance(ledger, BrokenLedger)
    ledger.refused = asyncio.Event()
    async with trading_env.open():
        account = await open_account(trading_env)
        await trading_env.desk.buy(account.uuid, order(variant="fall"))
        await trading_env.give("100.20", 1)
        await trading_env.give("100.10", 2)
        await trading_env.give("100.20", 16)
        await ledger.refused.wait()
        assert trading_env.events("contract_settled") == []
        await trading_env.clock.advance(RETRY_S)
        settled = await trading_env.event("contract_settled")
        assert settled.data["contract_details"]["exit_spot"] == "100.10"
        assert len(trading_env.events("contract_settled")) == 1


async def test_after_a_restart_everything_goes_on(sqlite: Database, tmp_path: Path) -> None:
    async with TradingEnv(sqlite, tmp_path / "journal").open() as trading_env:
        account = await open_account(trading_env)
        in_ticks = await trading_env.desk.buy(account.uuid, order("a", duration=3, duration_unit="ticks"))
        expired = await trading_env.desk.buy(account.uuid, order("b", duration=20, variant="fall"))
        later = await trading_env.desk.buy(account.uuid, order("c", duration=2, duration_unit="minutes"))
        await trading_env.give("100.20", 1)
        await trading_env.give("100.10", 2)
    async with TradingEnv(sqlite, tmp_path / "journal", seconds=60).open() as trading_env:
        # Time alone settles nothing: the market begins with ticks from 20 seconds on, which are the exits.
        await trading_env.until(lambda: len(trading_env.events("contract_settled")) == 2)
        settled = [each.data for each in trading_env.events("contract_settled")]
        ends = {each["contract_id"]: each["contract_details"]["exit_tick_time"] for each in settled}
        # One of its ticks came before the restart.
        assert ends == {expired.contract_id: START_MS + 20_000, in_ticks.contract_id: START_MS + 21_000}
        still_open = (await trading_env.list_of(f"open_contracts:{account.uuid}"))["contracts"]
        assert [each["contract_id"] for each in still_open] == [later.contract_id]
        assert (await trading_env.list_of(f"closed_contracts:{account.uuid}"))["pagination"]["total_items"] == 2


async def test_the_tick_that_an_instrument_begins_with_counts_once(trading_env: TradingEnv) -> None:
    times = [point.epoch_ms for point in trading_env.desk._books.find("GOLD").points]
    assert len(times) == len(set(times)) == 41


async def test_after_a_jump_contracts_keep_a_value_and_nothing_is_traded(trading_env: TradingEnv) -> None:
    account = await open_account(trading_env)
    held = await trading_env.desk.buy(account.uuid, order(duration=60))
    for seconds, price in enumerate(("100.10", "100.00", "120.00", "120.10"), start=1):
        await trading_env.give(price, seconds)
    for attempt in (trading_env.desk.buy(account.uuid, order("later")), trading_env.desk.sell(account.uuid, held.contract_id)):
        with pytest.raises(MarketClosedError, match="its prices move too unevenly to know what to expect of them"):
            await attempt
    assert trading_env.desk._books.find("GOLD").bids()[0] > 1500
