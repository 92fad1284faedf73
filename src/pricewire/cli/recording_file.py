"""The file of a recording: always complete, whatever happens to the process that writes it, and written by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pricewire.errors import RecordingError
from pricewire.protocol.messages import Tick
from pricewire.table import TICKS, to_table

ROW_GROUP = 100_000
"""How many rows a row group has, but the last."""

CURSOR = b"pricewire.last_event_id"
"""The entry of the file's metadata that says where the recording stopped."""

Row = tuple[str, int, float, float, float]
"""What tells a tick from the one before: instrument, time in milliseconds, bid, ask, price."""


@contextlib.contextmanager
def sole_writer(path: Path) -> Iterator[None]:
    """
    Keep other processes from writing a recording inside this block: each flush replaces the file, and so what another one has written.

    The lock is a file beside the recording, which itself is replaced. The system frees it when the process ends, however that happens.

    Args:
        path: where the recording is, or is to be.

    Raises:
        RecordingError: another process records into it, or nothing can be written there.
    """
    target = path.resolve()
    place = target.with_name(f".{target.name}.lock")
    try:
        lock = _locked(place)
    except BlockingIOError:
        raise RecordingError(f"another process records into {path}; name another file, or end that one") from None
    except OSError as error:
        raise RecordingError(f"recording {path} cannot be written: {error}") from error
    try:
        yield
    finally:
        with contextlib.suppress(OSError):
            place.unlink()
        os.close(lock)


def _locked(place: Path) -> int:
    """Return the descriptor of a lock file, locked."""
    while True:
        lock = os.open(place, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(place.stat(), os.fstat(lock)):
                    return lock
            # Its holder ended and deleted it after it was opened here and before it was locked.
            os.close(lock)
        except BaseException:
            os.close(lock)
            raise


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


def row_of(tick: Tick) -> Row:
    """Return a tick as the file has it."""
    return tick.instrument_id, tick.epoch_ms, float(tick.bid), float(tick.ask), float(tick.price)
