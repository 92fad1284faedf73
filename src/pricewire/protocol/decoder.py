"""
Decodes the event stream format: bytes in chunks of any size become events.

Source: WHATWG HTML, section 9.2.5 "Parsing an event stream" and section 9.2.6 "Interpreting an event stream".
"""

from __future__ import annotations

import re

import msgspec

from pricewire._native import core
from pricewire.errors import EventTooLargeError

MAX_EVENT_SIZE = 16 * 1024 * 1024
"""The default limit of an event, in bytes: far above any price, and far below what hurts a process."""

MAX_RETRY = 10**12
"""The longest reconnection time, in milliseconds; longer ones count as this."""

HELD = 4096
"""How much of a beginning event may be kept as it came, in bytes: it is copied with each chunk that does not complete it."""

REPLACEMENT = 3
"""The size of U+FFFD, which stands for a byte that is no UTF-8, in bytes: decoded data can grow to so many times its size."""

BOM = b"\xef\xbb\xbf"
DIGITS = re.compile("[0-9]+")


class ServerSentEvent(msgspec.Struct, frozen=True, gc=False):
    """
    An event as a stream brought it.

    Attributes:
        type: the event's name; `message` where the stream gave none.
        data: the data lines, joined by LF.
        last_event_id: the id that is valid at this event, its own or an earlier one's.
        origin: the origin of the stream's address, `https://example.com` for instance.
    """

    type: str
    data: str
    last_event_id: str = ""
    origin: str = ""


