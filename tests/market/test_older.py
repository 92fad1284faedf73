"""A history with its older part from the journal is what a history with everything in memory would be."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricewire.errors import SpanTooLongError
from pricewire.market import journal as journals
from pricewire.market import older
from pricewire.market.feed import PastTicks
from pricewire.market.instrument_state import InstrumentState
from pricewire.market.journal import Journal
from pricewire.market.market import Market
from pricewire.protocol.messages import CandlesHistoryRequest, Instrument, TicksHistoryRequest
from support.feeds import HandFeed

GOLD, SILVER = Instrument("GOLD", "Gold", [], 2), Instrument("SILVER", "Silver", [], 2)
BASE_MS = 1_700_000_040_000

moments = st.one_of(st.none(), st.integers(BASE_MS - 1000, BASE_MS + 601_000))
ticks = st.lists(st.tuples(st.integers(0, 600), st.integers(1, 1000)), min_size=1, max_size=60).map(sorted)


def past_of(instrument_id: str, quotes: list[tuple[int, int]]) -> PastTicks:
    epochs = np.array([BASE_MS + second * 1000 for second, _ in quotes], np.int64)
    prices = np.array([price for _, price in quotes], np.int64)
    return PastTicks(instrument_id, epochs, prices, prices + 2, prices - 1)


def state_of(past: PastTicks) -> InstrumentState:
    state = InstrumentState(GOLD, 0)
    state.load(past)
    return state


def market_of(journal: Journal | None, past: PastTicks) -> Market:
    """Return a market whose memory begins with these ticks."""
    market = Market([HandFeed()], lambda topic, message, event: None)
    if journal is not None:
        market.write_to(journal, {})
    market._states["GOLD"] = state_of(past)
    return market


def ticks_of(market: Market, request: TicksHistoryRequest) -> list[str]:
    selected = market.select_ticks(request)
    more = market.older_ticks(request, selected)
    return [str(each) for each in (selected if more is None else more.ticks(selected, request.granularity, request.count)).ticks()]


def candles_of(market: Market, request: CandlesHistoryRequest) -> list[list[int]]:
    selected = market.select_candles(request)
    more = market.older_candles(request, selected)
    rows = selected.rows if more is None else more.candles(market.minutes(request), request.granularity, request.to_epoch_ms, request.count)
    return [list(row) for row in rows.tolist()]


@settings(max_examples=60)
@given(ticks, st.data())
def test_it_is_as_if_all_of_it_were_in_memory(quotes: list[tuple[int, int]], data: st.DataObject) -> None:
    from_ms, to_ms = data.draw(moments, "from"), data.draw(moments, "to")
    count = data.draw(st.integers(1, 70), "count")
    dropped = data.draw(st.integers(0, len(quotes) - 1), "how many are not in memory")
    with pytest.MonkeyPatch.context() as patched, tempfile.TemporaryDirectory() as folder:
        patched.setattr(journals, "SEGMENT_RECORDS", data.draw(st.integers(1, 20), "ticks in a file"))
        journal = Journal(Path(folder), [SILVER, GOLD])
        for number, (second, price) in enumerate(quotes):
            journal.add("GOLD", BASE_MS + second * 1000, price, price + 2, price - 1)
            if number % 3 == 0:
                journal.add("SILVER", BASE_MS + second * 1000, 7, 8, 6)
        everything = market_of(None, past_of("GOLD", quotes))
        market = market_of(journal, past_of("GOLD", quotes[dropped:]))
        granularity = data.draw(st.sampled_from([None, 1, 7, 60]), "granularity of ticks")
        wanted = TicksHistoryRequest(instrument_id="GOLD", from_epoch_ms=from_ms, to_epoch_ms=to_ms, granularity=granularity, count=count)
        assert ticks_of(market, wanted) == ticks_of(everything, wanted)
        span = data.draw(st.sampled_from([60, 120, 300]), "granularity of candles")
        candles = CandlesHistoryRequest(instrument_id="GOLD", from_epoch_ms=from_ms, to_epoch_ms=to_ms, granularity=span, count=count)
        assert candles_of(market, candles) == candles_of(everything, candles)
        journal.close()


def test_one_request_reads_so_much_and_no_more(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journals, "SEGMENT_RECORDS", 10)
    monkeypatch.setattr(older, "MOST_READ", 35)
    quotes = [(second, 100 + second) for second in range(100)]
    for second, price in quotes:
        journal.add("GOLD", BASE_MS + second * 1000, price, price + 2, price - 1)
    market = market_of(journal, past_of("GOLD", quotes[-5:]))
    newest = TicksHistoryRequest(instrument_id="GOLD", count=1000)
    selected = market.select_ticks(newest)
    more = market.older_ticks(newest, selected)
    assert more is not None
    assert more.ticks_read(None, 1000) == 35
    # Three files of ten; without a beginning, what is found is the newest there is.
    assert len(ticks_of(market, newest)) == 30
    long = TicksHistoryRequest(instrument_id="GOLD", from_epoch_ms=BASE_MS, count=1000)
    with pytest.raises(SpanTooLongError, match="more than the limit of 35 ticks"):
        ticks_of(market, long)
    with pytest.raises(SpanTooLongError):
        candles_of(market, CandlesHistoryRequest(instrument_id="GOLD", from_epoch_ms=BASE_MS, count=1000))
    # As many as are asked for are found before that; and of a shorter span, all.
    assert len(ticks_of(market, TicksHistoryRequest(instrument_id="GOLD", from_epoch_ms=BASE_MS, count=20))) == 20
    short = TicksHistoryRequest(instrument_id="GOLD", from_epoch_ms=BASE_MS, to_epoch_ms=BASE_MS + 19_000, count=1000)
    assert len(ticks_of(market, short)) == 20


def test_what_memory_has_is_not_looked_for_in_the_journal(journal: Journal) -> None:
    quotes = [(second, 100 + second) for second in range(100)]
    for second, price in quotes:
        journal.add("GOLD", BASE_MS + second * 1000, price, price + 2, price - 1)
    market = market_of(journal, past_of("GOLD", quotes[50:]))
    for wanted in (
        TicksHistoryRequest(instrument_id="GOLD", count=50),
        TicksHistoryRequest(instrument_id="GOLD", from_epoch_ms=BASE_MS + 51_000),
    ):
        assert market.older_ticks(wanted, market.select_ticks(wanted)) is None
    # The journal has nothing before its first tick.
    before = TicksHistoryRequest(instrument_id="GOLD", to_epoch_ms=BASE_MS - 1)
    assert market.older_ticks(before, market.select_ticks(before)) is None
