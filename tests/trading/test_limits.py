"""What trading lets in: how often an account buys, and how much its contracts and an instrument's may win."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from pricewire.errors import ExposureLimitError, InsufficientBalanceError, PricewireError, TooManyPurchasesError
from pricewire.store.database import Database
from pricewire.trading.limits import BURST_S, Exposure, PurchaseRates, TradingLimits
from support.contract_maker import make_open
from support.trading_env import TradingEnv, open_account, order

WINS = Decimal("9.53")
"""What a contract of `make_open` may win beyond its stake."""


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(tmp_path / "pricewire.db")
    yield database
    await database.close()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"open_contracts": 0}, "open_contracts is 0"),
        ({"purchases_per_second": float("nan")}, "purchases_per_second is nan"),
        ({"purchases_per_second": float("inf")}, "purchases_per_second is inf"),
        ({"account_exposure": {"USD": Decimal(0)}}, "account_exposure is 0 USD"),
        ({"instrument_exposure": {"USD": Decimal("NaN")}}, "instrument_exposure is NaN USD"),
        ({"instrument_exposure": {"usd": Decimal(1)}}, "currency 'usd', which is none of USD, EUR"),
    ],
)
def test_a_limit_that_is_none_is_refused(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(PricewireError, match=message):
        TradingLimits(**wrong)  # type: ignore[arg-type]


def test_an_account_buys_a_burst_and_then_at_its_rate() -> None:
    rates = PurchaseRates(5.0)
    burst = int(5 * BURST_S)
    for _ in range(burst):
        rates.take("alice", 100.0)
    with pytest.raises(TooManyPurchasesError, match="5 purchases per second, its limit; try again in 1 s") as refused:
        rates.take("alice", 100.0)
    assert refused.value.retry_after == 1
    rates.take("bob", 100.0)
    rates.take("alice", 100.2)
    with pytest.raises(TooManyPurchasesError):
        rates.take("alice", 100.3)
    for _ in range(burst):
        rates.take("alice", 200.0)
    slow = PurchaseRates(0.1)
    slow.take("alice", 0.0)
    with pytest.raises(TooManyPurchasesError) as refused:
        slow.take("alice", 1.0)
    assert refused.value.retry_after == 9
    slow.take("alice", 10.0)
    unlimited = PurchaseRates(None)
    for _ in range(1000):
        unlimited.take("alice", 0.0)


def test_exposure_is_what_open_contracts_may_win_beyond_their_stakes() -> None:
    exposure = Exposure(TradingLimits(account_exposure={"USD": 2 * WINS}, instrument_exposure={"USD": 3 * WINS}))
    of_alice = [make_open("alice", 0, 1000) for _ in range(3)]
    for contract in of_alice[:2]:
        exposure.check(contract)
        exposure.add(contract)
    with pytest.raises(ExposureLimitError, match=r"the account's open contracts may win 19\.06 USD, and could win more with this one"):
        exposure.check(of_alice[2])
    exposure.check(msgspec.structs.replace(of_alice[2], currency="EUR"))
    of_bob = [make_open("bob", 0, 1000) for _ in range(2)]
    exposure.check(of_bob[0])
    exposure.add(of_bob[0])
    with pytest.raises(ExposureLimitError, match=r"all open contracts on GOLD may win 28\.59 USD"):
        exposure.check(of_bob[1])
    exposure.check(msgspec.structs.replace(of_bob[1], instrument_id="SILVER"))
    exposure.remove(of_alice[0])
    exposure.check(of_bob[1])
    exposure.check(of_alice[2])
    for contract in (of_alice[1], of_bob[0]):
        exposure.remove(contract)
    assert not exposure._accounts
    assert not exposure._instruments, "nothing is kept of who has nothing open"


async def test_the_desk_refuses_what_could_win_too_much_until_another_ends(database: Database, tmp_path: Path) -> None:
    limits = TradingLimits(account_exposure={"USD": Decimal(15)}, instrument_exposure={"USD": Decimal(25)})
    async with TradingEnv(database, tmp_path / "journal", limits=limits).open() as env:
        alice, bob = await open_account(env), await open_account(env, name="bob")
        first = await env.desk.buy(alice.uuid, order("1"))
        with pytest.raises(ExposureLimitError, match="the account's open contracts may win 15 USD"):
            await env.desk.buy(alice.uuid, order("2"))
        with pytest.raises(InsufficientBalanceError):
            await env.desk.buy((await open_account(env, "1.00", name="poor")).uuid, order("3"))
        crowd = [await open_account(env, name=f"crowd-{number}") for number in range(5)]
        answers = await asyncio.gather(*(env.desk.buy(each.uuid, order("4")) for each in crowd), return_exceptions=True)
        assert sum(isinstance(answer, ExposureLimitError) for answer in answers) == 4, "those that are being bought count, too"
        with pytest.raises(ExposureLimitError, match="all open contracts on GOLD may win 25 USD"):
            await env.desk.buy(bob.uuid, order("5"))
        repeated = await env.desk.buy(alice.uuid, order("1"))
        assert repeated.contract_id == first.contract_id
        await env.give("100.20", 1)
        await env.desk.sell(alice.uuid, first.contract_id)
        await env.desk.buy(bob.uuid, order("6"))


async def test_exposure_counts_what_was_open_before_a_restart(database: Database, tmp_path: Path) -> None:
    limits = TradingLimits(account_exposure={"USD": Decimal(15)})
    async with TradingEnv(database, tmp_path / "journal", limits=limits).open() as env:
        alice = await open_account(env)
        await env.desk.buy(alice.uuid, order("1", duration=5, duration_unit="minutes"))
    async with TradingEnv(database, tmp_path / "journal", limits=limits, seconds=10).open() as env:
        with pytest.raises(ExposureLimitError):
            await env.desk.buy(alice.uuid, order("2"))
        await env.give("100.00", 400)
        await env.event("contract_settled")
        await env.desk.buy(alice.uuid, order("2"))


async def test_the_desk_lets_an_account_buy_so_often(database: Database, tmp_path: Path) -> None:
    async with TradingEnv(database, tmp_path / "journal", limits=TradingLimits(purchases_per_second=0.001)).open() as env:
        alice, bob = await open_account(env), await open_account(env, name="bob")
        first = await env.desk.buy(alice.uuid, order("1"))
        with pytest.raises(TooManyPurchasesError):
            await env.desk.buy(alice.uuid, order("2"))
        assert (await env.desk.buy(alice.uuid, order("1"))).contract_id == first.contract_id, "a repetition buys nothing"
        await env.desk.buy(bob.uuid, order("1"))
