"""Paths into messages."""

from __future__ import annotations

import pytest

from pricewire.errors import FeedError
from pricewire.market.feeds.paths import parse_path

MESSAGE = {"data": [{"bid": 1, "a.b": 2}, {"bid": 3}], "0": 4}


@pytest.mark.parametrize(("text", "value"), [("data[0].bid", 1), ("data[-1].bid", 3), ('data[0]["a.b"]', 2), ("0", 4)])
def test_what_a_path_finds(text: str, value: object) -> None:
    path = parse_path(text)
    assert path.find(MESSAGE) == value
    assert path.written == text


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("data[2].bid", "path 'data[2].bid' found nothing: data is a list of 2"),
        ("data[0].ask", "path 'data[0].ask' found nothing: data[0] has bid, a.b"),
        ("data.bid", "path 'data.bid' found nothing: data is a list of 2"),
        ("data[0].bid.x", "path 'data[0].bid.x' found nothing: data[0].bid is 1"),
        ("x", "path 'x' found nothing: the message has data, 0"),
    ],
)
def test_what_it_says_where_it_finds_nothing(text: str, error: str) -> None:
    with pytest.raises(FeedError) as caught:
        parse_path(text).find(MESSAGE)
    assert str(caught.value) == error


@pytest.mark.parametrize("text", ["", ".a", "a..b", "a[", "a[x]", "a]", "a[99999999]", '["a"', "a."])
def test_a_path_that_cannot_be_read(text: str) -> None:
    with pytest.raises(FeedError, match="path"):
        parse_path(text)
