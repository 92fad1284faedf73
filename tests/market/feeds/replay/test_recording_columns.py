from __future__ import annotations

import pytest

from pricewire.errors import FeedError
from pricewire.market.feeds.replay.recording_columns import Columns, columns_without_header, find_columns, is_header


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("timestamp,bid,ask", Columns(time=0, bid=1, ask=2)),
        ("Timestamp,Symbol,Ask_Size,Ask,Bid_Size,Bid", Columns(time=0, symbol=1, ask=3, bid=5)),
        ("Gmt time,Ask,Bid,AskVolume,BidVolume", Columns(time=0, ask=1, bid=2)),
        ("<DATE>,<TIME>,<BID>,<ASK>,<LAST>", Columns(date=0, time=1, bid=2, ask=3)),
        ("date,price", Columns(time=0, bid=1, ask=1)),
        ("timestamp,date,price", Columns(time=0, bid=2, ask=2)),
        ("time,last", Columns(time=0, bid=1, ask=1)),
        ("time,bid", Columns(time=0, bid=1, ask=1)),
        ("time,ask,mid", Columns(time=0, bid=2, ask=2)),
        ("ticker,epoch,Bid Price,Ask-Price", Columns(symbol=0, time=1, bid=2, ask=3)),
    ],
)
def test_columns_are_found_by_name(header: str, expected: Columns) -> None:
    assert is_header(header.split(","))
    assert find_columns(header.split(",")) == expected


@pytest.mark.parametrize(("header", "missing"), [("bid,ask", "no column is a time"), ("time,size", "no column is a price")])
def test_what_is_missing_is_named_with_what_there_is(header: str, missing: str) -> None:
    first, second = header.split(",")
    with pytest.raises(FeedError, match=f"{missing}.*'{first}', '{second}'"):
        find_columns([first, second])


@pytest.mark.parametrize("line", ["20200101 170000065,1.1,1.2,0", "2020-01-01,1,2", "1577916000,5"])
def test_a_row_is_no_header(line: str) -> None:
    assert not is_header(line.split(","))


def test_without_a_header_the_places_are_fixed() -> None:
    assert columns_without_header(2) == Columns(time=0, bid=1, ask=1)
    assert columns_without_header(4) == Columns(time=0, bid=1, ask=2)
    with pytest.raises(FeedError, match="at least two columns"):
        columns_without_header(1)
