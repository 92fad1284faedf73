"""
How streams are compressed: once for a whole group, and spliced into every stream of it.

As in video, a group has one deflate state; each flush is one block that may refer back to earlier ones, and a key block refers to
nothing. A stream is an ordinary gzip stream: its own header, blocks of its own (its snapshot, what it missed), the group's blocks from a
key block on, and at its end a trailer with the checksum of all that it carried - calculated from the group's checksum, so that nobody
reads the bytes again for each stream.

Source: RFC 1951 (deflate), RFC 1952 (gzip).
"""

from __future__ import annotations

import zlib

LEVEL = 6
"""More costs time and gains nothing: events are short, and alike."""

GZIP_HEADER = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
"""Deflate, no name, no time, of no particular system. Source: RFC 1952, section 2.3."""

LAST_BLOCK = b"\x03\x00"
"""An empty block that says it is the last. Source: RFC 1951, section 3.2.3."""

MANY = 8
"""From so many streams on, a group's state gets the full window."""

WIDE = (15, 8)
"""Window (a power of 2, in bytes) and hash table (`memLevel`) of a group: 256 KB, and the fewest bytes."""

NARROW = (11, 4)
"""The same for few streams: 16 KB, and for one instrument as few bytes; for twenty a third more."""


class PlainGroup:
    """What a group writes as it is. Also the base of the other ways to code it."""

    __slots__ = ()

    def encode(self, data: bytes, streams: int) -> bytes:
        """Return the block for everything that a flush writes, which goes to so many streams."""
        return data

    def require_key(self) -> None:
        """Have the next block refer to nothing: a stream begins to read with it."""


class PlainStream:
    """A stream that is not compressed. Also the base of the other ways to code it."""

    __slots__ = ()

    def begin(self) -> bytes:
        """Return the bytes before everything else."""
        return b""

    def encode(self, data: bytes) -> bytes:
        """Return a block for this stream alone, that refers to nothing and is referred to by nothing."""
        return data

    def enter(self, group: PlainGroup) -> None:
        """Take the group's blocks from now on."""

    def leave(self, group: PlainGroup) -> None:
        """Take the group's blocks no more."""

    def finish(self) -> bytes:
        """Return the bytes after everything else; the stream has left its group."""
        return b""


class GzipGroup(PlainGroup):
    """
    A group's shared deflate state.

    Attributes:
        crc: the checksum of all that was encoded.
        size: how much that was, in bytes.
    """

    __slots__ = ("_state", "crc", "size")

    def __init__(self) -> None:
        self.crc = 0
        self.size = 0
        self._state: zlib._Compress | None = None

    def encode(self, data: bytes, streams: int) -> bytes:
        """Return the block for everything that a flush writes, which goes to so many streams."""
        if self._state is None:
            window, memory = WIDE if streams >= MANY else NARROW
            self._state = zlib.compressobj(LEVEL, zlib.DEFLATED, -window, memory)
        try:
            block = self._state.compress(data) + self._state.flush(zlib.Z_SYNC_FLUSH)
        except Exception:
            # Nobody gets what it has taken, so later blocks must not refer to that.
            self._state = None
            raise
        self.crc = zlib.crc32(data, self.crc)
        self.size += len(data)
        return block

    def require_key(self) -> None:
        """Have the next block refer to nothing, by forgetting what came before it: blocks end at whole bytes."""
        self._state = None


class GzipStream(PlainStream):
    """The part of a compressed stream that is its own: its checksum, and since when it takes the group's blocks."""

    __slots__ = ("_crc", "_group_crc", "_group_size", "_size")

    def __init__(self) -> None:
        self._crc = 0
        self._size = 0
        self._group_crc = 0
        self._group_size = 0

    def begin(self) -> bytes:
        """Return the header."""
        return GZIP_HEADER

    def encode(self, data: bytes) -> bytes:
        """Return a block for this stream alone."""
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        window, memory = NARROW
        state = zlib.compressobj(LEVEL, zlib.DEFLATED, -window, memory)
        return state.compress(data) + state.flush(zlib.Z_SYNC_FLUSH)

    def enter(self, group: PlainGroup) -> None:
        """Take the group's blocks from the next one on, which has to be a key block."""
        if isinstance(group, GzipGroup):
            group.require_key()
            self._group_crc, self._group_size = group.crc, group.size

    def leave(self, group: PlainGroup) -> None:
        """
        Take the group's blocks no more, and count those that were taken.

        With crc(a + b) = shift(crc(a), len(b)) ^ crc(b), and the group's data being what came before this stream (g) and what it took (t),
        crc(t) = crc(g + t) ^ shift(crc(g), len(t)), and so crc(own + t) = shift(crc(own) ^ crc(g), len(t)) ^ crc(g + t).
        """
        if isinstance(group, GzipGroup):
            taken = group.size - self._group_size
            self._crc = shift(self._crc ^ self._group_crc, taken) ^ group.crc
            self._size += taken
            self._group_crc, self._group_size = group.crc, group.size

    def finish(self) -> bytes:
        """Return the last block and the trailer: checksum, and size modulo 2^32. Source: RFC 1952, section 2.3.1."""
        return LAST_BLOCK + self._crc.to_bytes(4, "little") + (self._size & 0xFFFFFFFF).to_bytes(4, "little")


PLAIN_GROUP = PlainGroup()
PLAIN_STREAM = PlainStream()

POLYNOMIAL = 0xEDB88320
"""That of the checksum, its bits reversed. Source: RFC 1952, section 8."""


def shift(crc: int, size: int) -> int:
    """
    Return a checksum's part in that of the same data with `size` more bytes after it: crc · x^(8·size) modulo the polynomial.

    Costs some 0.1 ms, whatever the size.
    """
    power, exponent = 1 << 31, size * 8
    square = 1 << 30
    while exponent:
        if exponent & 1:
            power = multiply(power, square)
        square = multiply(square, square)
        exponent >>= 1
    return multiply(power, crc)


def multiply(a: int, b: int) -> int:
    """Multiply two polynomials over GF(2) modulo the checksum's; the highest bit is the lowest power."""
    product = 0
    for power in range(31, -1, -1):
        if a >> power & 1:
            product ^= b
        b = b >> 1 ^ POLYNOMIAL if b & 1 else b >> 1
    return product
