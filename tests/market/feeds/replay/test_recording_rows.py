from __future__ import annotations

import math

import pytest

from pricewire.market.feeds.replay.recording_rows import RecordedRows, clean

GOOD_MS = 1_700_000_000_000


def test_good_rows_pass() -> None:
    rows = RecordedRows("line")
    rows.add(1, "A", GOOD_MS, 1.0, 2.0)
    rows.add(2, "B", GOOD_MS + 1, 3.0, 3.0)
    cleaned = clean(rows)
    assert (cleaned.symbol, cleaned.epoch_ms.tolist()) == (["A", "B"], [GOOD_MS, GOOD_MS + 1])
    assert (cleaned.bid.tolist(), cleaned.ask.tolist()) == ([1.0, 3.0], [2.0, 3.0])
    assert rows.problems == []


@pytest.mark.parametrize(
    ("epoch_ms", "bid", "ask", "problem"),
    [
        (GOOD_MS, 0.0, 1.0, "positive"),
        (GOOD_MS, 1.0, -1.0, "positive"),
        (GOOD_MS, math.nan, 1.0, "positive"),
        (GOOD_MS, 1.0, math.inf, "positive"),
        (GOOD_MS, 2.0, 1.0, "bid 2.0 is above ask 1.0"),
        (1_700_000_000, 1.0, 2.0, "before 1973"),
        (-1, 1.0, 2.0, "before 1973"),
        (10**17, 1.0, 2.0, "after 5138"),
    ],
)
def test_bad_rows_are_noted_in_their_order(epoch_ms: int, bid: float, ask: float, problem: str) -> None:
    rows = RecordedRows("line")
    rows.refuse(9, "torn")
    rows.add(3, "A", GOOD_MS, 1.0, 2.0)
    rows.add(4, "B", epoch_ms, bid, ask)
    cleaned = clean(rows)
    assert cleaned.symbol == ["A"]
    assert [number for number, _ in rows.problems] == [4, 9]
    assert problem in rows.problems[0][1]


def test_no_rows_are_no_trouble() -> None:
    assert len(clean(RecordedRows("row")).epoch_ms) == 0
