"""Recordings in CSV: continued where they stopped, whatever the end of the file looks like."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from pricewire.cli.recording import open_recording
from pricewire.cli.recording_csv_file import HEADER, CSVRecording
from pricewire.cli.recording_row import row_of
from pricewire.errors import RecordingError
from pricewire.market.feeds.replay.recordings import read_recordings
from pricewire.protocol.messages import Tick


def tick(number: int, instrument_id: str = "A") -> Tick:
    return Tick(instrument_id, 1_700_000_000_000 + number, Decimal("1.25"), Decimal("1.30"), Decimal("1.20"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    recording = CSVRecording(tmp_path / "ticks.csv")
    recording.append([tick(1), tick(2, "B")], "x-2")
    recording.append([tick(3)], "x-3")
    recording.append([], "x-4")
    assert (recording.rows, recording.cursor) == (3, "x-3")
    return recording.path


def test_it_is_read_by_the_replay_and_by_people(path: Path) -> None:
    assert path.read_text().splitlines() == [
        HEADER,
        "2023-11-14T22:13:20.001Z,A,1.20,1.30,1.25,",
        "2023-11-14T22:13:20.002Z,B,1.20,1.30,1.25,x-2",
        "2023-11-14T22:13:20.003Z,A,1.20,1.30,1.25,x-3",
    ]
    first, second = read_recordings(path)
    assert (first.instrument.id, len(first.ticks.epoch_ms), second.instrument.id) == ("A", 2, "B")


def test_it_goes_on_where_it_stopped(path: Path) -> None:
    again = open_recording(path)
    assert (again.rows, again.cursor) == (3, "x-3")
    assert again.last == {"A": row_of(tick(3)), "B": row_of(tick(2, "B"))}
    again.append([tick(4)], "x-5")
    assert len(path.read_text().splitlines()) == 5


@pytest.mark.parametrize("cut", range(1, 90))
def test_a_flush_that_was_cut_off_comes_again_whole(path: Path, cut: int) -> None:
    whole = path.read_bytes()
    recording = CSVRecording(path)
    recording.append([tick(4), tick(5)], "x-6")
    flush = path.read_bytes()[len(whole) :]
    path.write_bytes(whole + flush[: min(cut, len(flush) - 1)])
    again = CSVRecording(path)
    assert (again.rows, again.cursor) == (3, "x-3")
    again.append([tick(4), tick(5)], "x-6")
    assert path.read_bytes() == whole + flush


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"time,bid\n1,2\n", "its columns are not"),
        (b"\xff\xfe,\n", "its columns are not"),
        (f"{HEADER}\nnonsense\n".encode(), "line 2 is 'nonsense'"),
        (f"{HEADER}\n1,A,1,1,1,x\n".encode(), "line 2 is '1,A,1,1,1,x'"),
        (f"{HEADER}\n\xff\n".encode("latin-1"), "line 2 is"),
    ],
)
def test_another_file_is_left_as_it_is(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "other.csv"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=message):
        CSVRecording(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize(("name", "named"), [("ticks.xlsx", ".xlsx"), ("ticks", "one without a suffix"), ("ticks.parquet.gz", ".gz")])
def test_a_suffix_that_is_not_written_is_refused(tmp_path: Path, name: str, named: str) -> None:
    with pytest.raises(RecordingError, match=f"a recording is a .csv or a .parquet file, not {named}; name such a file"):
        open_recording(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_said(tmp_path: Path) -> None:
    recording = CSVRecording(tmp_path / "no folder" / "ticks.csv")
    with pytest.raises(RecordingError, match="cannot be written"):
        recording.append([tick(1)], "x-1")
    assert recording.rows == 0
