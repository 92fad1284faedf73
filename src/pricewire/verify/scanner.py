"""
Reads an event stream line by line, and remembers when each line and event came, and in which bytes.

Source: WHATWG HTML, section 9.2.5 "Parsing an event stream"; what the lines mean is the decoder's business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from pricewire.protocol.decoder import BOM, EventStreamDecoder, ServerSentEvent

LINE_END = re.compile(rb"\r\n|\r|\n")

MAX_EVENT_SIZE = 2**30
"""The decoder's limit, in bytes: what is recorded is bounded before, also where each byte becomes a U+FFFD of three."""


class Line(NamedTuple):
    """
    A line of a stream.

    Attributes:
        at: when its end came, in seconds on the recording's clock.
        offset: where it begins in the body, in bytes.
        content: its bytes without the line end.
        end: its line end.
    """

    at: float
    offset: int
    content: bytes
    end: bytes


class Place(Enum):
    """Where in the stream a piece of it ends."""

    BETWEEN_EVENTS = "between events"
    IN_A_LINE = "in a line"
    BEFORE_THE_BLANK_LINE = "before the blank line"


@dataclass(frozen=True)
class Arrival:
    """
    An event as it came.

    Attributes:
        event: the event, as the standard has clients dispatch it.
        at: when its blank line came, in seconds on the recording's clock.
        has_id: whether it has an id line of its own.
        raw: its lines, with their ends.
    """

    event: ServerSentEvent
    at: float
    has_id: bool
    raw: bytes


class Scanner:
    """
    Takes the bytes of one stream's body.

    Attributes:
        lines: the lines that are complete.
        arrivals: the events that are complete.
        place: where in the stream the bytes end that have been taken.
        retry: the newest reconnection time that the stream asked for, in milliseconds; None where it did not.
    """

    def __init__(self) -> None:
        self.lines: list[Line] = []
        self.arrivals: list[Arrival] = []
        self.place = Place.BETWEEN_EVENTS
        self._decoder = EventStreamDecoder(max_event_size=MAX_EVENT_SIZE)
        self._rest = b""
        self._offset = 0
        self._after_carriage_return = False
        self._block: list[Line] = []

    @property
    def retry(self) -> int | None:
        return self._decoder.retry

    def feed(self, data: bytes, at: float) -> None:
        """Take the next bytes, which came at a time in seconds."""
        if self._after_carriage_return and data:
            self._after_carriage_return = False
            if data[:1] == b"\n":
                last = self.lines[-1]
                self.lines[-1] = last._replace(end=b"\r\n")
                self._offset += 1
                data = data[1:]
        data, start = self._rest + data, 0
        for found in LINE_END.finditer(data):
            self._take(Line(at, self._offset + start, data[start : found.start()], found[0]))
            start = found.end()
            self._after_carriage_return = found[0] == b"\r" and start == len(data)
        self._rest = data[start:]
        self._offset += start
        has_data = any(line.content.startswith(b"data") for line in self._block)
        self.place = Place.IN_A_LINE if self._rest else Place.BEFORE_THE_BLANK_LINE if has_data else Place.BETWEEN_EVENTS

    @property
    def rest(self) -> bytes:
        """The line that is still coming."""
        return self._rest

    def _take(self, line: Line) -> None:
        self.lines.append(line)
        self._block.append(line)
        events = self._decoder.feed(line.content + b"\n")
        if line.content:
            return
        has_id = any(each.content.removeprefix(BOM).partition(b":")[0] == b"id" for each in self._block)
        raw = b"".join(each.content + each.end for each in self._block)
        self.arrivals += [Arrival(event, line.at, has_id, raw) for event in events]
        self._block.clear()
