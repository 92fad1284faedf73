"""The body of a response as it comes: taken out of its chunks, and unpacked."""

from __future__ import annotations

import zlib


class Body:
    """
    Turns the bytes of one response into its head and the text of its body, whatever pieces they come in.

    Attributes:
        head: the status line and the headers; empty until they are complete.
        wire: how many bytes of the body came, chunks and compression included.
        chunks: how many chunks of HTTP/1.1 came.
    """

    def __init__(self) -> None:
        self.head = b""
        self.wire = 0
        self.chunks = 0
        self._rest = b""
        self._left = 0
        self._chunked = False
        self._unpack: zlib._Decompress | None = None

    def feed(self, data: bytes) -> bytes:
        """Take what came, and return what that adds to the body."""
        if not self.head:
            head, end, data = (self._rest + data).partition(b"\r\n\r\n")
            if not end:
                self._rest = head
                return b""
            self.head, self._rest = head.lower(), b""
            self._chunked = b"transfer-encoding: chunked" in self.head
            if b"content-encoding: gzip" in self.head:
                self._unpack = zlib.decompressobj(zlib.MAX_WBITS | 16)
        self.wire += len(data)
        body = self._dechunk(data) if self._chunked else data
        return self._unpack.decompress(body) if self._unpack is not None else body

    def _dechunk(self, data: bytes) -> bytes:
        data, parts = self._rest + data, []
        while data:
            if self._left > 2:
                # The line break after a chunk is counted with it.
                part = data[: self._left - 2]
                parts.append(part)
                data = data[len(part) :]
                self._left -= len(part)
            elif self._left > 0:
                skipped = min(self._left, len(data))
                data = data[skipped:]
                self._left -= skipped
            else:
                size, end, after = data.partition(b"\r\n")
                if not end:
                    break
                self._left = int(size, 16) + 2
                self.chunks += 1
                data = after
        self._rest = data
        return b"".join(parts)
