"""One stream of HTTP/2 on a connection of its own, as it comes: taken out of its frames. Source: RFC 9113."""

from __future__ import annotations

from hpack import Decoder, Encoder

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0x0, 0x1, 0x3, 0x4, 0x6, 0x7, 0x8
ACK, END_HEADERS, END_STREAM = 0x1, 0x4, 0x1
HEAD = 9
"""The bytes in front of a frame's payload. Source: section 4.1."""

INITIAL_WINDOW_SIZE = 0x4
LARGEST_WINDOW = 2**31 - 1
"""
How many bytes a server may send before it has to wait for permission: more than a benchmark has for one stream, so none is given.
Source: section 6.9.1.
"""


class Http2Error(Exception):
    """The server ended the stream or the connection."""


class Http2Stream:
    """
    Asks for an event stream, and turns what comes into its text, whatever pieces that comes in.

    Attributes:
        outgoing: bytes that are to be sent to the server.
        status: of the response; 0 before its head has come.
        chunks: how many frames of data came.
    """

    def __init__(self, path: str, coding: str) -> None:
        head = [
            (":method", "GET"),
            (":scheme", "https"),
            (":path", path),
            (":authority", "localhost"),
            ("accept", "text/event-stream"),
            ("accept-encoding", coding),
        ]
        settings = INITIAL_WINDOW_SIZE.to_bytes(2) + LARGEST_WINDOW.to_bytes(4)
        more = (LARGEST_WINDOW - 65535).to_bytes(4)
        request = frame(HEADERS, END_HEADERS | END_STREAM, 1, Encoder().encode(head))
        self.outgoing = PREFACE + frame(SETTINGS, 0, 0, settings) + frame(WINDOW_UPDATE, 0, 0, more) + request
        self.status = 0
        self.chunks = 0
        self._decoder = Decoder()
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """
        Take what came, and return what that adds to the body.

        Raises:
            Http2Error: the server ended the stream.
        """
        data, start, parts = self._rest + data, 0, []
        while len(data) - start >= HEAD:
            size, kind, flags = int.from_bytes(data[start : start + 3]), data[start + 3], data[start + 4]
            end = start + HEAD + size
            if len(data) < end:
                break
            payload = data[start + HEAD : end]
            if kind == DATA:
                parts.append(payload)
                self.chunks += 1
            elif kind == HEADERS and not self.status:
                # Neither server pads it, gives it a priority, or needs a second frame for it.
                self.status = int(dict(self._decoder.decode(payload, raw=True))[b":status"])
            elif kind in (SETTINGS, PING) and not flags & ACK:
                self.outgoing += frame(kind, ACK, 0, payload if kind == PING else b"")
            if kind in (RST_STREAM, GOAWAY) or (kind in (DATA, HEADERS) and flags & END_STREAM):
                raise Http2Error(f"the server ended the stream by a frame of type {kind}: {payload!r}")
            start = end
        self._rest = data[start:]
        return b"".join(parts)


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    """Return a frame as it is sent."""
    return len(payload).to_bytes(3) + bytes((kind, flags)) + stream.to_bytes(4) + payload
