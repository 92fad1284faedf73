"""The times of recordings as text and numbers, read as milliseconds since 1970."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pricewire.errors import FeedError

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)

HISTDATA_ZONE = timezone(timedelta(hours=-5))
"""HistData's times are New York's without daylight saving, all year round."""

COMPACT = re.compile(r"\d{8} \d{6}(\d{3})?")
"""HistData's time, `YYYYMMDD HHMMSSmmm`; in its bars without the milliseconds."""

NUMBER = re.compile(r"-?\d+(\.\d*)?")
OFFSET = re.compile(r"([+-])(\d{2}):(\d{2})")
DAY_FIRST = re.compile(r"(\d{2})[./](\d{2})[./](\d{4})(.*)", re.DOTALL)
YEAR_FIRST = re.compile(r"(\d{4})[./](\d{2})[./](\d{2})(.*)", re.DOTALL)


def parse_zone(name: str) -> tzinfo:
    """
    Return a time zone: of the IANA database (`Europe/Berlin`), or by its offset (`-05:00`).

    Raises:
        FeedError: there is no such zone.
    """
    offset = OFFSET.fullmatch(name)
    if offset is not None and int(offset[2]) < 24 and int(offset[3]) < 60:
        distance = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
        return timezone(-distance if offset[1] == "-" else distance)
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise FeedError(f"time zone {name!r} is neither one of the IANA database nor an offset such as '-05:00'") from error


def epoch_ms_of_number(number: float) -> int:
    """Return a time in milliseconds, read from seconds, milli-, micro- or nanoseconds since 1970, told apart by their size."""
    size = abs(number)
    if size < 1e11:  # seconds, up to the year 5138
        # By way of whole microseconds, or a float just below a millisecond would lose it.
        return round(number * 1_000_000) // 1000
    if size < 1e14:
        return int(number)
    if size < 1e17:
        return int(number) // 1000
    return int(number) // 1_000_000


def epoch_ms_of_datetime(moment: datetime, zone: tzinfo) -> int:
    """Return a time in milliseconds since 1970, in `zone` where it has none of its own."""
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    return (moment - EPOCH) // MILLISECOND


def parse_time(text: str, zone: tzinfo) -> int:
    """
    Return a time in milliseconds since 1970, from any of the known forms.

    Args:
        text: a number since 1970; ISO 8601, also with `.` or `/` in the date; `31.12.2020 23:59:59`; or HistData's compact form.
        zone: where the text names none.

    Raises:
        ValueError: the text is of no known form.
    """
    if NUMBER.fullmatch(text) is not None:
        return epoch_ms_of_number(float(text) if "." in text else int(text))
    if COMPACT.fullmatch(text) is not None:
        return parse_compact(text, zone)
    if (match := DAY_FIRST.fullmatch(text)) is not None:
        text = f"{match[3]}-{match[2]}-{match[1]}{match[4]}"
    elif (match := YEAR_FIRST.fullmatch(text)) is not None:
        text = f"{match[1]}-{match[2]}-{match[3]}{match[4]}"
    return epoch_ms_of_datetime(datetime.fromisoformat(text), zone)


def parse_compact(text: str, zone: tzinfo) -> int:
    """
    Return a time in milliseconds since 1970, from HistData's compact form.

    Raises:
        ValueError: there is no such date or time.
    """
    moment = datetime(
        int(text[0:4]),
        int(text[4:6]),
        int(text[6:8]),
        int(text[9:11]),
        int(text[11:13]),
        int(text[13:15]),
        int(text[15:18] or 0) * 1000,
    )
    return epoch_ms_of_datetime(moment, zone)
