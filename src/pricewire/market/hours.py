"""When the market of an instrument is open: weekly sessions in a time zone, and days on which there are none. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pricewire.errors import FeedError

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")

WEEK = 7

DAY_MINUTES = 24 * 60

FARTHEST_DAYS = 30
"""How many days ahead the next session is looked for: longer than any holidays."""

DAY = "|".join(DAYS)
CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]|24:00"
EVERY_DAY = re.compile(rf"({DAY})(?:-({DAY}))? ({CLOCK})-({CLOCK})")
OVER_DAYS = re.compile(rf"({DAY}) ({CLOCK})-({DAY}) ({CLOCK})")


class Weekly(NamedTuple):
    """
    A session of every week, in minutes after Monday's midnight by the clocks of its place.

    Attributes:
        opens: when it begins.
        closes: when it ends, after that; beyond a week where it goes on over Sunday's midnight.
    """

    opens: int
    closes: int


class Session(NamedTuple):
    """
    A time in which a market is open, in milliseconds since 1970.

    Attributes:
        opens_ms: its first moment.
        closes_ms: the first moment after it.
    """

    opens_ms: int
    closes_ms: int

    @property
    def opens_at(self) -> str:
        """Its first moment, in the form of ISO 8601."""
        return iso_time(self.opens_ms)

    @property
    def closes_at(self) -> str:
        """The first moment after it, in the form of ISO 8601."""
        return iso_time(self.closes_ms)


def iso_time(epoch_ms: int) -> str:
    """Return a time in milliseconds since 1970 in the form of ISO 8601, in UTC."""
    return datetime.fromtimestamp(epoch_ms / 1000, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


class TradingHours:
    """
    The sessions of an instrument.

    Attributes:
        zone: whose clocks they are meant by.
        weekly: the sessions of a week.
        closed: days on which the market is closed from midnight to midnight.
    """

    def __init__(self, zone: ZoneInfo, weekly: Sequence[Weekly], closed: frozenset[date] = frozenset()) -> None:
        self.zone = zone
        self.weekly = sorted(weekly)
        self.closed = closed
        self._known: Session | None = None
        self._known_from_ms = 0

    def session(self, now_ms: int) -> Session | None:
        """
        Return the session now, or the next one; None where none comes for a month.

        Args:
            now_ms: the time, in milliseconds since 1970.
        """
        if self._known is None or not self._known_from_ms <= now_ms < self._known.closes_ms:
            self._known = next((each for each in self._sessions(now_ms) if now_ms < each.closes_ms), None)
            self._known_from_ms = now_ms
        return self._known

    def is_open(self, now_ms: int) -> bool:
        """Return whether the market is open."""
        session = self.session(now_ms)
        return session is not None and session.opens_ms <= now_ms

    def _sessions(self, now_ms: int) -> Iterator[Session]:
        """Yield the sessions around a time and after it, in order; those that follow on each other are one."""
        joined: Session | None = None
        for each in self._parts(now_ms):
            if joined is not None and each.opens_ms <= joined.closes_ms:
                joined = Session(joined.opens_ms, max(joined.closes_ms, each.closes_ms))
                continue
            if joined is not None:
                yield joined
            joined = each
        if joined is not None:
            yield joined

    def _parts(self, now_ms: int) -> Iterator[Session]:
        """Yield the sessions in order, divided at the midnights of their place, without those of closed days."""
        today = datetime.fromtimestamp(now_ms / 1000, self.zone).date()
        # From a week before: a session may have begun then.
        for ahead in range(-WEEK, FARTHEST_DAYS):
            day = today + timedelta(days=ahead)
            if day in self.closed:
                continue
            first = day.weekday() * DAY_MINUTES
            spans = []
            for weekly in self.weekly:
                for week in (0, WEEK * DAY_MINUTES):
                    opens, closes = max(weekly.opens - week, first), min(weekly.closes - week, first + DAY_MINUTES)
                    if opens < closes:
                        spans.append((opens - first, closes - first))
            for opens, closes in sorted(spans):
                yield Session(self._ms(day, opens), self._ms(day, closes))

    def _ms(self, day: date, minutes: int) -> int:
        """Return when it is so many minutes after midnight by the clocks of the place, in milliseconds since 1970."""
        local = datetime.combine(day, time(), self.zone) + timedelta(minutes=minutes)
        return round(local.timestamp() * 1000)


def parse_hours(text: str) -> TradingHours:
    """
    Read trading hours.

    Args:
        text: a time zone, then sessions with commas between them, then perhaps days without: `America/New_York Sun 17:00-Fri 17:00`,
            `Europe/Berlin Mon-Fri 09:00-17:30 closed 2026-12-25, 2027-01-01`.

    Raises:
        FeedError: it cannot be read; the text says what is wrong.
    """
    zone_name, _, rest = text.strip().partition(" ")
    sessions, _, closed = rest.partition(" closed ")
    try:
        zone = ZoneInfo(zone_name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise FeedError(f"trading hours {text!r}: {zone_name!r} is no time zone, such as America/New_York or UTC") from None
    weekly = [each for part in sessions.split(",") for each in parse_sessions(part.strip(), text)]
    if sum(each.closes - each.opens for each in weekly) >= WEEK * DAY_MINUTES:
        raise FeedError(f"trading hours {text!r}: the sessions overlap, or last all week; a market that never closes needs no hours")
    try:
        days = frozenset(date.fromisoformat(part.strip()) for part in closed.split(",")) if closed else frozenset()
    except ValueError:
        raise FeedError(f"trading hours {text!r}: a closed day is a date like 2026-12-25") from None
    return TradingHours(zone, weekly, days)


def parse_sessions(part: str, text: str) -> Iterator[Weekly]:
    """
    Read one or more sessions.

    Args:
        part: `Mon-Fri 09:00-17:30`, `Sat 10:00-12:00` or `Sun 17:00-Fri 17:00`.
        text: all of the hours, for the error.

    Raises:
        FeedError: it cannot be read.
    """
    if (match := EVERY_DAY.fullmatch(part)) is not None:
        first, last, opens, closes = match[1], match[2] or match[1], minutes(match[3]), minutes(match[4])
        count = (DAYS.index(last) - DAYS.index(first)) % WEEK + 1
        for number in range(count):
            day = (DAYS.index(first) + number) % WEEK * DAY_MINUTES
            # `22:00-06:00` ends the next day.
            yield Weekly(day + opens, day + closes + (DAY_MINUTES if closes <= opens else 0))
    elif (match := OVER_DAYS.fullmatch(part)) is not None:
        opens = DAYS.index(match[1]) * DAY_MINUTES + minutes(match[2])
        closes = DAYS.index(match[3]) * DAY_MINUTES + minutes(match[4])
        yield Weekly(opens, closes + (WEEK * DAY_MINUTES if closes <= opens else 0))
    else:
        raise FeedError(f"trading hours {text!r}: {part!r} is no session, such as 'Mon-Fri 09:00-17:30' or 'Sun 17:00-Fri 17:00'")


def minutes(text: str) -> int:
    """Return how many minutes after midnight a time is, `17:30` for instance."""
    hours, past = text.split(":")
    return int(hours) * 60 + int(past)
