"""Why a stream ends: the codes and texts that server and clients share, and what is written last."""

from __future__ import annotations

from enum import Enum

import msgspec

from pricewire.protocol.encoder import encode_event
from pricewire.protocol.messages import ErrorBody, error_body


class StreamEnd(Enum):
    """
    Why the server ends a stream: the name is the code, for programs; the value is the message, for people.

    `web/src/stream_end.ts` has the same table, and a test compares the two.
    """

    TOKEN_EXPIRED = "the token has expired; reconnect with a new one"  # noqa: S105 - a message, no secret
    TOKEN_REVOKED = "the token was revoked; log in again"  # noqa: S105 - a message, no secret
    SERVER_DRAINING = "the server is stopping; reconnect"
    SLOW_CONSUMER = "the stream fell behind what is kept of its topics; reconnect to start anew"
    INTERNAL_ERROR = "the server could not encode an event"

    @property
    def body(self) -> ErrorBody:
        """The data of the event, as the body of an error."""
        return error_body(self.name, self.value)

    def encode(self, *, control: bool, retry: int | None = None) -> bytes:
        """
        Encode the last bytes of a stream, before they are compressed and framed.

        Args:
            control: whether the stream carries named events: then it ends with an event `error`. Another one's reader takes every event for
                data, so it gets a line `retry:` at most, and learns the reason from the status of its next request.
            retry: when to come back, in milliseconds; None where that makes no difference.
        """
        if control:
            return encode_event(msgspec.json.encode(self.body), event_type="error", retry=retry)
        # Readers take this line as it comes; with a blank line after it, those that only split at blank lines would take it for an event.
        return b"" if retry is None else b"retry: %d\n" % retry
