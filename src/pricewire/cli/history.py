"""Whether, and how long, the command line's server keeps ticks for years."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Group, Parameter

from pricewire.errors import PricewireError
from pricewire.extras import missing_extra
from pricewire.market.archived_days import TickArchive

GROUP = Group("History", help="Ticks and candles of years; needs `pip install 'pricewire[history]'`.", sort_key=2)

FOLDER = "history"
"""Where the archive is in a data directory."""


@Parameter(name="*", group=GROUP)
@dataclass(frozen=True)
class History:
    """
    Whether ticks are kept for years.

    Attributes:
        history: keep the days that are closed as Parquet in the data directory, in `history`: histories are answered from them, and the
            journal's files are only removed when all their ticks are there.
        history_days: how long they are kept, in days; for ever where it is not given. Imported days too.
    """

    history: Annotated[bool, Parameter(negative=())] = False
    history_days: Annotated[float | None, Parameter()] = None

    def archive(self, data_dir: Path) -> TickArchive | None:
        """
        Return the archive of a data directory; None where there is to be none.

        Raises:
            PricewireError: it cannot be read, or the options contradict each other.
            MissingExtraError: DuckDB or pyarrow is not installed.
        """
        if self.history_days is not None and not (self.history and self.history_days >= 1):
            raise PricewireError(f"--history-days {self.history_days:g} goes with --history, and is a day or more")
        if not self.history:
            return None
        try:
            from pricewire.market.archive import Archive
        except ImportError as error:
            raise missing_extra(error, "--history") from error
        return Archive(data_dir / FOLDER, self.history_days)


HISTORY = History()
"""None."""
