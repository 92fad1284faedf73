"""Trading hours: sessions in time zones, over midnights and weekends, and when clocks are put forward."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pricewire.errors import FeedError
from pricewire.market.hours import TradingHours, parse_hours

FOREX = parse_hours("America/New_York Sun 17:00-Fri 17:00")
SHARES = parse_hours("Europe/Berlin Mon-Fri 09:00-17:30 closed 2026-12-25, 2027-01-01")


def ms(text: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("hours", "now", "is_open", "opens_at", "closes_at"),
    [
        # A Wednesday in winter, five hours behind.
        (FOREX, "2026-12-02T12:00:00", True, "2026-11-29T22:00:00Z", "2026-12-04T22:00:00Z"),
        (FOREX, "2026-12-04T21:59:59.999", True, "2026-11-29T22:00:00Z", "2026-12-04T22:00:00Z"),
        (FOREX, "2026-12-04T22:00:00", False, "2026-12-06T22:00:00Z", "2026-12-11T22:00:00Z"),
        (FOREX, "2026-12-06T21:59:59", False, "2026-12-06T22:00:00Z", "2026-12-11T22:00:00Z"),
        (FOREX, "2026-12-06T22:00:00", True, "2026-12-06T22:00:00Z", "2026-12-11T22:00:00Z"),
        # Over the weekend at which clocks are put forward.
        (FOREX, "2026-03-07T12:00:00", False, "2026-03-08T21:00:00Z", "2026-03-13T21:00:00Z"),
        (SHARES, "2026-12-24T12:00:00", True, "2026-12-24T08:00:00Z", "2026-12-24T16:30:00Z"),
        (SHARES, "2026-12-24T16:30:00", False, "2026-12-28T08:00:00Z", "2026-12-28T16:30:00Z"),
        (SHARES, "2026-12-25T12:00:00", False, "2026-12-28T08:00:00Z", "2026-12-28T16:30:00Z"),
        (SHARES, "2026-07-01T07:00:00", True, "2026-07-01T07:00:00Z", "2026-07-01T15:30:00Z"),
    ],
)
def test_the_session_now_or_the_next_one(hours: TradingHours, now: str, is_open: bool, opens_at: str, closes_at: str) -> None:
    assert hours.is_open(ms(now)) is is_open
    session = hours.session(ms(now))
    assert session is not None
    assert (session.opens_at, session.closes_at) == (opens_at, closes_at)


def test_a_session_may_end_the_next_day_and_a_day_may_have_two() -> None:
    hours = parse_hours("UTC Mon-Thu 22:00-06:00, Sat 10:00-12:00,Sat 13:00-24:00, Sun 00:00-01:00")
    opened = [hour for hour in range(24 * 7) if hours.is_open(ms("2026-11-30T00:30:00") + hour * 3_600_000)]
    nights = [24 * day + hour for day in range(4) for hour in range(22, 30)]
    assert opened == [*nights, 5 * 24 + 10, 5 * 24 + 11, *range(5 * 24 + 13, 6 * 24 + 1)]


def test_a_closed_day_cuts_a_session_at_its_midnights() -> None:
    hours = parse_hours("UTC Sun 22:00-Fri 22:00 closed 2026-12-02")
    before, after = hours.session(ms("2026-12-01T12:00:00")), hours.session(ms("2026-12-02T12:00:00"))
    assert before is not None
    assert after is not None
    assert (before.closes_at, after.opens_at) == ("2026-12-02T00:00:00Z", "2026-12-03T00:00:00Z")


def test_what_is_known_holds_while_the_time_goes_on_and_where_it_goes_back() -> None:
    hours = parse_hours("UTC Mon-Fri 09:00-17:00")
    times = [ms(f"2026-12-0{day}T{hour:02}:00:00") for day in (3, 1, 2, 7, 4) for hour in (18, 3, 9, 12)]
    assert [hours.is_open(each) for each in times] == [parse_hours("UTC Mon-Fri 09:00-17:00").is_open(each) for each in times]


def test_where_no_session_comes_for_a_month_there_is_none() -> None:
    days = ", ".join(f"2026-12-{day:02}" for day in range(1, 32))
    hours = parse_hours(f"UTC Mon-Fri 09:00-17:00 closed {days}")
    assert hours.session(ms("2026-12-01T12:00:00")) is None
    assert not hours.is_open(ms("2026-12-01T12:00:00"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Nowhere/Town Mon-Fri 09:00-17:00", "'Nowhere/Town' is no time zone"),
        ("", "'' is no time zone"),
        ("UTC", "'' is no session, such as 'Mon-Fri 09:00-17:30'"),
        ("UTC Mon-Fri 9:00-17:00", "'Mon-Fri 9:00-17:00' is no session"),
        ("UTC Mon 09:00-25:00", "is no session"),
        ("UTC Mon-Fri 09:00-17:00; Sat 10:00-12:00", "is no session"),
        ("UTC Mon-Fri 09:00-17:00 closed Christmas", "a closed day is a date like 2026-12-25"),
        ("UTC Mon-Sun 00:00-24:00", "a market that never closes needs no hours"),
        ("UTC Mon 00:00-Mon 00:00", "a market that never closes needs no hours"),
    ],
)
def test_hours_that_cannot_be_read_are_named(text: str, message: str) -> None:
    with pytest.raises(FeedError, match=message):
        parse_hours(text)
