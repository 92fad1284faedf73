"""One HTTP/1.1 exchange as it was recorded: the request, and the bytes of the response with the times at which they came."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

from pricewire.verify.scanner import Arrival, Place, Scanner

MAX_HEAD = 65_536
"""How long a response's head may be, in bytes: as browsers have it."""

MAX_RECORDED = 16 * 1024 * 1024
"""How much of a body is looked at, in bytes; the rest is only counted."""

CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;.*)?")
"""The line before a chunk. Source: RFC 9112, section 7.1."""

MAX_CHUNK_LINE = 256
"""How long the line before a chunk may be, in bytes."""

DECODERS = {"gzip": 16 + zlib.MAX_WBITS, "x-gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
"""The content codings that can be read here, with zlib's name for each."""


class Piece(NamedTuple):
    """
    Bytes that came together.

    Attributes:
        at: when, in seconds on the recording's clock.
        data: the bytes.
    """

    at: float
    data: bytes


class End(Enum):
    """How an exchange stands."""

    OPEN = "open"
    CLOSED = "closed by the server"
    RESET = "reset by the server"
    LEFT = "left by us"
    NO_CONNECTION = "not connected"


@dataclass(frozen=True)
class Head:
    """
    The head of a response.

    Attributes:
        version: of HTTP, `1.1` for instance.
        status: the status.
        fields: the header fields with names in lower case, in their order.
        raw: its bytes.
    """

    version: str
    status: int
    fields: tuple[tuple[str, str], ...]
    raw: bytes

    def get(self, name: str) -> str | None:
        """Return a header, whose name is in lower case; several of one name are joined by commas."""
        values = [value for key, value in self.fields if key == name]
        return ", ".join(values) if values else None

    def words(self, name: str) -> set[str]:
        """Return the elements of a header that is a list, in lower case."""
        return {word.strip().lower() for word in (self.get(name) or "").split(",") if word.strip()}

    @property
    def media_type(self) -> str:
        """The media type in lower case, without its parameters; empty where there is none."""
        return (self.get("content-type") or "").partition(";")[0].strip().lower()

    @property
    def is_stream(self) -> bool:
        """Whether this is what an EventSource opens at: the status 200 and the media type."""
        return self.status == 200 and self.media_type == "text/event-stream"

    def line(self, name: str) -> str:
        """Return a header as it is shown: `Name: value`, or that there is none."""
        value = self.get(name)
        title = name.title()
        return f"(no {title})" if value is None else f"{title}: {value}"


@dataclass
class Exchange:
    """
    What was sent and what came back; it can be made by hand from any bytes and times.

    Attributes:
        name: what it was for.
        started: when the request was sent, in seconds on the recording's clock.
        method: the method of the request.
        pieces: the body, without the framing of HTTP and without compression, as it came.
        head: the response's head, once it is complete.
        head_at: when it was complete, in seconds.
        size: how many bytes came in all.
        problem: what is wrong with the framing or the compression; empty where nothing is.
        is_complete: whether the response has said that it is whole.
        end: how it stands.
        ended: when it ended, in seconds.
        detail: what the system said of its end.
    """

    name: str
    started: float = 0.0
    method: str = "GET"
    pieces: list[Piece] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    head: Head | None = None
    head_at: float = 0.0
    size: int = 0
    problem: str = ""
    is_complete: bool = False
    end: End = End.OPEN
    ended: float = 0.0
    detail: str = ""
    scanner: Scanner = field(default_factory=Scanner)
    _rest: bytes = b""
    _chunk_left: int | None = None
    _length: int | None = None
    _is_chunked: bool = False
    _expanded: int = 0
    _inflate: zlib._Decompress | None = None

    def take(self, data: bytes, at: float) -> None:
        """Take the next bytes of the connection, which came at a time in seconds."""
        self.size += len(data)
        if self.problem or self.is_complete or self.size > MAX_RECORDED:
            return
        if self.head is None:
            data = self._take_head(data, at)
        if data and self.head is not None:
            body = self._unchunk(data) if self._is_chunked else self._counted(data)
            if body:
                self.take_body(body, at)

    def finish(self, end: End, at: float, detail: str = "") -> None:
        """Record how the connection ended, and when, in seconds; only the first end counts."""
        if self.end is End.OPEN:
            self.end, self.ended, self.detail = end, at, detail
            # Without a length and without chunks the end of the connection is the end of the response.
            if end is End.CLOSED and self.head is not None and not self._is_chunked and self._length is None:
                self.is_complete = True

    @property
    def arrivals(self) -> list[Arrival]:
        """The events, oldest first."""
        return self.scanner.arrivals

    @property
    def response(self) -> Head:
        """
        The response's head.

        Raises:
            LookupError: none came.
        """
        if self.head is None:
            raise LookupError(f"no answer came to {self.name}")
        return self.head

    @property
    def is_stream(self) -> bool:
        """Whether it is an event stream."""
        return self.head is not None and self.head.is_stream

    @property
    def is_left(self) -> bool:
        """Whether the server has not ended it."""
        return self.end in (End.OPEN, End.LEFT)

    @property
    def is_broken(self) -> bool:
        """Whether the connection ended before a head came."""
        return self.head is None and not self.problem and not self.is_left

    @property
    def is_broken_off(self) -> bool:
        """Whether a response had begun, and the connection ended before it said that it was whole."""
        return self.head is not None and not self.is_left and not self.is_complete

    @property
    def is_unanswered(self) -> bool:
        """Whether no head had come when it was no longer waited for."""
        return self.head is None and not self.problem and self.is_left

    @property
    def is_whole(self) -> bool:
        """Whether all that came was looked at."""
        return self.size <= MAX_RECORDED

    @property
    def body(self) -> bytes:
        """The body as far as it came, without the framing of HTTP and without compression."""
        return b"".join(piece.data for piece in self.pieces)

    def _take_head(self, data: bytes, at: float) -> bytes:
        """Take bytes of the head; return what comes after it."""
        self._rest += data
        raw, blank, rest = self._rest.partition(b"\r\n\r\n")
        if not blank:
            if len(self._rest) > MAX_HEAD:
                self.problem = f"the head is longer than {MAX_HEAD} bytes"
            elif not b"HTTP/1.".startswith(self._rest[:7]):
                self.problem = f"the answer is no HTTP/1.1: it begins with {self._rest[:40]!r}"
            return b""
        self._rest = b""
        head = parse_head(raw)
        if head is None:
            self.problem = f"the head is no head of HTTP/1.1: {raw[:80]!r}"
            return b""
        if 100 <= head.status < 200:
            return self._take_head(rest, at)
        self.begin(head, at)
        return rest

    def begin(self, head: Head, at: float) -> None:
        """Take the head, which was complete at a time in seconds."""
        self.head, self.head_at = head, at
        self._begin_body(head)

    def _begin_body(self, head: Head) -> None:
        """Find out how the body is framed. Source: RFC 9112, section 6.3."""
        self._is_chunked = head.get("transfer-encoding") is not None
        length = head.get("content-length")
        if self.method == "HEAD" or head.status in (204, 304):
            # Whatever comes on is a body that must not be: it is kept, to be shown.
            self._is_chunked = False
            return
        if self._is_chunked:
            if head.words("transfer-encoding") != {"chunked"}:
                self.problem = f"Transfer-Encoding is {head.get('transfer-encoding')!r}, which only 'chunked' may be"
            elif length is not None:
                self.problem = "the response has both Transfer-Encoding and Content-Length"
        elif length is not None:
            if length.isascii() and length.isdigit():
                self._length = int(length)
                self.is_complete = self._length == 0
            else:
                self.problem = f"Content-Length is {length!r}, which is no number"
        coding = (head.get("content-encoding") or "identity").strip().lower()
        if coding in DECODERS:
            self._inflate = zlib.decompressobj(DECODERS[coding])
        elif coding != "identity" and not self.problem:
            self.problem = f"Content-Encoding is {coding!r}, which nobody asked for"

    def _counted(self, data: bytes) -> bytes:
        """Return the part of some bytes that the length still has room for."""
        if self._length is None:
            return data
        body = data[: self._length]
        self._length -= len(body)
        self.is_complete = self._length == 0
        return body

    def _unchunk(self, data: bytes) -> bytes:
        """Return what is in the chunks of some bytes. Source: RFC 9112, section 7.1."""
        body = b""
        data = self._rest + data
        while data and not self.problem and not self.is_complete:
            if self._chunk_left is None:
                line, end, rest = data.partition(b"\r\n")
                size = CHUNK_SIZE.fullmatch(line)
                if not end and len(data) <= MAX_CHUNK_LINE:
                    break
                if not end or size is None:
                    self._refuse_chunk(line)
                    break
                self._chunk_left, data = int(size[1], 16), rest
                self.is_complete = self._chunk_left == 0
            elif self._chunk_left:
                part = data[: self._chunk_left]
                body += part
                self._chunk_left -= len(part)
                data = data[len(part) :]
            elif data[:2] == b"\r\n":
                self._chunk_left, data = None, data[2:]
            elif data == b"\r":
                break
            else:
                self._refuse_chunk(data)
        self._rest = data
        return body

    def _refuse_chunk(self, data: bytes) -> None:
        self.problem = f"where a chunk begins or ends stands {data[:40]!r}"

    def take_body(self, data: bytes, at: float) -> None:
        """Take bytes of the body, without the framing of HTTP, which came at a time in seconds."""
        if self._inflate is not None:
            try:
                data = self._inflate.decompress(data, MAX_RECORDED - self._expanded + 1)
            except zlib.error as error:
                self.problem = f"the compression cannot be read: {error}"
                return
            self._expanded += len(data)
            if self._expanded > MAX_RECORDED:
                self.problem = f"the compression expands to more than {MAX_RECORDED} bytes"
                return
            if not data:
                return
        self.pieces.append(Piece(at, data))
        if self.is_stream:
            self.scanner.feed(data, at)
        self.places.append(self.scanner.place)


def parse_head(raw: bytes) -> Head | None:
    """Return the head in some bytes, without its blank line; None where it is none. Source: RFC 9112, sections 4 and 5."""
    first, *lines = raw.decode("latin-1").split("\r\n")
    match = re.fullmatch(r"HTTP/(1\.[0-9]) ([1-9][0-9]{2})(?: .*)?", first)
    if match is None:
        return None
    fields = [line.partition(":") for line in lines]
    if any(not colon or not name or name != name.strip() for name, colon, _ in fields):
        return None
    return Head(match[1], int(match[2]), tuple((name.lower(), value.strip()) for name, _, value in fields), raw)


def record(name: str, pieces: Iterable[tuple[float, bytes]], *, method: str = "GET", started: float = 0.0) -> Exchange:
    """
    Return an exchange of some bytes.

    Args:
        name: what it is for.
        pieces: when bytes came, in seconds, and the bytes, from the first of the head on.
        method: of the request.
        started: when the request was sent, in seconds.
    """
    exchange = Exchange(name, started, method)
    for at, data in pieces:
        exchange.take(data, at)
    return exchange
