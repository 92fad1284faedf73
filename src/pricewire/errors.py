"""
The errors of Pricewire, all below one base class.

    PricewireError
    ├── ProtocolError             what was read or is to be written does not fit the event stream format
    │   └── EventTooLargeError    an event exceeds the decoder's limit
    ├── InvalidTopicError         a topic's text cannot be read
    ├── FeedError                 a feed or a recording cannot be used
    ├── UnknownInstrumentError    no feed brings this instrument
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
