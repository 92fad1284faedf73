"""
The process that reads all streams of a benchmark, and counts what each of them got.

It takes commands as lines of JSON on its standard input and answers each by a line on its standard output:

- `{"do": "open", "group": …, "port": …, "path": …, "streams": …, "coding": …, "protocol": …}` opens streams that accept a
  coding; a WebSocket is open with its first message;
- `{"do": "wait", "group": …, "events": …, "timeout": …}` answers once that many events came to each stream of the group since it was
  opened, or the time is over;
- `{"do": "close", "group": …}` closes them.
"""

from __future__ import annotations

import json
import os
import select
import socket
import ssl
import sys
import time
from dataclasses import dataclass, field
from typing import Any

from bench.readers.body import Body
from bench.readers.frames import Frames
from bench.readers.http2 import Http2Error, Http2Stream
from bench.workload import EVENT_MARK, number_of

BATCH = 200
"""How many connections are opened at once: fewer than any server's queue of connections to accept."""

REST = 0.001
"""
How long the reader rests after it has read what there was, in seconds.

It sleeps rather than waits for the next byte: else every write of a fast server would wake it, and the server would pay for the waking,
which would be measured as the cost of a delivery.
"""

TAIL = 400
"""How much of what came last a reader remembers, in bytes: the number of an event is in it, whatever frames it."""

REQUEST = "GET {path} HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nAccept-Encoding: {coding}\r\n\r\n"

UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)


@dataclass(slots=True)
class Reader:
    """
    One stream as its reader sees it.

    Attributes:
        socket: the connection.
        group: the streams that it was opened with.
        body: unpacks what comes, where it is compressed or in frames.
        events: how many events came.
        tail: the end of what came.
    """

    socket: socket.socket
    group: Group
    body: Body | Frames | Http2Stream | None
    events: int = 0
    tail: bytes = b""

    @property
    def has_lost(self) -> bool:
        """Whether its newest event is not the one of its count: some before it never came."""
        return self.events < number_of(self.tail)


@dataclass(slots=True)
class Group:
    """
    The streams of one server.

    Attributes:
        readers: its readers.
        events: how many events came, over all of them.
        bytes: how many bytes came, without the heads.
        carriage_returns: how many of these were around them: an HTTP/1.1 chunk has two, and the events have none.
        closed: how many the server closed.
    """

    readers: list[Reader] = field(default_factory=list)
    events: int = 0
    bytes: int = 0
    carriage_returns: int = 0
    closed: int = 0

    def counts(self) -> dict[str, int]:
        """Return what came, with the least and the most of any stream."""
        each = [reader.events for reader in self.readers]
        return {
            "least": min(each),
            "most": max(each),
            "events": self.events,
            "bytes": self.bytes,
            "chunks": self.carriage_returns // 2,
            "closed": self.closed,
            "lost": sum(reader.has_lost for reader in self.readers),
        }


