"""
The errors of Pricewire, all below one base class.

    PricewireError
    ├── ProtocolError             what was read or is to be written does not fit the event stream format
    │   └── EventTooLargeError    an event exceeds the decoder's limit
    ├── InvalidTopicError         a topic's text cannot be read
    ├── FeedError                 a feed or a recording cannot be used
    ├── UnknownInstrumentError    no feed brings this instrument
    ├── StreamRefusedError        a new stream would exceed a limit of the server
    └── ClientError               what a client's `on_error` receives and its iterator raises
        ├── ConnectError          no connection came about, or it broke
        ├── HTTPStatusError       the server answered with another status than 200
        ├── ContentTypeError      the server answered with something else than an event stream
        ├── StreamError           the server ended the stream and said why
        ├── DecodeError           a message does not fit its type
        ├── CallbackError         a callback of the user raised
        └── ReconnectExhausted    all attempts to reconnect failed
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence


class PricewireError(Exception):
    """The base of every error that Pricewire raises."""


class ProtocolError(PricewireError):
    """What was read or is to be written does not fit the event stream format."""


class EventTooLargeError(ProtocolError):
    """
    An event exceeds the decoder's limit.

    Attributes:
        size: how much of the event had arrived, in bytes.
        limit: the most that the decoder accepts, in bytes.
    """

    def __init__(self, size: int, limit: int) -> None:
        super().__init__(f"event of at least {size} bytes exceeds the limit of {limit} bytes")
        self.size = size
        self.limit = limit


class InvalidTopicError(PricewireError):
    """A topic's text cannot be read."""


class FeedError(PricewireError):
    """A feed or a recording cannot be used."""


class UnknownInstrumentError(PricewireError):
    """
    No feed brings this instrument.

    Attributes:
        instrument_id: the id that was asked for.
    """

    def __init__(self, instrument_id: str) -> None:
        super().__init__(f"there is no instrument {instrument_id!r}; GET /v1/market/instruments lists those there are")
        self.instrument_id = instrument_id


class StreamRefusedError(PricewireError):
    """
    A new stream would exceed a limit of the server.

    Attributes:
        reason: which limit: `address`, `process` or `rate`.
        retry_after: when to try again, in whole seconds.
    """

    def __init__(self, reason: str, message: str, retry_after: int) -> None:
        super().__init__(f"{message}; try again in {retry_after} s")
        self.reason = reason
        self.retry_after = retry_after


class ClientError(PricewireError):
    """
    What a client's `on_error` receives, and what its iterator raises when it cannot go on.

    No text of these errors holds a request's headers or the query of its address, where tokens and tickets would stand.
    """


class ConnectError(ClientError):
    """
    No connection came about, or it broke, ended, or fell silent.

    Attributes:
        url: the stream's address, without its query.
        detail: what happened.
    """

    def __init__(self, url: str, detail: str) -> None:
        super().__init__(f"connection to {url}: {detail}")
        self.url = url
        self.detail = detail


class HTTPStatusError(ClientError):
    """
    The server answered with another status than 200.

    Attributes:
        url: the stream's address, without its query.
        status: the response's status.
        headers: the response's headers, with names in lower case.
        body: the beginning of the response's body, in bytes as they came.
        code: the code in the body, where it has the form of Pricewire's errors: `NOT_FOUND`, for instance.
        message: the message in the body, likewise.
    """

    def __init__(
        self,
        url: str,
        status: int,
        *,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        code: str | None = None,
        message: str | None = None,
    ) -> None:
        text = f"{url} answered with status {status}"
        if code is not None:
            text += f", {code}: {message}"
        super().__init__(text)
        self.url = url
        self.status = status
        self.headers = dict(headers or {})
        self.body = body
        self.code = code
        self.message = message


class ContentTypeError(ClientError):
    """
    The server answered with something else than an event stream.

    Attributes:
        url: the stream's address, without its query.
        content_type: what the response called itself; None where it did not.
    """

    def __init__(self, url: str, content_type: str | None) -> None:
        named = "no content type" if content_type is None else f"content type {content_type!r}"
        super().__init__(f"{url} answered with {named}; a stream has 'text/event-stream'")
        self.url = url
        self.content_type = content_type


class StreamError(ClientError):
    """
    The server ended the stream and said why, in an event `error`.

    Attributes:
        code: for programs, `TOKEN_EXPIRED` for instance.
        message: for people.
    """

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"the server ends the stream, {code}: {message}")
        self.code = code
        self.message = message


class DecodeError(ClientError):
    """
    A message does not fit its type.

    Attributes:
        topic: the topic that it came for; empty where not even that could be read.
        data: the event's data, whole.
        detail: what does not fit, and where.
    """

    def __init__(self, topic: str, data: str, detail: str) -> None:
        super().__init__(f"message of topic {topic or 'unknown'} does not fit: {detail}")
        self.topic = topic
        self.data = data
        self.detail = detail


class CallbackError(ClientError):
    """
    A callback of the user raised; the cause of this error is what it raised.

    Attributes:
        callback: which one, `on_message` for instance.
    """

    def __init__(self, callback: str, error: Exception) -> None:
        super().__init__(f"callback {callback} raised {type(error).__name__}: {error}")
        self.callback = callback


class ReconnectExhausted(ClientError):  # noqa: N818 - it says what has come to an end
    """
    All attempts to reconnect failed.

    Attributes:
        causes: why each connection since the last event failed, oldest first.
    """

    def __init__(self, causes: Sequence[ClientError]) -> None:
        last = f", the last: {causes[-1]}" if causes else ""
        super().__init__(f"gave up after {len(causes)} failed connections in a row{last}")
        self.causes = tuple(causes)
