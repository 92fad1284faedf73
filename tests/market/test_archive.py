"""The archive: what is read is what was in the journal, whatever was moved when, and whatever happened meanwhile."""

from __future__ import annotations

import asyncio
import tempfile
from operator import itemgetter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pricewire.errors import JournalError, SpanTooLongError
from pricewire.market import archive_file, older
from pricewire.market import journal as journals
from pricewire.market.archive import Archive
from pricewire.market.archive_file import minutes_path, path_of
from pricewire.market.archived_days import NOWHERE, Place
from pricewire.market.candles import DAY_MS, MINUTE_MS, merged, rows_of_ticks
from pricewire.market.feed import PastTicks
from pricewire.market.instrument_state import InstrumentState
from pricewire.market.journal import Journal
from pricewire.market.market import Market
from pricewire.protocol.messages import CandlesHistoryRequest, Instrument, TicksHistoryRequest
from pricewire.protocol.topics import GRANULARITIES
from support.feeds import HandFeed
from support.full_disk import full_disk

GOLD, SILVER = Instrument("GOLD", "Gold", [], 2), Instrument("SILVER", "Silver", [], 2)
DAY = 20_000
START = DAY * DAY_MS
KEEP_S = 3600.0

Quote = tuple[int, int]
"""A time in milliseconds after the start, and a price in pips."""

moments = st.builds(lambda day, ms: day * DAY_MS + ms, st.integers(0, 3), st.sampled_from([0, 1, 59_999, 60_000, 7_200_000, DAY_MS - 1]))
ticks = st.lists(st.tuples(moments, st.integers(1, 1000)), min_size=1, max_size=40).map(lambda quotes: sorted(quotes, key=itemgetter(0)))


def past_of(quotes: list[Quote], instrument_id: str = "GOLD") -> PastTicks:
    epochs = np.array([START + ms for ms, _ in quotes], np.int64)
    prices = np.array([price for _, price in quotes], np.int64)
    return PastTicks(instrument_id, epochs, prices, prices + 2, prices - 1)


def every_second(day: int, count: int = 86_400, instrument_id: str = "GOLD") -> PastTicks:
    """Return ticks of a day whose prices are a walk."""
    prices = 10_000 + np.cumsum(np.random.default_rng(day).integers(-3, 4, count))
    epochs = day * DAY_MS + np.arange(count, dtype=np.int64) * 1000
    return PastTicks(instrument_id, epochs, prices, prices + 2, prices - 2)


def market_of(journal: Journal | None, past: PastTicks) -> Market:
    """Return a market whose memory begins with these ticks."""
    market = Market([HandFeed()], lambda topic, message, event: None)
    if journal is not None:
        market.write_to(journal, {})
    market._states["GOLD"] = InstrumentState(GOLD, 0)
    market._states["GOLD"].load(past)
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


def quotes_of(past: PastTicks | None) -> list[Quote]:
    return [] if past is None else list(zip((past.epoch_ms - START).tolist(), past.price.tolist(), strict=True))


@settings(max_examples=15, deadline=None)
@given(ticks, st.data())
def test_between_archive_journal_and_memory_there_is_no_gap_and_no_double(quotes: list[Quote], data: st.DataObject) -> None:
    acts = st.sampled_from(["go on", "go on", "tidy", "tidy late", "restart"])
    with pytest.MonkeyPatch.context() as patched, tempfile.TemporaryDirectory() as folder:
        patched.setattr(journals, "SEGMENT_RECORDS", data.draw(st.integers(1, 10), "ticks in a file"))

        def opened() -> Journal:
            return Journal(Path(folder, "journal"), [SILVER, GOLD], keep_s=KEEP_S, archive=Archive(Path(folder, "history")))

        journal = opened()
        for number, (ms, price) in enumerate(quotes):
            journal.add("GOLD", START + ms, price, price + 2, price - 1)
            if number % 3 == 0:
                journal.add("SILVER", START + ms, 7, 8, 6)
            match data.draw(acts, "what happens next"):
                case "tidy":
                    asyncio.run(journal.tidy(START + ms))
                case "tidy late":
                    # As where a feed brings late what came while the server was down.
                    asyncio.run(journal.tidy(START + 10 * DAY_MS))
                case "restart":
                    journal.close()
                    journal = opened()
        assert quotes_of(journal.read().get("GOLD")) == quotes
        newest = data.draw(st.integers(1, 50), "how many of the newest")
        between = asyncio.run(journal.between("GOLD", START, START + 9 * DAY_MS, newest))
        assert [(tick.epoch_ms - START, int(tick.price * 100)) for tick in between] == quotes[-newest:]
        everything = market_of(None, past_of(quotes))
        everything._states["GOLD"].history._max_age_ms = everything._states["GOLD"].candles._keep_ms = 10 * DAY_MS
        market = market_of(journal, past_of(quotes[data.draw(st.integers(0, len(quotes) - 1), "how many are not in memory") :]))
        limits = st.one_of(st.none(), moments.map(lambda ms: START + ms))
        from_ms, to_ms = data.draw(limits, "from"), data.draw(limits, "to")
        count = data.draw(st.integers(1, 50), "count")
        granularity = data.draw(st.sampled_from([None, 1, 60, 86_400]), "granularity of ticks")
        wanted = TicksHistoryRequest(instrument_id="GOLD", from_epoch_ms=from_ms, to_epoch_ms=to_ms, granularity=granularity, count=count)
        assert ticks_of(market, wanted) == ticks_of(everything, wanted)
        span = data.draw(st.sampled_from([60, 7200, 86_400]), "granularity of candles")
        candles = CandlesHistoryRequest(instrument_id="GOLD", from_epoch_ms=from_ms, to_epoch_ms=to_ms, granularity=span, count=count)
        assert candles_of(market, candles) == candles_of(everything, candles)
        journal.close()


