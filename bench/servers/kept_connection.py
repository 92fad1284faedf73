"""A connection on which messages are posted to a server that is published to by requests."""

from __future__ import annotations

import socket
from collections import deque
from io import BytesIO
from typing import BinaryIO

from bench.servers.peer import PeerError

TIMEOUT = 60.0
"""How long an answer may take, in seconds."""


class KeptConnection:
    """
    Posts messages, one after the other, and makes a new connection where the server has closed the last one.

    What had no answer then is posted again: a server that ends a connection between two requests has not seen the second one.

    Args:
        host: where the server listens.
        port: the port.
        fields: what the head of each request has besides, each line with its line end.
        name: what errors call the server.
    """

    def __init__(self, host: str, port: int, name: str, fields: str = "") -> None:
        self._address, self._name, self._fields = (host, port), name, fields
        self._unanswered: deque[bytes] = deque()
        self._connection: socket.socket | None = None
        self._answers: BinaryIO = BytesIO()
        self._is_new = False

    def post(self, target: str, body: bytes, *, ahead: int = 0) -> None:
        """
        Post a message; return once at most so many have no answer yet.

        Raises:
            PeerError: the server refused one, or closes connections without an answer.
        OSError: the server cannot be reached.
        """
        head = f"POST {target} HTTP/1.1\r\nHost: localhost\r\n{self._fields}Content-Length: {len(body)}\r\n\r\n"
        self._unanswered.append(head.encode() + body)
        try:
            self._connected().sendall(self._unanswered[-1])
        except ConnectionError:
            self._post_again()
        self.finish(ahead)

    def finish(self, ahead: int = 0) -> None:
        """Wait until at most so many messages have no answer yet."""
        while len(self._unanswered) > ahead:
            try:
                is_open = self._read_answer()
            except ConnectionError:
                self._post_again()
            else:
                self._unanswered.popleft()
                self._is_new = False
                if not is_open:
                    self._post_again()

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._answers.close()
            self._connection.close()
            self._connection = None

    def _connected(self) -> socket.socket:
        if self._connection is None:
            self._connection = socket.create_connection(self._address, TIMEOUT)
            self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._answers = self._connection.makefile("rb")
            self._is_new = True
        return self._connection

    def _post_again(self) -> None:
        """Post what has no answer on a new connection, unless the last one has brought none either."""
        if self._is_new:
            raise PeerError(f"{self._name} closes connections without an answer")
        self.close()
        if self._unanswered:
            self._connected().sendall(b"".join(self._unanswered))

    def _read_answer(self) -> bool:
        """Read an answer; return whether the connection stays open after it."""
        status, length, is_open = self._answers.readline(), 0, True
        if not status:
            raise ConnectionResetError("the connection was closed")
        while line := self._answers.readline().strip().lower():
            name, _, value = line.partition(b":")
            if name == b"content-length":
                length = int(value)
            elif name == b"connection":
                is_open = value.strip() != b"close"
        body = self._answers.read(length)
        # Some servers answer 200, and say in JSON that they have refused.
        if b" 20" not in status or b'"error"' in body:
            raise PeerError(f"{self._name} refused a message: {status!r} {body[:200]!r}")
        return is_open
