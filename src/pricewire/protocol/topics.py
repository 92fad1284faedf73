"""Topics: what one can subscribe to, as text and as an object."""

from __future__ import annotations

import re

import msgspec

from pricewire.errors import InvalidTopicError

GRANULARITIES = (60, 120, 180, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400)
"""The spans of candles, in seconds: a minute to a day, each a divisor of a day, so that every day begins with a new candle."""

INSTRUMENT_ID = re.compile(r"[A-Za-z0-9_.\-]{1,64}")


class TicksTopic(msgspec.Struct, frozen=True):
    """The ticks of an instrument, as `ticks:R_100`."""

    instrument_id: str

    def __str__(self) -> str:
        return f"ticks:{self.instrument_id}"


class CandlesTopic(msgspec.Struct, frozen=True):
    """The candles of an instrument, as `candles:R_100:60`; the granularity is in seconds."""

    instrument_id: str
    granularity: int

    def __str__(self) -> str:
        return f"candles:{self.instrument_id}:{self.granularity}"


Topic = TicksTopic | CandlesTopic


def parse_topic(text: str) -> Topic:
    """
    Read a topic.

    Args:
        text: `ticks:<instrument>` or `candles:<instrument>:<seconds>`.

    Raises:
        InvalidTopicError: the text is of neither form, or its granularity is none of `GRANULARITIES`.
    """
    kind, _, rest = text.partition(":")
    if kind == "ticks":
        return TicksTopic(parse_instrument_id(rest, text))
    if kind == "candles":
        instrument_id, _, granularity = rest.partition(":")
        return CandlesTopic(parse_instrument_id(instrument_id, text), parse_granularity(granularity))
    raise InvalidTopicError(f"topic {text!r} is neither 'ticks:<instrument>' nor 'candles:<instrument>:<seconds>'")


def parse_instrument_id(text: str, topic: str) -> str:
    """
    Return an instrument's id as it stands in a topic.

    Raises:
        InvalidTopicError: the text is not 1 to 64 letters, digits, `_`, `.` and `-`.
    """
    if INSTRUMENT_ID.fullmatch(text) is None:
        raise InvalidTopicError(f"topic {topic!r}: instrument {text!r} is not 1 to 64 letters, digits, '_', '.' and '-'")
    return text


def parse_granularity(text: str) -> int:
    """
    Return a granularity in seconds.

    Raises:
        InvalidTopicError: the text is none of `GRANULARITIES`.
    """
    for granularity in GRANULARITIES:
        if text == str(granularity):
            return granularity
    raise InvalidTopicError(f"granularity {text!r} is none of {', '.join(map(str, GRANULARITIES))} seconds")
