from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pricewire.cli import recording_file as module
from pricewire.cli.recording import sole_writer
from pricewire.cli.recording_file import RecordingFile
from pricewire.cli.recording_row import row_of
from pricewire.errors import RecordingError
from pricewire.protocol.messages import Tick


def tick(number: int, instrument_id: str = "A") -> Tick:
    return Tick(instrument_id, number, Decimal(number), Decimal(number) + 1, Decimal(number) - 1)


def test_a_recording_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "ticks.parquet"
    recording = RecordingFile(path)
    assert (recording.cursor, recording.rows) == ("", 0)
    recording.append([tick(1), tick(2, "B")], "x-2")
    again = RecordingFile(path)
    assert (again.cursor, again.rows) == ("x-2", 2)
    assert again.last == {"A": row_of(tick(1)), "B": row_of(tick(2, "B"))}
    again.append([tick(3)], "x-3")
    assert [row["bid"] for row in pq.read_table(path).to_pylist()] == [0, 1, 2]
    assert RecordingFile(path).cursor == "x-3"
    assert list(tmp_path.iterdir()) == [path]


def test_row_groups_are_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ROW_GROUP", 10)
    recording = RecordingFile(tmp_path / "ticks.parquet")
    for start in range(0, 35, 5):
        recording.append([tick(number) for number in range(start, start + 5)], str(start))
    with pq.ParquetFile(recording.path) as found:
        assert [found.metadata.row_group(number).num_rows for number in range(found.num_row_groups)] == [10, 10, 10, 5]
        assert found.read().column("ask").to_pylist() == list(range(1, 36))


def test_what_is_no_recording_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "other.parquet"
    pq.write_table(pa.table({"x": [1]}), other)
    text = tmp_path / "text.parquet"
    text.write_text("no Parquet")
    for path in (other, text):
        before = path.read_bytes()
        with pytest.raises(RecordingError, match="cannot be continued"):
            RecordingFile(path)
        assert path.read_bytes() == before


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recording = RecordingFile(tmp_path / "ticks.parquet")
    recording.append([tick(1)], "1")
    before = recording.path.read_bytes()

    def fail(descriptor: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(RecordingError, match="no space left"):
        recording.append([tick(2)], "2")
    assert recording.path.read_bytes() == before
    assert (recording.rows, recording.cursor) == (1, "1")
    assert list(tmp_path.iterdir()) == [recording.path]


def test_one_writes_at_a_time_by_whatever_name(tmp_path: Path) -> None:
    path, link = tmp_path / "ticks.parquet", tmp_path / "link.parquet"
    link.symlink_to(path)
    with sole_writer(path):
        for name in (path, link):
            with pytest.raises(RecordingError, match=f"another process records into {name}"), sole_writer(name):
                pass
        with sole_writer(tmp_path / "other.parquet"):
            pass
    with sole_writer(link):
        RecordingFile(link).append([tick(1)], "1")
    assert link.is_symlink()
    assert RecordingFile(path).rows == 1
    assert sorted(tmp_path.iterdir()) == [link, path]


def test_many_take_turns_and_never_two_at_once(tmp_path: Path) -> None:
    path = tmp_path / "ticks.parquet"
    inside: list[int] = []
    most: list[int] = []

    def take(_: int) -> int:
        refused = 0
        turns = 0
        while turns < 50:
            try:
                with sole_writer(path):
                    inside.append(1)
                    most.append(len(inside))
                    inside.pop()
                    turns += 1
            except RecordingError:
                refused += 1
        return refused

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(take, range(4)))
    assert max(most) == 1
    assert len(most) == 200
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_a_killed_process_left_holds_nobody_up(tmp_path: Path) -> None:
    (tmp_path / ".ticks.parquet.lock").touch()
    with sole_writer(tmp_path / "ticks.parquet"):
        pass
    assert list(tmp_path.iterdir()) == []
