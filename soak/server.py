"""The server of a soak test, as `pricewire serve` runs it, in a process of its own; its instruments are numbered and tick often."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.market.feeds.simulated.instruments import SimulatedInstrument
from pricewire.protocol.messages import Instrument
from pricewire.server.app import create_app
from pricewire.server.limits import Limits
from pricewire.server.transport.serve import make_server

ROOT = Path(__file__).parents[1]

INSTRUMENTS = 20

INTERVAL_MS = 250

HEARTBEAT_S = 5.0

LIMITS = Limits(streams_per_address=2000, new_streams_per_second=10_000.0, requests_per_second=10_000.0)
"""All readers come from one address here, and hostile ones come back at once."""


class ServerError(Exception):
    """The server did not start."""


class SoakServer:
    """
    The server; a context manager.

    Attributes:
        port: where it listens, on 127.0.0.1.
        pid: its process.

    Args:
        instruments: how many it has.
        interval_ms: the time between two ticks of an instrument, in milliseconds.
    """

    port = 0
    pid = 0

    def __init__(self, instruments: int = INSTRUMENTS, interval_ms: int = INTERVAL_MS) -> None:
        self._arguments = [str(instruments), str(interval_ms)]

    def __enter__(self) -> SoakServer:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "soak.server", *self._arguments], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        self.pid = self._process.pid
        assert self._process.stdout is not None, "it was asked for"
        port = self._process.stdout.readline().strip()
        if not port.isdigit():
            raise ServerError("the server did not start")
        self.port = int(port)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self._process.terminate()
        self._process.communicate()

    @property
    def has_ended(self) -> bool:
        """Whether the process has ended by itself."""
        return self._process.poll() is not None

    def memory(self) -> int:
        """Return what of its memory is resident, in bytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        return 0

    def descriptors(self) -> int:
        """Return how many files it has open."""
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))


def instrument_name(number: int) -> str:
    """Return what an instrument is called."""
    return f"S{number:02}"


def make_instrument(number: int, interval_ms: int) -> SimulatedInstrument:
    """Return an instrument."""
    name = instrument_name(number)
    described = Instrument(id=name, display_name=name, categories=["Synthetic Index"], pip_size=2)
    return SimulatedInstrument(described, interval_ms, start_price=1000.0 + number, volatility=1.0)


def main() -> None:
    """Serve so many instruments, that tick each so many milliseconds, on a free port, and say on the standard output which it is."""
    instruments, interval_ms = map(int, sys.argv[1:])
    feed = SimulatedFeed(seed=1, instruments=[make_instrument(number, interval_ms) for number in range(instruments)], history_s=60)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(listener.getsockname()[1], flush=True)
    app = create_app([feed], heartbeat=HEARTBEAT_S, limits=LIMITS)
    make_server(app, limits=LIMITS, log_level="error", access_log=False, drain_seconds=0.1).run(sockets=[listener])


if __name__ == "__main__":
    main()
