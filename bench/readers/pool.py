"""The readers as the benchmarks command them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Literal

from bench.machine import ROOT

Protocol = Literal["http", "https", "http2", "websocket"]
"""HTTP/1.1 without TLS and under it, HTTP/2 under TLS, a WebSocket. Each stream has a connection of its own: each is somebody else's."""

DELIVERY_TIMEOUT = 60.0
"""How long a delivery may take before it counts as missing, in seconds."""


class ReadersError(Exception):
    """The readers' process has ended."""


@dataclass(frozen=True, slots=True)
class Counts:
    """
    What the streams of one server got since they were opened.

    Attributes:
        least: the events of the stream that got the fewest.
        most: the events of the stream that got the most.
        events: the events over all streams.
        bytes: the bytes over all streams, without the responses' heads.
        chunks: the chunks of HTTP/1.1, or frames of a WebSocket, over all streams; 0 where the server sends none.
        closed: the streams that the server closed.
        lost: the streams that have an event after one that never came, of those that were open before the first event.
    """

    least: int
    most: int
    events: int
    bytes: int
    chunks: int
    closed: int
    lost: int


class Readers:
    """The process that reads all streams; a context manager."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "bench.readers.drain"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
        )

    def __enter__(self) -> Readers:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        # The process ends when its input does, and its sockets with it.
        self._process.communicate(timeout=30)

    def open(
        self,
        group: str,
        port: int,
        path: str,
        streams: int,
        coding: str = "identity",
        *,
        protocol: Protocol = "http",
    ) -> Counts:
        """
        Open streams and wait for the head of each response.

        Args:
            group: a name to ask for their counts by; streams may be added to a group.
            port: where the server listens, on 127.0.0.1.
            path: what to request.
            streams: how many.
            coding: what they accept.
            protocol: by what.
        """
        what = {"port": port, "path": path, "streams": streams, "coding": coding, "protocol": protocol}
        return Counts(**self._ask({"do": "open", "group": group, **what}))

    def wait(self, group: str, events: int, timeout: float | None = None) -> Counts:
        """Return the counts of a group once each stream has got `events` since it was opened; or too few, where the time is over."""
        seconds = DELIVERY_TIMEOUT if timeout is None else timeout
        return Counts(**self._ask({"do": "wait", "group": group, "events": events, "timeout": seconds}))

    def close(self, group: str) -> None:
        """Close the streams of a group."""
        self._ask({"do": "close", "group": group})

    def _ask(self, command: dict[str, object]) -> dict[str, Any]:
        assert self._process.stdin is not None, "it was asked for"
        assert self._process.stdout is not None, "it was asked for"
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise ReadersError(f"the readers ended at {command}")
        result: dict[str, Any] = json.loads(answer)
        return result
