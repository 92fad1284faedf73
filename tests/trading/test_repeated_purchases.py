"""A purchase that is sent again while the first one is still being written: it is bought once, and both get the same answer."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pricewire.errors import IdempotencyConflictError, InsufficientBalanceError, MarketClosedError
from pricewire.store.accounts import Account
from pricewire.store.database import Database
from pricewire.store.ledger import Ledger
from pricewire.trading.interfaces import Bought, Purchase
from pricewire.trading.limits import TradingLimits
from pricewire.trading.refusals import Told
from pricewire.trading.trades import digest
from support.ledger_rules import check_books
from support.trading_env import TradingEnv, open_account, order


class HeldLedger(Ledger):
    """A ledger that the test holds up before it writes a purchase."""

    asked: asyncio.Event
    go_on: asyncio.Event

    async def buy(self, purchase: Purchase) -> Bought:
        self.asked.set()
        await self.go_on.wait()
        return await super().buy(purchase)


@pytest.fixture
async def held(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[tuple[TradingEnv, HeldLedger]]:
    database = await Database.open(shutil.copy(sqlite_template, tmp_path))
    env = TradingEnv(database, tmp_path / "journal", HeldLedger, limits=TradingLimits(purchases_per_second=0.5))
    ledger = env.ledger
    assert isinstance(ledger, HeldLedger)
    ledger.asked, ledger.go_on = asyncio.Event(), asyncio.Event()
    async with env.open():
        yield env, ledger
    await check_books(database)
    await database.close()


@pytest.fixture
async def trading_env(sqlite_template: Path, tmp_path: Path) -> AsyncIterator[TradingEnv]:
    database = await Database.open(shutil.copy(sqlite_template, tmp_path))
    async with TradingEnv(database, tmp_path / "journal").open() as env:
        yield env
    await database.close()


@pytest.mark.parametrize("seconds", [0, 60])
async def test_it_is_not_refused_while_the_first_one_buys(held: tuple[TradingEnv, HeldLedger], seconds: int) -> None:
    """The second one comes too soon for the account's limit; or, after a minute, when the market is closed."""
    env, ledger = held
    alice = await open_account(env)
    first = asyncio.create_task(env.desk.buy(alice.uuid, order()))
    await ledger.asked.wait()
    await env.clock.advance(seconds)
    again = asyncio.create_task(env.desk.buy(alice.uuid, order()))
    other = asyncio.create_task(env.desk.buy(alice.uuid, order(stake="11")))
    for _ in range(20):
        await asyncio.sleep(0)
    ledger.go_on.set()
    assert (await again).contract_id == (await first).contract_id
    with pytest.raises(IdempotencyConflictError):
        await other


async def test_each_of_them_goes_on_where_its_callers_are_gone(held: tuple[TradingEnv, HeldLedger]) -> None:
    env, ledger = held
    alice = await open_account(env)
    callers = [asyncio.create_task(env.desk.buy(alice.uuid, order())) for _ in range(3)]
    await ledger.asked.wait()
    for caller in callers[:2]:
        caller.cancel()
    ledger.go_on.set()
    bought = await callers[2]
    assert [contract.contract_id for contract in await ledger.open_contracts()] == [bought.contract_id]


async def refused_in_silence(env: TradingEnv) -> Account:
    """Return an account that was refused a purchase, as no price had come for a minute."""
    account = await open_account(env)
    await env.clock.advance(60)
    with pytest.raises(MarketClosedError):
        await env.desk.buy(account.uuid, order())
    return account


async def test_what_was_refused_is_not_bought_by_the_same_request_that_comes_late(trading_env: TradingEnv) -> None:
    alice = await refused_in_silence(trading_env)
    await trading_env.give("100.00", 61)
    with pytest.raises(MarketClosedError):
        await trading_env.desk.buy(alice.uuid, order())
    assert await trading_env.ledger.open_contracts() == []
    assert (await trading_env.desk.buy(alice.uuid, order("another"))).idempotency_key == "another"
    assert (await trading_env.desk.buy(alice.uuid, order(stake="11"))).contract_details.stake == "11.00"
    await trading_env.give("100.00", 76)
    with pytest.raises(IdempotencyConflictError):
        await trading_env.desk.buy(alice.uuid, order())


async def test_what_another_process_has_refused_is_refused_unless_it_was_bought(trading_env: TradingEnv) -> None:
    alice = await open_account(trading_env)
    bought = await trading_env.desk.buy(alice.uuid, order("bought"))
    for key in ("bought", "not"):
        told = Told(alice.uuid, key, digest(order(key)), "InsufficientBalanceError", "there was too little")
        trading_env.refusals.learn(told)
    trading_env.refusals.learn(Told(alice.uuid, "new", "", "SomeLaterError", "this version does not know it"))
    assert (await trading_env.desk.buy(alice.uuid, order("bought"))).contract_id == bought.contract_id
    with pytest.raises(InsufficientBalanceError, match="there was too little"):
        await trading_env.desk.buy(alice.uuid, order("not"))
    assert [each.key for each in trading_env.refusals.kept()] == ["bought", "not"]
    assert (await trading_env.desk.buy(alice.uuid, order("new"))).contract_id


async def test_each_refusal_is_told_once_before_it_is_answered(trading_env: TradingEnv) -> None:
    heard: list[Told] = []

    async def hear(refusal: Told) -> None:
        heard.append(refusal)

    trading_env.refusals.tell = hear
    alice = await refused_in_silence(trading_env)
    (told,) = heard
    assert (told.account_uuid, told.key, told.kind) == (alice.uuid, order().idempotency_key, "MarketClosedError")
    with pytest.raises(MarketClosedError):
        await trading_env.desk.buy(alice.uuid, order())
    assert heard == [told]


async def test_a_key_that_was_refused_is_good_again_after_a_while(trading_env: TradingEnv) -> None:
    alice = await refused_in_silence(trading_env)
    await trading_env.give("100.00", 76)
    assert (await trading_env.desk.buy(alice.uuid, order())).contract_id


async def test_what_is_refused_was_not_bought(held: tuple[TradingEnv, HeldLedger]) -> None:
    env, ledger = held
    alice = await open_account(env)
    await env.clock.advance(60)
    with pytest.raises(MarketClosedError):
        await env.desk.buy(alice.uuid, order())
    assert not ledger.asked.is_set()
