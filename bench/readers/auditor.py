"""The auditor as the benchmarks command it: it checks the number of every event of many streams, and takes its age."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType

from bench.process import compile_c

SOURCE = Path(__file__).with_suffix(".c")


class AuditorError(Exception):
    """The auditor has ended."""


@dataclass(frozen=True, slots=True)
class Audit:
    """
    What the streams of a group got since they were opened or marked.

    Attributes:
        streams: how many they are.
        events: how many events came.
        merged: how many older ones these stand for besides themselves.
        lost: how many neither came nor were merged.
        doubled: how many came again.
        miscounted: how many stand for more than there were.
        behind: how many of those waited for have not come.
        named: how many named events came: errors, resets.
        bytes: how many bytes came.
        closed: how many streams the server closed.
        retries: how many connections had to be made again.
        p50_ms: the age of the events at their receipt: half were younger, in milliseconds.
        p99_ms: 99 in 100 were younger.
        p999_ms: 999 in 1000 were younger.
        max_ms: the oldest.
        heads_seconds: how long it took after a cut until every stream had the head of its response.
        live_seconds: how long it took after a cut until every stream had an event.
        not_live: how many had none in time.
    """

    streams: int
    events: int
    merged: int
    lost: int
    doubled: int
    miscounted: int
    behind: int
    named: int
    bytes: int
    closed: int
    retries: int
    p50_ms: float
    p99_ms: float
    p999_ms: float
    max_ms: float
    heads_seconds: float
    live_seconds: float
    not_live: int

    @property
    def faults(self) -> int:
        """How many events went wrong in whatever way."""
        return self.lost + self.doubled + self.miscounted + self.behind + self.named + self.closed


class Auditor:
    """The process that reads the streams; a context manager. It is written in C, as Python cannot read so many events."""

    def __enter__(self) -> Auditor:
        self._directory = TemporaryDirectory(prefix="bench-auditor-")
        program = compile_c(SOURCE, Path(self._directory.name))
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        # The process ends when its input does, and its sockets with it.
        self._process.communicate(timeout=30)
        self._directory.cleanup()

    def open(self, group: str, port: int, targets: list[str], each: int) -> Audit:
        """
        Open streams and wait for the head of each response.

        Args:
            group: a name to ask for them by.
            port: where the server listens, on 127.0.0.1.
            targets: what to request, for each stream.
            each: how many topics each stream has. With 0 nothing is read but the head, and a small receive buffer fills.
        """
        path = Path(self._directory.name) / "targets"
        path.write_text("".join(f"{target}\n" for target in targets))
        return self._ask(f"open {group} {port} {path} {each}")

    def mark(self, group: str) -> Audit:
        """Count anew from now on; return what came before."""
        return self._ask(f"mark {group}")

    def wait(self, group: str, seq: int, seconds: float) -> Audit:
        """Return what came, once every stream has that event of each of its topics; or too few, where the time is over."""
        return self._ask(f"wait {group} {seq} {seconds}")

    def cut(self, group: str, seconds: float) -> Audit:
        """Reset all connections, have them come back, and return once each stream has an event again; or the time is over."""
        return self._ask(f"cut {group} {seconds}")

    def close(self, group: str) -> None:
        """Close the streams of a group."""
        self._send(f"close {group}")

    def _ask(self, command: str) -> Audit:
        return Audit(**json.loads(self._send(command)))

    def _send(self, command: str) -> str:
        assert self._process.stdin is not None, "it was asked for"
        assert self._process.stdout is not None, "it was asked for"
        self._process.stdin.write(command + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise AuditorError(f"the auditor ended at {command!r}")
        return answer