class Drain:
    """Reads whatever comes, and answers commands."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._groups: dict[str, Group] = {}
        self._readers: dict[int, Reader] = {}
        self._buffer = bytearray(256 * 1024)
        self._commands = b""
        self._waiting: tuple[Group, int, float] | None = None
        self._tls = _any_certificate("http/1.1")
        self._http2 = _any_certificate("h2")

    def run(self) -> None:
        """Go on until the standard input ends."""
        stdin = sys.stdin.fileno()
        self._epoll.register(stdin, select.EPOLLIN)
        while True:
            ready = self._epoll.poll(0.1)
            for fd, _ in ready:
                if fd == stdin:
                    if not self._take_commands(stdin):
                        return
                # A command before it in the list may have closed it.
                elif (reader := self._readers.get(fd)) is not None:
                    self._read(reader)
            self._answer_waiting()
            if len(ready) < len(self._readers):
                time.sleep(REST)

    def _read(self, reader: Reader) -> None:
        try:
            size = reader.socket.recv_into(self._buffer)
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except ConnectionError:
            size = 0
        try:
            self._count(reader, self._buffer, size)
            self._send_to(reader)
        except (Http2Error, ConnectionError):
            size = 0
        if size == 0:
            reader.group.closed += 1
            self._forget(reader)

    @staticmethod
    def _count(reader: Reader, data: bytes | bytearray, size: int) -> None:
        group = reader.group
        if reader.body is None:
            events = data.count(EVENT_MARK, 0, size)
            group.carriage_returns += data.count(b"\r", 0, size)
            newest = bytes(data[max(0, size - TAIL) : size])
        else:
            before = reader.body.chunks
            text = reader.body.feed(bytes(data[:size]))
            events, newest = text.count(EVENT_MARK), text[-TAIL:]
            group.carriage_returns += 2 * (reader.body.chunks - before)
        reader.tail = newest if len(newest) == TAIL else (reader.tail + newest)[-TAIL:]
        reader.events += events
        group.events += events
        group.bytes += size

    def _take_commands(self, stdin: int) -> bool:
        data = os.read(stdin, 65536)
        *lines, self._commands = (self._commands + data).split(b"\n")
        for line in lines:
            self._obey(json.loads(line))
        return bool(data)

    def _obey(self, command: dict[str, Any]) -> None:
        name = command["group"]
        if command["do"] == "open":
            group = self._groups.setdefault(name, Group())
            port, path, coding, streams, protocol = (command[key] for key in ("port", "path", "coding", "streams", "protocol"))
            if protocol == "http2":
                self._open_http2(group, port, path, coding, streams)
            else:
                request = (UPGRADE if protocol == "websocket" else REQUEST).format(path=path, coding=coding)
                self._open(group, port, request.encode(), streams, self._tls if protocol == "https" else None)
            _answer(group.counts())
        elif command["do"] == "wait":
            self._waiting = self._groups[name], command["events"], time.monotonic() + command["timeout"]
        else:
            group = self._groups.pop(name)
            for reader in group.readers:
                if reader.socket.fileno() != -1:
                    self._forget(reader)
            _answer({})

    def _open(self, group: Group, port: int, request: bytes, streams: int, tls: ssl.SSLContext | None) -> None:
        for start in range(0, streams, BATCH):
            batch = [socket.create_connection(("127.0.0.1", port), 30) for _ in range(min(BATCH, streams - start))]
            if tls is not None:
                batch = [tls.wrap_socket(connection) for connection in batch]
            for connection in batch:
                connection.sendall(request)
            for connection in batch:
                self._begin(group, connection)

    def _begin(self, group: Group, connection: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            data = connection.recv(65536)
            if not data:
                sys.exit(f"the server closed a stream before its response began: {head!r}")
            head += data
        head, rest = head.split(b"\r\n\r\n", 1)
        status = head.split(b"\r\n", 1)[0]
        body: Body | Frames | None = None
        if b" 101 " in status:
            body = Frames()
            body.feed(rest)
            while not body.chunks:
                body.feed(connection.recv(65536))
            rest = b""
        elif b" 200 " not in status:
            sys.exit(f"the server refused a stream: {head!r}")
        elif b"content-encoding:" in head.lower():
            body = Body()
            body.feed(head + b"\r\n\r\n")
        reader = Reader(connection, group, body)
        self._count(reader, rest, len(rest))
        self._add(reader)

    def _open_http2(self, group: Group, port: int, path: str, coding: str, streams: int) -> None:
        for _ in range(streams):
            connection = self._http2.wrap_socket(socket.create_connection(("127.0.0.1", port), 30))
            stream = Http2Stream(path, coding)
            reader = Reader(connection, group, stream)
            while not stream.status:
                self._send_to(reader)
                data = connection.recv(65536)
                if not data:
                    sys.exit("the server closed a connection of HTTP/2 before its response began")
                self._count(reader, data, len(data))
            if stream.status != 200:
                sys.exit(f"the server refused a stream: status {stream.status}")
            self._send_to(reader)
            self._add(reader)

    @staticmethod
    def _send_to(reader: Reader) -> None:
        """Send what the protocol asks for: a few bytes, which fit into any socket's buffer."""
        if isinstance(reader.body, Http2Stream) and reader.body.outgoing:
            reader.socket.sendall(reader.body.outgoing)
            reader.body.outgoing = b""

    def _add(self, reader: Reader) -> None:
        """Have an open stream read from now on."""
        connection, group = reader.socket, reader.group
        connection.setblocking(False)
        group.readers.append(reader)
        self._readers[connection.fileno()] = reader
        self._epoll.register(connection.fileno(), select.EPOLLIN)

    def _forget(self, reader: Reader) -> None:
        fd = reader.socket.fileno()
        self._epoll.unregister(fd)
        del self._readers[fd]
        reader.socket.close()

    def _answer_waiting(self) -> None:
        if self._waiting is None:
            return
        group, events, deadline = self._waiting
        # The sum is known at once; where one stream has more than it should and another less, the least and the most will tell.
        if group.events >= events * len(group.readers) or time.monotonic() > deadline:
            self._waiting = None
            _answer(group.counts())


def _any_certificate(protocol: str) -> ssl.SSLContext:
    """Return what TLS is spoken with, for a protocol over it: by any certificate, as the server has made its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols([protocol])
    return context


def _answer(answer: dict[str, int]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    Drain().run()