def test_candles_of_minutes_are_those_of_ticks(tmp_path: Path) -> None:
    archive = Archive(tmp_path)
    days = [every_second(day) for day in range(DAY, DAY + 3)]
    for past in days:
        archive.add(past, 2)
    epochs, prices = (np.concatenate([getattr(past, name) for past in days]) for name in ("epoch_ms", "price"))
    for granularity in GRANULARITIES:
        rows = archive.candles(archive.days("GOLD"), granularity, 2, 0, START + 9 * DAY_MS)
        assert np.array_equal(rows, rows_of_ticks(epochs, prices, granularity * 1000))
    # Of some of the minutes, and with the decimals that the instrument has now.
    part = archive.candles(archive.days("GOLD"), 3600, 3, START + 7 * MINUTE_MS, START + 90 * MINUTE_MS)
    own = (epochs >= START + 7 * MINUTE_MS) & (epochs < START + 91 * MINUTE_MS)
    assert np.array_equal(part, merged(rows_of_ticks(epochs[own], prices[own] * 10, MINUTE_MS), 3_600_000))


async def test_a_file_goes_only_when_all_its_ticks_are_proven_to_be_in_the_archive(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "history")
    journal = Journal(tmp_path / "journal", [GOLD], keep_s=KEEP_S, archive=archive)
    journal.extend(past_of([(0, 10), (1000, 11)]))
    journal.close()
    journal = Journal(tmp_path / "journal", [GOLD], keep_s=KEEP_S, archive=archive)
    journal.extend(past_of([(DAY_MS, 12)]))
    now = START + DAY_MS + 7_200_000
    await journal.tidy(now)
    assert [day.rows for day in archive.days("GOLD")] == [2]
    assert len(list((tmp_path / "journal").glob("*.ticks"))) == 2, "what was read before may still be asked for"
    path = path_of(tmp_path / "history", "GOLD", DAY)
    whole = path.read_bytes()
    for damaged in (whole[:-9], whole[:4] + bytes(36) + whole[40:], b""):
        path.write_bytes(damaged)
        await journal.tidy(now)
        assert len(list((tmp_path / "journal").glob("*.ticks"))) == 2
    path.write_bytes(whole)
    await journal.tidy(now)
    assert len(list((tmp_path / "journal").glob("*.ticks"))) == 1
    assert quotes_of(journal.read()["GOLD"]) == [(0, 10), (1000, 11), (DAY_MS, 12)]
    journal.close()


async def test_a_day_without_a_later_tick_is_archived_once_the_journal_need_not_keep_it(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "history")
    journal = Journal(tmp_path / "journal", [GOLD], keep_s=KEEP_S, archive=archive)
    journal.extend(past_of([(0, 10)]))
    await journal.tidy(START + DAY_MS + 3_599_000)
    assert not archive.days("GOLD")
    await journal.tidy(START + DAY_MS + 3_600_000)
    assert [day.rows for day in archive.days("GOLD")] == [1]
    journal.close()


