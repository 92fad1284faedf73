"""The journal: what was added is read again, in its order, whatever ends the process; a full disk and a torn end lose nothing else."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricewire.errors import JournalError
from pricewire.market import journal as module
from pricewire.market.feed import PastTicks
from pricewire.market.journal import Journal
from pricewire.market.segment import COLUMNS
from pricewire.protocol.messages import Instrument, Tick
from support.full_disk import full_disk

START = 1_764_288_000_000
GOLD, SILVER = Instrument("GOLD", "Gold", [], 2), Instrument("SILVER", "Silver", [], 4)

Row = tuple[int, int, int, int]


def rows(journal: Journal, instrument_id: str = "GOLD", from_ms: int = 0) -> list[Row]:
    """Return the ticks that a journal has of an instrument."""
    past = journal.read(from_ms).get(instrument_id)
    return [] if past is None else list(zip(*(column.tolist() for column in (past.epoch_ms, past.price, past.ask, past.bid)), strict=True))


def fill(journal: Journal, count: int, start: int = 0) -> list[Row]:
    """Add ticks of gold, and return them."""
    added = [(START + number * 1000, 125_000 + number, 125_002 + number, 124_998 + number) for number in range(start, start + count)]
    for row in added:
        journal.add("GOLD", *row)
    return added


def newest_file(folder: Path) -> Path:
    return max(folder.glob("*.ticks"))


def test_what_was_added_is_read_by_the_next_process(tmp_path: Path) -> None:
    first = Journal(tmp_path / "journal", [GOLD, SILVER])
    added = fill(first, 3)
    first.add("SILVER", START + 500, 1, 2, 1)
    assert rows(first) == added, "and by its own"
    first.close()
    second = Journal(tmp_path / "journal", [SILVER, GOLD])
    added += fill(second, 2, start=3)
    assert rows(second) == added
    assert rows(second, "SILVER") == [(START + 500, 1, 2, 1)]
    assert rows(second, from_ms=START + 3000) == added[3:]
    second.close()


@settings(max_examples=50, deadline=None)
@given(
    ticks=st.lists(st.tuples(st.sampled_from(["GOLD", "SILVER"]), st.integers(0, 50), st.integers(1, 2**62)), max_size=40),
    restarts=st.sets(st.integers(0, 39)),
    records=st.integers(1, 10),
)
def test_any_ticks_come_back_in_their_order(
    tmp_path_factory: pytest.TempPathFactory, ticks: list[tuple[str, int, int]], restarts: set[int], records: int
) -> None:
    folder = tmp_path_factory.mktemp("journal")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "SEGMENT_RECORDS", records)
        journal = Journal(folder, [GOLD, SILVER])
        for number, (instrument_id, epoch_ms, price) in enumerate(ticks):
            if number in restarts:
                journal.close()
                journal = Journal(folder, [SILVER, GOLD])
            journal.add(instrument_id, START + epoch_ms, price, price + 1, price - 1)
        for instrument_id in ("GOLD", "SILVER"):
            expected = [(START + epoch_ms, price, price + 1, price - 1) for name, epoch_ms, price in ticks if name == instrument_id]
            assert rows(journal, instrument_id) == expected
            assert rows(journal, instrument_id, START + 25) == [row for row in expected if row[0] >= START + 25]
        journal.close()


@given(cut=st.integers(1, 400))
@settings(max_examples=60, deadline=None)
def test_a_torn_end_loses_no_tick_before_it(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder, [GOLD])
    added = fill(journal, 10)
    journal.close()
    path = newest_file(folder)
    os.truncate(path, path.stat().st_size - cut)
    journal = Journal(folder, [GOLD])
    whole = 10 - -(-cut // COLUMNS.itemsize)
    assert rows(journal) == added[:whole]
    again = fill(journal, 2, start=20)
    assert rows(journal) == added[:whole] + again, "it goes on after it"
    journal.close()


@given(start=st.integers(0, 399), length=st.integers(1, 100))
@settings(max_examples=60, deadline=None)
def test_bytes_that_a_power_cut_has_left_empty_are_no_ticks(tmp_path_factory: pytest.TempPathFactory, start: int, length: int) -> None:
    folder = tmp_path_factory.mktemp("journal")
    journal = Journal(folder, [GOLD])
    added = fill(journal, 10)
    journal.close()
    path = newest_file(folder)
    data = bytearray(path.read_bytes())
    begin = len(data) - 400
    before = bytes(data)
    data[begin + start : begin + start + length] = bytes(min(length, 400 - start))
    path.write_bytes(data)
    journal = Journal(folder, [GOLD])
    first_changed = next((place - begin for place in range(begin, len(data)) if before[place] != data[place]), 400)
    assert rows(journal) == added[: first_changed // COLUMNS.itemsize]
    journal.close()


CHILD = """
import sys
from pathlib import Path
from pricewire.market.journal import Journal
from pricewire.protocol.messages import Instrument
journal = Journal(Path(sys.argv[1]), [Instrument("GOLD", "Gold", [], 2)])
for number in range(1_000_000):
    journal.add("GOLD", 1_764_288_000_000 + number, 1000 + number, 1001 + number, 999 + number)
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


