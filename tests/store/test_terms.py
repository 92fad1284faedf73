"""Several processes could trade on one database: one does at a time, and one of before writes nothing any more."""

from __future__ import annotations

import asyncio
import threading
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Connection

from pricewire.errors import FencedError
from pricewire.store.accounts import Accounts
from pricewire.store.database import Database
from pricewire.store.ledger import Ledger
from pricewire.trading.contracts import refund
from support.contract_maker import make_purchase, nothing_to_sync
from support.ledger_rules import check_books
from support.serving import PATIENCE


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


async def test_who_begins_waits_for_what_another_is_writing(database: Database, database_address: str) -> None:
    alice = await Accounts(database).add("alice", balance=Decimal("100.00"))
    first = Ledger(database, nothing_to_sync)
    await first.begin_term()
    other = await Database.open(database_address)
    second = Ledger(other, nothing_to_sync)
    is_writing, may_go_on = threading.Event(), threading.Event()
    check = first._check_term

    def check_and_wait(connection: Connection) -> Any:
        check(connection)
        is_writing.set()
        assert may_go_on.wait(PATIENCE)

    first._check_term = check_and_wait  # type: ignore[method-assign]
    buying = asyncio.create_task(first.buy(make_purchase(alice, key="one")))
    await asyncio.to_thread(is_writing.wait, PATIENCE)
    beginning = asyncio.create_task(second.begin_term())
    assert not (await asyncio.wait([beginning], timeout=0.3))[0], "it would not see the purchase otherwise"
    may_go_on.set()
    bought = await buying
    await beginning
    assert [each.contract_id for each in await second.open_contracts()] == [bought.contract.contract_id]
    await other.close()
