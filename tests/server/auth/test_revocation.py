"""Tokens revoked in one process are known in the others."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from pathlib import Path

import pytest

from pricewire.server.auth import polling
from pricewire.server.auth.revocation import Revoked
from pricewire.server.auth.tokens import Token
from pricewire.store.database import Database
from pricewire.store.revocations import Revocations


async def test_another_process_learns_of_it_soon_and_a_new_one_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(polling, "POLL_S", 0.01)
    database, other = [await Database.open(tmp_path / "pricewire.db") for _ in range(2)]
    here: list[str] = []
    there: asyncio.Queue[str] = asyncio.Queue()
    mine, theirs = Revoked(Revocations(database), here.append), Revoked(Revocations(other), there.put_nowait)
    task = asyncio.create_task(theirs.run())
    await mine.add(Token("a", frozenset(), "one", time.time() + 60))
    assert "one" in mine
    assert here == ["one"]
    assert await asyncio.wait_for(there.get(), 10) == "one"
    assert "one" in theirs
    late = Revoked(Revocations(database), here.append)
    await late.load()
    assert "one" in late
    assert "two" not in late
    await mine.load()
    assert here == ["one", "one"], "each is told once: by the one that revoked it, by the late one"
    assert caplog.get_records("call") == [] or all(record.levelno < logging.WARNING for record in caplog.records)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    await database.close()
    await other.close()


async def test_a_clock_that_was_set_forward_for_a_while_makes_no_revoked_token_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = await Database.open(tmp_path / "pricewire.db")
    revoked = Revoked(Revocations(database), lambda _: None)
    now = time.time()
    await revoked.add(Token("a", frozenset(), "one", now + 600))
    monkeypatch.setattr(time, "time", lambda: now + 7200)
    await revoked._refresh()
    assert "one" in revoked
    late = Revoked(Revocations(database), lambda _: None)
    await late.load()
    assert "one" in late
    await database.close()
