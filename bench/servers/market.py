"""The whole server, as `pricewire serve` runs it, on a market of many instruments that tick as often as is asked for."""

from __future__ import annotations

import socket
import subprocess
import sys
from types import TracebackType

from bench.machine import ROOT, Placement
from bench.servers.peer import PeerError
from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.market.feeds.simulated.instruments import SimulatedInstrument
from pricewire.protocol.messages import Instrument
from pricewire.server.app import create_app
from pricewire.server.limits import Limits
from pricewire.server.transport.serve import make_server

LIMITS = Limits(topics_per_stream=1000)
"""Those of the server: a page shows more instruments here than one stream carries elsewhere."""


class MarketServer:
    """
    The server; a context manager.

    Attributes:
        url: its address.
        pid: the process whose CPU is measured.

    Args:
        placement: which core it runs on.
        instruments: how many there are: `I000`, `I001` and so on.
        interval_ms: the time between two ticks of each, in milliseconds.
    """

    def __init__(self, placement: Placement, instruments: int, interval_ms: int) -> None:
        self.url = ""
        self.pid = 0
        self._placement = placement
        self._command = [sys.executable, "-m", "bench.servers.market", str(instruments), str(interval_ms)]
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> MarketServer:
        with self._placement.on_server_cores():
            self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
        self.pid = self._process.pid
        assert self._process.stdout is not None, "it was asked for"
        port = self._process.stdout.readline().strip()
        if not port.isdigit():
            raise PeerError("the market did not start")
        self.url = f"http://127.0.0.1:{port}"
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.communicate()


def instrument_name(number: int) -> str:
    """Return what an instrument is called."""
    return f"I{number:03}"


def _instrument(number: int, interval_ms: int) -> SimulatedInstrument:
    name = instrument_name(number)
    described = Instrument(id=name, display_name=f"Instrument {name}", categories=["Synthetic Index"], pip_size=2)
    return SimulatedInstrument(described, interval_ms, start_price=1000.0 + 10 * number, volatility=1.0)


def main(instruments: int, interval_ms: int) -> None:
    """Serve on a free port, and say on the standard output which it is."""
    # A minute of history: what a day of a thousand ticks per second would fill is of no use here.
    feed = SimulatedFeed(seed=1, instruments=[_instrument(number, interval_ms) for number in range(instruments)], history_s=60)
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    make_server(create_app([feed], limits=LIMITS), log_level="warning", access_log=False).run(sockets=[listener])


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
