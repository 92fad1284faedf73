"""The ledger over both databases: money and contracts change together, once, whoever asks at the same time."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal

import psycopg
import pytest

from pricewire.errors import (
    AccountError,
    AccountSuspendedError,
    ContractNotSellableError,
    DatabaseError,
    IdempotencyConflictError,
    InsufficientBalanceError,
    UnknownContractError,
)
from pricewire.market.journal import Journal
from pricewire.store.accounts import Account, Accounts
from pricewire.store.database import Database
from pricewire.store.ledger import Ledger
from pricewire.trading.contracts import Contract, enter, refund, sell, settle, touch
from pricewire.trading.interfaces import Closed
from support.contract_maker import BUY_TIME, make_purchase, tick
from support.ledger_rules import balance_of, check_books


@pytest.fixture
async def alice(database: Database) -> Account:
    return await Accounts(database).add("alice", balance=Decimal("100.00"))


@pytest.fixture
async def ledger(database: Database, journal: Journal) -> AsyncIterator[Ledger]:
    yield Ledger(database, journal.sync)
    await check_books(database)


async def test_a_purchase_takes_its_price_and_keeps_the_contract(ledger: Ledger, database: Database, alice: Account) -> None:
    purchase = make_purchase(alice, barrier="+0.57", product_id="high_low", variant="higher")
    bought = await ledger.buy(purchase)
    assert (bought.contract, bought.balance, bought.is_repeated) == (purchase.contract, Decimal("90.00"), False)
    assert await ledger.open_contracts() == [purchase.contract]
    assert await ledger.find(purchase.contract.contract_id, alice.uuid) == purchase.contract
    assert await balance_of(database, alice.uuid) == Decimal("90.00")


async def test_a_key_buys_once_and_gets_the_first_answer(ledger: Ledger, database: Database, alice: Account) -> None:
    first = await ledger.buy(make_purchase(alice, key="k", duration=5, duration_unit="ticks", expiry_time=BUY_TIME + 5_000))
    entered = enter(first.contract, tick(1000), 2000)
    await ledger.enter([entered])
    await ledger.settle([settle(entered, tick(11_000, "101.00"))])
    again = await ledger.buy(make_purchase(alice, key="k", buy_time=BUY_TIME + 60_000))
    assert again.is_repeated
    assert (again.contract, again.balance) == (first.contract, first.balance)
    assert await balance_of(database, alice.uuid) == Decimal("109.53")


async def test_a_key_with_another_body_is_refused(ledger: Ledger, database: Database, alice: Account) -> None:
    await ledger.buy(make_purchase(alice, key="k", digest="one"))
    with pytest.raises(IdempotencyConflictError, match="'k'"):
        await ledger.buy(make_purchase(alice, key="k", digest="two"))
    assert await balance_of(database, alice.uuid) == Decimal("90.00")


async def test_accounts_have_keys_of_their_own(ledger: Ledger, database: Database, alice: Account) -> None:
    bob = await Accounts(database).add("bob", balance=Decimal("100.00"))
    first = await ledger.buy(make_purchase(alice, key="k", digest="one"))
    second = await ledger.buy(make_purchase(bob, key="k", digest="two"))
    assert not second.is_repeated
    assert first.contract.contract_id != second.contract.contract_id


async def test_the_same_key_at_once_buys_once(ledger: Ledger, database: Database, alice: Account) -> None:
    answers = await asyncio.gather(*(ledger.buy(make_purchase(alice, key="k")) for _ in range(20)))
    assert Counter(answer.is_repeated for answer in answers) == {True: 19, False: 1}
    assert len({answer.contract.contract_id for answer in answers}) == 1
    assert await balance_of(database, alice.uuid) == Decimal("90.00")


async def test_a_refused_purchase_leaves_no_trace(ledger: Ledger, database: Database, alice: Account) -> None:
    with pytest.raises(InsufficientBalanceError, match=r"100\.00 USD is less than the price of 100\.01 USD"):
        await ledger.buy(make_purchase(alice, key="k", stake=Decimal("100.01")))
    assert await ledger.open_contracts() == []
    bought = await ledger.buy(make_purchase(alice, key="k", digest="lower", stake=Decimal("100.00")))
    assert (bought.balance, bought.is_repeated) == (Decimal(0), False), "the key is still free"


async def test_who_may_not_buy(ledger: Ledger, database: Database, alice: Account) -> None:
    purchase = make_purchase(alice)
    await Accounts(database).set_status("alice", "suspended")
    with pytest.raises(AccountSuspendedError):
        await ledger.buy(purchase)
    await Accounts(database).set_status("alice", "active")
    with pytest.raises(AccountError, match="has USD"):
        await ledger.buy(make_purchase(alice, currency="EUR"))
    with pytest.raises(AccountError, match="no account 'nobody'"):
        await ledger.buy(make_purchase(alice, account_uuid="nobody"))
    assert await balance_of(database, alice.uuid) == 100


async def test_fifty_of_two_hundred_purchases_at_once_succeed(
    ledger: Ledger, database: Database, database_address: str, journal: Journal
) -> None:
    account = await Accounts(database).add("crowd", balance=Decimal("500.00"))
    others = [await Database.open(database_address) for _ in range(2)]
    ledgers = [ledger, *(Ledger(other, journal.sync) for other in others)]
    answers = await asyncio.gather(*(ledgers[number % 3].buy(make_purchase(account)) for number in range(200)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, BaseException)]
    assert {type(answer) for answer in refused} == {InsufficientBalanceError}
    assert len(answers) - len(refused) == len(await ledger.open_contracts()) == 50
    assert await balance_of(database, account.uuid) == 0
    for other in others:
        await other.close()


async def test_a_sale_pays_once(ledger: Ledger, alice: Account) -> None:
    contract = (await ledger.buy(make_purchase(alice))).contract
    sold = sell(enter(contract, tick(1000), 1000), Decimal("7.25"), tick(3000), BUY_TIME + 3100)
    closed = await ledger.sell(sold)
    assert (closed.contract, closed.balance, closed.change) == (sold, Decimal("97.25"), Decimal("7.25"))
    with pytest.raises(ContractNotSellableError, match=contract.contract_id):
        await ledger.sell(sold)
    assert await ledger.find(contract.contract_id, alice.uuid) == sold
    assert await ledger.open_contracts() == []


async def test_a_settlement_pays_gives_back_or_nothing_once(ledger: Ledger, database: Database, alice: Account) -> None:
    bob = await Accounts(database).add("bob", balance=Decimal("20.00"))
    won, lost, untouched = [(await ledger.buy(make_purchase(alice))).contract for _ in range(3)]
    of_bob = (await ledger.buy(make_purchase(bob))).contract
    entered = [enter(contract, tick(1000), 1000) for contract in (won, lost, of_bob)]
    await ledger.enter(entered)
    ends = [
        settle(entered[0], tick(9000, "100.01")),
        settle(entered[1], tick(9000, "99.99")),
        refund(untouched),
        settle(entered[2], tick(9000, "100.01")),
    ]
    closed = await ledger.settle(ends)
    assert [each.contract for each in closed] == ends
    assert [each.change for each in closed] == [Decimal("19.53"), 0, Decimal("10.00"), Decimal("19.53")]
    assert [each.balance for each in closed] == [Decimal("89.53"), Decimal("89.53"), Decimal("99.53"), Decimal("29.53")]
    assert await ledger.settle(ends) == [], "they were closed before"
    assert await ledger.settle([]) == []
    assert await balance_of(database, alice.uuid) == Decimal("99.53")


async def test_of_sale_and_settlement_at_once_one_wins(ledger: Ledger, journal: Journal, database_address: str, alice: Account) -> None:
    other = await Database.open(database_address)
    elsewhere = Ledger(other, journal.sync)
    entered = [enter((await ledger.buy(make_purchase(alice))).contract, tick(1000), 1000) for _ in range(10)]
    settled = [settle(contract, tick(9000, "101.00")) for contract in entered]
    sales = [ledger.sell(sell(contract, Decimal("12.00"), tick(8000), BUY_TIME + 8000)) for contract in entered]
    answers = await asyncio.gather(*sales[:5], elsewhere.settle(settled), ledger.settle(settled[::-1]), *sales[5:], return_exceptions=True)
    winners = [closed.contract.contract_id for answer in answers if isinstance(answer, list) for closed in answer]
    winners += [answer.contract.contract_id for answer in answers if isinstance(answer, Closed)]
    assert sorted(winners) == sorted(contract.contract_id for contract in entered), "each by one of the three"
    assert all(isinstance(answer, list | Closed | ContractNotSellableError) for answer in answers)
    await other.close()


async def test_what_changes_of_an_open_contract_is_kept(ledger: Ledger, alice: Account) -> None:
    bought = await ledger.buy(make_purchase(alice, product_id="touch", variant="touch", barrier="+0.50"))
    touched = touch(enter(bought.contract, tick(1000, "100.10"), 1000), tick(2000, "100.60"))
    await ledger.enter([touched])
    assert await ledger.open_contracts() == [touched]
    assert touched.barrier_price == Decimal("100.60")
    sold = sell(touched, Decimal("19.00"), tick(3000), BUY_TIME + 3000)
    await ledger.sell(sold)
    await ledger.enter([touched])
    assert await ledger.find(touched.contract_id, alice.uuid) == sold, "a closed contract stays as it ended"
    await ledger.enter([])


async def test_an_entry_and_a_settlement_are_written_after_their_ticks_are_on_the_disk(database: Database, alice: Account) -> None:
    on_disk: list[list[Contract]] = []

    async def sync() -> None:
        on_disk.append(await noting.open_contracts())

    noting = Ledger(database, sync)
    contract = (await noting.buy(make_purchase(alice))).contract
    entered = enter(contract, tick(1000), 1000)
    await noting.enter([entered])
    await noting.settle([settle(entered, tick(9000))])
    assert on_disk == [[contract], [entered]]


async def test_closed_contracts_come_newest_first(ledger: Ledger, database: Database, alice: Account) -> None:
    bob = await Accounts(database).add("bob", balance=Decimal("20.00"))
    await ledger.buy(make_purchase(alice))
    ids = []
    for seconds in (1, 3, 2, 3):
        contract = (await ledger.buy(make_purchase(alice))).contract
        ids.append((seconds, contract.contract_id))
        await ledger.sell(sell(contract, Decimal("9.00"), tick(seconds * 1000), BUY_TIME + seconds * 1000))
    newest_first = [contract_id for _, contract_id in sorted(ids, reverse=True)]
    page = await ledger.closed_contracts(alice.uuid, limit=3)
    assert [contract.contract_id for contract in page.contracts] == newest_first[:3]
    assert page.total_items == 4
    assert (await ledger.closed_contracts(bob.uuid, limit=3)).total_items == 0


async def test_a_contract_is_found_by_its_account_only(ledger: Ledger, database: Database, alice: Account) -> None:
    contract = (await ledger.buy(make_purchase(alice))).contract
    bob = await Accounts(database).add("bob")
    with pytest.raises(UnknownContractError, match=contract.contract_id):
        await ledger.find(contract.contract_id, bob.uuid)


async def test_a_purchase_goes_on_when_its_caller_is_cancelled(ledger: Ledger, database: Database, alice: Account) -> None:
    purchase = make_purchase(alice)
    caller = asyncio.create_task(ledger.buy(purchase))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    bought = None
    while bought is None:
        bought = await ledger.bought(purchase.contract.account_uuid, purchase.idempotency_key, purchase.digest)
    assert (await ledger.buy(purchase)).is_repeated


@pytest.mark.parametrize("database_address", ["postgresql"], indirect=True)
async def test_connections_that_the_server_has_closed_fail_one_purchase(ledger: Ledger, database_address: str, alice: Account) -> None:
    await asyncio.gather(*(ledger.buy(make_purchase(alice, key=f"before-{number}")) for number in range(5)))
    with psycopg.connect(database_address, autocommit=True) as operator:
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        operator.execute(f"SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity WHERE {others}")
    # None where more than a second has passed: the connection was looked at first.
    with contextlib.suppress(DatabaseError):
        await ledger.buy(make_purchase(alice, key="failed"))
    bought = await asyncio.gather(*(ledger.buy(make_purchase(alice, key=f"after-{number}")) for number in range(4)))
    assert not any(each.is_repeated for each in bought)


async def test_the_decimals_of_every_currency_are_kept(ledger: Ledger, database: Database) -> None:
    account = await Accounts(database).add("satoshi", currency="BTC", balance=Decimal("1.00000000"))
    purchase = make_purchase(account, stake=Decimal("0.00000003"), payout=Decimal("0.00000005"))
    bought = await ledger.buy(purchase)
    assert str(bought.balance) == "0.99999997"
    assert await ledger.open_contracts() == [purchase.contract]
