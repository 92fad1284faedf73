"""A recording in CSV: lines are only added, so that it grows without end, and any program can follow it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from pricewire.cli.recording_row import Row
from pricewire.errors import RecordingError, quoted
from pricewire.protocol.messages import Tick

HEADER = "time,instrument_id,bid,ask,price,last_event_id"
"""The columns. The last one is filled in the last line of each flush: what follows it is of a flush that was cut off."""


class CSVRecording:
    """
    Ticks in CSV, with the id of the last event, so that a recording can go on where it stopped.

    A flush adds lines. Where a process ends within one, the lines of this flush are removed when the recording goes on: their events come
    again. Can be called from any thread.

    Attributes:
        path: where it is.
        cursor: the id of the last event in it; empty where there is none.
        rows: how many ticks it has.
        last: the newest row of each instrument.

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
        self._size = 0
        self._writing = threading.Lock()
        if path.exists() and path.stat().st_size:
            self._open()

    def append(self, ticks: Sequence[Tick], cursor: str) -> None:
        """
        Add ticks, and note the id of the last event.

        Raises:
            RecordingError: the file cannot be written; then it is as it was.
        """
        lines = [line_of(tick, cursor if tick is ticks[-1] else "") for tick in ticks]
        if not self._size:
            lines.insert(0, HEADER)
        content = "".join(f"{line}\n" for line in lines).encode()
        with self._writing:
            try:
                with self.path.open("r+b" if self.path.exists() else "xb") as file:
                    # What a flush that failed has left is overwritten.
                    file.truncate(self._size)
                    file.seek(self._size)
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                with contextlib.suppress(OSError):
                    os.truncate(self.path, self._size)
                raise RecordingError(f"recording {self.path} cannot be written: {error}") from error
            self._size += len(content)
            self.cursor = cursor if ticks else self.cursor
            self.rows += len(ticks)

    def _open(self) -> None:
        try:
            with self.path.open("rb") as file:
                if file.readline().decode(errors="replace").rstrip("\r\n") != HEADER:
                    raise RecordingError(f"{self.path} cannot be continued: its columns are not {HEADER}; name another file")
                self._size = place = file.tell()
                waiting: list[Row] = []
                for number, line in enumerate(file, start=2):
                    # Only the last line may be one that a process was writing when it ended; it goes with its flush.
                    if not line.endswith(b"\n"):
                        break
                    place += len(line)
                    row, cursor = self._read(number, line)
                    waiting.append(row)
                    if cursor:
                        self._size, self.cursor = place, cursor
                        self.rows += len(waiting)
                        self.last.update({each[0]: each for each in waiting})
                        waiting = []
        except OSError as error:
            raise RecordingError(f"recording {self.path} cannot be continued: {error}; name another file") from error

    def _read(self, number: int, line: bytes) -> tuple[Row, str]:
        try:
            return read_line(line)
        except ValueError as error:
            found = quoted(line.decode(errors="replace").strip())
            raise RecordingError(f"{self.path} cannot be continued: line {number} is {found}: {error}; name another file") from None


def line_of(tick: Tick, cursor: str) -> str:
    """Return the line of a tick."""
    time = datetime.fromtimestamp(tick.epoch_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return f"{time},{tick.instrument_id},{tick.bid:f},{tick.ask:f},{tick.price:f},{cursor}"


def read_line(line: bytes) -> tuple[Row, str]:
    """
    Return what a line says: a row, and the id of the last event where it ends a flush.

    Raises:
        ValueError: it is no line of a recording.
    """
    time, instrument_id, bid, ask, price, cursor = line.decode().rstrip("\r\n").split(",")
    epoch_ms = round(datetime.fromisoformat(time).timestamp() * 1000)
    return (instrument_id, epoch_ms, float(bid), float(ask), float(price)), cursor
