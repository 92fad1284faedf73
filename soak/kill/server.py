"""
The server of the kill test: `pricewire serve`, whose wall clock the test sets.

`python -m soak.kill.server CLOCK OPTIONS…` is `pricewire serve OPTIONS…` with the time of the file CLOCK, which holds by how much the wall
clock is wrong, as a 64-bit number of nanoseconds. Monotonic clocks are right, as they are where somebody sets a real clock.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from soak.kill.exchange import PORT_VARIABLE

ROOT = Path(__file__).parents[2]

OFFSET = struct.Struct("<q")

SERVING = "Serving on http://127.0.0.1:"

START_S = 120.0
"""How long a server may take to start, in seconds: on a busy machine, with contracts to recover."""


class ServerError(Exception):
    """The server did not start, or has ended by itself."""


class KillableServer:
    """
    `pricewire serve` in a process that is killed, stopped and started again, always on the same data.

    Attributes:
        port: where it listens now; 0 while it is not running.
    """

    def __init__(self, directory: Path, exchange_port: int, options: Sequence[str]) -> None:
        """
        Prepare to start.

        Args:
            directory: where its data, its clock and its log are.
            exchange_port: where the exchange is.
            options: of `pricewire serve`.
        """
        self.port = 0
        self._clock = directory / "clock"
        self._log = directory / "server.log"
        self._environment = os.environ | {PORT_VARIABLE: str(exchange_port)}
        self._command = [sys.executable, "-m", "soak.kill.server", str(self._clock), "--port", "0", *options]
        self._process: subprocess.Popen[bytes] | None = None
        self._read = 0
        self.set_clock(0.0)

    def start(self) -> None:
        """Start it, and return when it serves; blocking."""
        with self._log.open("ab") as log:
            self._read = log.tell()
            self._process = subprocess.Popen(self._command, stderr=log, cwd=ROOT, env=self._environment)
        deadline = time.monotonic() + START_S
        while not self.port:
            self.check()
            if time.monotonic() > deadline:
                raise ServerError(f"the server has not started within {START_S:g} s")
            time.sleep(0.02)
            for line in self._new_lines():
                if SERVING in line:
                    self.port = int(line.split(SERVING)[1].split()[0])

    def kill(self) -> None:
        """End it with SIGKILL; blocking."""
        self._end(signal.SIGKILL)

    def terminate(self) -> None:
        """End it as an operator does; blocking."""
        self._end(signal.SIGTERM)

    def stop(self) -> None:
        """Stop the process, as a machine does that stands still."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let a stopped process go on."""
        self._signal(signal.SIGCONT)

    def set_clock(self, seconds: float) -> None:
        """Have its wall clock be wrong by so many seconds from now on, now and after a start."""
        data = OFFSET.pack(round(seconds * 1e9))
        if self._clock.exists():
            # In place: the running process has the file in its memory.
            with self._clock.open("r+b") as file:
                file.write(data)
        else:
            self._clock.write_bytes(data)

    def check(self) -> None:
        """
        Check that it has not ended by itself.

        Raises:
            ServerError: it has.
        """
        if self._process is not None and self._process.poll() is not None:
            raise ServerError(f"the server has ended by itself with {self._process.returncode}: {self._log.read_text()[-2000:]}")

    def errors(self) -> list[str]:
        """Return what the log has of level `error` and above, but for a database that does not answer, and what is no entry of it."""
        found = []
        for line in self._log.read_text(errors="replace").splitlines():
            entry = json.loads(line) if line.startswith("{") else {"level": "error", "message": line}
            if entry["level"] in ("error", "critical") and "does not answer" not in entry["message"]:
                found.append(line)
        return found

    def _new_lines(self) -> list[str]:
        with self._log.open("rb") as log:
            log.seek(self._read)
            return log.read().decode(errors="replace").splitlines()

    def _signal(self, number: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(number)

    def _end(self, number: signal.Signals) -> None:
        self.port = 0
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait()
            self._process = None


def shift_clock(path: Path) -> None:
    """Have the wall clock of this process be wrong by what a file says at that moment."""
    with path.open("rb") as file:
        shared = mmap.mmap(file.fileno(), OFFSET.size, prot=mmap.PROT_READ)
    right = time.time_ns

    def time_ns() -> int:
        return right() + int(OFFSET.unpack_from(shared)[0])

    time.time_ns = time_ns
    time.time = lambda: time_ns() / 1e9


def main() -> None:
    """Serve, with the clock of the file that the first argument names."""
    # Before anything else of Pricewire is imported, which may keep a clock.
    shift_clock(Path(sys.argv[1]))
    from pricewire.cli.main import main as pricewire

    pricewire(["serve", *sys.argv[2:]])


if __name__ == "__main__":
    main()
