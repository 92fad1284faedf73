"""Importing and exporting: what was exported is imported to the same ticks, once, and nothing that contradicts what is there."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from pricewire.cli.archive_export import Prices, candle_batches, export
from pricewire.cli.archive_import import import_files
from pricewire.cli.recording_csv_file import CSVRecording
from pricewire.cli.recording_file import RecordingFile
from pricewire.errors import FeedError, JournalError, PricewireError, RecordingError
from pricewire.market.archive import Archive
from pricewire.market.candles import DAY_MS, rows_of_ticks
from pricewire.market.feed import PastTicks
from pricewire.market.journal import Journal
from pricewire.market.pips import quantum_of
from pricewire.protocol.messages import Instrument, Tick
from pricewire.table import CANDLES

GOLD = Instrument("GOLD", "Gold", [], 2)
START = 20_000 * DAY_MS

Quote = tuple[int, int]
"""A time in milliseconds after the start, and a price in pips, which is not halfway between bid and ask."""


def past_of(quotes: list[Quote]) -> PastTicks:
    epochs, prices = (np.array(column, np.int64) for column in zip(*quotes, strict=True))
    return PastTicks("GOLD", START + epochs, prices, prices + 3, prices - 1)


def ticks_of(quotes: list[Quote]) -> list[Tick]:
    one = quantum_of(2)
    return [Tick("GOLD", START + ms, price * one, (price + 3) * one, (price - 1) * one) for ms, price in quotes]


def recorded(path: Path, quotes: list[Quote]) -> Path:
    """Write quotes as `pricewire record` does."""
    file = CSVRecording(path) if path.suffix == ".csv" else RecordingFile(path)
    file.append(ticks_of(quotes), "1")
    return path


def put(data_dir: Path, *paths: Path, instrument_id: str | None = None) -> str:
    text = StringIO()
    import_files(paths, data_dir, Console(file=text, width=200), instrument_id=instrument_id)
    return text.getvalue()


def held(data_dir: Path) -> list[Quote]:
    """Return what the archive has."""
    archive = Archive(data_dir / "history")
    found = []
    for day in archive.days("GOLD"):
        past = archive.ticks(day)
        assert np.array_equal(past.ask - past.bid, [4 * 10 ** (day.pip_size - 2)] * day.rows)
        found += list(zip((past.epoch_ms - START).tolist(), (past.price // 10 ** (day.pip_size - 2)).tolist(), strict=True))
    return found


QUOTES = [(0, 101), (1000, 102), (1000, 103), (DAY_MS - 1, 104), (DAY_MS, 105), (3 * DAY_MS, 106)]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_recording_is_imported_once_and_exported_as_it_was(tmp_path: Path, suffix: str) -> None:
    path = recorded(tmp_path / f"ticks{suffix}", QUOTES)
    data = tmp_path / "data"
    assert put(data, path) == f"{path}: 6 ticks of GOLD; 3 days have changed\n"
    assert held(data) == QUOTES
    assert put(data, path) == f"{path}: 6 ticks of GOLD; 0 days have changed\n"
    again = tmp_path / f"again{suffix}"
    export(data, ["GOLD"], again, is_parquet=suffix == ".parquet", start=None, end=None)
    assert put(tmp_path / "other", again) == f"{again}: 6 ticks of GOLD; 3 days have changed\n"
    assert held(tmp_path / "other") == QUOTES
    if suffix == ".csv":
        assert again.read_text().splitlines()[1] == "2024-10-04T00:00:00.000Z,GOLD,1.00,1.04,1.01"


def test_a_recording_that_has_grown_adds_what_is_new(tmp_path: Path) -> None:
    data = tmp_path / "data"
    # It ended between two ticks of the same millisecond.
    put(data, recorded(tmp_path / "first.csv", QUOTES[:2]))
    put(data, recorded(tmp_path / "whole.parquet", QUOTES))
    assert held(data) == QUOTES
    put(data, recorded(tmp_path / "part.csv", QUOTES[1:4]))
    assert held(data) == QUOTES
    put(data, recorded(tmp_path / "before.csv", [(-1000, 99), (0, 101)]))
    assert held(data) == [(-1000, 99), *QUOTES]


@pytest.mark.parametrize("others", [[(0, 101), (500, 101), (1000, 102)], [(1000, 102), (DAY_MS - 1, 104)], [(0, 101), (1000, 199)]])
def test_what_contradicts_the_archive_is_refused_whole(tmp_path: Path, others: list[Quote]) -> None:
    data = tmp_path / "data"
    put(data, recorded(tmp_path / "first.csv", QUOTES))
    with pytest.raises(RecordingError, match="the archive has other ticks of GOLD"):
        put(data, recorded(tmp_path / "other.csv", [(-2 * DAY_MS, 90), *others]))
    assert held(data) == QUOTES
    # Nor is anything of it imported where only one of its instruments does.
    both = CSVRecording(tmp_path / "both.csv")
    both.append([Tick("ALUM", START, quantum_of(2), quantum_of(2), quantum_of(2)), *ticks_of(others)], "1")
    with pytest.raises(RecordingError):
        put(data, both.path)
    assert Archive(data / "history").instruments == ["GOLD"]


async def test_what_the_journal_has_seen_stays(tmp_path: Path) -> None:
    data = tmp_path / "data"
    journal = Journal(data / "journal", [GOLD], keep_s=3600.0, archive=Archive(data / "history"))
    journal.extend(past_of([(DAY_MS, 105), (3 * DAY_MS, 106)]))
    path = recorded(tmp_path / "ticks.csv", QUOTES)
    with pytest.raises(JournalError, match="in use by another process"):
        put(data, path)
    journal.close()
    # The same in the time of the journal, and more before it.
    put(data, path)
    assert held(data) == QUOTES[:4]
    gaps = recorded(tmp_path / "gaps.csv", [*QUOTES[:5], (2 * DAY_MS, 105), QUOTES[5]])
    later = recorded(tmp_path / "later.csv", [*QUOTES, (4 * DAY_MS, 107)])
    for wrong in (gaps, later):
        with pytest.raises(RecordingError, match="the journal has ticks of GOLD since 2024-10-05T00:00:00"):
            put(data, wrong)
    # It is the same once the journal's ticks are in the archive.
    journal = Journal(data / "journal", [GOLD], keep_s=3600.0, archive=Archive(data / "history"))
    await journal.tidy(START + 9 * DAY_MS)
    assert held(data) == QUOTES
    journal.extend(past_of([(9 * DAY_MS, 108)]))
    journal.close()
    for wrong in (gaps, later):
        with pytest.raises(RecordingError, match="the journal has ticks of GOLD"):
            put(data, wrong)
    before = recorded(tmp_path / "before.csv", [(-DAY_MS, 98), *QUOTES])
    put(data, before)
    assert held(data) == [(-DAY_MS, 98), *QUOTES]
    journal = Journal(data / "journal", [GOLD], archive=Archive(data / "history"))
    past = journal.read()["GOLD"]
    assert (past.epoch_ms - START).tolist() == [-DAY_MS, *(ms for ms, _ in QUOTES), 9 * DAY_MS]
    journal.close()


def test_an_export_has_archive_and_journal_within_the_times(tmp_path: Path) -> None:
    data, path = tmp_path / "data", tmp_path / "out.csv"
    put(data, recorded(tmp_path / "ticks.csv", QUOTES[:4]))
    journal = Journal(data / "journal", [GOLD])
    journal.extend(past_of(QUOTES[4:]))
    day = datetime.fromtimestamp(START / 1000, UTC)
    export(
        data, ["GOLD"], path, is_parquet=False, start=day.replace(tzinfo=None), end=datetime.fromtimestamp(START / 1000 + 86_400.001, UTC)
    )
    assert [line.split(",")[4] for line in path.read_text().splitlines()[1:]] == ["1.01", "1.02", "1.03", "1.04", "1.05"]
    with pytest.raises(RecordingError, match="has no ticks of 'SILVER'; it has GOLD"):
        export(data, ["SILVER"], path, is_parquet=False, start=None, end=None)
    with pytest.raises(RecordingError, match="cannot be written"):
        export(data, ["GOLD"], tmp_path / "nowhere" / "out.csv", is_parquet=False, start=None, end=None)
    journal.close()


def test_candles_are_exported_whole(tmp_path: Path) -> None:
    data, path = tmp_path / "data", tmp_path / "out.csv"
    put(data, recorded(tmp_path / "ticks.csv", QUOTES[:4]))
    journal = Journal(data / "journal", [GOLD])
    journal.extend(past_of(QUOTES[4:]))
    journal.close()
    # The time falls into the candles of the first day.
    start, end = (datetime.fromtimestamp((START + ms) / 1000, UTC) for ms in (500, DAY_MS - 500))
    export(data, ["GOLD"], path, is_parquet=False, start=start, end=end, granularity_s=60)
    day = f"{start:%Y-%m-%d}"
    assert path.read_text().splitlines() == [
        "time,instrument_id,granularity,open,high,low,close,close_time",
        f"{day}T00:00:00.000Z,GOLD,60,1.01,1.03,1.01,1.03,{day}T00:01:00.000Z",
        f"{day}T23:59:00.000Z,GOLD,60,1.04,1.04,1.04,1.04,{start + timedelta(1):%Y-%m-%d}T00:00:00.000Z",
    ]
    table = tmp_path / "out.parquet"
    export(data, ["GOLD"], table, is_parquet=True, start=None, end=None, granularity_s=86_400)
    read = pq.read_table(table)
    assert read.schema.equals(CANDLES)
    assert read.column("close").to_pylist() == [1.04, 1.05, 1.06]


@given(st.lists(st.integers(0, 600_000), min_size=1, max_size=40), st.lists(st.integers(0, 40), max_size=5), st.booleans())
def test_candles_do_not_depend_on_the_files_that_ticks_are_in(times: list[int], cuts: list[int], is_finer: bool) -> None:
    times.sort()
    prices = np.array([1000 + (number * 7919) % 101 for number in range(len(times))], np.int64)
    epoch_ms = np.array(times, np.int64) + START
    bounds = sorted({0, len(times), *(cut for cut in cuts if cut < len(times))})
    parts = []
    for number, (first, last) in enumerate(pairwise(bounds)):
        decimals = 3 if is_finer and number % 2 else 2
        own = prices[first:last] * 10 ** (decimals - 2)
        parts.append((PastTicks("GOLD", epoch_ms[first:last], own, own, own), decimals))
    rows = []
    for batch in candle_batches(iter(parts), 60):
        opens, instrument_id, granularity, *columns, closes = batch
        assert isinstance(opens, np.ndarray)
        assert isinstance(closes, np.ndarray)
        assert (instrument_id, granularity) == ("GOLD", 60)
        assert (closes - opens == 60_000).all()
        for place, start in enumerate(opens.tolist()):
            pips = [int(each.pips[place]) * 10 ** (3 - each.pip_size) for each in columns if isinstance(each, Prices)]
            rows.append([start, *pips])
    assert rows == rows_of_ticks(epoch_ms, prices * 10, 60_000).tolist()


def test_a_damaged_day_ends_an_export_and_leaves_what_was_there(tmp_path: Path) -> None:
    data, path = tmp_path / "data", tmp_path / "out.csv"
    put(data, recorded(tmp_path / "ticks.csv", QUOTES))
    path.write_text("before")
    broken = Archive(data / "history").days("GOLD")[1].path
    broken.write_bytes(b"PAR1")
    with pytest.raises(JournalError, match=broken.name):
        export(data, ["GOLD"], path, is_parquet=False, start=None, end=None)
    assert path.read_text() == "before"
    assert not list(tmp_path.glob(".out*"))


def test_what_cannot_be_imported_is_said(tmp_path: Path) -> None:
    data, path = tmp_path / "data", tmp_path / "ticks.csv"
    header = "time,instrument_id,bid,ask,price,last_event_id\n"
    for lines, reason in {
        "2026-01-01T00:00:00Z,GOLD,2,1,1.5,\n": "has bid 2.0, ask 1.0",
        "2026-01-01T00:00:00Z,../x,1,2,1.5,\n": "is not 1 to 64 letters",
        "yesterday,GOLD,1,2,1.5,\n": "ticks.csv",
        "": "no tick",
    }.items():
        path.write_text(header + lines)
        with pytest.raises(FeedError, match=reason):
            put(data, path)
    path.write_text(header + "2026-01-01T00:00:00Z,GOLD,1,2,1.5,\n2026-01-01T00:00:01Z,GO")
    assert "1 ticks of GOLD" in put(data, path), "the last line was half written"
    with pytest.raises(PricewireError, match="it has GOLD, not SILVER"):
        put(data, path, instrument_id="SILVER")
    with pytest.raises(FeedError, match="there is no such file"):
        put(data, tmp_path / "missing.txt")


def test_what_is_no_recording_of_ours_is_imported_too(tmp_path: Path) -> None:
    path = tmp_path / "GOLD.csv"
    path.write_text("time,bid,ask\n2024-10-04T00:00:00Z,1.00,1.04\n2024-10-04T00:00:01Z,1.01,1.05\n")
    assert "2 ticks of GOLD" in put(tmp_path / "data", path)
    assert held(tmp_path / "data") == [(0, 102), (1000, 103)]
