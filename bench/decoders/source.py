"""A server that sends the same stream to whoever asks, as fast as it is read; run as a module, it says its port."""

from __future__ import annotations

import socket
import sys
from itertools import islice

from bench.workload import walks
from pricewire.hub.event import Event, Format, envelope, plain
from pricewire.protocol.messages import TickBody

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"


def stream(events: int, form: Format) -> bytes:
    """Return so many events of ticks, as Pricewire writes them."""
    return b"".join(
        Event(
            position=100_000 + number,
            boot="3f2a9c1b",
            topic="ticks:R_100",
            seq=5000 + number,
            key="tick",
            name="tick",
            message=TickBody.of(tick) if form is envelope else {"data": {"ticks": [TickBody.of(tick)]}},
        ).encoded(form)
        for number, tick in enumerate(islice(walks(1), events))
    )


def decoder_stream(events: int) -> bytes:
    """Return the events that the decoders are measured with, some 140 bytes each."""
    return stream(events, plain)


def main(events: str) -> None:
    """Serve so many events to one reader after another."""
    body = stream(int(events), envelope)
    response = HEAD % len(body) + body
    with socket.create_server(("127.0.0.1", 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(response)


if __name__ == "__main__":
    main(*sys.argv[1:])
