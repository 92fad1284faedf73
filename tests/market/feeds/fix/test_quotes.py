"""From FIX messages to quotes: snapshots, what changes of them, and what a venue may send that cannot be right."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.errors import TickRejectedError
from pricewire.market.clock import SystemClock
from pricewire.market.feeds.fix.quotes import MOST, FixQuotes, Foreign, parse
from pricewire.market.feeds.fix.reader import FixReader
from pricewire.market.feeds.mapping import Quote
from pricewire.market.feeds.options import FeedOptions, InstrumentOptions
from pricewire.market.feeds.reader import Message

SENT = "20260105-09:30:00.250"
SENT_MS = 1_767_605_400_250


def text(fields: str) -> str:
    return fields.replace("|", "\x01") + "\x01"


def take(quotes: FixQuotes, kind: str, fields: str, sent: str = SENT) -> list[tuple[object, ...] | str]:
    """Take a message; return its quotes as symbol, bid, offer and time, and of what is wrong the reason."""
    found: list[tuple[object, ...] | str] = []
    for each in quotes.take(parse(text(f"8=FIX.4.4|9=0|35={kind}|34=7|52={sent}|{fields}|10=000"))):
        if isinstance(each, Quote):
            found.append((each.symbol, str(each.bid), str(each.ask), each.epoch_ms))
        elif isinstance(each, Foreign):
            found.append(("foreign", each.symbol))
        else:
            found.append(each.reason)
    return found


@pytest.fixture
def quotes() -> FixQuotes:
    return FixQuotes(["EUR/USD", "XAU/USD"])


BOTH = "55=EUR/USD|268=2|269=0|270=1.1|269=1|270=1.2"


def test_a_snapshot_and_what_changes_of_it(quotes: FixQuotes) -> None:
    assert take(quotes, "W", BOTH) == [("EUR/USD", "1.1", "1.2", SENT_MS)]
    assert take(quotes, "X", "268=1|279=1|269=0|55=EUR/USD|270=1.15") == [("EUR/USD", "1.15", "1.2", SENT_MS)]
    # The same price again is a tick, as with every feed.
    assert take(quotes, "X", "268=1|279=0|269=1|55=EUR/USD|270=1.2") == [("EUR/USD", "1.15", "1.2", SENT_MS)]
    # Both sides move past where the other was: what counts is the message as a whole.
    assert take(quotes, "X", "268=2|279=1|269=0|55=EUR/USD|270=1.3|279=1|269=1|270=1.4") == [("EUR/USD", "1.3", "1.4", SENT_MS)]
    assert take(quotes, "W", BOTH) == [("EUR/USD", "1.1", "1.2", SENT_MS)]


def test_one_message_of_several_symbols(quotes: FixQuotes) -> None:
    take(quotes, "W", BOTH)
    take(quotes, "W", BOTH.replace("EUR", "XAU"))
    fields = "268=3|279=1|269=0|55=EUR/USD|270=1.11|279=1|269=0|55=XAU/USD|270=1.12|279=1|269=1|55=GBP/USD|270=7"
    assert take(quotes, "X", fields) == [
        ("foreign", "GBP/USD"),
        ("EUR/USD", "1.11", "1.2", SENT_MS),
        ("XAU/USD", "1.12", "1.2", SENT_MS),
    ]


def test_a_book_of_entries_with_ids(quotes: FixQuotes) -> None:
    take(quotes, "W", "55=EUR/USD|268=4|269=0|278=a|270=1.1|269=0|278=b|270=1.0|269=1|278=c|270=1.2|269=1|278=d|270=1.3")
    # Below the best, nothing is to be said.
    assert take(quotes, "X", "268=1|279=1|278=b|270=1.05") == []
    # By its id alone, it is known which price goes.
    assert take(quotes, "X", "268=1|279=2|278=a") == [("EUR/USD", "1.05", "1.2", SENT_MS)]
    # A change that has a new id, with the old one beside it.
    assert take(quotes, "X", "268=1|279=1|278=e|280=c|270=1.25") == [("EUR/USD", "1.05", "1.25", SENT_MS)]
    # A change of the size alone.
    assert take(quotes, "X", "268=1|279=1|278=e|271=5") == [("EUR/USD", "1.05", "1.25", SENT_MS)]
    assert take(quotes, "X", "268=1|279=2|278=e") == [("EUR/USD", "1.05", "1.3", SENT_MS)]
    # What is not there needs not be deleted.
    assert take(quotes, "X", "268=1|279=2|269=0|55=EUR/USD|278=unknown") == []


def test_a_book_of_places(quotes: FixQuotes) -> None:
    take(quotes, "W", "55=EUR/USD|268=4|269=0|270=1.1|290=1|269=0|270=1.0|290=2|269=1|270=1.2|290=1|269=1|270=1.3|290=2")
    assert take(quotes, "X", "268=1|279=2|269=1|55=EUR/USD|290=1") == [("EUR/USD", "1.1", "1.3", SENT_MS)]


def test_a_side_that_is_empty_is_no_price(quotes: FixQuotes) -> None:
    take(quotes, "W", BOTH)
    assert take(quotes, "X", "268=1|279=2|269=0|55=EUR/USD") == []
    assert take(quotes, "X", "268=1|279=1|269=1|55=EUR/USD|270=1.3") == []
    assert take(quotes, "X", "268=1|279=0|269=0|55=EUR/USD|270=1.1") == [("EUR/USD", "1.1", "1.3", SENT_MS)]
    assert take(quotes, "X", "268=1|279=0|269=J|55=EUR/USD") == []
    assert take(quotes, "X", "268=1|279=0|269=0|55=EUR/USD|270=1.1") == []
    # Of a snapshot, it is a mistake; one without any price says that there is none.
    assert take(quotes, "W", "55=EUR/USD|268=1|269=0|270=1.1") == ["side"]
    assert take(quotes, "W", "55=EUR/USD|268=0") == []


def test_what_was_known_before_a_gap_counts_no_more(quotes: FixQuotes) -> None:
    take(quotes, "W", BOTH)
    quotes.clear()
    assert take(quotes, "X", "268=1|279=1|269=0|55=EUR/USD|270=1.15") == []
    assert take(quotes, "W", BOTH) == [("EUR/USD", "1.1", "1.2", SENT_MS)]


def test_prices_of_other_things_are_left_out(quotes: FixQuotes) -> None:
    fields = "55=EUR/USD|268=4|269=2|270=9|269=0|270=1.1|269=B|271=5|269=1|270=1.2"
    assert take(quotes, "W", fields) == [("EUR/USD", "1.1", "1.2", SENT_MS)]
    assert take(quotes, "X", "268=1|279=0|269=2|55=EUR/USD|270=1.1") == []
    assert take(quotes, "B", "148=news") == []


def test_of_several_best_prices_the_best_counts(quotes: FixQuotes) -> None:
    fields = "55=EUR/USD|268=4|269=0|270=1.1|269=0|270=1.15|269=1|270=1.3|269=1|270=1.2"
    assert take(quotes, "W", fields) == [("EUR/USD", "1.15", "1.2", SENT_MS)]
    assert take(quotes, "X", "268=1|279=1|269=0|55=EUR/USD|270=1.0") == [("EUR/USD", "1.0", "1.2", SENT_MS)]


@pytest.mark.parametrize("price", ["NaN", "Infinity", "-1.1", "0", "", "1,1", "1e99", "9" * 40, "1_0", "٣", "0x10", " 1.1", "1.1\x00"])
def test_a_price_that_is_none_takes_the_price_before_with_it(price: str, quotes: FixQuotes) -> None:
    take(quotes, "W", BOTH)
    assert take(quotes, "X", f"268=1|279=1|269=0|55=EUR/USD|270={price}") == ["price"]
    assert take(quotes, "X", "268=1|279=1|269=1|55=EUR/USD|270=1.3") == []
    assert take(quotes, "X", "268=1|279=1|269=0|55=EUR/USD|270=1.1") == [("EUR/USD", "1.1", "1.3", SENT_MS)]


def test_entries_that_lack_something(quotes: FixQuotes) -> None:
    assert take(quotes, "W", "268=2|269=0|270=1|269=1|270=2") == ["path", "path"]
    assert take(quotes, "X", "268=1|279=0|269=0|270=1") == ["path"]
    assert take(quotes, "X", "268=1|279=0|55=EUR/USD|270=1") == ["path"]
    assert take(quotes, "X", "268=1|279=9|269=0|55=EUR/USD|270=1") == ["path"]
    assert take(quotes, "X", "268=1|279=1|269=0|55=EUR/USD") == ["price"]
    assert take(quotes, "X", "268=1|279=1|280=unknown|270=1") == ["path"]


@pytest.mark.parametrize(
    ("time", "epoch_ms"),
    [
        ("272=20260105|273=09:29:59.123456789", SENT_MS - 1127),
        ("273=09:29:59", SENT_MS - 1250),
        ("272=20251231|273=23:59:60", 1_767_225_600_000),
        ("272=20260104", SENT_MS),
        ("273=", SENT_MS),
    ],
)
def test_the_time_is_that_of_the_entry(time: str, epoch_ms: int, quotes: FixQuotes) -> None:
    take(quotes, "W", BOTH)
    assert take(quotes, "X", f"268=1|279=1|269=0|55=EUR/USD|270=1.15|{time}") == [("EUR/USD", "1.15", "1.2", epoch_ms)]


@pytest.mark.parametrize(
    ("sent", "time", "shift_ms"), [("20260106-00:00:00.100", "23:59:59.900", -200), ("20260105-23:59:59.900", "00:00:00.100", 200)]
)
def test_a_time_without_a_date_is_the_one_that_is_near(sent: str, time: str, shift_ms: int, quotes: FixQuotes) -> None:
    (before,) = take(quotes, "W", BOTH, sent)
    (after,) = take(quotes, "W", BOTH.replace("269=0", f"269=0|273={time}").replace("269=1", f"269=1|273={time}"), sent)
    assert int(str(after[3])) - int(str(before[3])) == shift_ms


@pytest.mark.parametrize(
    "time", ["272=20260231|273=10:00:00", "273=25:00:00", "273=10:00", "272=x|273=10:00:00", "272=00010101|273=10:00:00"]
)
def test_a_time_that_is_none(time: str, quotes: FixQuotes) -> None:
    take(quotes, "W", BOTH)
    assert take(quotes, "X", f"268=1|279=1|269=0|55=EUR/USD|270=1.15|{time}") == ["time"]


def test_a_message_that_is_sent_again_has_the_time_when_it_was_sent_first(quotes: FixQuotes) -> None:
    assert take(quotes, "W", f"122=20260105-09:29:00|{BOTH}")[0][3] == SENT_MS - 60_250
    assert take(quotes, "W", BOTH, "yesterday") == ["time"]


def test_a_venue_that_says_no(quotes: FixQuotes) -> None:
    assert take(quotes, "Y", "262=abc.1|281=0|58=unknown symbol") == ["refused"]
    assert quotes.refused == {"XAU/USD"}
    for number in ("2", "", "-1", "x", "٣", "9" * 100):
        assert take(quotes, "Y", f"262=abc.{number}") == ["refused"]
    assert take(quotes, "3", "45=3|58=bad tag") == ["refused"]
    assert take(quotes, "j", "372=V") == ["refused"]
    assert quotes.refused == {"XAU/USD"}


def test_a_book_without_end_is_not_kept(quotes: FixQuotes) -> None:
    entries = "|".join(f"269=0|278={number}|270=1.1" for number in range(MOST + 2))
    assert take(quotes, "W", f"55=EUR/USD|268={MOST + 2}|{entries}") == ["size", "size"]


def test_a_million_symbols_are_passed_over() -> None:
    reader = FixReader(FeedOptions(instruments={"EURUSD": InstrumentOptions(pip_size=5)}), Path("venue.cfg"), "venue", SystemClock())
    for message in range(100):
        entries = "|".join(f"279=0|269=0|55=S{message}-{number}|270=1" for number in range(100))
        assert not list(reader.read(Message(text(f"35=X|52={SENT}|268=100|{entries}"), "", SENT_MS)))
    assert reader.counters.passed_over == 10_000
    assert len(reader.counters.symbols) == 1000


def test_what_is_held_back_is_shown_as_it_came() -> None:
    reader = FixReader(FeedOptions(instruments={"EURUSD": InstrumentOptions(pip_size=2)}), Path("venue.cfg"), "venue", SystemClock())
    message = Message(text(f"35=W|52={SENT}|55=EURUSD|268=2|269=0|270=3|269=1|270=2"), "", SENT_MS)
    assert not list(reader.read(message))
    assert reader.counters.examples == {
        "crossed": ("bid 3 is above ask 2", f"35=W|52={SENT}|55=EURUSD|268=2|269=0|270=3|269=1|270=2|"),
    }


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["35", "52", "55", "262", "268", "269", "270", "271", "272", "273", "278", "279", "280", "290", "10", "", "x"]),
            st.one_of(st.sampled_from(["W", "X", "Y", SENT, "EUR/USD", "0", "1", "2", "J", "1.1", "a.1"]), st.text(max_size=9)),
        ),
        max_size=40,
    )
)
def test_whatever_comes_is_read_or_counted(fields: list[tuple[str, str]]) -> None:
    quotes = FixQuotes(["EUR/USD"])
    take(quotes, "W", BOTH)
    for kind in "WXY":
        message = parse("\x01".join(f"{tag}={value}" for tag, value in [("35", kind), ("52", SENT), *fields]))
        for found in quotes.take(message):
            assert isinstance(found, Quote | Foreign | TickRejectedError)
            assert not isinstance(found, Quote) or (found.bid > Decimal(0) and found.ask > Decimal(0))