class EventStreamDecoder:
    """
    Turns the bytes of one connection into events, incrementally.

    The cuts between chunks never matter. What is left when the connection ends belongs to an event without its blank line, and is
    discarded with the decoder, as the standard says.

    The size of an event is what has to be kept for it until its blank line comes, in bytes of UTF-8: the values of its data lines, with one
    byte for each line end between them; its type; its id, unless that is still the last event's; and the line being read, without its line
    end. What is no UTF-8 counts as the U+FFFD that stands for it, 3 bytes, at the latest when its line has ended. An event is too large as
    soon as this exceeds the limit at any moment, wherever the chunks are cut. Comments cost nothing, however long and many they are, and
    neither do blank lines, nor other fields once their line has ended.

    Attributes:
        last_event_id: the id to resume from: that of the last event dispatched, also of one that had no data and was not delivered.
        retry: the newest reconnection time that the stream asked for, in milliseconds; None where it did not.

    Args:
        last_event_id: the id that earlier connections ended with.
        origin: what the events name as their origin.
        max_event_size: the greatest size of an event, in bytes.
    """

    def __init__(self, *, last_event_id: str = "", origin: str = "", max_event_size: int = MAX_EVENT_SIZE) -> None:
        self.last_event_id = last_event_id
        self.retry: int | None = None
        self._origin = origin
        self._max_event_size = max_event_size
        # The stream's beginning: bytes that may still turn out to be a BOM; None once that is decided.
        self._beginning: bytes | None = b""
        self._after_carriage_return = False
        # The line that is still coming; a bytearray grows in linear time. Of a comment nothing is kept.
        self._line = bytearray()
        self._in_comment = False
        # The standard's buffers: what the lines of the event that is still coming have said.
        self._data: list[str] = []
        self._type = ""
        self._id = last_event_id
        # The size of that event without its unfinished line, in bytes: the most that it can be, or just what it is once it is measured. To
        # measure takes as long as to decode, so it is done only near the limit; what has been measured is kept.
        self._size = 0
        self._counted = 0
        self._data_size = 0
        self._measured: dict[str, tuple[str, int]] = {}
        self._failure: EventTooLargeError | None = None
        # The beginning of an event that is read once it is whole; then all of the above is empty.
        self._held = b""
        self._held_limit = min(HELD, max_event_size)

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """
        Take the next bytes and return the events that they complete, oldest first.

        Raises:
            EventTooLargeError: an event exceeds the limit. Where the same bytes completed events before it, these are returned first, and
                the next call raises, also one with no bytes. Nothing can be decoded afterwards.
        """
        if self._failure is not None:
            raise self._failure
        if self._beginning is not None:
            chunk = self._strip_bom(chunk)
        if self._after_carriage_return or b"\r" in chunk:
            chunk = self._fold_line_breaks(chunk)
        if self._in_comment:
            _, line_end, chunk = chunk.partition(b"\n")
            self._in_comment = not line_end
        if self._held:
            chunk, self._held = self._held + chunk, b""
        events: list[ServerSentEvent] = []
        if self._line or self._data or self._type or self._id != self.last_event_id:
            end = chunk.find(b"\n\n") + 2
            if not self._take(chunk if end == 1 else chunk[:end], events) or end == 1:
                return events or self._nothing()
            chunk = chunk[end:]
        # From here on a whole event is the next thing to come: the way of nearly all bytes.
        end = chunk.rfind(b"\n\n") + 2
        if end > 1:
            is_near_limit = REPLACEMENT * end > self._max_event_size
            if (is_near_limit or not self._take_plain(chunk[:end], events)) and not self._take(chunk[:end], events):
                return events or self._nothing()
            chunk = chunk[end:]
        if chunk[:4] == b"id: " and len(chunk) <= self._held_limit and chunk.count(b"\n") <= 1:
            self._held = chunk
        elif chunk:
            self._take(chunk, events)
        return events or self._nothing()

    @property
    def has_failed(self) -> bool:
        """Whether the next call of `feed` raises, whatever it is given."""
        return self._failure is not None

    def _nothing(self) -> list[ServerSentEvent]:
        """Return no events; raise where the next one is too large."""
        if self._failure is not None:
            raise self._failure
        return []

    def _take_plain(self, chunk: bytes, events: list[ServerSentEvent]) -> bool:
        """
        Take whole events if each of them is an `id: ` line and a `data: ` line, as Pricewire and many others write them; say whether so.

        It is the general rule for that shape, in a few calls for all of the events.
        """
        blank = chunk.find(b"\n\n")
        if chunk[:4] != b"id: " or chunk.count(b"\n", 0, blank) != 1 or b"\0" in chunk:
            return False
        blocks = chunk[4:-2].decode("utf-8", "replace").split("\n\nid: ")
        # One line end in each block, at its "data: ", and two behind it: then there is no other line.
        if chunk.count(b"\n") != 3 * len(blocks):
            return False
        origin = self._origin
        plain = [
            ServerSentEvent("message", data, last_event_id, origin)
            for last_event_id, found, data in [block.partition("\ndata: ") for block in blocks]
            if found
        ]
        if len(plain) != len(blocks):
            return False
        events += plain
        self.last_event_id = self._id = plain[-1].last_event_id
        return True

    def _take(self, chunk: bytes, events: list[ServerSentEvent]) -> bool:
        """Take the next bytes by the general rule, line by line; return whether no event was too large."""
        end = chunk.rfind(b"\n") + 1
        if end:
            # The lines are whole, so no character is cut in two: the bytes of a longer one never contain an LF.
            lines = chunk[:end]
            if self._line:
                lines = bytes(self._line) + lines
                self._line.clear()
            chunk = chunk[end:]
            most = REPLACEMENT * len(lines)
            if self._size + most <= self._max_event_size or self._has_room(most):
                self._take_lines(lines.decode("utf-8", "replace"), most, events)
            elif not self._take_one_by_one(lines, events):
                return False
        if chunk:
            if not self._line and chunk[:1] == b":":
                self._in_comment = True
            else:
                line = self._line
                line += chunk
                if self._size + len(line) > self._max_event_size and not self._has_room(len(line)):
                    return self._fail(len(line))
        return True

    def _take_one_by_one(self, lines: bytes, events: list[ServerSentEvent]) -> bool:
        """Take whole lines, one of which may make its event too large; return whether none did."""
        for line in lines.split(b"\n")[:-1]:
            if line[:1] == b":":
                continue
            text = line.decode("utf-8", "replace")
            size = _utf8_size(text)
            if self._size + size > self._max_event_size and not self._has_room(size):
                return self._fail(size)
            self._take_lines(text + "\n", size, events)
        return True

    def _take_lines(self, text: str, most: int, events: list[ServerSentEvent]) -> None:
        """Take whole lines, which add so many bytes to the event at most."""
        if self._interpret(text, events):
            self._size = most
            self._counted = self._data_size = 0
        else:
            self._size += most

    def _has_room(self, size: int) -> bool:
        """Measure the event, and return whether it can have so many more bytes."""
        self._measure()
        return self._size + size <= self._max_event_size

    def _fail(self, size: int) -> bool:
        self._failure = EventTooLargeError(self._size + size, self._max_event_size)
        return False

    def _measure(self) -> None:
        """Make the size of the event exact, at a cost that grows with what is new in it only."""
        count = len(self._data)
        if count > self._counted:
            self._data_size += sum(map(_utf8_size, self._data[self._counted :])) + count - max(self._counted, 1)
            self._counted = count
        self._size = self._data_size + self._size_of("event", self._type)
        if self._id != self.last_event_id:
            self._size += self._size_of("id", self._id)

    def _size_of(self, name: str, value: str) -> int:
        """Return the size of a field's value, which stays the same for many lines."""
        measured, size = self._measured.get(name, ("", 0))
        if measured is not value:
            size = _utf8_size(value)
            self._measured[name] = value, size
        return size

    def _strip_bom(self, chunk: bytes) -> bytes:
        """Leave out one byte order mark at the very beginning (section 9.2.5: the stream is decoded by "UTF-8 decode")."""
        beginning = (self._beginning or b"") + chunk
        if len(beginning) < len(BOM) and BOM.startswith(beginning):
            self._beginning = beginning
            return b""
        self._beginning = None
        return beginning.removeprefix(BOM)

    def _fold_line_breaks(self, chunk: bytes) -> bytes:
        """Turn CRLF and CR into LF. A CR at the end is one at once; should an LF follow in the next chunk, it is left out there."""
        if not chunk:
            return chunk
        if self._after_carriage_return:
            chunk = chunk.removeprefix(b"\n")
        self._after_carriage_return = chunk.endswith(b"\r")
        return chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _interpret(self, text: str, events: list[ServerSentEvent]) -> bool:
        """
        Process whole lines (section 9.2.6); return whether there was a blank line.

        The prefixes looked at first are what servers write; all else goes by the general rule.
        """
        dispatched = False
        data = self._data
        lines = text.split("\n")
        lines.pop()
        for line in lines:
            if line[:6] == "data: ":
                data.append(line[6:])
            elif not line:
                # The last event id moves at the blank line, with or without data: an event cut off before it must come again.
                dispatched = True
                self.last_event_id = self._id
                if data:
                    events.append(
                        ServerSentEvent(
                            self._type or "message",
                            "\n".join(data) if len(data) > 1 else data[0],
                            self._id,
                            self._origin,
                        )
                    )
                    data.clear()
                self._type = ""
            elif line[:4] == "id: " and "\0" not in line:
                self._id = line[4:]
            else:
                self._process_field(line)
        return dispatched

    def _process_field(self, line: str) -> None:
        """Take one field of any form (section 9.2.6, "process the field")."""
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._type = value
        elif name == "id":
            if "\0" not in value:
                self._id = value
        elif name == "retry" and DIGITS.fullmatch(value):
            # Any longer wait means for ever, and int() refuses thousands of digits.
            digits = value.lstrip("0") or "0"
            self.retry = min(int(digits), MAX_RETRY) if len(digits) <= len(str(MAX_RETRY)) else MAX_RETRY


def _utf8_size(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


PythonDecoder = EventStreamDecoder
"""The decoder in Python, whatever was compiled."""

if core is not None:
    EventStreamDecoder = core.EventStreamDecoder  # type: ignore[misc]
