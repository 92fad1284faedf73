"""The event stream format by the standard's own steps, over the whole stream at once: slow, and with nothing that could go wrong."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

Event = tuple[str, str, str]
"""Type, data and last event id."""


@dataclass(slots=True)
class Decoded:
    """
    What a stream says.

    Attributes:
        events: what was dispatched.
        last_event_id: the id to resume from.
        retry: the newest reconnection time as its digits; None where there was none.
    """

    events: list[Event] = field(default_factory=list)
    last_event_id: str = ""
    retry: str | None = None


def decode(stream: bytes) -> Decoded:
    """
    Return what a stream says.

    Source: WHATWG HTML, section 9.2.5 "Parsing an event stream" and section 9.2.6 "Interpreting an event stream".
    """
    # "Streams must be decoded using the UTF-8 decode algorithm", which strips one leading byte order mark.
    text = stream.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    # "Lines must be separated by either a CRLF pair, a single LF, or a single CR."
    *lines, _ = re.split("\r\n|\n|\r", text)
    found = Decoded()
    data, event_type, event_id = "", "", ""
    for line in lines:
        if line == "":
            found.last_event_id = event_id
            if data != "":
                found.events.append((event_type or "message", data.removesuffix("\n"), event_id))
            data, event_type = "", ""
            continue
        if line.startswith(":"):
            continue
        name, colon, value = line.partition(":")
        if colon:
            value = value.removeprefix(" ")
        if name == "event":
            event_type = value
        elif name == "data":
            data += value + "\n"
        elif name == "id" and "\0" not in value:
            event_id = value
        elif name == "retry" and value != "" and all(character in "0123456789" for character in value):
            found.retry = value
    return found
