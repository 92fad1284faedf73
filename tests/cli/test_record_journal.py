"""Recording what a journal has: all of it, a range, and what has come since."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from rich.console import Console

from pricewire.cli.record_journal import record_journal
from pricewire.cli.recording import sole_writer
from pricewire.cli.recording_file import RecordingFile
from pricewire.errors import JournalError, RecordingError
from pricewire.market.feeds.replay.feed import ReplayFeed
from pricewire.market.journal import Journal
from pricewire.protocol.messages import Instrument
from support.command import pricewire

START = datetime(2026, 11, 28, 9, 30, tzinfo=UTC)
START_MS = round(START.timestamp() * 1000)

GOLD, SILVER = Instrument("GOLD", "Gold", [], 2), Instrument("SILVER", "Silver", [], 4)


def run(folder: Path, to: Path, *instruments: str, **options: Any) -> str:
    text = StringIO()
    record_journal(folder, instruments or ("GOLD",), to, Console(file=text, width=200), **options)
    return text.getvalue()


def rows(path: Path) -> list[tuple[str, int, float, float, float]]:
    return [
        (row["instrument_id"], round(row["time"].timestamp() * 1000) - START_MS, row["bid"], row["ask"], row["price"])
        for row in pq.read_table(path).to_pylist()
    ]


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """Return a journal with three ticks of gold and two of silver, as a server has it that is running."""
    journal = Journal(tmp_path / "journal", [GOLD, SILVER])
    for instrument_id, seconds, price in (("GOLD", 0, 101), ("SILVER", 0, 7), ("GOLD", 60, 102), ("SILVER", 61, 8), ("GOLD", 120, 103)):
        journal.add(instrument_id, START_MS + seconds * 1000, price, price + 2, price - 2)
    return journal


async def test_all_is_recorded_in_the_order_in_which_it_arrived_and_played(journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "ticks.parquet"
    assert run(tmp_path / "journal", path, "GOLD", "SILVER") == f"5 ticks recorded, 5 in {path}\n"
    assert rows(path)[:3] == [("GOLD", 0, 0.99, 1.03, 1.01), ("SILVER", 0, 0.0005, 0.0009, 0.0007), ("GOLD", 60_000, 1.0, 1.04, 1.02)]
    played = [tick async for tick in ReplayFeed(path, speed=1e9, loop=False, keep_times=True)]
    assert [tick.epoch_ms - START_MS for tick in played] == [0, 0, 60_000, 61_000, 120_000]
    journal.close()


@pytest.mark.parametrize(
    ("since", "until", "times"),
    [
        (START + timedelta(seconds=60), None, [60_000, 120_000]),
        (None, START + timedelta(seconds=60), [0, 60_000]),
        (datetime(2026, 11, 28, 9, 31), datetime(2026, 11, 28, 9, 31, 59), [60_000]),
        (START + timedelta(hours=1), None, []),
    ],
)
def test_a_range_goes_into_a_new_file(journal: Journal, tmp_path: Path, since: datetime, until: datetime, times: list[int]) -> None:
    path = tmp_path / "ticks.parquet"
    run(tmp_path / "journal", path, since=since, until=until)
    assert [row[1] for row in rows(path)] == times
    if times:
        with pytest.raises(RecordingError, match=r"is there already; a range of time goes into a new file"):
            run(tmp_path / "journal", path, since=since, until=until)
        with pytest.raises(RecordingError, match=r"was not recorded from a journal as a whole"):
            run(tmp_path / "journal", path)
    journal.close()


def test_a_recording_goes_on_with_what_has_come_since_also_in_new_files(journal: Journal, tmp_path: Path) -> None:
    path, folder = tmp_path / "ticks.parquet", tmp_path / "journal"
    run(folder, path)
    assert run(folder, path) == f"0 ticks recorded, 3 in {path}\n"
    # The clock was set back meanwhile: what counts is what arrived after the others.
    journal.add("GOLD", START_MS - 5000, 104, 105, 103)
    assert run(folder, path) == f"1 ticks recorded, 4 in {path}\n"
    journal.close()
    again = Journal(folder, [SILVER, GOLD])
    again.add("SILVER", START_MS + 130_000, 9, 9, 9)
    again.add("GOLD", START_MS + 130_000, 105, 106, 104)
    assert run(folder, path) == f"1 ticks recorded, 5 in {path}\n"
    assert [row[1] for row in rows(path)] == [0, 60_000, 120_000, -5000, 130_000]
    # Its oldest file is removed, as a server does after a day.
    again.prune(START_MS + 125_000)
    again.add("GOLD", START_MS + 131_000, 106, 107, 105)
    assert run(folder, path) == f"1 ticks recorded, 6 in {path}\n"
    again.close()


def test_a_recording_of_a_stream_is_not_continued(journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "ticks.parquet"
    run(tmp_path / "journal", path)
    file = RecordingFile(path)
    file.append([], "0badb007-1")
    with pytest.raises(RecordingError, match=r"was not recorded from a journal as a whole; name another file"):
        run(tmp_path / "journal", path)
    journal.close()


def test_what_is_not_there_is_said(journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "ticks.parquet"
    with pytest.raises(RecordingError, match=r"has no ticks of 'TIN'; it has GOLD, SILVER"):
        run(tmp_path / "journal", path, "TIN")
    with pytest.raises(JournalError, match=r"there is no journal .*nowhere; it is the folder `journal` in the data directory"):
        run(tmp_path / "nowhere", path)
    assert not path.exists()
    with sole_writer(path), pytest.raises(RecordingError, match="another process records into"):
        run(tmp_path / "journal", path)
    journal.close()


def test_prices_are_those_that_were_written_to_the_last_digit(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", [Instrument("COIN", "Coin", [], 8)])
    pips = [1, 3, 12_345_678_901_234, 700_000_000_000_001, 99_999_999]
    for number, price in enumerate(pips):
        journal.add("COIN", START_MS + number, price, price, price)
    run(tmp_path / "journal", tmp_path / "ticks.parquet", "COIN")
    assert [row[4] for row in rows(tmp_path / "ticks.parquet")] == [float(f"{price}e-8") for price in pips]
    journal.close()


def test_the_command(journal: Journal, tmp_path: Path) -> None:
    path, folder = tmp_path / "ticks.parquet", str(tmp_path / "journal")

    def command(*options: str) -> subprocess.CompletedProcess[str]:
        return pricewire("record", "GOLD", "--to", str(path), *options)

    done = command("--journal", folder, "--since", "2026-11-28T09:31", "--until", "2026-11-28T10:31:30+01:00")
    assert (done.returncode, [row[1] for row in rows(path)]) == (0, [60_000]), done.stderr
    assert "1 ticks recorded, 1 in" in done.stderr
    for options, says in (
        (("--since", "2026-11-28"), "are for the past: name the server's --journal, too"),
        (("--journal", folder, "--count", "3"), "leave them out with --journal"),
    ):
        refused = command(*options)
        assert refused.returncode == 1
        assert says in " ".join(refused.stderr.split())
    journal.close()
