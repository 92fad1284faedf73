"""The feed of a FIX session against a venue that keeps the rules, and one that does not."""

from __future__ import annotations

import asyncio
import contextlib
import io
import logging
import os
import signal
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from rich.console import Console

from pricewire.cli.feed import run
from pricewire.errors import FeedError
from pricewire.market.feeds.find import open_address
from pricewire.market.feeds.fix.feed import FixFeed
from support.fix_venue import FixVenue, VenueSession, encoded, stamp, venue
from support.message_feeds import supervised, until
from support.raw_server import PATIENCE

pytestmark = pytest.mark.skipif(find_spec("quickfix") is None, reason="quickfix is not installed: pip install 'pricewire[fix]'")

FILE = "feed.cfg"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory, in which nothing may be left but the file of the feed."""
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert [each.name for each in tmp_path.iterdir()] == [FILE]


def open_feed(served: FixVenue, more: str = "", instruments: str | None = None) -> FixFeed:
    """Return the feed of a venue."""
    Path(FILE).write_text(served.file(more) if instruments is None else served.file(more, instruments))
    feed = open_address(f"fix:{FILE}")
    assert isinstance(feed, FixFeed)
    return feed


def picked(message: dict[str, str], fields: str) -> bool:
    """Return whether a message has some fields."""
    return dict(field.split("=") for field in fields.split("|")).items() <= message.items()


def snapshot(bid: str, offer: str = "1.2") -> str:
    return f"55=EUR/USD|268=2|269=0|270={bid}|269=1|270={offer}"


def refresh(bid: str) -> str:
    return f"268=1|279=1|269=0|55=EUR/USD|270={bid}"


def tick(bid: str, offer: str = "1.20000") -> tuple[str, str, str]:
    return ("EURUSD", f"{bid}000", offer)


async def test_it_logs_on_asks_for_prices_and_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VENUE_PASSWORD", "s3cret")

    async def script(session: VenueSession) -> None:
        await session.accept(2)
        await session.send("W", f"262=1|{snapshot('1.10')}|6001=of the venue|9999=too")
        # A message that comes byte by byte.
        for byte in session.message("X", f"{refresh('1.11')}|5001=x|272=20260105|273=09:30:00.123"):
            await session.write(bytes([byte]))
        await session.send("X", "268=2|279=0|269=0|55=XAU|270=4000|279=0|269=1|55=XAU|270=4001.5")
        await session.send("1", "112=are you there")
        await session.hear("0")
        await session.send("B", "148=news of no interest|33=1|58=text")
        await session.send("X", refresh("1.12"))
        await session.hear("5")
        await session.send("5")

    async with venue(script) as served:
        more = "Username=me\nPassword=${VENUE_PASSWORD}\nSenderSubID=desk\nTargetSubID=QUOTE\nHeartBtInt=17\n"
        feed = open_feed(served, more, "[EURUSD]\npip_size=5\nsymbol=EUR/USD\n[GOLD]\npip_size=2\nsymbol=XAU\n")
        async with supervised(feed) as ticks:
            assert await ticks.next() == [tick("1.10")]
            # The recorded time is before that of the snapshot, which is that of its sending.
            assert await ticks.next(2) == [("GOLD", "4000.00", "4001.50"), tick("1.12")]
        heard = served.sessions[0].heard
    (logon,) = (each for each in heard if each["35"] == "A")
    first, second = (each for each in heard if each["35"] == "V")
    answers = [each["112"] for each in heard if "112" in each]
    assert picked(logon, "34=1|49=ME|50=desk|56=VENUE|57=QUOTE|108=17|141=Y|553=me|554=s3cret")
    assert picked(first, "57=QUOTE|263=1|264=1|265=1|267=2|146=1|55=EUR/USD")
    assert (second["55"], answers) == ("XAU", ["are you there"])
    counters = feed.counters[0]
    assert (counters.messages, counters.ticks, counters.gaps, counters.connections) == (5, 3, 0, 1)
    assert counters.rejected == {"old": 1}


async def test_messages_that_are_missing_are_asked_for_and_read_in_order() -> None:
    async def script(session: VenueSession) -> None:
        await session.accept()
        await session.send("W", snapshot("1.10"))
        first, at_first = session.number + 1, stamp()
        session.number += 3
        await session.send("X", refresh("1.14"))
        asked = await session.hear("2")
        assert int(asked["7"]) == first
        for at, bid in enumerate(("1.11", "1.12", "1.13", "1.14")):
            await session.send("X", refresh(bid), number=first + at, head=f"43=Y|122={at_first}")
        await session.send("X", refresh("1.15"))

    async with venue(script) as served:
        feed = open_feed(served)
        async with supervised(feed) as ticks:
            assert await ticks.next(6) == [tick(f"1.1{digit}") for digit in range(6)]
    assert (feed.counters[0].gaps, feed.counters[0].rejected) == (0, {})


async def test_messages_that_do_not_come_again_are_a_gap_and_prices_are_asked_for_anew() -> None:
    async def script(session: VenueSession) -> None:
        await session.accept()
        await session.send("W", snapshot("1.10"))
        first = session.number + 1
        session.number += 3
        await session.send("X", refresh("1.14"))
        await session.hear("2")
        # To fill the gap up to what came after it.
        await session.send("4", f"123=Y|36={session.number + 1}", number=first, head="43=Y")
        assert (await session.hear("V"))["263"] == "2"
        assert (await session.hear("V"))["263"] == "1"
        # It was not told what became of the offer.
        await session.send("X", refresh("1.15"))
        await session.send("W", snapshot("1.16"))
        # A reset of the numbers, as after a disaster.
        await session.send("4", f"36={session.number + 50}")
        session.number += 48
        await session.hear("V")
        await session.hear("V")
        await session.send("W", snapshot("1.17"))

    async with venue(script) as served:
        feed = open_feed(served)
        async with supervised(feed) as ticks:
            assert await ticks.next(3) == [tick("1.10"), tick("1.16"), tick("1.17")]
    assert (feed.counters[0].gaps, feed.counters[0].connections) == (2, 1)


async def test_a_venue_that_ends_the_session_is_connected_again(caplog: pytest.LogCaptureFixture) -> None:
    async def leaving(session: VenueSession) -> None:
        await session.accept()
        await session.send("W", snapshot("1.10"))
        await session.send("5", "58=closing for the day, s3cret\x1b[2J")
        await session.hear("5")

    async def refusing(session: VenueSession) -> None:
        await session.hear("A")
        await session.send("5", "58=unknown user s3cret")

    async def counting_down(session: VenueSession) -> None:
        await session.accept()
        await session.send("W", snapshot("1.11"))
        await session.send("W", snapshot("1.12"), number=1)
        assert "too low" in (await session.hear("5"))["58"]

    async def breaking(session: VenueSession) -> None:
        await session.accept()
        await session.send("W", snapshot("1.13"))
        session.abort()

    async def good(session: VenueSession) -> None:
        await session.accept()
        await session.send("W", snapshot("1.14"))

    caplog.set_level(logging.DEBUG, "pricewire")
    async with venue(leaving, refusing, refusing, counting_down, breaking, good) as served:
        feed = open_feed(served, "Password=s3cret")
        async with supervised(feed) as ticks:
            assert await ticks.next(4) == [tick("1.10"), tick("1.11"), tick("1.13"), tick("1.14")]
    assert ticks.downs == 5
    assert (feed.counters[0].connections, feed.counters[0].gaps) == (4, 3)
    assert r"the session has ended: closing for the day, …\x1b[2J" in caplog.text
    assert "the venue cannot be reached, or refuses the logon: unknown user …" in caplog.text
    assert "the session has ended: MsgSeqNum too low" in caplog.text
    assert "s3cret" not in caplog.text


async def test_a_venue_that_falls_silent_is_given_up() -> None:
    async def script(session: VenueSession) -> None:
        await session.accept()
        await session.send("W", snapshot("1.10"))
        await session.hear("1")

    async with venue(script) as served:
        feed = open_feed(served, "HeartBtInt=1")
        ticks = aiter(feed)
        async with asyncio.timeout(PATIENCE):
            await anext(ticks)
            with pytest.raises(FeedError, match="the session has ended: Timed out waiting for heartbeat"):
                await anext(ticks)


async def test_what_cannot_be_used_is_counted_and_the_session_goes_on() -> None:
    async def script(session: VenueSession) -> None:
        await session.accept()
        await session.send("W", snapshot("1.10"))
        await session.send("W", snapshot("1.3"))
        await session.send("W", "55=EUR/USD|268=1|269=0|270=1.1")
        await session.send("W", snapshot("NaN"))
        await session.send("W", snapshot("-1"))
        await session.send("W", snapshot("1" + 400 * "0"))
        await session.send("W", snapshot("1.10").replace("EUR/USD", "GBP/USD"))
        await session.send("W", "55=EUR/USD|268=7|269=0|270=1.1")
        await session.send("W", "55=EUR/USD|268=-1|269=0|270=1.1")
        await session.send("W", "55=\xff\xfe|268=x")
        await session.send("Y", "262=1.0x|58=no\r\nsuch\xff symbol")
        await session.send("ZZ", "58=no such type")
        await session.send("X", "|".join(f"279=0|269=0|55=S{number}|270=1" for number in range(3000)).join(["268=3000|", ""]))
        garbled = encoded("35=W|34=2|49=VENUE|56=ME", checksum=0)
        await session.write(garbled * 20)
        await session.send("W", f"{snapshot('1.10')}|58={2_000_000 * 'x'}")
        await session.send("W", snapshot("1.11"))

    async with venue(script) as served:
        feed = open_feed(served)
        async with supervised(feed) as ticks:
            assert await ticks.next(2) == [tick("1.10"), tick("1.11")]
            # What quickfix logs comes by a way of its own.
            await until(lambda: feed.counters[0].rejected["format"] >= 22)
    counters = feed.counters[0]
    # Of the numbers of entries that are wrong, quickfix refuses what is none.
    assert counters.rejected == {"crossed": 1, "side": 3, "price": 3, "format": 22, "refused": 1, "size": 1}
    assert counters.passed_over == 1 + 3000
    assert (counters.connections, counters.gaps) == (1, 0)


async def test_a_venue_that_refuses_every_request_is_asked_again_later() -> None:
    async def script(session: VenueSession) -> None:
        await session.hear("A")
        await session.send("A", "98=0|108=30|141=Y")
        request = await session.hear("V")
        await session.send("Y", f"262={request['262']}|281=0|58=not yet")

    async with venue(script) as served:
        feed = open_feed(served)
        with pytest.raises(FeedError, match="the venue refuses every request for prices"):
            await anext(aiter(feed))
    assert feed.counters[0].examples["refused"][0] == "the venue refuses the request of EUR/USD: not yet"


async def test_it_is_tried_as_a_live_table() -> None:
    async def script(session: VenueSession) -> None:
        await session.accept()
        await session.send("W", snapshot("1.10"))
        await session.send("W", snapshot("1.3"))

    output = io.StringIO()
    async with venue(script) as served:
        feed = open_feed(served)
        command = asyncio.create_task(run(feed, PATIENCE, Console(file=output, force_terminal=True, width=400)))
        await until(lambda: feed.counters[0].messages == 2 and "1.10000" in output.getvalue())
        # As Ctrl-C does.
        command.cancel()
        assert await command == 1
    assert f"{feed.name}: 2 messages, 1 ticks, 0 passed over, 0 gaps, 1 connections" in output.getvalue()
    assert "1 held back (crossed): bid 1.3 is above ask 1.2" in output.getvalue()
    assert "in 8=FIX.4.4|9=" in output.getvalue()


@pytest.mark.skipif(sys.platform != "linux", reason="programs are found in /proc")
async def test_a_program_that_dies_is_begun_again_and_one_that_hangs_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pricewire.market.feeds.fix.feed.END_S", 0.2)

    async def script(session: VenueSession) -> None:
        await session.accept()
        await session.send("W", snapshot("1.10"))

    async with venue(script) as served:
        feed = open_feed(served)
        async with supervised(feed) as ticks:
            await ticks.next()
            (program,) = programs()
            os.kill(program, signal.SIGABRT)
            await ticks.down()
            await ticks.next()
            (program,) = programs()
            # It is ended even where it does nothing any more.
            os.kill(program, signal.SIGSTOP)
    assert not programs()


def programs() -> list[int]:
    """Return the programs of sessions that this process has begun."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        # What ends meanwhile is none of them.
        with contextlib.suppress(OSError):
            if b"feeds.fix.session" in (folder / "cmdline").read_bytes() and f"PPid:\t{os.getpid()}\n" in (folder / "status").read_text():
                found.append(int(folder.name))
    return found


async def test_settings_that_quickfix_refuses_and_a_venue_that_is_not_there_are_said() -> None:
    async def script(session: VenueSession) -> None:
        raise AssertionError

    async with venue(script) as served:
        feed = open_feed(served, "CheckLatency=maybe")
        with pytest.raises(FeedError, match=r"the program of the session has ended: .*maybe"):
            await anext(aiter(feed))
    with pytest.raises(FeedError, match="the venue cannot be reached, or refuses the logon"):
        await anext(aiter(open_feed(served)))
