"""Accounts: opened with a deposit, found, suspended; nothing of a password is shown."""

from __future__ import annotations

from decimal import Decimal

import pytest
from sqlalchemy import select

from pricewire.errors import AccountError
from pricewire.store.accounts import Accounts
from pricewire.store.database import Database
from pricewire.store.tables import transactions


async def test_an_account_is_opened_with_a_deposit(database: Database) -> None:
    accounts = Accounts(database)
    added = await accounts.add("alice", password_hash="a hash", balance=Decimal("10000.50"))
    assert added.balance == Decimal("10000.50")
    assert await accounts.find("alice") == await accounts.find_uuid(added.uuid) == added
    rows = await database.rows(select(transactions.c.kind, transactions.c.amount, transactions.c.balance))
    assert [tuple(row) for row in rows] == [("deposit", 1_000_050, 1_000_050)]


async def test_an_account_has_its_currency_decimals(database: Database) -> None:
    added = await Accounts(database).add("satoshi", currency="BTC", balance=Decimal("0.00000001"))
    assert added.balance == Decimal("0.00000001")
    found = await Accounts(database).find("satoshi")
    assert found is not None
    assert f"{found.balance:f}" == "0.00000001"


async def test_a_name_is_given_once(database: Database) -> None:
    accounts = Accounts(database)
    await accounts.add("alice")
    with pytest.raises(AccountError, match="'alice' already"):
        await accounts.add("alice", balance=Decimal(5))
    assert [account.balance for account in await accounts.list()] == [0]


async def test_a_uuid_is_given_once(database: Database) -> None:
    accounts, uuid = Accounts(database), "7d444840-9dc0-11d1-b245-5ffdce74fad2"
    alice = await accounts.add("alice", account_uuid=uuid)
    assert await accounts.find_uuid(uuid) == alice
    with pytest.raises(AccountError, match=f"the account 'alice' has the uuid {uuid} already"):
        await accounts.add("bob", account_uuid=uuid)
    assert [account.id for account in await accounts.list()] == ["alice"]


@pytest.mark.parametrize(("currency", "balance"), [("USD", "-1"), ("USD", "0.001"), ("JPY", "0.5"), ("USD", "NaN"), ("XXX", "1")])
async def test_an_account_cannot_begin_with_what_is_no_amount(database: Database, currency: str, balance: str) -> None:
    with pytest.raises(AccountError):
        await Accounts(database).add("alice", currency=currency, balance=Decimal(balance))
    assert await Accounts(database).list() == []


async def test_an_account_is_suspended_and_its_password_changed(database: Database) -> None:
    accounts = Accounts(database)
    await accounts.add("bob")
    await accounts.add("alice", password_hash="one")
    await accounts.set_status("alice", "suspended")
    await accounts.set_password_hash("alice", "two")
    alice, bob = await accounts.list()
    assert (alice.id, alice.status, alice.password_hash) == ("alice", "suspended", "two")
    assert (bob.id, bob.status, bob.password_hash) == ("bob", "active", None)


async def test_an_unknown_account_is_not_found_and_not_changed(database: Database) -> None:
    accounts = Accounts(database)
    assert await accounts.find("nobody") is None
    assert await accounts.find_uuid("nobody") is None
    with pytest.raises(AccountError, match="'nobody'"):
        await accounts.set_status("nobody", "suspended")
    with pytest.raises(AccountError, match="'nobody'"):
        await accounts.set_password_hash("nobody", "a hash")


async def test_an_account_shown_hides_the_hash_of_its_password(database: Database) -> None:
    added = await Accounts(database).add("alice", password_hash="a secret hash")
    assert "alice" in repr(added)
    assert "secret" not in repr(added)
