"""What a recording is, whatever its format: opened by its suffix, continued where it stopped, written by one process at a time."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from pricewire.cli.recording_csv_file import CSVRecording
from pricewire.cli.recording_row import Row
from pricewire.errors import RecordingError
from pricewire.extras import missing_extra
from pricewire.protocol.messages import Tick

PARQUET = (".parquet", ".pq")
"""The suffixes of recordings in Parquet."""


class Recording(Protocol):
    """
    A file of ticks that can be continued.

    Attributes:
        path: where it is.
        cursor: the id of the last event in it; empty where there is none.
        rows: how many ticks it has.
        last: the newest row of each instrument, of the last ones in it.
    """

    path: Path
    cursor: str
    rows: int

    @property
    def last(self) -> Mapping[str, Row]:
        """The newest row of each instrument."""

    def append(self, ticks: Sequence[Tick], cursor: str) -> None:
        """Add ticks, and note the id of the last event; raises a RecordingError where that fails, and then the file is as it was."""


def open_recording(path: Path) -> Recording:
    """
    Return the recording at a path, a new one where there is no file.

    Args:
        path: a file in CSV (`.csv`) or Parquet (`.parquet`, `.pq`).

    Raises:
        RecordingError: its suffix is another one, or there is a file that cannot be continued.
        MissingExtraError: pyarrow, which writes Parquet, is not installed.
    """
    suffix = path.suffix.lower()
    if suffix == ".csv":
        return CSVRecording(path)
    if suffix not in PARQUET:
        raise RecordingError(
            f"--to {path}: a recording is a .csv or a .parquet file, not {suffix or 'one without a suffix'}; name such a file"
        )
    try:
        from pricewire.cli.recording_file import RecordingFile
    except ImportError as error:
        raise missing_extra(error, f"recording {path} in Parquet") from error
    return RecordingFile(path)


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
