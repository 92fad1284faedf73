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
    found = await accounts.find("alice")
    assert found is not None
    assert found.generation == 3, "numbers are of all accounts together: who has seen the highest has seen all"
    ended, suspended = "the token has ended, as the account was changed; log in again", "the account is suspended"
    faults = [
        *((own(alice.uuid, generation), ended) for generation in (0, 1, 2)),
        # The last was issued after a change that is not heard of yet.
        *((own(alice.uuid, generation), None) for generation in (3, 4)),
        (foreign(alice.uuid, before - 1), ended),
        (foreign(alice.uuid, None), ended),
        (foreign(alice.uuid, time.time() + 1), None),
        (own(bob.uuid, 2), suspended),
        (foreign(bob.uuid, time.time() + 1), suspended),
        (own("nobody", 0), None),
    ]
    for each in (standings, Standings(Accounts(other), heard.set)):
        await each.load()
        assert [each.fault(token) for token, _ in faults] == [fault for _, fault in faults]
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
