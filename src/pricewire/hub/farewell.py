"""The event that says why a stream ends."""

from __future__ import annotations

import msgspec

from pricewire.protocol.encoder import encode_event
from pricewire.protocol.messages import error_body


def encode_error(code: str, message: str, *, retry: int | None = None) -> bytes:
    """
    Encode the event that says why a stream ends.

    Args:
        code: for programs.
        message: for people.
        retry: when to come back, in milliseconds; None where that makes no difference.
    """
    return encode_event(msgspec.json.encode(error_body(code, message)), event_type="error", retry=retry)
