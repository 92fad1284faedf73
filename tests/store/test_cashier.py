"""Deposits, withdrawals and adjustments over both databases: once, with author and reason, and never below zero."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from sqlalchemy import func, select

from pricewire.errors import AccountError
from pricewire.store.accounts import Account, Accounts
from pricewire.store.audit import AuditTrail, Operator
from pricewire.store.cashier import Cashier
from pricewire.store.database import Database
from pricewire.store.ledger import Ledger
from pricewire.store.tables import accounts, entries, transactions
from pricewire.trading.contracts import enter, settle
from support.contract_maker import make_purchase, nothing_to_sync, tick
from support.ledger_rules import balance_of, check_books

BO = Operator("bo", "wire 4711")


@pytest.fixture
async def alice(database: Database) -> Account:
    return await Accounts(database).add("alice", balance=Decimal("100.00"))


@pytest.fixture
async def cashier(database: Database, alice: Account) -> AsyncIterator[Cashier]:
    yield Cashier(database)
    await check_books(database)


async def test_money_is_moved_with_its_author_and_its_reason(cashier: Cashier, database: Database, alice: Account) -> None:
    assert str(await cashier.deposit("alice", Decimal("12.5"), BO)) == "112.50"
    assert str(await cashier.withdraw("alice", Decimal("100"), Operator("jo", "paid out"))) == "12.50"
    assert str(await cashier.adjust("alice", Decimal("-2.50"), Operator("jo", "booked twice"))) == "10.00"
    assert str(await cashier.adjust("alice", Decimal("0.01"), Operator("jo", "rounding"))) == "10.01"
    assert await balance_of(database, alice.uuid) == Decimal("10.01")
    rows = await database.rows(select(transactions.c.kind, transactions.c.amount, transactions.c.balance).order_by(transactions.c.number))
    assert [tuple(row) for row in rows] == [
        ("deposit", 10000, 10000),
        ("deposit", 1250, 11250),
        ("withdrawal", -10000, 1250),
        ("adjustment", -250, 1000),
        ("adjustment", 1, 1001),
    ]
    acts = await AuditTrail(database).acts(newest=4)
    assert [(act.author, act.act, act.account_id, act.detail, act.reason) for act in acts] == [
        ("jo", "adjustment", "alice", "+0.01 USD", "rounding"),
        ("jo", "adjustment", "alice", "-2.50 USD", "booked twice"),
        ("jo", "withdrawal", "alice", "-100.00 USD", "paid out"),
        ("bo", "deposit", "alice", "+12.50 USD", "wire 4711"),
    ]


async def test_a_balance_goes_to_zero_and_not_below(cashier: Cashier, database: Database, alice: Account) -> None:
    with pytest.raises(AccountError, match=r"the balance of 100\.00 USD is less than the 100\.01 to be taken"):
        await cashier.withdraw("alice", Decimal("100.01"), BO)
    with pytest.raises(AccountError, match=r"less than the 100\.01"):
        await cashier.adjust("alice", Decimal("-100.01"), BO)
    assert await cashier.withdraw("alice", Decimal("100.00"), BO) == 0


async def test_of_withdrawals_and_purchases_at_once_those_take_place_that_can_be_paid(
    cashier: Cashier, database: Database, alice: Account
) -> None:
    ledger = Ledger(database, nothing_to_sync)
    withdrawals = [cashier.withdraw("alice", Decimal("10.00"), BO) for _ in range(20)]
    answers = await asyncio.gather(*withdrawals, *(ledger.buy(make_purchase(alice)) for _ in range(20)), return_exceptions=True)
    assert sum(not isinstance(answer, BaseException) for answer in answers) == 10
    assert await balance_of(database, alice.uuid) == 0


async def test_a_balance_grows_to_what_can_be_counted(database: Database, cashier: Cashier) -> None:
    await Accounts(database).add("rich", currency="BTC")
    assert await cashier.deposit("rich", Decimal(10**10), BO) == 10**10
    for amount in ("0.00000001", "999999999999"):
        with pytest.raises(AccountError, match=r"BTC can grow to 10000000000\.00000000 at most"):
            await cashier.deposit("rich", Decimal(amount), BO)
    with pytest.raises(AccountError, match="can grow"):
        await Accounts(database).add("richer", currency="BTC", balance=Decimal(999_999_999_999))
    assert await Accounts(database).find("richer") is None


@pytest.mark.parametrize("amount", ["0", "-1", "0.001", "NaN", "Infinity", "1e12", "1e-13"])
async def test_what_is_no_amount_is_not_moved(cashier: Cashier, database: Database, alice: Account, amount: str) -> None:
    for move in (cashier.deposit, cashier.withdraw, cashier.adjust):
        if amount == "-1" and move == cashier.adjust:
            continue
        with pytest.raises(AccountError):
            await move("alice", Decimal(amount), BO)
    assert await balance_of(database, alice.uuid) == 100


async def test_nothing_is_moved_without_an_account_an_author_or_a_reason(cashier: Cashier, database: Database) -> None:
    with pytest.raises(AccountError, match="no account 'bob'"):
        await cashier.deposit("bob", Decimal(1), BO)
    with pytest.raises(AccountError, match="a deposit has a reason"):
        await cashier.deposit("alice", Decimal(1), Operator("bo", " "))
    with pytest.raises(AccountError, match="no author"):
        Operator(" ", "x")
    with pytest.raises(AccountError, match="the reason has 201 characters"):
        Operator("bo", "x" * 201)
    with pytest.raises(AccountError, match="without line breaks"):
        Operator("bo", "a\nb")


async def test_all_entries_sum_to_zero_at_every_instant(
    cashier: Cashier, database: Database, alice: Account, database_address: str
) -> None:
    """Another reader looks again and again while four kinds of movements go on."""
    ledger = Ledger(database, nothing_to_sync)
    other = await Database.open(database_address)
    sums = select(
        select(func.sum(accounts.c.balance)).scalar_subquery(),
        select(func.sum(entries.c.amount)).scalar_subquery(),
        select(func.sum(entries.c.amount)).where(entries.c.account == "house:USD").scalar_subquery(),
    )
    await cashier.deposit("alice", Decimal(1000), BO)

    async def trade() -> None:
        for _ in range(3):
            contract = (await ledger.buy(make_purchase(alice))).contract
            await ledger.settle([settle(enter(contract, tick(1000), 1000), tick(9000, "101.00"))])
            await cashier.withdraw("alice", Decimal("1.00"), BO)
            await cashier.deposit("alice", Decimal("2.00"), BO)

    async with asyncio.TaskGroup() as group:
        traders = [group.create_task(trade()) for _ in range(8)]
        seen = Counter[int]()
        while not all(trader.done() for trader in traders):
            ((owed, all_entries, of_house),) = await other.rows(sums)
            assert all_entries == 0
            assert of_house == -owed
            seen[owed] += 1
    assert len(seen) > 3, "and it looked in between"
    await other.close()
