"""Tokens end with a change of their account's password or status, in every process."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from pricewire.server.auth import polling
from pricewire.server.auth.standings import Standings
from pricewire.server.auth.tokens import Token
from pricewire.store.accounts import Accounts
from pricewire.store.database import Database


def own(account: str, generation: int) -> Token:
    return Token(account, frozenset(), "one", time.time() + 60, generation=generation, issued_at=time.time() - 3600)


def foreign(account: str, issued_at: float | None) -> Token:
    return Token(account, frozenset(), "one", time.time() + 60, issued_at=issued_at)


async def test_a_change_is_heard_of_by_other_processes(database: Database, database_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(polling, "POLL_S", 0.01)
    accounts = Accounts(database)
    alice, bob = [await accounts.add(name) for name in ("alice", "bob")]
    other = await Database.open(database_address)
    heard = asyncio.Event()
    standings = Standings(Accounts(other), heard.set)
    await standings.load()
    assert not heard.is_set()
    task = asyncio.create_task(standings.run())
    before = time.time()
    for change in (accounts.set_password_hash("alice", "x"), accounts.set_status("bob", "suspended"), accounts.end_tokens("alice")):
        heard.clear()
        await change
        await asyncio.wait_for(heard.wait(), 30)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    for each in (standings, Standings(Accounts(other), heard.set)):
        await each.load()
        found = await accounts.find("alice")
        assert found is not None
        assert found.generation == 3, "numbers are of all accounts together: who has seen the highest has seen all"
        assert each.fault(own(alice.uuid, 0)) == each.fault(own(alice.uuid, 1)) == each.fault(own(alice.uuid, 2))
        assert "ended" in str(each.fault(own(alice.uuid, 2)))
        assert each.fault(own(alice.uuid, 3)) is None
        assert each.fault(own(alice.uuid, 4)) is None, "issued after a change that is not heard of yet"
        assert "ended" in str(each.fault(foreign(alice.uuid, before - 1)))
        assert "ended" in str(each.fault(foreign(alice.uuid, None)))
        assert each.fault(foreign(alice.uuid, time.time() + 1)) is None
        assert "suspended" in str(each.fault(own(bob.uuid, 2)))
        assert "suspended" in str(each.fault(foreign(bob.uuid, time.time() + 1)))
        assert each.fault(own("nobody", 0)) is None
    await other.close()


async def test_changes_at_once_are_all_heard_of(database: Database) -> None:
    accounts = Accounts(database)
    names = [f"a{number}" for number in range(20)]
    uuids = [(await accounts.add(name)).uuid for name in names]
    standings = Standings(accounts, lambda: None)

    async def listen() -> None:
        while any(standings.fault(own(uuid, 0)) is None for uuid in uuids):
            await standings.load()

    async with asyncio.timeout(60):
        await asyncio.gather(listen(), *(accounts.set_password_hash(name, "x") for name in names))


async def test_a_status_that_an_account_has_already_ends_nothing(database: Database) -> None:
    accounts = Accounts(database)
    await accounts.add("alice")
    await accounts.set_status("alice", "active")
    found = await accounts.find("alice")
    assert found is not None
    assert found.generation == 0
