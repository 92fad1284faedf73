"""Encodes messages as JSON, and the event stream format: events and heartbeats as bytes."""

from __future__ import annotations

from typing import Any

import msgspec

from pricewire.errors import ProtocolError

HEARTBEAT = b":\n"
"""
A comment that shows life and means nothing.

It is one line without a blank line after it: parsers that only split at blank lines would take a block of its own for an event.
"""


LF, CR = b"\n\r"


def encode_event(data: str | bytes, *, event_id: str | None = None, event_type: str | None = None, retry: int | None = None) -> bytes:
    """
    Encode one event, with the blank line that dispatches it.

    Args:
        data: the event's data; line breaks of any kind are kept as such, and read back as LF. Bytes are UTF-8.
        event_id: what the reader sends as `Last-Event-ID` from now on.
        event_type: the name that a reader listens to; absent, it is `message`.
        retry: the reader's reconnection time, in milliseconds.

    Raises:
        ProtocolError: the id or the type holds a line break, which would end its line, or the id a NUL, which readers ignore it for;
            the time is negative; or a text cannot be encoded as UTF-8.

    Source: WHATWG HTML, section 9.2.5, "Parsing an event stream".
    """
    lines = ""
    if event_id is not None:
        _refuse(event_id, "id", "\r\n\0")
        lines = f"id: {event_id}\n"
    if event_type is not None:
        _refuse(event_type, "type", "\r\n")
        lines += f"event: {event_type}\n"
    if retry is not None:
        if retry < 0:
            raise ProtocolError(f"retry of {retry} ms is negative; readers accept digits only")
        lines += f"retry: {retry}\n"
    try:
        head = lines.encode()
        body = data if isinstance(data, bytes) else data.encode()
    except UnicodeEncodeError as error:
        raise ProtocolError(f"event cannot be encoded as UTF-8: {error}") from error
    # As numbers, and joined: every event that a stream of its own gets comes here, and this takes a third of the time.
    if LF in body or CR in body:
        body = b"\ndata: ".join(body.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n"))
    return b"".join((head, b"data: ", body, b"\n\n"))


def _refuse(text: str, field: str, characters: str) -> None:
    if text.isprintable():
        return
    for character in characters:
        if character in text:
            raise ProtocolError(f"{field} {text!r} holds {character!r}, which would break the stream")


def _encode_other(message: Any) -> msgspec.Raw:
    """
    Encode what msgspec does not know: a model of pydantic, alone or within other values.

    Raises:
        TypeError: it is none.
    """
    dump = getattr(message, "model_dump_json", None)
    if dump is None:
        kind = type(message).__name__
        raise TypeError(f"a message holds a {kind}, which is no JSON: publish a struct, a dataclass, a pydantic model, or dicts and lists")
    return msgspec.Raw(dump(by_alias=True).encode())


encode_message = msgspec.json.Encoder(enc_hook=_encode_other).encode
"""Return a message as JSON, one line of UTF-8; raises a TypeError where it cannot be."""
