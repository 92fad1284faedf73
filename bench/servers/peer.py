"""What a benchmark asks of a server."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import ClassVar, Self

from bench.machine import ROOT, Placement
from bench.readers.pool import Protocol
from bench.workload import Load

STARTUP_TIMEOUT = 60.0
"""How long a server may take to listen, in seconds, on a machine that has other things to do."""


class PeerError(Exception):
    """A server could not be started, or does not do what it is asked."""


class Peer(ABC):
    """
    A server with one topic to stream, in a process of its own; a context manager.

    Attributes:
        name: what the JSON file calls it.
        label: what the table calls it.
        path: where its stream is.
        protocol: by what that is. The first message of a WebSocket says that it is open, and is no event.
        host: the address that it listens on; may be set before it is started.
        port: the port of its stream.
        pid: the process whose CPU and memory are measured, with those that it has started.
        command: how it was started.

    Args:
        placement: which cores it runs on.
    """

    name: ClassVar[str]
    label: ClassVar[str]
    path: ClassVar[str] = "/stream"
    protocol: ClassVar[Protocol] = "http"

    def __init__(self, placement: Placement) -> None:
        self.host = "127.0.0.1"
        self.port = 0
        self.pid = 0
        self.command: list[str] = []
        self.directory = Path()
        self._placement = placement
        self._process: subprocess.Popen[str] | None = None
        self._stack = ExitStack()

    @classmethod
    def missing(cls) -> str | None:
        """Return why it cannot be measured here; None where it can."""
        return None

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.directory = Path(stack.enter_context(TemporaryDirectory(prefix=f"bench-{self.name}-")))
            stack.callback(self._stop)
            self._start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._stack.close()

    @abstractmethod
    def publish(self, flushes: int, per_flush: int) -> None:
        """
        Publish `flushes` times `per_flush` events, those of a flush at once, and the next ones as soon as the server has written these.

        Return when the last ones were published.
        """

    def target(self, topics: list[str], interval: float = 0.0) -> str:
        """
        Return what to request for a stream of some topics of a `Load`.

        Args:
            topics: their names.
            interval: at most one update per topic in so many seconds, where the server can do that.
        """
        raise NotImplementedError

    def steady(self, load: Load) -> None:
        """Publish ticks at a steady pace, each with the time when it was due; return when the last one was published."""
        raise NotImplementedError

    @abstractmethod
    def settle(self) -> None:
        """Have the process let go of what it no longer needs."""

    def counters(self) -> dict[str, int]:
        """Return what the server itself has counted since it was started; nothing where it counts nothing."""
        return {}

    @abstractmethod
    def _start(self) -> None:
        """Start the process by `_spawn`, and set `port` and `pid`."""

    def _spawn(self, command: list[str], environment: dict[str, str] | None = None, files: tuple[int, ...] = ()) -> subprocess.Popen[str]:
        """Start the process on its core; with some variables in its environment, and with open files of this process."""
        self.command = command
        pipe, variables = subprocess.PIPE, {**os.environ, **(environment or {})}
        with self._placement.on_server_cores():
            self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT, env=variables, pass_fds=files)
        self.pid = self._process.pid
        return self._process

    def _read_port(self, process: subprocess.Popen[str]) -> int:
        """Return the port that the process says it listens on, as the first line of its output."""
        assert process.stdout is not None, "it was asked for"
        line = process.stdout.readline()
        if not line.strip().isdigit():
            raise PeerError(f"{self.label} did not start")
        return int(line)

    def _await_port(self) -> None:
        """Wait until a server that was told its port listens there."""
        deadline = time.monotonic() + STARTUP_TIMEOUT
        while True:
            try:
                socket.create_connection((self.host, self.port), STARTUP_TIMEOUT).close()
            except OSError as error:
                assert self._process is not None, "it was started"
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise PeerError(f"{self.label} did not start") from error
                time.sleep(0.05)
            else:
                return

    def _stop(self) -> None:
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            process.communicate(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