async def test_what_comes_to_a_file_after_its_day_was_archived_is_read_of_the_file(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal", [GOLD], keep_s=KEEP_S, archive=Archive(tmp_path / "history"))
    journal.extend(past_of([(0, 10), (1000, 11)]))
    await journal.tidy(START + DAY_MS + 3_600_000)
    journal.extend(past_of([(2000, 12), (3000, 13)]))
    assert quotes_of(journal.read()["GOLD"]) == [(0, 10), (1000, 11), (2000, 12), (3000, 13)]
    journal.close()


@pytest.mark.parametrize("step", ["store", "sync", "replace", "write_minutes"])
async def test_a_process_killed_while_it_writes_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    class Killed(BaseException):
        """Nothing is tidied up after it."""

    def kill(*arguments: object, **options: object) -> None:
        raise Killed

    journal = Journal(tmp_path / "journal", [GOLD], keep_s=KEEP_S, archive=Archive(tmp_path / "history"))
    quotes = [(0, 10), (1000, 11), (DAY_MS, 12)]
    journal.extend(past_of(quotes))
    with monkeypatch.context() as patched:
        if step == "replace":
            patched.setattr(Path, "replace", kill)
        else:
            patched.setattr(archive_file, step, kill)
        with pytest.raises(Killed):
            await journal.tidy(START + DAY_MS)
    journal.close()
    archive = Archive(tmp_path / "history")
    journal = Journal(tmp_path / "journal", [GOLD], keep_s=KEEP_S, archive=archive)
    assert quotes_of(journal.read()["GOLD"]) == quotes
    await journal.tidy(START + DAY_MS)
    assert quotes_of(journal.read()["GOLD"]) == quotes
    assert [day.rows for day in archive.days("GOLD")] == [2]
    assert minutes_path(archive.days("GOLD")[0].path).exists()
    journal.close()


async def test_a_full_disk_leaves_the_ticks_in_the_journal(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal(tmp_path / "journal", [GOLD], keep_s=KEEP_S, archive=Archive(tmp_path / "history"))
    past = every_second(DAY)
    journal.extend(past)
    journal.extend(past_of([(DAY_MS, 12)]))
    with full_disk():
        await journal.tidy(START + 10 * DAY_MS)
    assert "cannot be written" in caplog.text
    assert not Archive(tmp_path / "history").days("GOLD")
    await journal.tidy(START + 10 * DAY_MS)
    assert quotes_of(journal.read()["GOLD"]) == [*quotes_of(past), (DAY_MS, 12)]
    assert len(journal.days_of("GOLD")) == 2
    journal.close()


async def test_a_damaged_day_is_named_and_the_others_are_served(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    archive = Archive(tmp_path / "history")
    for day in range(4):
        archive.add(past_of([(day * DAY_MS, 10 + day)]), 2)
    broken, headless = (path_of(tmp_path / "history", "GOLD", DAY + day) for day in (1, 2))
    for each in (broken, minutes_path(broken)):
        content = bytearray(each.read_bytes())
        content[4:40] = bytes(36)
        each.write_bytes(content)
    headless.write_bytes(b"PAR1")
    archive = Archive(tmp_path / "history")
    assert str(headless) in caplog.text, "named at the start"
    journal = Journal(tmp_path / "journal", [GOLD], archive=archive)
    market = market_of(journal, past_of([(5 * DAY_MS, 15)]))
    caplog.clear()
    found = ticks_of(market, TicksHistoryRequest(instrument_id="GOLD"))
    assert len(found) == 3
    assert str(broken) in caplog.text
    assert str(headless) in caplog.text
    candles = candles_of(market, CandlesHistoryRequest(instrument_id="GOLD", granularity=86_400))
    assert [row[1] for row in candles] == [10, 13, 15]
    # A contract is not settled by what is left.
    with pytest.raises(JournalError, match=broken.name):
        await journal.between("GOLD", START, START + DAY_MS + 1)
    assert len(await journal.between("GOLD", START, START + 1)) == 1
    journal.close()


def test_minutes_that_are_damaged_are_made_of_the_ticks(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    archive = Archive(tmp_path)
    past = every_second(DAY, 10_000)
    archive.add(past, 2)
    path = minutes_path(archive.days("GOLD")[0].path)
    path.write_bytes(b"PAR1")
    assert np.array_equal(archive.candles(archive.days("GOLD"), 60, 2, 0, START * 2), rows_of_ticks(past.epoch_ms, past.price, MINUTE_MS))
    assert str(path) in caplog.text
    path.unlink()
    Archive(tmp_path).tidy(START)
    assert path.exists()


def test_days_go_when_they_are_too_old(tmp_path: Path) -> None:
    archive = Archive(tmp_path, keep_days=2)
    for day in range(3):
        archive.add(past_of([(day * DAY_MS, 10)]), 2)
    archive.tidy(START + 3 * DAY_MS)
    assert [day.day - DAY for day in archive.days("GOLD")] == [1, 2]
    assert len(list((tmp_path / "instrument=GOLD").iterdir())) == 4
    assert [day.day - DAY for day in Archive(tmp_path).days("GOLD")] == [1, 2]


def test_a_request_reads_so_many_days_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(older, "MOST_DAYS", 3)
    archive = Archive(tmp_path / "history")
    for day in range(6):
        archive.add(past_of([(day * DAY_MS, 10 + day), (day * DAY_MS + 1, 10 + day)]), 2)
    journal = Journal(tmp_path / "journal", [GOLD], archive=archive)
    market = market_of(journal, past_of([(7 * DAY_MS, 17)]))
    with pytest.raises(SpanTooLongError, match="more than the limit of 3 days"):
        candles_of(market, CandlesHistoryRequest(instrument_id="GOLD", granularity=60, from_epoch_ms=START))
    assert len(candles_of(market, CandlesHistoryRequest(instrument_id="GOLD", granularity=60, from_epoch_ms=START + 4 * DAY_MS))) == 3
    monkeypatch.setattr(older, "MOST_READ", 5)
    with pytest.raises(SpanTooLongError, match="more than the limit of 5 ticks"):
        ticks_of(market, TicksHistoryRequest(instrument_id="GOLD", from_epoch_ms=START))
    assert len(ticks_of(market, TicksHistoryRequest(instrument_id="GOLD"))) == 5, "the newest there is"
    # What a request costs is what it may have read, and not more where it needs the newest alone.
    few = TicksHistoryRequest(instrument_id="GOLD", count=2)
    more = market.older_ticks(few, market.select_ticks(few))
    assert more is not None
    assert more.ticks_read(None, 2) == 2
    journal.close()


async def test_a_feed_fills_up_what_the_journal_has_seen_and_no_import(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "history")
    archive.add(past_of([(0, 10), (9000, 11)]), 2)
    journal = Journal(tmp_path / "journal", [GOLD], keep_s=KEEP_S, archive=archive)
    (imported,) = await journal.between("GOLD", 0, START + DAY_MS, newest=1)
    assert not journal.has_seen(imported)
    # A tick that is older than the end of the import, since the feed replays what was recorded: the day is in order all the same.
    journal.extend(past_of([(1000, 12)]))
    assert journal.has_seen((await journal.between("GOLD", 0, START + 1000, newest=1))[0])
    await journal.tidy(START + 9 * DAY_MS)
    assert quotes_of(journal.read()["GOLD"]) == [(0, 10), (1000, 12), (9000, 11)]
    assert journal.has_seen((await journal.between("GOLD", 0, START + DAY_MS, newest=1))[0])
    journal.close()


def test_a_file_of_the_journal_gets_a_number_that_the_archive_has_not_seen(tmp_path: Path) -> None:
    """The folder was emptied, and the clock set back."""
    archive = Archive(tmp_path / "history")
    archive.add(past_of([(0, 10)]), 2, Place(10**14, 1))
    journal = Journal(tmp_path / "journal", [GOLD], archive=archive)
    journal.extend(past_of([(1000, 11)]))
    assert quotes_of(journal.read()["GOLD"]) == [(0, 10), (1000, 11)]
    journal.close()


def test_a_day_with_other_decimals_is_read_with_those_of_now(tmp_path: Path) -> None:
    archive = Archive(tmp_path / "history")
    archive.add(past_of([(0, 10)]), 1)
    archive.add(past_of([(1000, 250)]), 3, NOWHERE)
    assert archive.days("GOLD")[0].pip_size == 3
    archive.add(past_of([(DAY_MS, 7)]), 0)
    journal = Journal(tmp_path / "journal", [GOLD], archive=archive)
    assert quotes_of(journal.read()["GOLD"]) == [(0, 100), (1000, 25), (DAY_MS, 700)]
    market = market_of(journal, past_of([(2 * DAY_MS, 17)]))
    rows = candles_of(market, CandlesHistoryRequest(instrument_id="GOLD", granularity=86_400))
    assert [row[1:] for row in rows] == [[100, 100, 25, 25], [700] * 4, [17] * 4]
    journal.close()


def test_what_is_moved_at_once_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pricewire.market.archiver.MOST_AT_ONCE", 2)
    journal = Journal(tmp_path / "journal", [GOLD, SILVER], keep_s=KEEP_S, archive=Archive(tmp_path / "history"))
    for instrument_id in ("GOLD", "SILVER"):
        journal.extend(past_of([(0, 10), (1000, 11), (DAY_MS, 12)], instrument_id))
    asyncio.run(journal.tidy(START + DAY_MS))
    assert [len(journal.days_of(each)) for each in ("GOLD", "SILVER")] == [1, 1]
    journal.close()
