"""A recording in Parquet: always complete, whatever happens to the process that writes it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pricewire.cli.recording_row import Row
from pricewire.errors import RecordingError
from pricewire.protocol.messages import Tick
from pricewire.table import TICKS, to_table

ROW_GROUP = 100_000
"""How many rows a row group has, but the last."""

CURSOR = b"pricewire.last_event_id"
"""The entry of the file's metadata that says where the recording stopped."""


class RecordingFile:
    """
    Ticks in Parquet, with the id of the last event, so that a recording can go on where it stopped.

    Each flush writes the whole file again beside the old one, which it then replaces in one step: at any moment the file under this name is
    complete. Can be called from any thread.

    Attributes:
        path: where it is.
        cursor: the id of the last event in it; empty where there is none.
        rows: how many ticks it has.
        last: the newest row of each instrument, of the last ones in it.

    Args:
        path: where it is, or is to be.

    Raises:
        RecordingError: there is a file that cannot be continued.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.cursor = ""
        self.rows = 0
        self.last: dict[str, Row] = {}
        self._writing = threading.Lock()
        if path.exists():
            self._open()

    def append(self, ticks: Sequence[Tick], cursor: str) -> None:
        """
        Add ticks, and note the id of the last event.

        Raises:
            RecordingError: the file cannot be written; then it is as it was.
        """
        self.append_table(to_table(ticks), cursor)

    def append_table(self, added: pa.Table, cursor: str) -> None:
        """
        Add ticks, in the columns `TICKS`, and note where the recording stopped.

        Raises:
            RecordingError: the file cannot be written; then it is as it was.
        """
        with self._writing:
            # A link still points to the recording afterwards.
            target = self.path.resolve()
            new = target.with_name(f".{target.name}.new")
            schema = TICKS.with_metadata({CURSOR: cursor.encode()})
            try:
                with new.open("wb") as sink:
                    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
                        for table in self._groups(added):
                            writer.write_table(table.replace_schema_metadata(schema.metadata), row_group_size=ROW_GROUP)
                    sink.flush()
                    # The name must not point to bytes that are not on the disk yet.
                    os.fsync(sink.fileno())
                new.replace(target)
            except (OSError, pa.ArrowException) as error:
                with contextlib.suppress(OSError):
                    new.unlink()
                raise RecordingError(f"recording {self.path} cannot be written: {error}") from error
            self.cursor = cursor
            self.rows += len(added)

    def _groups(self, added: pa.Table) -> Iterator[pa.Table]:
        """Yield what the file has and what is added, as row groups: full ones, and what is left."""
        rest: list[pa.Table] = []
        if self.rows:
            with pq.ParquetFile(self.path) as file:
                for batch in file.iter_batches(ROW_GROUP):
                    rest.append(pa.Table.from_batches([batch]))
                    if sum(map(len, rest)) >= ROW_GROUP:
                        yield pa.concat_tables(rest)
                        rest = []
        yield pa.concat_tables([*rest, added])

    def _open(self) -> None:
        try:
            with pq.ParquetFile(self.path) as file:
                if not file.schema_arrow.equals(TICKS):
                    raise RecordingError(f"{self.path} cannot be continued: its columns are not those of a recording; name another file")
                self.cursor = (file.schema_arrow.metadata or {}).get(CURSOR, b"").decode()
                self.rows = file.metadata.num_rows
                if self.rows:
                    for row in file.read_row_group(file.num_row_groups - 1).to_pylist():
                        epoch_ms = round(row["time"].timestamp() * 1000)
                        self.last[row["instrument_id"]] = (row["instrument_id"], epoch_ms, row["bid"], row["ask"], row["price"])
        except (OSError, pa.ArrowException) as error:
            raise RecordingError(f"recording {self.path} cannot be continued: {error}; name another file") from error
