"""Importing: a recording's ticks become days of the archive, where they contradict nothing that is there."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from rich.console import Console

from pricewire.cli.archived_ticks import JOURNALS, archived_ticks
from pricewire.cli.history import FOLDER
from pricewire.cli.recording import PARQUET
from pricewire.errors import FeedError, RecordingError, quoted
from pricewire.market.archive import Archive
from pricewire.market.archive_file import equal
from pricewire.market.archived_days import NOWHERE, Place
from pricewire.market.candles import DAY_MS
from pricewire.market.feed import EARLIEST_MS, LATEST_MS, PastTicks
from pricewire.market.feeds.replay.recordings import decimals_of, read_recordings
from pricewire.market.journal import lock
from pricewire.market.pips import MOST_PIPS, Floats, Integers
from pricewire.market.segment import Segment, cut, joined, segments, shifted
from pricewire.protocol.topics import INSTRUMENT_ID
from pricewire.table import TICKS

OWN = ("time", "instrument_id", "bid", "ask", "price")
"""How the columns of a recording of ours begin."""

Day = tuple[PastTicks, int, Place]
"""What a day is to have: its ticks, their decimals, and the place of the journal up to which it has its ticks."""


def import_files(
    files: Sequence[Path], data_dir: Path, console: Console, *, instrument_id: str | None = None, timezone: str | None = None
) -> None:
    """
    Put recordings into the archive, each as a whole or not at all, but for a fault of the disk; again is the same as once.

    Args:
        files: the recordings.
        data_dir: the server's data directory.
        console: where messages go.
        instrument_id: whose prices they are; None for what they say.
        timezone: where times without a zone were taken; None for UTC.

    Raises:
        FeedError: a recording cannot be read.
        RecordingError: it contradicts what is there.
        JournalError: a server is running, or the archive cannot be read or written.
    """
    with contextlib.ExitStack() as stack:
        # The first one is made where it is missing, so that no server starts meanwhile.
        for folder in [data_dir / JOURNALS[0], *(data_dir / name for name in JOURNALS[1:] if (data_dir / name).exists())]:
            stack.callback(os.close, lock(folder))
        own = [segment for name in JOURNALS if (data_dir / name).exists() for segment in segments(data_dir / name)]
        archive = Archive(data_dir / FOLDER)
        for path in files:
            # All of a file is looked at before anything of it is written.
            plans = [(past, planned(archive, own, past, pip_size, path)) for past, pip_size in recorded(path, instrument_id, timezone)]
            for past, days in plans:
                for day in days:
                    archive.put(*day)
                message = f"{path}: {len(past.epoch_ms)} ticks of {past.instrument_id}; {len(days)} days have changed"
                console.print(message, markup=False, highlight=False, soft_wrap=True)


def recorded(path: Path, instrument_id: str | None, timezone: str | None) -> list[tuple[PastTicks, int]]:
    """
    Return what a file has of each instrument, in the order of the times, and its decimals.

    Raises:
        FeedError: it cannot be read.
    """
    table = own_table(path) if path.is_file() else None
    if table is None:
        found = read_recordings(path, instrument_id=instrument_id, timezone=timezone)
        return [(each.ticks, each.instrument.pip_size) for each in found]
    ids = sorted({str(each) for each in table["instrument_id"].unique().to_pylist()})
    if not ids or (instrument_id is not None and ids != [instrument_id]):
        raise FeedError(f"recording {path}: it has {', '.join(ids) or 'no tick'}, not {instrument_id or 'one that could be imported'}")
    names = table["instrument_id"].to_numpy(zero_copy_only=False)
    epoch_ms = np.asarray(table["time"].cast(pa.int64()).to_numpy(), np.int64)
    prices: list[Floats] = [np.asarray(table[name].to_numpy(), np.float64) for name in ("price", "ask", "bid")]
    return [of_instrument(path, each, epoch_ms[names == each], *(column[names == each] for column in prices)) for each in ids]


def own_table(path: Path) -> pa.Table | None:
    """
    Return a recording of ours, which has the price beside bid and ask; None where the file is another one.

    Raises:
        FeedError: it cannot be read.
    """
    try:
        if path.suffix.lower() in PARQUET:
            return pq.read_table(path) if pq.read_schema(path).equals(TICKS) else None
        with path.open("rb") as file:
            columns = file.readline().decode(errors="replace").strip().split(",")
        if tuple(columns[: len(OWN)]) != OWN:
            return None
        # The last line may be one that a process was writing when it ended.
        parsing = pyarrow.csv.ParseOptions(invalid_row_handler=lambda row: "skip")
        converting = pyarrow.csv.ConvertOptions(column_types={field.name: field.type for field in TICKS}, include_columns=list(OWN))
        return pyarrow.csv.read_csv(path, parse_options=parsing, convert_options=converting)
    except (OSError, pa.ArrowException) as error:
        raise FeedError(f"recording {path}: {' '.join(str(error).split())}") from None


def of_instrument(path: Path, instrument_id: str, epoch_ms: Integers, price: Floats, ask: Floats, bid: Floats) -> tuple[PastTicks, int]:
    """
    Return the ticks of an instrument in a recording of ours, and their decimals.

    Raises:
        FeedError: they could not have been recorded.
    """
    if INSTRUMENT_ID.fullmatch(instrument_id) is None:
        raise FeedError(f"recording {path}: {quoted(instrument_id)} is not 1 to 64 letters, digits, '_', '.' and '-'")
    pip_size = decimals_of(np.concatenate([bid, ask, price]))
    is_price = (bid > 0) & (bid <= ask) & (price > 0) & np.isfinite(price) & (ask * 10.0**pip_size < MOST_PIPS)
    is_price &= (price * 10.0**pip_size < MOST_PIPS) & (epoch_ms >= EARLIEST_MS) & (epoch_ms < LATEST_MS)
    if not is_price.all():
        place = int(np.argmin(is_price))
        prices = f"bid {bid[place]}, ask {ask[place]} and price {price[place]}"
        raise FeedError(f"recording {path}: a tick of {instrument_id} at {epoch_ms[place]} has {prices}")
    order = np.argsort(epoch_ms, kind="stable")
    columns = (np.rint(column[order] * 10.0**pip_size).astype(np.int64) for column in (price, ask, bid))
    return PastTicks(instrument_id, epoch_ms[order], *columns), pip_size


def planned(archive: Archive, own: Sequence[Segment], past: PastTicks, pip_size: int, path: Path) -> list[Day]:
    """
    Return the days that change by a recording, as they are to be.

    What the journal has seen stays as it is: contracts were settled by it. So only what comes before its first tick is added.

    Raises:
        RecordingError: it contradicts what is there.
        JournalError: what is there cannot be read.
    """
    instrument_id = past.instrument_id
    archived = {day.day: day for day in archive.days(instrument_id)}
    first_ms = min(
        [int(ticks.epoch_ms[0]) for ticks, _ in archived_ticks([], own, instrument_id, EARLIEST_MS, LATEST_MS)]
        + [int(archive.ticks(day).epoch_ms[0]) for day in list(archived.values()) if day.through != NOWHERE],
        default=LATEST_MS,
    )
    later = cut(past, first_ms, LATEST_MS)
    if len(later.epoch_ms):
        span = int(later.epoch_ms[0]), int(later.epoch_ms[-1])
        known = list(archived_ticks(archive.days(instrument_id), own, instrument_id, *span, archive))
        most = max([pip_size, *(each for _, each in known)])
        there = [shifted(ticks, most - each) for ticks, each in known]
        if not there or not equal(joined(instrument_id, there), shifted(later, most - pip_size)):
            raise RecordingError(
                f"{path}: the journal has ticks of {instrument_id} since {shown(first_ms)}, and the recording has others; "
                "import what was recorded before"
            )
    days: list[Day] = []
    for day, ticks in by_day(cut(past, EARLIEST_MS, first_ms - 1)):
        before = archived.get(day)
        if before is None:
            days.append((ticks, pip_size, NOWHERE))
            continue
        most = max(pip_size, before.pip_size)
        there_, mine = shifted(archive.ticks(before), most - before.pip_size), shifted(ticks, most - pip_size)
        whole = union(there_, mine, path)
        if not equal(whole, there_):
            days.append((whole, most, before.through))
    return days


def by_day(past: PastTicks) -> Iterator[tuple[int, PastTicks]]:
    """Yield the ticks of each day, in UTC, with the day, counted from 1970."""
    for day in np.unique(past.epoch_ms // DAY_MS).tolist():
        yield day, cut(past, day * DAY_MS, (day + 1) * DAY_MS - 1)


def union(one: PastTicks, other: PastTicks, path: Path) -> PastTicks:
    """
    Return the ticks of two recordings of the same day, which have to be the same in the time that both have.

    Raises:
        RecordingError: they are not.
    """
    first, last = max(one.epoch_ms[0], other.epoch_ms[0]), min(one.epoch_ms[-1], other.epoch_ms[-1])
    before, after = (one, other) if one.epoch_ms[0] <= other.epoch_ms[0] else (other, one)
    if first > last:
        return joined(one.instrument_id, [before, after])
    parts = [cut(each, first, last) for each in (one, other)]
    shorter, longer = sorted(parts, key=lambda part: len(part.epoch_ms))
    count = len(shorter.epoch_ms)
    # A recording may have ended between two ticks of the same millisecond.
    is_same = equal(PastTicks(one.instrument_id, *(column[:count] for column in columns_of(longer))), shorter)
    if not is_same or (longer.epoch_ms[count:] < last).any():
        raise RecordingError(
            f"{path}: between {shown(int(first))} and {shown(int(last))} the archive has other ticks of {one.instrument_id}; "
            "import one of both alone"
        )
    ends_last = one if one.epoch_ms[-1] >= other.epoch_ms[-1] else other
    return joined(one.instrument_id, [cut(before, EARLIEST_MS, int(first) - 1), longer, cut(ends_last, int(last) + 1, LATEST_MS)])


def columns_of(past: PastTicks) -> tuple[Integers, Integers, Integers, Integers]:
    """Return the columns of ticks."""
    return past.epoch_ms, past.price, past.ask, past.bid


def shown(epoch_ms: int) -> str:
    """Return a time as a message has it."""
    return f"{np.datetime64(epoch_ms, 'ms')}Z"
