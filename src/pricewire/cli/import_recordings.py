"""`pricewire import`: recordings go into the archive."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from rich.console import Console

from pricewire.errors import PricewireError
from pricewire.extras import missing_extra


def command(
    *files: Path,
    data_dir: Path = Path("pricewire-data"),
    instrument: Annotated[str | None, Parameter(name="--instrument")] = None,
    timezone: str | None = None,
) -> None:
    """
    Put recordings into the archive, which a server with `--history` answers from.

    Args:
        files: recordings: CSV or Parquet, whatever `pricewire serve --feed replay:PATH` plays.
        data_dir: the server's data directory.
        instrument: whose prices they are; by default what the file says, or else its name.
        timezone: where times without a zone were taken, `America/New_York` for instance; by default UTC.
    """
    if not files:
        raise PricewireError("name the recordings to import: pricewire import EURUSD-2025.csv")
    try:
        from pricewire.cli.archive_import import import_files
    except ImportError as error:
        raise missing_extra(error, "importing recordings") from error
    import_files(files, data_dir, Console(stderr=True), instrument_id=instrument, timezone=timezone)
