"""The archive of a journal, as the journal and the histories know it: days of ticks that are closed, and what can be asked of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from pricewire.market.candles import DAY_MS
from pricewire.market.feed import PastTicks
from pricewire.market.pips import Integers


class Place(NamedTuple):
    """
    A place in the journal; places are in the order in which ticks arrived.

    Attributes:
        segment: the number of a file of the journal.
        rows: how many of its ticks come before the place.
    """

    segment: int
    rows: int


NOWHERE = Place(0, 0)
"""Before all ticks of the journal."""


class ArchivedDay(NamedTuple):
    """
    The ticks of an instrument on one day, in UTC.

    Attributes:
        instrument_id: whose.
        day: which day, counted from 1970.
        path: the file.
        pip_size: the decimals of its prices.
        rows: how many ticks there are.
        through: the day's ticks before this place of the journal are in it.
        fault: why it cannot be read; empty where it can.
    """

    instrument_id: str
    day: int
    path: Path
    pip_size: int
    rows: int
    through: Place
    fault: str = ""

    @property
    def from_ms(self) -> int:
        """The day's first millisecond, since 1970."""
        return self.day * DAY_MS

    @property
    def to_ms(self) -> int:
        """The day's last millisecond."""
        return self.from_ms + DAY_MS - 1


class TickArchive(Protocol):
    """An archive; its methods block, but `days` and `newest_segment`."""

    @property
    def newest_segment(self) -> int:
        """The highest number of a file of the journal that it has ticks of; 0 where there is none."""

    def days(self, instrument_id: str) -> Sequence[ArchivedDay]:
        """Return what there is of an instrument, oldest first."""

    def ticks(self, day: ArchivedDay) -> PastTicks:
        """Return a day's ticks, with its decimals; raises a JournalError where they cannot be read."""

    def candles(self, days: Sequence[ArchivedDay], granularity_s: int, pip_size: int, from_ms: int, to_ms: int) -> Integers:
        """
        Return the candles of some days of an instrument, oldest first, of its minutes that begin from one time to another.

        A day that cannot be read is logged and left out.
        """

    def add(self, past: PastTicks, pip_size: int, through: Place) -> None:
        """Put the ticks of an instrument's day to those that the day has; raises a JournalError where that fails."""

    def prove(self, day: ArchivedDay) -> None:
        """Read a day whole; raises a JournalError unless all that was written is there."""

    def tidy(self, now_ms: int) -> None:
        """Remove the days that are not kept any longer at a time, in milliseconds since 1970, and write minutes that are missing."""


def overlapping(days: Sequence[ArchivedDay], from_ms: int, to_ms: int) -> list[ArchivedDay]:
    """Return those of some days that have a part in a span of time, newest first."""
    return [day for day in reversed(days) if day.from_ms <= to_ms and day.to_ms >= from_ms]
