"""Revocations: seen by every process in their order, forgotten after the token's own end."""

from __future__ import annotations

import asyncio

from pricewire.store.database import Database
from pricewire.store.revocations import Revocation, Revocations


async def test_another_process_sees_them_from_where_it_was(database: Database, database_address: str) -> None:
    other = await Database.open(database_address)
    mine, others = Revocations(database), Revocations(other)
    await mine.add("a", 1000)
    seen = await others.since(0)
    assert seen == [Revocation(seen[0].number, "a", 1000)]
    await asyncio.gather(*(Revocations(each).add(f"b{number}", 2000) for number in range(10) for each in (database, other)))
    news = await others.since(seen[-1].number)
    assert sorted(each.token_id for each in news) == sorted(f"b{number}" for number in range(10)), "each once"
    assert [each.number for each in news] == sorted({each.number for each in news})
    await other.close()


async def test_they_are_forgotten_when_their_tokens_have_expired(database: Database) -> None:
    revocations = Revocations(database)
    await revocations.add("a", 1000)
    await revocations.add("b", 2000)
    await revocations.prune(1500)
    assert [each.token_id for each in await revocations.since(0)] == ["b"]


async def test_a_number_is_never_given_twice(database: Database) -> None:
    revocations = Revocations(database)
    await revocations.add("a", 1000)
    last = (await revocations.since(0))[-1].number
    await revocations.prune(5000)
    await revocations.add("b", 9000)
    assert [each.token_id for each in await revocations.since(last)] == ["b"], "a process that has seen the first sees the second"
