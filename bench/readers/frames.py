"""The messages of a WebSocket as they come: taken out of their frames."""

from __future__ import annotations

CONTROL = 0x08
"""The bit of an opcode that says that the frame belongs to the connection and is no message. Source: RFC 6455, section 5.5."""


class Frames:
    """
    Turns the bytes that follow the handshake into the content of the messages, whatever pieces they come in.

    Attributes:
        chunks: how many frames of messages came.
    """

    def __init__(self) -> None:
        self.chunks = 0
        self._rest = b""

    def feed(self, data: bytes) -> bytes:
        """Take what came, and return the content of the frames that are complete. Source: RFC 6455, section 5.2."""
        data, start, parts = self._rest + data, 0, []
        while len(data) - start >= 2:
            size, begins = data[start + 1], start + 2
            if size >= 126:
                begins += 2 if size == 126 else 8
                size = int.from_bytes(data[start + 2 : begins])
            if len(data) < begins + size:
                break
            if not data[start] & CONTROL:
                parts.append(data[begins : begins + size])
                self.chunks += 1
            start = begins + size
        self._rest = data[start:]
        return b"".join(parts)
