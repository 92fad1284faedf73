"""
Quotes: how long a tick holds the server, with as many live proposals as its limits let in.

The whole server runs, with its ten simulated instruments; addresses of this machine open streams until each has all that it may have, and
the process as well. All proposals are on instruments with a tick a second, which come together. What counts is the longest turn of the
server's loop: everybody else waits as long. One address more then tries to get in, by changing a stream again and again.
"""

from __future__ import annotations

import http.client
import json
import re
import selectors
import socket
import threading
import time
from dataclasses import asdict, dataclass
from urllib.parse import urlencode

from bench.machine import Placement, raise_file_limit
from bench.process import cpu_seconds
from bench.report import Progress, Report, Table, verdict
from bench.servers.peer import PeerError
from bench.servers.quotes import Quotes
from pricewire.server.limits import Limits

HOLD_MS = 50.0
"""How long a tick may hold the loop, in milliseconds."""

INSTRUMENTS = ("1HZ10V", "1HZ25V", "1HZ50V", "1HZ75V", "1HZ100V")

TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is measured.

    Attributes:
        addresses: how many open streams; the defaults of `Limits` let eight have all quotes.
        seconds: for how long it is measured.
        attempts: how many changes of an open stream then ask for more.
        judge: whether to say if the expectation was met.
    """

    addresses: int = 8
    seconds: float = 15.0
    attempts: int = 40
    judge: bool = True


QUICK = Settings(addresses=1, seconds=2.0, attempts=3, judge=False)
"""Whether the pieces work; the figures say nothing."""


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    limits = Limits()
    raise_file_limit(settings.addresses * limits.quotes_per_address)
    rows: list[list[str]] = []
    notes: list[str] = []
    figures: dict[str, object] = {"settings": asdict(settings), "limits": asdict(limits)}
    with Quotes(placement) as server, Streams(server.port) as streams:
        progress("no quotes")
        # Until every instrument has a price.
        time.sleep(2.5)
        idle = measure(server, settings.seconds)
        number, stream_id = 0, ""
        for address in range(settings.addresses):
            for _ in range(limits.quotes_per_address // limits.quotes_per_stream):
                progress(f"opening streams, {number} quotes")
                topics = [proposal(number + count) for count in range(limits.quotes_per_stream)]
                number += len(topics)
                stream_id = streams.open(f"127.0.0.{address + 2}", topics)
        progress(f"{number} quotes")
        opening = server.holds()
        full = measure(server, settings.seconds)
        progress("changes that are refused")
        cpu = cpu_seconds(server.pid)
        statuses = [change(server.port, stream_id, number + attempt) for attempt in range(settings.attempts)]
        refusals = server.holds()
        cpu_each = (cpu_seconds(server.pid) - cpu) / settings.attempts
    for name, holds, share in (("none", *idle), (f"{number:,}", *full), ("opening", opening, None), ("refusing", refusals, None)):
        longest = [f"{hold * 1000:.1f}" for hold in (holds[0], holds[min(len(holds) - 1, 9)])]
        rows.append([name, *longest, "-" if share is None else f"{share:.2f}"])
    figures |= {"idle": idle, "full": full, "opening": opening, "refusing": refusals, "cpu_seconds_per_refusal": cpu_each}
    if set(statuses) != {429}:
        notes.append(f"changes for more were answered with {sorted(set(statuses))} instead of 429")
    if settings.judge:
        notes.append(f"at most {HOLD_MS:.0f} ms of the loop for a tick expected; {verdict(full[0][0] * 1000, HOLD_MS)}")
    columns = ["live quotes", "longest turn, ms", "tenth longest, ms", "cores"]
    return Report("quotes", [Table("How long the loop is held, in CPU time", columns, rows)], figures, notes)


def measure(server: Quotes, seconds: float) -> tuple[list[float], float]:
    """Return the longest turns of the loop for a while, in seconds, and the share of a core that the server takes."""
    server.holds()
    cpu, began = cpu_seconds(server.pid), time.monotonic()
    time.sleep(seconds)
    holds = server.holds()
    return holds, (cpu_seconds(server.pid) - cpu) / (time.monotonic() - began)


def proposal(number: int) -> str:
    """Return one of many proposals, no two of which are the same."""
    instrument_id, duration = INSTRUMENTS[number % len(INSTRUMENTS)], 20 + number // len(INSTRUMENTS)
    return f"proposal:high_low:{instrument_id}:{duration}:seconds:10:false"


class Streams:
    """Open streams, each read by a thread for all of them; a context manager."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._selector = selectors.DefaultSelector()
        self._is_open = True
        self._thread = threading.Thread(target=self._read)

    def __enter__(self) -> Streams:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_open = False
        self._thread.join()
        for key in list(self._selector.get_map().values()):
            key.fileobj.close()  # type: ignore[union-attr]
        self._selector.close()

    def open(self, address: str, topics: list[str]) -> str:
        """Open a stream from an address of this machine; return its id."""
        connection = socket.create_connection(("127.0.0.1", self._port), TIMEOUT_S, (address, 0))
        query = urlencode([("topic", topic) for topic in topics])
        connection.sendall(f"GET /sse?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(65536)
            if not data:
                raise PeerError(f"a stream ended within its head: {head[:200]!r}")
            head += data
        found = re.search(rb"pricewire-stream: (\w+)", head)
        if found is None:
            raise PeerError(f"a stream was refused: {head[:400]!r}")
        connection.setblocking(False)
        self._selector.register(connection, selectors.EVENT_READ)
        return found[1].decode()

    def _read(self) -> None:
        while self._is_open:
            for key, _ in self._selector.select(0.1):
                if not key.fileobj.recv(1 << 20):  # type: ignore[union-attr]
                    self._selector.unregister(key.fileobj)


def change(port: int, stream_id: str, number: int) -> int:
    """Ask for many more quotes on an open stream; return the status."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)
    try:
        body = json.dumps({"add": [proposal(number * 249 + count) for count in range(249)]})
        connection.request("PATCH", f"/v1/streams/{stream_id}", body, {"Content-Type": "application/json"})
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()
