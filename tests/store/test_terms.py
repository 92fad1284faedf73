"""Several processes could trade on one database: one does at a time, and one of before writes nothing any more."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal

import pytest
from sqlalchemy import Connection, select, text

from pricewire.errors import FencedError
from pricewire.store import ledger
from pricewire.store.accounts import Accounts
from pricewire.store.database import Database
from pricewire.store.ledger import Ledger
from pricewire.store.tables import accounts
from pricewire.store.terms import begin_term, check_term
from pricewire.trading.contracts import refund
from pricewire.trading.partitions import Share
from support.contract_maker import make_purchase, nothing_to_sync
from support.ledger_rules import check_books
from support.serving import PATIENCE

WAITING = text("SELECT count(*) FROM pg_locks WHERE NOT granted")
"""How many statements wait for others, on a server of PostgreSQL."""


async def test_who_is_followed_by_another_writes_no_more(database: Database) -> None:
    alice = await Accounts(database).add("alice", balance=Decimal("100.00"))
    first, second = Ledger(database, nothing_to_sync), Ledger(database, nothing_to_sync)
    await first.begin_term()
    bought = await first.buy(make_purchase(alice, key="one"))
    await second.begin_term()
    for write in (
        lambda: first.buy(make_purchase(alice, key="two")),
        lambda: first.enter([bought.contract]),
        lambda: first.settle([refund(bought.contract, bought.contract.expiry_time)]),
    ):
        with pytest.raises(FencedError, match="another process trades"):
            await write()
    assert [each.contract_id for each in await second.open_contracts()] == [bought.contract.contract_id]
    await second.settle([refund(bought.contract, bought.contract.expiry_time)])
    await check_books(database)


async def test_who_begins_waits_for_what_another_is_writing(
    database: Database, database_address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = await Accounts(database).add("alice", balance=Decimal("100.00"))
    first = Ledger(database, nothing_to_sync)
    await first.begin_term()
    bought = await first.buy(make_purchase(alice, key="one"))
    other = await Database.open(database_address)
    second = Ledger(other, nothing_to_sync)
    is_writing, may_go_on = threading.Event(), threading.Event()

    def check_and_wait(connection: Connection, own: int | None) -> None:
        check_term(connection, own)
        is_writing.set()
        assert may_go_on.wait(PATIENCE)

    monkeypatch.setattr(ledger, "check_term", check_and_wait)
    settling = asyncio.create_task(first.settle([refund(bought.contract, bought.contract.expiry_time)]))
    assert await asyncio.to_thread(is_writing.wait, PATIENCE)
    beginning = asyncio.create_task(second.begin_term())
    assert not (await asyncio.wait([beginning], timeout=0.3))[0], "it would not see the settlement otherwise"
    may_go_on.set()
    await settling
    await beginning
    assert await second.open_contracts() == []
    await other.close()


@pytest.mark.parametrize("database_address", ["postgresql"], indirect=True)
async def test_who_begins_waits_for_a_purchase_whose_statement_waits(database: Database, database_address: str) -> None:
    alice = await Accounts(database).add("alice", balance=Decimal("100.00"))
    first = Ledger(database, nothing_to_sync)
    await first.begin_term()
    other = await Database.open(database_address)
    second = Ledger(other, nothing_to_sync)
    is_held, may_go_on = threading.Event(), threading.Event()

    def hold(connection: Connection) -> None:
        connection.execute(select(accounts).where(accounts.c.uuid == alice.uuid).with_for_update())
        is_held.set()
        assert may_go_on.wait(PATIENCE)

    async def until_waiting(number: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while await other.read(lambda connection: connection.execute(WAITING).scalar_one()) < number:
                pass

    holding = asyncio.create_task(other.write(hold))
    assert await asyncio.to_thread(is_held.wait, PATIENCE)
    buying = asyncio.create_task(first.buy(make_purchase(alice, key="one")))
    await until_waiting(1)
    beginning = asyncio.create_task(second.begin_term())
    await until_waiting(2)
    may_go_on.set()
    await holding
    bought = await buying
    await beginning
    assert [each.contract_id for each in await second.open_contracts()] == [bought.contract.contract_id]
    with pytest.raises(FencedError):
        await first.buy(make_purchase(alice, key="two"))
    await check_books(database)
    await other.close()


async def test_each_process_has_the_contracts_of_its_share_and_hears_of_the_next_term(database: Database) -> None:
    bought = dict[str, str]()
    term = await database.write(begin_term)
    everything = Ledger(database, nothing_to_sync, share=Share(term, 0, ["only"]))
    # So many that each has some.
    for number in range(24):
        account = await Accounts(database).add(f"account-{number}", balance=Decimal("100.00"))
        bought[(await everything.buy(make_purchase(account))).contract.contract_id] = account.uuid
    fenced = list[int]()
    term = await database.write(begin_term)
    shares = [Share(term, place, ["first", "second"]) for place in range(2)]
    ledgers = [Ledger(database, nothing_to_sync, share=share, on_fenced=lambda: fenced.append(1)) for share in shares]
    for share, its_ledger in zip(shares, ledgers, strict=True):
        own = {contract_id for contract_id, account_uuid in bought.items() if share.owns(account_uuid)}
        contracts = await its_ledger.open_contracts()
        assert {each.contract_id for each in contracts} == own
        assert {each.contract.contract_id for each in await its_ledger.pending_events()} == own
        await its_ledger.enter(contracts)
    assert not fenced, "both are of this term"
    await database.write(begin_term)
    (contract, *_) = await ledgers[0].open_contracts()
    with pytest.raises(FencedError):
        await ledgers[0].settle([refund(contract, contract.expiry_time)])
    assert fenced == [1]
