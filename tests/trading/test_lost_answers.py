"""A database that has done what it was asked, or has not, and whose answer is lost: what came of it is learned, and published in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import pytest

from pricewire.errors import ContractNotSellableError, DatabaseError
from pricewire.store.accounts import Account
from pricewire.store.database import Database
from pricewire.store.ledger import Ledger
from pricewire.trading.contracts import Contract
from pricewire.trading.interfaces import Bought, Closed, PendingEvent, Purchase
from pricewire.trading.settlement import RETRY_S
from support.serving import PATIENCE
from support.trading_env import TradingEnv, open_account, order

Answer = TypeVar("Answer")

TOLD = ("contract_opened", "contract_sold", "contract_settled", "balance")


class CutLedger(Ledger):
    """A ledger whose connection is cut: after its next write of a kind is done, or before; nothing is learned while it is away."""

    after = ""
    before = ""
    is_away = False

    def __init__(self, database: Database, sync: Callable[[], Awaitable[None]]) -> None:
        super().__init__(database, sync)
        self.is_cut = asyncio.Event()

    async def buy(self, purchase: Purchase) -> Bought:
        self._cut_before("buy")
        return self._cut_after("buy", await super().buy(purchase))

    async def sell(self, sold: Contract) -> Closed:
        self._cut_before("sell")
        return self._cut_after("sell", await super().sell(sold))

    async def settle(self, settled: Sequence[Contract]) -> list[Closed]:
        self._cut_before("settle")
        return self._cut_after("settle", await super().settle(settled))

    async def decided_events(self, account_uuids: Collection[str]) -> list[PendingEvent]:
        if self.is_away:
            raise DatabaseError("it is away")
        return await super().decided_events(account_uuids)

    def _cut_before(self, what: str) -> None:
        if self.before == what:
            self.before = ""
            self.is_cut.set()
            raise DatabaseError("cut before")

    def _cut_after(self, what: str, answer: Answer) -> Answer:
        if self.after == what:
            self.after = ""
            self.is_cut.set()
            raise DatabaseError("cut after")
        return answer


@pytest.fixture
async def trading_env(database: Database, tmp_path: Path) -> AsyncIterator[TradingEnv]:
    trading_env = TradingEnv(database, tmp_path / "journal", CutLedger)
    async with trading_env.open():
        yield trading_env


@pytest.fixture
async def account(trading_env: TradingEnv) -> Account:
    return await open_account(trading_env)


def ledger_of(trading_env: TradingEnv) -> CutLedger:
    assert isinstance(trading_env.ledger, CutLedger)
    return trading_env.ledger


def told(trading_env: TradingEnv) -> list[str]:
    """Return what was told of contracts and balances, in order."""
    events = trading_env.events(*TOLD)
    return [f"balance {each.data['balance']}" if each.event == "balance" else each.event for each in events]


async def end(trading_env: TradingEnv) -> None:
    """Have the prices rise until a contract of 15 seconds is settled."""
    for seconds in (1, 6, 11, 16):
        await trading_env.give(f"{101 + seconds}", seconds)
    await trading_env.event("contract_settled")


async def test_a_purchase_whose_answer_is_lost_is_held_and_settled(trading_env: TradingEnv, account: Account) -> None:
    ledger_of(trading_env).after = "buy"
    with pytest.raises(DatabaseError):
        await trading_env.desk.buy(account.uuid, order())
    again = await trading_env.desk.buy(account.uuid, order())
    assert told(trading_env) == ["contract_opened", "balance 90.00"]
    assert trading_env.desk.purchases == trading_env.desk.open_contracts == 1
    await end(trading_env)
    await trading_env.until(lambda: len(told(trading_env)) == 4)
    assert told(trading_env)[2] == "contract_settled"
    assert trading_env.events("contract_settled")[0].data["contract_id"] == again.contract_id


async def test_a_purchase_is_learned_of_though_nobody_asks_again(trading_env: TradingEnv, account: Account) -> None:
    ledger_of(trading_env).after = "buy"
    with pytest.raises(DatabaseError):
        await trading_env.desk.buy(account.uuid, order())
    await trading_env.event("contract_opened")
    await end(trading_env)


async def test_a_purchase_that_was_not_made_is_forgotten(trading_env: TradingEnv, account: Account) -> None:
    ledger_of(trading_env).before = "buy"
    with pytest.raises(DatabaseError):
        await trading_env.desk.buy(account.uuid, order())
    await trading_env.desk.buy(account.uuid, order("another", duration=60))
    assert told(trading_env) == ["contract_opened", "balance 90.00"]
    assert trading_env.desk.open_contracts == 1


async def test_a_sale_whose_answer_is_lost_is_told(trading_env: TradingEnv, account: Account) -> None:
    bought = await trading_env.desk.buy(account.uuid, order())
    await trading_env.give("101", 1)
    ledger_of(trading_env).after = "sell"
    with pytest.raises(DatabaseError):
        await trading_env.desk.sell(account.uuid, bought.contract_id)
    with pytest.raises(ContractNotSellableError, match="it is sold"):
        await trading_env.desk.sell(account.uuid, bought.contract_id)
    assert told(trading_env)[2] == "contract_sold"
    assert Decimal(trading_env.events("balance")[-1].data["balance"]) == (await trading_env.accounts.list())[0].balance
    assert (trading_env.desk.sales, trading_env.desk.open_contracts) == (1, 0)


@pytest.mark.parametrize("when", ["after", "before"])
async def test_settlements_whose_answer_is_lost_are_told_once_and_in_order(trading_env: TradingEnv, account: Account, when: str) -> None:
    other = await open_account(trading_env, name="other")
    await trading_env.desk.buy(account.uuid, order())
    await trading_env.desk.buy(other.uuid, order(variant="fall"))
    setattr(ledger_of(trading_env), when, "settle")
    for seconds in (1, 6, 11, 16):
        await trading_env.give(f"{100.1 + 0.1 * seconds:.2f}", seconds)
    await asyncio.wait_for(ledger_of(trading_env).is_cut.wait(), PATIENCE)
    # Whoever trades meanwhile learns of it first.
    await trading_env.desk.buy(account.uuid, order("another", duration=60))
    await trading_env.clock.advance(RETRY_S)
    await trading_env.until(lambda: len(trading_env.events("contract_settled")) == 2)
    mine = [each for each in trading_env.events(*TOLD) if account.uuid in each.topic]
    names = [each.event for each in mine]
    if when == "after":
        assert names == ["contract_opened", "balance", "contract_settled", "balance", "contract_opened", "balance"]
    assert names.count("contract_settled") == 1
    balances = {each.topic: each.data["balance"] for each in trading_env.events("balance")}
    assert balances == {f"balance:{each.uuid}": str(each.balance) for each in await trading_env.accounts.list()}


async def test_nothing_is_traded_before_it_is_known_what_came_of_it(trading_env: TradingEnv, account: Account) -> None:
    ledger = ledger_of(trading_env)
    ledger.after, ledger.is_away = "buy", True
    for key in ("key", "key", "another"):
        with pytest.raises(DatabaseError):
            await trading_env.desk.buy(account.uuid, order(key))
    assert told(trading_env) == []
    ledger.is_away = False
    await trading_env.clock.advance(RETRY_S)
    await trading_env.event("contract_opened")
    await end(trading_env)
    assert len(trading_env.events("contract_opened")) == 1
