from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.errors import FeedError
from pricewire.market.feeds.replay.recording_times import HISTDATA_ZONE, epoch_ms_of_datetime, epoch_ms_of_number, parse_time, parse_zone

NEW_YORK = ZoneInfo("America/New_York")
MOMENT_MS = 1_577_916_000_065  # 2020-01-01 22:00:00.065 in UTC


@pytest.mark.parametrize(
    "text",
    [
        "20200101 170000065",
        "2020-01-01T22:00:00.065Z",
        "2020-01-01 22:00:00.065+00:00",
        "2020-01-01T17:00:00.065-05:00",
        "2020-01-01 17:00:00.065",
        "2020-01-01 17:00:00.065999",
        "2020.01.01 17:00:00.065",
        "2020/01/01 17:00:00.065",
        "01.01.2020 17:00:00.065",
        "20200101 17:00:00.065",
        "1577916000.065",
        "1577916000065",
        "1577916000065999",
        "1577916000065999999",
    ],
)
def test_every_form_is_the_same_time(text: str) -> None:
    assert parse_time(text, HISTDATA_ZONE) == MOMENT_MS


def test_a_compact_time_may_lack_milliseconds() -> None:
    assert parse_time("20200101 170000", HISTDATA_ZONE) == MOMENT_MS - 65
    assert parse_time("20200101 170000065", UTC) == MOMENT_MS - 5 * 3_600_000


def test_histdata_knows_no_daylight_saving() -> None:
    summer = "20200701 170000000"
    assert parse_time(summer, HISTDATA_ZONE) - parse_time(summer, NEW_YORK) == 3_600_000
    winter = "20200101 170000000"
    assert parse_time(winter, HISTDATA_ZONE) == parse_time(winter, NEW_YORK)


def test_the_day_comes_before_the_month_where_the_year_is_last() -> None:
    assert parse_time("31.12.2020 23:59:59", UTC) == parse_time("2020-12-31 23:59:59", UTC)


@pytest.mark.parametrize("text", ["", "soon", "20201301 170000065", "20200101 250000065", "2020-02-30", "12:00", "1577916000,065"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_time(text, UTC)


@pytest.mark.parametrize(("name", "hours"), [("UTC", 0), ("America/New_York", -5), ("-05:00", -5), ("+05:30", 5.5), ("Asia/Kolkata", 5.5)])
def test_a_zone_is_a_name_or_an_offset(name: str, hours: float) -> None:
    assert datetime(2020, 1, 1, tzinfo=parse_zone(name)).utcoffset() == timedelta(hours=hours)


@pytest.mark.parametrize("name", ["Europe/Atlantis", "", "/etc/passwd", "../UTC", "-25:00", "05:00", "+05:99"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(FeedError, match="time zone"):
        parse_zone(name)


@given(st.integers(100_000_000_000, 4_102_444_800_000), st.integers(0, 999_999))
def test_units_of_numbers_are_told_apart(epoch_ms: int, rest: int) -> None:
    assert epoch_ms_of_number(epoch_ms) == epoch_ms
    assert epoch_ms_of_number(epoch_ms * 1000 + rest % 1000) == epoch_ms
    assert epoch_ms_of_number(epoch_ms * 1_000_000 + rest) == epoch_ms
    assert epoch_ms_of_number(epoch_ms / 1000) == epoch_ms
    assert epoch_ms_of_number(epoch_ms // 1000) == epoch_ms // 1000 * 1000


@given(st.datetimes(datetime(1980, 1, 1), datetime(2090, 1, 1)), st.integers(-23, 23))
def test_text_and_time_agree(moment: datetime, hours: int) -> None:
    zone = timezone(timedelta(hours=hours))
    moment = moment.replace(microsecond=moment.microsecond // 1000 * 1000)
    expected = epoch_ms_of_datetime(moment, zone)
    assert expected == round(moment.replace(tzinfo=zone).timestamp() * 1000)
    assert parse_time(moment.isoformat(), zone) == expected
    assert parse_time(moment.replace(tzinfo=zone).isoformat(), UTC) == expected
    assert parse_time(moment.strftime("%Y%m%d %H%M%S") + f"{moment.microsecond // 1000:03}", zone) == expected
