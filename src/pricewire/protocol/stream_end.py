"""What a stream says before it ends."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from pricewire.protocol.encoder import encode_event
from pricewire.protocol.messages import error_body


class StreamEnd(NamedTuple):
    """
    The last bytes of a stream, before they are compressed and framed.

    Attributes:
        named: for a stream that carries named events: an event `error` that says why it ends.
        bare: for one whose reader takes every event for data: no event, at most a line `retry:`. Its reader learns the reason from the
            status of its next request.
    """

    named: bytes
    bare: bytes


def encode_error(code: str, message: str, *, retry: int | None = None) -> StreamEnd:
    """
    Encode why a stream ends.

    Args:
        code: for programs.
        message: for people.
        retry: when to come back, in milliseconds; None where that makes no difference.
    """
    named = encode_event(msgspec.json.encode(error_body(code, message)), event_type="error", retry=retry)
    # Readers take this line as it comes; with a blank line after it, those that only split at blank lines would take it for an event.
    return StreamEnd(named, b"" if retry is None else b"retry: %d\n" % retry)
