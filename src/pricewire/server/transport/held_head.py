"""A response's head, written together with what follows it: one system call and one packet instead of two."""

from __future__ import annotations

import asyncio
import contextlib

Data = bytes | bytearray | memoryview

MOST_COPIED = 16 * 1024
"""Bodies beyond so many bytes are written by themselves: to copy them would cost more than it spares."""


class HeldHead:
    """
    What one response uses of a transport; its first write waits for the second, until the loop's turn ends at most, so that a head whose
    body takes its time is not late.

    Args:
        transport: the connection's.
        loop: where it is used.
    """

    __slots__ = ("_head", "_is_first", "_loop", "_transport", "is_closing")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._is_first = True
        self._head: Data = b""
        self.is_closing = transport.is_closing

    def write(self, data: Data) -> None:
        """Keep the first bytes, and write all others at once."""
        head, self._head = self._head, b""
        if head and len(data) <= MOST_COPIED:
            self._transport.write(b"".join((head, data)))
        elif self._is_first:
            self._is_first = False
            self._head = data
            self._loop.call_soon(self.flush)
        else:
            if head:
                self._transport.write(head)
            self._transport.write(data)

    def flush(self) -> None:
        """Write what is kept, also where the connection is closing: what its buffer has is still sent."""
        if self._head:
            head, self._head = self._head, b""
            # uvloop says so where the connection has gone.
            with contextlib.suppress(RuntimeError):
                self._transport.write(head)

    def close(self) -> None:
        """Close the connection, once everything is written."""
        self.flush()
        self._transport.close()
