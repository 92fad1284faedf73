"""Recordings in CSV."""

from __future__ import annotations

from fuzz.finding import expect
from fuzz.source import Source
from fuzz.targets.files import as_file
from pricewire.errors import FeedError
from pricewire.market.feeds.replay.feed import ReplayFeed

ZONES = (None, "UTC", "-05:00", "Europe/Berlin")

NAMES = ("ticks.csv", "DAT_ASCII_EURUSD_T_202001.csv", "---.txt")


def check(data: bytes) -> None:
    """Read a recording; the first two bytes say what it is called, and where its times were taken."""
    source = Source(data)
    name, zone = source.choose(NAMES), source.choose(ZONES)
    replay(as_file(source.rest(), name), zone)


def replay(path: object, zone: str | None) -> None:
    """Make a feed of a file, and look at what it has."""
    try:
        feed = ReplayFeed(str(path), timezone=zone, keep_times=True)
    except FeedError:
        return
    expect(len(feed.instruments) > 0, "a feed has an instrument")
    for instrument in feed.instruments:
        expect(0 < len(instrument.id) <= 64 and instrument.id.isascii(), f"{instrument.id!r} is an instrument's id")
