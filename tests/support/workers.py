"""`pricewire serve --workers`, as a service manager runs it, and what its processes are."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from support.command import environment
from support.serving import PATIENCE, EventReader

SERVER, FIRST, SECOND, NATS = "server", "gateway-1", "gateway-2", "nats-server"


class Workers:
    """
    A server of two gateways.

    Attributes:
        folder: its working directory.
        url: where it is.
        admin: where its operators' address is.
        process: the supervisor.

    Args:
        folder: its working directory.
        options: further options of `pricewire serve`.
    """

    def __init__(self, folder: Path, *options: str) -> None:
        self.url = self.admin = ""
        self.folder = folder
        own = ["--workers", "2", "--port", "0", "--admin-port", "0", "--data-dir", "data", "--log-format", "json"]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pricewire", "serve", *own, *options],
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=environment(),
            start_new_session=True,
        )
        self.said: list[str] = []
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def wait_for(self, pattern: str) -> re.Match[str]:
        """Return the first match of a pattern in a line that was said."""
        # Four programs are started, one after the other.
        deadline = time.monotonic() + 4 * PATIENCE
        while True:
            is_over = not self._reading.is_alive()
            for line in list(self.said):
                if (match := re.search(pattern, line)) is not None:
                    return match
            assert not is_over, f"it ended without {pattern!r}: {''.join(self.said)}"
            assert time.monotonic() < deadline, f"there is no {pattern!r}: {''.join(self.said)}"
            time.sleep(0.02)

    def begin(self) -> None:
        """Wait until it serves."""
        self.url = self.wait_for(r"Serving on (https?://127\.0\.0\.1:\d+) - Ctrl-C stops\.")[1]
        self.admin = self.wait_for(r"Metrics, readiness and /admin are at (http://127\.0\.0\.1:\d+)\.")[1]

    def pid(self, name: str) -> int:
        """Return which process a worker is: the one that listens at its socket, or the NATS server."""
        if name == NATS:
            return next(pid for pid in self.children() if NATS in Path(f"/proc/{pid}/cmdline").read_text())
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(os.path.relpath(self.folder / "data" / "workers" / f"{name}.sock"))
            return int.from_bytes(client.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 4), sys.byteorder)

    def children(self) -> list[int]:
        """Return the processes that the supervisor has started."""
        threads = Path(f"/proc/{self.process.pid}/task").iterdir()
        return [int(pid) for thread in threads for pid in (thread / "children").read_text().split()]

    def kill(self, name: str) -> None:
        """Kill a worker."""
        os.kill(self.pid(name), signal.SIGKILL)

    def wait(self) -> int:
        """Wait for its end; return the exit status."""
        status = self.process.wait(PATIENCE)
        self._reading.join(PATIENCE)
        return status

    def _read(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self.said.append(line)


@contextlib.contextmanager
def workers(folder: Path, *options: str) -> Iterator[Workers]:
    """Run a server of two gateways, ready when it yields."""
    running = Workers(folder, *options)
    try:
        running.begin()
        yield running
    finally:
        # What belongs to it ends with it.
        running.process.kill()
        running.wait()
    assert "Traceback" not in "".join(running.said)


def opened(url: str, path: str, *, context: ssl.SSLContext | None = None, last_id: str | None = None) -> EventReader:
    """Return a stream, as soon as there is one to be had: a worker may be starting again."""
    deadline = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(OSError, EOFError):
            reader = EventReader(url, path, headers={} if last_id is None else {"Last-Event-ID": last_id}, context=context)
            if reader.status == 200:
                return reader
            reader.socket.close()
        assert time.monotonic() < deadline, "no stream could be opened"
        time.sleep(0.05)


def until_gone(pids: list[int]) -> None:
    """Wait until processes have ended."""
    deadline = time.monotonic() + PATIENCE
    while left := [pid for pid in pids if is_running(pid)]:
        assert time.monotonic() < deadline, f"{left} still run"
        time.sleep(0.02)


def is_running(pid: int) -> bool:
    """Return whether a process has not ended; one whose parent has not asked for its end has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
