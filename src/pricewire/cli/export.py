"""`pricewire export`: ticks of the archive and the journal as CSV or Parquet."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from pricewire.errors import PricewireError
from pricewire.extras import missing_extra

Format = Literal["csv", "parquet"]


def command(
    *,
    instrument: Annotated[list[str], Parameter(negative=())],
    start: Annotated[datetime | None, Parameter(name="--from")] = None,
    end: Annotated[datetime | None, Parameter(name="--to")] = None,
    format: Format = "csv",
    output: Path | None = None,
    data_dir: Path = Path("pricewire-data"),
) -> None:
    """
    Write the ticks of instruments as CSV or Parquet, from the archive and the journal of a server, which may be running.

    Args:
        instrument: whose ticks, `EURUSD` for instance. May be repeated: one follows after the other.
        start: the first time of interest, `2026-01-01` or `2026-01-01T09:30` for instance, in UTC unless it has a zone; by default all.
        end: the time before which ticks are of interest, likewise.
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
    export(data_dir, list(dict.fromkeys(instrument)), output, is_parquet=format == "parquet", start=start, end=end)
