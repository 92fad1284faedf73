"""The database: opened by several processes at once, private, durable, and silent about passwords."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import stat
import threading
import uuid
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, text

from pricewire.errors import DatabaseError, FencedError
from pricewire.store import connections
from pricewire.store.database import Database
from pricewire.store.tables import metadata
from support.postgres import Postgres
from support.serving import PATIENCE


def insert(connection: Connection, token_id: str) -> None:
    connection.execute(sa.insert(metadata.tables["revocations"]).values(token_id=token_id, expires_at=0))


async def tokens(database: Database) -> list[str]:
    revocations = metadata.tables["revocations"]
    return [token_id for (token_id,) in await database.rows(sa.select(revocations.c.token_id).order_by(revocations.c.number))]


async def test_the_tables_are_as_the_code_has_them(database: Database) -> None:
    def compare(connection: sa.Connection) -> list[object]:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        # Whether a column may be null, and what is looked up quickly, is the migrations' matter.
        return [
            each
            for each in compare_metadata(context, metadata)
            if not (isinstance(each, list) or "index" in each[0] or "constraint" in each[0])
        ]

    assert await database.read(compare) == []


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_several_processes_open_a_new_database_at_once(kind: str, tmp_path: Path, postgres: Postgres) -> None:
    address = str(tmp_path / "new.sqlite") if kind == "sqlite" else postgres.make("template1")
    opened = await asyncio.gather(*(Database.open(address) for _ in range(4)))
    assert await tokens(opened[0]) == []
    for database in opened:
        await database.close()


async def test_it_says_nothing_when_it_migrates(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    await (await Database.open(tmp_path / "new.sqlite")).close()
    assert caplog.messages == []


async def test_a_file_and_its_directory_are_the_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "data" / "new.sqlite"
    database = await Database.open(path)
    await database.write(lambda connection: insert(connection, "a"))
    modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in [path.parent, *path.parent.iterdir()]}
    await database.close()
    assert modes.pop("data") == 0o700
    assert set(modes) >= {"new.sqlite", "new.sqlite-wal"}
    assert set(modes.values()) == {0o600}


@pytest.mark.parametrize("database_address", ["sqlite"], indirect=True)
async def test_a_commit_waits_for_the_disk(database: Database) -> None:
    def pragmas(connection: Connection) -> list[object]:
        return [connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in ("journal_mode", "synchronous", "foreign_keys")]

    assert await database.write(pragmas) == ["wal", 2, 1]


async def test_a_database_of_a_newer_version_is_refused(database: Database, database_address: str) -> None:
    await database.write(lambda connection: connection.execute(text("UPDATE alembic_version SET version_num = '9999'")))
    with pytest.raises(DatabaseError, match=r"newer version of Pricewire .*9999"):
        await Database.open(database_address)


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("postgresql://me:secret@127.0.0.1:1/prices", r"postgresql://me@127\.0\.0\.1:1/prices cannot be opened: .*refused"),
        ("postgresql://me@127.0.0.1:1/prices?password=secret", r"127\.0\.0\.1:1/prices cannot be opened"),
        ("postgresql://me:secret@/", "cannot be read"),
        ("postgresql://me:secret@host:port/prices", "cannot be read"),
        ("mysql://me:secret@host/prices", "cannot be read"),
        ("/dev/null/secret.sqlite", "cannot be made: File exists"),
        ("/dev/null", "cannot be opened"),
    ],
)
async def test_what_cannot_be_opened_is_said_without_a_password(address: str, says: str) -> None:
    with pytest.raises(DatabaseError, match=says) as raised:
        await Database.open(address)
    assert "secret@" not in str(raised.value)
    assert "password=" not in str(raised.value)
    assert raised.value.__cause__ is None


async def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("a list of things to do" * 100)
    with pytest.raises(DatabaseError, match="file is not a database"):
        await Database.open(path)


async def test_work_that_fails_undoes_its_own_and_nothing_else(database: Database) -> None:
    def fail(connection: Connection) -> None:
        insert(connection, "failed")
        raise ValueError("no")

    def twice(connection: Connection) -> None:
        insert(connection, "again")
        insert(connection, "again")

    def good(connection: Connection) -> None:
        insert(connection, str(uuid.uuid4()))

    outcomes = await asyncio.gather(*(database.write(work) for work in [good, good, fail, good, twice, good, good]), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [type(None)] * 2 + [ValueError, type(None), DatabaseError] + [type(None)] * 2
    assert len(await tokens(database)) == 5
    assert "again" not in await tokens(database)


async def test_closing_finishes_what_is_being_written(database_address: str) -> None:
    database = await Database.open(database_address)
    writing = [asyncio.create_task(database.write(partial(insert, token_id=str(number)))) for number in range(5)]
    await asyncio.sleep(0)
    await database.close()
    await asyncio.gather(*writing)
    again = await Database.open(database_address)
    assert len(await tokens(again)) == 5
    await again.close()


async def test_a_read_ends_before_the_database_is_closed_whatever_becomes_of_its_caller(database_address: str) -> None:
    database = await Database.open(database_address)
    begun, go_on, finished = threading.Event(), threading.Event(), []

    def work(connection: Connection) -> None:
        begun.set()
        assert go_on.wait(60)
        connection.execute(text("SELECT 1"))
        finished.append(connection)

    reading = asyncio.create_task(database.read(work))
    connecting = asyncio.create_task(database.read(work))
    assert await asyncio.to_thread(begun.wait, 60)
    reading.cancel()
    connecting.cancel()
    go_on.set()
    await database.close()
    assert len(finished) == 2
    assert reading.cancelled()
    assert connecting.cancelled()


async def test_a_transaction_that_the_database_ended_fails_as_a_whole(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "new.sqlite")

    def end(connection: Connection) -> None:
        # As SQLite does by itself when the disk is full.
        connection.exec_driver_sql("ROLLBACK")
        raise ValueError("no")

    works = [lambda connection: insert(connection, "a"), end, lambda connection: insert(connection, "b")]
    outcomes = await asyncio.gather(*(database.write(work) for work in works), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [DatabaseError] * 3
    await database.write(lambda connection: insert(connection, "c"))
    assert await tokens(database) == ["c"]
    await database.close()


@pytest.mark.parametrize("database_address", ["postgresql"], indirect=True)
async def test_a_row_that_somebody_else_holds_does_not_hold_up_all_for_ever(database_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "BUSY_MS", 300)
    database, other = await Database.open(database_address), await Database.open(database_address)
    for name in ("a", "b"):
        await database.write(partial(insert, token_id=name))
    held, go_on = threading.Event(), threading.Event()

    def expire(connection: Connection, token_id: str) -> None:
        revocations = metadata.tables["revocations"]
        connection.execute(sa.update(revocations).where(revocations.c.token_id == token_id).values(expires_at=1))

    def hold(connection: Connection) -> None:
        expire(connection, "a")
        held.set()
        assert go_on.wait(60)

    holding = asyncio.create_task(other.write(hold))
    assert await asyncio.to_thread(held.wait, 60)
    async with asyncio.timeout(60):
        with pytest.raises(DatabaseError, match="lock timeout"):
            await database.write(partial(expire, token_id="a"))
    await database.write(partial(expire, token_id="b"))
    go_on.set()
    await holding
    await database.write(partial(expire, token_id="a"))
    await database.close()
    await other.close()


async def test_an_error_whose_caller_has_gone_is_not_logged_as_forgotten(database: Database, caplog: pytest.LogCaptureFixture) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def work(connection: Connection) -> None:
        begun.set()
        go_on.wait(PATIENCE)
        raise FencedError("another process trades on this database now")

    caller = asyncio.create_task(database.write(work))
    await asyncio.to_thread(begun.wait, PATIENCE)
    caller.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await caller
    go_on.set()
    await database.close()
    del caller
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.name == "asyncio"] == []
