from __future__ import annotations

from datetime import timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.errors import FeedError
from pricewire.market.feeds.replay.recording_csv import read_csv, read_lines
from pricewire.market.feeds.replay.recording_rows import RecordedRows

Row = tuple[int, str, int, float, float]


def rows_of(rows: RecordedRows) -> list[Row]:
    return list(zip(rows.number, rows.symbol, rows.epoch_ms, rows.bid, rows.ask, strict=True))


def read(text: str) -> list[Row]:
    rows = read_lines(text.splitlines(keepends=True))
    assert rows.problems == []
    return rows_of(rows)


def test_histdata_s_compact_form() -> None:
    text = "20200101 170000065,1.121200,1.121720,0\n20200101 170010447,1.121200,1.121920,0\n"
    assert read(text) == [(1, "", 1_577_916_000_065, 1.1212, 1.12172), (2, "", 1_577_916_010_447, 1.1212, 1.12192)]


def test_the_zone_given_beats_histdata_s_own() -> None:
    lines = ["20200101 170000065,1.12,1.13,0"]
    assert read_lines(lines, timezone(timedelta(hours=1))).epoch_ms[0] == 1_577_916_000_065 - 6 * 3_600_000


@pytest.mark.parametrize(
    "text",
    [
        "timestamp,bid,ask\n1700000000,1.5,1.6\n",
        "ASK;BID;Timestamp\n1.6;1.5;1700000000000\n",
        "time\tbid\task\r\n2023-11-14T22:13:20Z\t1.5\t1.6\r\n",
        '"date"|"time"|"bid"|"ask"\n"2023.11.14"|"22:13:20"|"1.5"|"1.6"',
        "\n  \nbid, ask, time\n\n1.5, 1.6, 2023-11-14 22:13:20\n\n",
        "1700000000,1.5,1.6",
        "1700000000,15e-1,+1.6",
    ],
)
def test_many_forms_are_the_same(text: str) -> None:
    ((_, symbol, *row),) = read(text)
    assert (symbol, row) == ("", [1_700_000_000_000, 1.5, 1.6])


def test_a_lone_price_is_both_bid_and_ask() -> None:
    assert read("time,price\n1700000000,1.5\n") == [(2, "", 1_700_000_000_000, 1.5, 1.5)]
    assert read("1700000000,1.5\n") == [(1, "", 1_700_000_000_000, 1.5, 1.5)]


def test_symbols_are_kept() -> None:
    text = "time,symbol,price\n1700000000,BTC/USDT,1\n1700000001,EURUSD,2\n"
    assert [symbol for _, symbol, *_ in read(text)] == ["BTC/USDT", "EURUSD"]


def test_malformed_lines_are_noted_with_their_numbers() -> None:
    text = (
        "timestamp,bid,ask\n"
        "1700000000,1.5,1.6\n"
        "1700000001,1.5\n"
        "\n"
        "soon,1.5,1.6\n"
        "1700000002,cheap,1.6\n"
        "1700000003,nan,1.6\n"
        "1700000004,1_0,1.6\n"
        '1700000005,"1.5,1.6\n'
        "1700000006,1.5,\n"
        "99999999999999999999999999,1.5,1.6\n"
        "1700000007,1.5,1.6\n"
    )
    rows = read_lines(text.splitlines(keepends=True))
    assert rows.problems == [
        (3, "there are only 2 columns"),
        (5, "time 'soon' is of no known form"),
        (6, "price 'cheap' is not a number"),
        (7, "price 'nan' is not a number"),
        (8, "price '1_0' is not a number"),
        (10, "price '' is not a number"),
        (11, "time '99999999999999999999999999' is of no known form"),
    ]
    assert list(rows.number) == [2, 9, 12]
    assert len(rows.epoch_ms) == len(rows.bid) == len(rows.ask) == len(rows.symbol) == 3


def test_a_malformed_first_line_is_noted_as_well() -> None:
    assert read_lines(["1700000000,cheap,1.6"]).problems == [(1, "price 'cheap' is not a number")]


@pytest.mark.parametrize("lines", [[], ["\n", "   \n"]])
def test_an_empty_file_is_an_error(lines: list[str]) -> None:
    with pytest.raises(FeedError, match="empty"):
        read_lines(lines)


def test_a_file_may_begin_with_a_byte_order_mark_and_be_no_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(b"\xef\xbb\xbftime,price,note\n1700000000,1.5,caf\xe9\n1700000001,1\xff5,x\n")
    rows = read_csv(path)
    assert rows_of(rows) == [(2, "", 1_700_000_000_000, 1.5, 1.5)]
    assert [number for number, _ in rows.problems] == [3]


def test_an_unknown_zone_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_text("time,price\n1700000000,1.5\n")
    with pytest.raises(FeedError, match="time zone 'Mars'"):
        read_csv(path, "Mars")


@given(st.lists(st.text(), max_size=8))
def test_whatever_the_file_there_is_a_documented_answer(lines: list[str]) -> None:
    try:
        rows = read_lines(lines)
    except FeedError:
        return
    assert set(rows.number).isdisjoint(number for number, _ in rows.problems)