def test_a_process_that_is_killed_loses_no_tick(tmp_path: Path) -> None:
    for _ in range(3):
        folder = tmp_path / str(random.random())
        with subprocess.Popen([sys.executable, "-c", CHILD, str(folder)], stdout=subprocess.PIPE) as child:
            assert child.stdout is not None
            for _ in range(random.randrange(1, 2000)):
                child.stdout.readline()
            child.send_signal(signal.SIGKILL)
            shown = child.stdout.read().split(b"\n")
        newest = int(shown[-2]) if len(shown) > 1 else 0
        journal = Journal(folder, [GOLD])
        found = [row[1] - 1000 for row in rows(journal)]
        journal.close()
        assert found == list(range(len(found)))
        assert len(found) > newest


def test_a_full_disk_refuses_the_tick_and_spoils_nothing(tmp_path: Path) -> None:
    journal = Journal(tmp_path, [GOLD])
    added = fill(journal, 5)
    size = newest_file(tmp_path).stat().st_size
    # Room for one more and a half.
    with full_disk(size + COLUMNS.itemsize * 3 // 2):
        added += fill(journal, 1, start=5)
        for _ in range(3):
            with pytest.raises(JournalError, match="cannot be written: File too large"):
                fill(journal, 1, start=6)
        assert rows(journal) == added
    added += fill(journal, 2, start=7)
    assert rows(journal) == added
    journal.close()
    journal = Journal(tmp_path, [GOLD])
    assert rows(journal) == added
    journal.close()


async def test_what_was_synced_needs_no_second_way_and_those_who_wait_share_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    fdatasync = os.fdatasync

    def sync(file: int) -> None:
        calls.append(file)
        fdatasync(file)

    monkeypatch.setattr(os, "fdatasync", sync)
    journal = Journal(tmp_path, [GOLD])
    await journal.sync()
    assert not calls
    fill(journal, 3)
    await asyncio.gather(*(journal.sync() for _ in range(10)))
    await journal.sync()
    assert len(calls) == 1
    fill(journal, 1, start=3)
    await journal.sync()
    assert len(calls) == 2
    journal.close()


async def test_a_tick_that_comes_while_it_syncs_is_synced_by_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    calls: list[int] = []

    def sync(file: int) -> None:
        calls.append(file)
        begun.set()
        assert go_on.wait(60)

    monkeypatch.setattr(os, "fdatasync", sync)
    journal = Journal(tmp_path, [GOLD])
    fill(journal, 1)
    first = asyncio.create_task(journal.sync())
    assert await asyncio.to_thread(begun.wait, 60)
    fill(journal, 1, start=1)
    second = asyncio.create_task(journal.sync())
    go_on.set()
    await asyncio.gather(first, second)
    assert len(calls) == 2
    journal.close()


async def test_it_may_be_closed_while_it_syncs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()
    synced: list[int] = []
    fdatasync = os.fdatasync

    def sync(file: int) -> None:
        begun.set()
        assert go_on.wait(60)
        fdatasync(file)
        synced.append(file)

    monkeypatch.setattr(module, "SEGMENT_RECORDS", 1)
    journal = Journal(tmp_path, [GOLD])
    fill(journal, 2)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", sync)
        syncing = asyncio.create_task(journal.sync())
        assert await asyncio.to_thread(begun.wait, 60)
        patch.setattr(os, "fdatasync", fdatasync)
        journal.close()
        # Others get the numbers of the files that it had.
        others = [os.open(tmp_path, os.O_RDONLY) for _ in range(8)]
        go_on.set()
        await syncing
    assert synced
    for other in others:
        os.fstat(other)
        os.close(other)


async def test_a_disk_that_refused_once_is_not_believed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(file: int) -> None:
        raise OSError(5, "Input/output error")

    journal = Journal(tmp_path, [GOLD])
    fill(journal, 1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", refuse)
        with pytest.raises(JournalError, match="Input/output error; start the server again"):
            await journal.sync()
    with pytest.raises(JournalError, match="start the server again"):
        await journal.sync()
    with pytest.raises(JournalError, match="start the server again"):
        fill(journal, 1, start=1)
    journal.close()


def test_another_process_cannot_have_it(tmp_path: Path) -> None:
    journal = Journal(tmp_path, [GOLD])
    with pytest.raises(JournalError, match="in use by another process"):
        Journal(tmp_path, [GOLD])
    journal.close()
    Journal(tmp_path, [GOLD]).close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match=r"/file/journal cannot be opened: Not a directory"):
        Journal(tmp_path / "file" / "journal", [GOLD])


def test_a_file_that_is_none_of_its_own_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for number, text in enumerate([b"", b"\x00" * 100, b'{"pricewire": "ticks", "version": 2, "instruments": {}}\n', b"[]\n", b"\xff\n"]):
        (tmp_path / f"{number:015d}.ticks").write_bytes(text)
    journal = Journal(tmp_path, [GOLD])
    assert journal.read() == {}
    assert len(caplog.messages) == 5
    added = fill(journal, 1)
    assert rows(journal) == added
    journal.close()


def test_files_whose_ticks_are_all_old_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SEGMENT_RECORDS", 4)
    journal = Journal(tmp_path, [GOLD])
    added = fill(journal, 10)
    journal.prune(START + 5000)
    assert rows(journal) == added[4:], "its file holds a tick that is not old"
    assert len(list(tmp_path.glob("*.ticks"))) == 2
    journal.prune(START + 100_000)
    assert rows(journal) == added[8:], "the file that is added to stays"
    journal.close()


def test_a_clock_that_is_set_back_changes_no_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    added = []
    for number, now_s in enumerate([1_800_000_000, 1_700_000_000, 1_700_000_000]):
        monkeypatch.setattr("time.time_ns", lambda now_s=now_s: now_s * 10**9)
        journal = Journal(tmp_path, [GOLD])
        added += fill(journal, 2, start=2 * number)
        assert rows(journal) == added
        journal.close()


def test_many_at_once_are_as_one_by_one(tmp_path: Path) -> None:
    columns = [np.arange(100_000, dtype=np.int64) + start for start in (START, 10, 12, 8)]
    journal = Journal(tmp_path, [SILVER, GOLD])
    journal.extend(PastTicks("GOLD", *columns))
    journal.add("GOLD", START + 100_000, 1, 2, 1)
    journal.close()
    journal = Journal(tmp_path, [GOLD])
    assert rows(journal) == [*zip(*(column.tolist() for column in columns), strict=True), (START + 100_000, 1, 2, 1)]
    journal.close()


def test_an_instrument_whose_decimals_have_changed_keeps_its_prices(tmp_path: Path) -> None:
    journal = Journal(tmp_path, [GOLD])
    journal.add("GOLD", START, 12_345, 12_355, 12_335)
    journal.close()
    for pip_size, expected in ((4, (1_234_500, 1_235_500, 1_233_500)), (1, (1234, 1236, 1234))):
        journal = Journal(tmp_path, [Instrument("GOLD", "Gold", [], pip_size)])
        assert rows(journal) == [(START, *expected)]
        journal.close()


async def test_ticks_come_with_their_decimals(tmp_path: Path) -> None:
    journal = Journal(tmp_path, [GOLD])
    fill(journal, 5)
    found = await journal.between("GOLD", START + 1000, START + 3000, newest=2)
    assert found == [
        Tick(
            "GOLD", START + number * 1000, Decimal(125_000 + number) / 100, Decimal(125_002 + number) / 100, Decimal(124_998 + number) / 100
        )
        for number in (2, 3)
    ]
    assert str(found[0].ask) == "1250.04"
    journal.close()
