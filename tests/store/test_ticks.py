"""Recorded ticks: every one once, in order, asked for by time; none lost while the database is away; old ones removed."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest
from sqlalchemy import text

from pricewire.errors import DatabaseError
from pricewire.protocol.messages import Instrument
from pricewire.store import ticks as module
from pricewire.store.database import Database
from pricewire.store.ticks import RecordedTicks
from support.contract_maker import BUY_TIME, tick

TICKS = [tick(0, "1.00"), tick(1000, "1.10"), tick(1000, "1.20"), tick(2500, "0.00000001")]


@pytest.fixture
async def recorded(database: Database) -> RecordedTicks:
    recorded = RecordedTicks(database)
    for each in TICKS:
        recorded.record(each)
    recorded.record(tick(1000, "9.99", "SILVER"))
    await recorded.flush()
    return recorded


async def test_they_come_back_as_they_were_in_their_order(recorded: RecordedTicks) -> None:
    found = await recorded.between("GOLD", BUY_TIME, BUY_TIME + 2500)
    assert found == TICKS
    assert [str(each.price) for each in found[:2]] == ["1.00", "1.10"], "with their decimals"
    assert await recorded.between("GOLD", BUY_TIME + 1, BUY_TIME + 2499) == TICKS[1:3]
    assert await recorded.between("GOLD", BUY_TIME, BUY_TIME + 2499, newest=2) == TICKS[1:3]
    assert await recorded.between("PLATINUM", BUY_TIME, BUY_TIME + 2500) == []


async def test_they_come_as_columns_with_the_decimals_of_their_instrument(recorded: RecordedTicks) -> None:
    gold = Instrument("GOLD", "Gold", [], 2)
    past = await recorded.since(gold, BUY_TIME + 1, 9)
    assert past.epoch_ms.tolist() == [BUY_TIME + 1000, BUY_TIME + 1000, BUY_TIME + 2500]
    assert (past.price.tolist(), past.ask.tolist(), past.bid.tolist()) == ([110, 120, 0], [115, 125, 5], [105, 115, -5])
    assert (await recorded.since(gold, 0, 3)).epoch_ms.tolist() == past.epoch_ms.tolist(), "the newest of too many"
    assert len((await recorded.since(Instrument("TIN", "Tin", [], 2), 0, 9)).epoch_ms) == 0


async def test_two_processes_record_the_same_feed_once(database: Database, recorded: RecordedTicks) -> None:
    another = RecordedTicks(database)
    for each in TICKS:
        another.record(each)
    await another.flush()
    assert await another.between("GOLD", BUY_TIME, BUY_TIME + 2500) == TICKS


async def test_old_ones_are_removed(recorded: RecordedTicks) -> None:
    await recorded.prune(BUY_TIME + 1000)
    assert await recorded.between("GOLD", 0, BUY_TIME + 2500) == TICKS[1:]
    await recorded.prune(BUY_TIME + 1001)
    assert await recorded.between("GOLD", 0, BUY_TIME + 2500) == TICKS[3:]
    assert await recorded.between("SILVER", 0, BUY_TIME + 2500) == []


async def rename(database: Database, old: str, new: str) -> None:
    await database.write(lambda connection: connection.execute(text(f"ALTER TABLE {old} RENAME TO {new}")))


async def test_what_could_not_be_written_waits(database: Database) -> None:
    recorded = RecordedTicks(database)
    await rename(database, "ticks", "away")
    recorded.record(TICKS[0])
    with pytest.raises(DatabaseError):
        await recorded.flush()
    recorded.record(TICKS[1])
    await rename(database, "away", "ticks")
    await recorded.flush()
    assert await recorded.between("GOLD", BUY_TIME, BUY_TIME + 2500) == TICKS[:2]


async def test_they_are_written_by_themselves_and_at_the_end(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FLUSH_S", 0.01)
    recorded = RecordedTicks(database)
    now_ms = time.time_ns() // 1_000_000
    new, newer = (msgspec.structs.replace(tick(0), epoch_ms=now_ms + offset) for offset in (0, 1))
    recorded.record(tick(0))
    recorded.record(new)
    running = asyncio.create_task(recorded.run())
    async with asyncio.timeout(20):
        while await recorded.between("GOLD", 0, now_ms) != [new]:
            pass  # until the new one is written and the one of years ago is removed
    recorded.record(newer)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert (await recorded.between("GOLD", 0, now_ms + 1))[-1] == newer, "what came last is written at the end"


async def test_an_outage_is_logged_once_and_its_end(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "FLUSH_S", 0.001)
    caplog.set_level("INFO", module.__name__)
    recorded = RecordedTicks(database)
    tries, flush = asyncio.Queue[None](), recorded.flush

    async def counted_flush() -> None:
        tries.put_nowait(None)
        await flush()

    monkeypatch.setattr(recorded, "flush", counted_flush)
    await rename(database, "ticks", "away")
    recorded.record(tick(0))
    running = asyncio.create_task(recorded.run())
    async with asyncio.timeout(20):
        for _ in range(4):
            await tries.get()
        await rename(database, "away", "ticks")
        while "recorded again" not in caplog.text:
            await tries.get()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    first, last = (record.getMessage() for record in caplog.records if record.name == module.__name__)
    assert first.startswith("ticks wait to be recorded")
    assert last == "ticks are recorded again"
