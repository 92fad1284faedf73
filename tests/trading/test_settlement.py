"""Settlement while the process itself stands still: what came meanwhile decides, and no time that it did not see pass."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import pytest

from pricewire.store.database import Database
from pricewire.store.ledger import Ledger
from pricewire.trading.contracts import PATIENCE_MS
from pricewire.trading.interfaces import Bought, Purchase
from support.fake_market import START_MS
from support.ledger_rules import check_books
from support.trading_env import TradingEnv, open_account, order

HELD = Decimal(20)


@pytest.fixture
async def trading_env(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[TradingEnv]:
    database = await Database.open(shutil.copy(sqlite_template, tmp_path))
    async with TradingEnv(database, tmp_path / "journal").open() as trading_env:
        yield trading_env
    await check_books(database)
    await database.close()


@pytest.mark.parametrize("quiet_s", [0, PATIENCE_MS / 1000 - 3])
async def test_a_process_that_stood_still_reads_what_came_meanwhile_before_it_gives_back(trading_env: TradingEnv, quiet_s: float) -> None:
    """It stands still for longer than ticks may stay away; or for some seconds after they have stayed away for nearly as long."""
    account = await open_account(trading_env)
    await trading_env.desk.buy(account.uuid, order())
    await trading_env.give("100.20", 1)
    await trading_env.clock.advance(quiet_s)
    trading_env.clock.jump(PATIENCE_MS / 1000 + 80 - quiet_s)
    await trading_env.clock.advance(1)
    assert trading_env.events("contract_settled") == []
    for seconds, price in ((2, "100.10"), (15, "100.40"), (16, "100.00")):
        await trading_env.give(price, seconds)
    details = (await trading_env.event("contract_settled")).data["contract_details"]
    assert (details["exit_spot"], details["exit_tick_time"], details["is_refunded"]) == ("100.40", START_MS + 15_000, False)


async def test_ticks_that_stay_away_after_it_stood_still_give_back(trading_env: TradingEnv) -> None:
    account = await open_account(trading_env)
    await trading_env.desk.buy(account.uuid, order())
    await trading_env.give("100.20", 1)
    trading_env.clock.jump(PATIENCE_MS / 1000)
    await trading_env.clock.advance(PATIENCE_MS / 1000 - 2)
    assert trading_env.events("contract_settled") == []
    await trading_env.clock.advance(3)
    assert (await trading_env.event("contract_settled")).data["contract_details"]["is_refunded"]


class HeldLedger(Ledger):
    """A ledger that the test holds up before it writes a purchase of one stake."""

    asked: asyncio.Event
    go_on: asyncio.Event

    async def buy(self, purchase: Purchase) -> Bought:
        if purchase.contract.stake == HELD:
            self.asked.set()
            await self.go_on.wait()
        return await super().buy(purchase)


def entered(env: TradingEnv) -> set[str | None]:
    """Return the contracts of which an entry was published."""
    return {each.key for each in env.events("contract_updated") if each.data["contract_details"]["entry_spot"]}


async def test_an_entry_waits_for_no_purchase_of_another_account(sqlite_template: Path, tmp_path: Path) -> None:
    database = await Database.open(shutil.copy(sqlite_template, tmp_path))
    env = TradingEnv(database, tmp_path / "journal", HeldLedger)
    ledger = env.ledger
    assert isinstance(ledger, HeldLedger)
    ledger.asked, ledger.go_on = asyncio.Event(), asyncio.Event()
    async with env.open():
        alice, bob = await open_account(env, name="alice"), await open_account(env, name="bob")
        await env.listen(f"contracts:{alice.uuid}", f"contracts:{bob.uuid}")
        bought = await env.desk.buy(bob.uuid, order())
        buying = asyncio.create_task(env.desk.buy(alice.uuid, order(stake=str(HELD))))
        await ledger.asked.wait()
        await env.give("100.20", 1)
        await env.until(lambda: entered(env) == {bought.contract_id})
        # That of the purchase that was held up is written once that is durable.
        ledger.go_on.set()
        held = await buying
        await env.until(lambda: entered(env) == {bought.contract_id, held.contract_id})
        assert [contract.entry_tick_time for contract in await ledger.open_contracts()] == [START_MS + 1000] * 2
    await check_books(database)
    await database.close()
