"""`pricewire export`: ticks of the archive and the journal, or their candles, as CSV or Parquet."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from pricewire.errors import PricewireError
from pricewire.extras import missing_extra

Format = Literal["csv", "parquet"]

Span = Literal["1m", "2m", "3m", "5m", "10m", "15m", "30m", "1h", "2h", "4h", "8h", "1d"]

UNITS_S = {"m": 60, "h": 3600, "d": 86400}
"""The units of a span, in seconds."""


def command(
    *,
    instrument: Annotated[list[str], Parameter(negative=())],
    start: Annotated[datetime | None, Parameter(name="--from")] = None,
    end: Annotated[datetime | None, Parameter(name="--to")] = None,
    candles: Span | None = None,
    format: Format = "csv",
    output: Path | None = None,
    data_dir: Path = Path("pricewire-data"),
) -> None:
    """
    Write the ticks or the candles of instruments as CSV or Parquet, from the archive and the journal of a server, which may be running.

    Args:
        instrument: whose ticks, `EURUSD` for instance. May be repeated: one follows after the other.
        start: the first time of interest, `2026-01-01` or `2026-01-01T09:30` for instance, in UTC unless it has a zone; by default all.
        end: the time before which ticks are of interest, likewise.
        candles: write candles of this span, `1m` or `4h` for instance, and not ticks. Those that `start` and `end` fall into are whole.
        format: `csv` or `parquet`.
        output: the file, which is replaced where it is there; CSV goes to the standard output where none is given.
        data_dir: the server's data directory.
    """
    if format == "parquet" and output is None:
        raise PricewireError("Parquet goes into a file: name it by --output ticks.parquet")
    try:
        from pricewire.cli.archive_export import export
    except ImportError as error:
        raise missing_extra(error, "exporting ticks") from error
    granularity_s = None if candles is None else int(candles[:-1]) * UNITS_S[candles[-1]]
    instruments = list(dict.fromkeys(instrument))
    export(data_dir, instruments, output, is_parquet=format == "parquet", start=start, end=end, granularity_s=granularity_s)
