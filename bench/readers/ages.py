"""
The process that reads one stream of `timed_tick`s and takes their age at receipt.

usage: python -m bench.readers.ages HOST PORT TARGET CODING SECONDS - prints a line when the stream is open, and `Ages` as JSON at the end.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import time
from dataclasses import asdict, dataclass

from bench.readers.body import Body

EVENT = re.compile(rb'"seq":(\d+)(?:,"merged":(\d+))?.*?"sent_ns":(\d+).*?\n\n')


@dataclass(frozen=True, slots=True)
class Ages:
    """
    What one stream got.

    Attributes:
        received: when each event came, in seconds from the opening of the stream.
        ages: how old each was, in milliseconds.
        merged: how many older events these stand for.
        lost: how many neither came nor were merged.
        last: the number of the last event.
        wire: how many bytes came.
    """

    received: list[float]
    ages: list[float]
    merged: int
    lost: int
    last: int
    wire: int


def read(host: str, port: int, target: str, coding: str, seconds: float) -> Ages:
    """Read a stream for a time."""
    with socket.create_connection((host, port), 30) as connection:
        request = f"GET {target} HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\nAccept-Encoding: {coding}\r\n\r\n"
        connection.sendall(request.encode())
        body, text = Body(), b""
        received: list[float] = []
        ages: list[float] = []
        merged = lost = last = 0
        began = time.monotonic()
        while (left := began + seconds - time.monotonic()) > 0:
            connection.settimeout(left)
            try:
                data = connection.recv(65536)
            except TimeoutError:
                break
            if not data:
                break
            opened = bool(body.head)
            now = time.monotonic_ns()
            text += body.feed(data)
            if body.head and not opened:
                print("open", flush=True)
            end = 0
            for match in EVENT.finditer(text):
                seq, spared = int(match[1]), int(match[2] or 0)
                if last:
                    lost += seq - last - 1 - spared
                    merged += spared
                last, end = seq, match.end()
                received.append(round(now / 1e9 - began, 4))
                ages.append(round((now - int(match[3])) / 1e6, 1))
            text = text[end:]
    return Ages(received, ages, merged, lost, last, body.wire)


if __name__ == "__main__":
    print(json.dumps(asdict(read(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4], float(sys.argv[5])))))
