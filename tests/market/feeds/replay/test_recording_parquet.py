from __future__ import annotations

import math
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pricewire.errors import FeedError
from pricewire.market.feeds.replay.recording_parquet import read_parquet
from pricewire.market.feeds.replay.recording_rows import RecordedRows, clean

MOMENT_MS = 1_577_916_000_065  # 2020-01-01 22:00:00.065 in UTC


def written(path: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), path / "x.parquet")
    return path / "x.parquet"


def read_time(path: Path, times: Any, timezone: str | None = None) -> int:
    rows = read_parquet(written(path, timestamp=times, bid=[1.5], ask=[1.6]), timezone)
    assert rows.problems == []
    return rows.epoch_ms[0]


@pytest.mark.parametrize(("unit", "factor"), [("ms", 1), ("us", 1000), ("ns", 1_000_000)])
@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
def test_timestamps_of_every_unit(tmp_path: Path, unit: Any, factor: int, zone: str | None) -> None:
    column = pa.array([MOMENT_MS * factor], pa.int64()).cast(pa.timestamp(unit, zone))
    assert read_time(tmp_path, column) == MOMENT_MS


def test_timestamps_in_seconds(tmp_path: Path) -> None:
    column = pa.array([MOMENT_MS // 1000], pa.int64()).cast(pa.timestamp("s"))
    assert read_time(tmp_path, column) == MOMENT_MS - 65


@pytest.mark.parametrize(("zone", "hours"), [("America/New_York", 5), ("-05:00", 5), ("Asia/Kolkata", -5.5)])
def test_timestamps_without_a_zone_are_of_the_one_given(tmp_path: Path, zone: str, hours: float) -> None:
    local = pa.array([MOMENT_MS], pa.int64()).cast(pa.timestamp("ms"))
    assert read_time(tmp_path, local, zone) == MOMENT_MS + hours * 3_600_000
    with_own = pa.array([MOMENT_MS], pa.int64()).cast(pa.timestamp("ms", "UTC"))
    assert read_time(tmp_path, with_own, zone) == MOMENT_MS


def test_daylight_saving_is_followed(tmp_path: Path) -> None:
    # In New York clocks went from 2:00 to 3:00 on 8 March 2020.
    texts = ["2020-03-08 01:59:59.999", "2020-03-08 03:00:00.000"]
    column = pa.array([datetime.fromisoformat(text) for text in texts], pa.timestamp("ms"))
    path = written(tmp_path, time=column, price=[1.0, 1.0])
    before, after = read_parquet(path, "America/New_York").epoch_ms
    assert after - before == 1


@pytest.mark.parametrize(
    "column",
    [
        [MOMENT_MS],
        [MOMENT_MS * 1000],
        [MOMENT_MS * 1_000_000],
        [MOMENT_MS / 1000],
        [float(MOMENT_MS)],
        ["2020-01-01T22:00:00.065Z"],
        ["2020-01-01 22:00:00.065"],
        pa.array([MOMENT_MS], pa.uint64()),
    ],
)
def test_numbers_and_texts(tmp_path: Path, column: Any) -> None:
    assert read_time(tmp_path, column) == MOMENT_MS


def test_fractions_of_seconds_keep_their_milliseconds(tmp_path: Path) -> None:
    epochs = [MOMENT_MS + offset for offset in range(1000)]
    path = written(tmp_path, timestamp=[epoch / 1000 for epoch in epochs], price=[1.0] * 1000)
    assert list(read_parquet(path).epoch_ms) == epochs


def test_whole_seconds(tmp_path: Path) -> None:
    assert read_time(tmp_path, [MOMENT_MS // 1000]) == MOMENT_MS - 65
    assert read_time(tmp_path, pa.array([MOMENT_MS // 1000], pa.int32())) == MOMENT_MS - 65


def test_a_date_and_a_time_of_day(tmp_path: Path) -> None:
    path = written(tmp_path, Date=[date(2020, 1, 1), None], Time=[time(22, 0, 0, 65000), time(1)], Price=[1.5, 1.5])
    rows = read_parquet(path)
    assert list(rows.epoch_ms) == [MOMENT_MS]
    assert [number for number, _ in rows.problems] == [2]


@pytest.mark.parametrize(
    "column", [["1.5", "dear", None], pa.array([Decimal("1.50"), None, None]), pa.array([1.5, None, math.nan], pa.float32())]
)
def test_prices_of_every_kind(tmp_path: Path, column: Any) -> None:
    rows = read_parquet(written(tmp_path, time=[MOMENT_MS] * 3, price=column))
    assert rows.bid[0] == rows.ask[0] == 1.5
    assert math.isnan(rows.bid[1])
    assert math.isnan(rows.bid[2])


def test_whole_prices(tmp_path: Path) -> None:
    assert list(read_parquet(written(tmp_path, time=[MOMENT_MS], price=[7])).bid) == [7.0]


def numbered(rows: RecordedRows) -> list[tuple[int, str]]:
    return list(zip(rows.number, rows.symbol, strict=True))


def test_rows_without_a_time_are_noted_and_the_others_keep_their_numbers(tmp_path: Path) -> None:
    stamps = pa.array([MOMENT_MS, None, MOMENT_MS], pa.int64()).cast(pa.timestamp("ms", "UTC"))
    symbols = pa.array(["A", "B", None]).dictionary_encode()
    rows = read_parquet(written(tmp_path, timestamp=stamps, price=[1.0, 2.0, 3.0], symbol=symbols))
    assert numbered(rows) == [(1, "A"), (3, "")]
    assert rows.problems == [(2, "the time is missing or of no known form")]


@pytest.mark.parametrize("times", [["soon"], [None], [math.nan], [math.inf], pa.array([None], pa.int64())])
def test_what_is_no_time_is_noted(tmp_path: Path, times: Any) -> None:
    column = pa.array(times, pa.float64()) if times == [None] else times
    rows = read_parquet(written(tmp_path, timestamp=column, price=[1.0]))
    assert (list(rows.number), [number for number, _ in rows.problems]) == ([], [1])


def test_what_is_no_parquet_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    path.write_text("time,price\n")
    with pytest.raises(FeedError, match="not Parquet"):
        read_parquet(path)


def test_unknown_columns_and_zones_are_errors(tmp_path: Path) -> None:
    path = written(tmp_path, timestamp=[MOMENT_MS], size=[1.0])
    with pytest.raises(FeedError, match="no column is a price"):
        read_parquet(path)
    with pytest.raises(FeedError, match="time zone 'Mars'"):
        read_parquet(path, "Mars")


def test_two_columns_of_a_name_that_matters_are_an_error(tmp_path: Path) -> None:
    table = pa.Table.from_arrays([pa.array([MOMENT_MS]), pa.array([1.0]), pa.array([2.0])], names=["time", "price", "price"])
    pq.write_table(table, tmp_path / "x.parquet")
    with pytest.raises(FeedError, match="several columns are called 'price'"):
        read_parquet(tmp_path / "x.parquet")


@pytest.mark.parametrize("unit", ["ms", "us"])
@pytest.mark.parametrize("zone", [None, "UTC"])
@pytest.mark.parametrize("number", [2**62, -(2**62), 2**63 - 1, -(2**63) + 1])
def test_times_beyond_all_calendars_are_refused(tmp_path: Path, unit: Any, zone: str | None, number: int) -> None:
    stamps = pa.array([number, 0], pa.int64()).cast(pa.timestamp(unit, zone))
    rows = read_parquet(written(tmp_path, timestamp=stamps, price=[1.0, 1.0]), "America/New_York")
    assert len(clean(rows).epoch_ms) == 0
    assert len(rows.problems) == 2


@pytest.mark.parametrize("kind", [pa.date32(), pa.time64("us")])
@pytest.mark.parametrize("name", ["time", "price", "symbol"])
def test_columns_of_other_kinds_do_not_pass_for_what_they_are_not(tmp_path: Path, kind: Any, name: str) -> None:
    column = pa.array([2**31 - 1], pa.int32() if kind == pa.date32() else pa.int64()).cast(kind)
    path = written(tmp_path, **{"time": [MOMENT_MS], "price": [1.0], "symbol": ["A"], name: column})
    assert name == "symbol" or len(clean(read_parquet(path)).epoch_ms) == 0


def test_a_column_of_lists_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FeedError, match="a column of type list<"):
        read_parquet(written(tmp_path, time=[MOMENT_MS], price=pa.array([[1.0]])))


@pytest.mark.parametrize("text", [b"price", b"EURUSD"], ids=["in a name", "in a cell"])
def test_text_that_is_not_utf_8_is_an_error(tmp_path: Path, text: bytes) -> None:
    path = written(tmp_path, time=[MOMENT_MS], price=[1.0], symbol=["EURUSD"])
    path.write_bytes(path.read_bytes().replace(text, b"\xff" * len(text)))
    with pytest.raises(FeedError, match="not Parquet that can be read"):
        read_parquet(path)
