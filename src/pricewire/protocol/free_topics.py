"""Free topics: those that publishers make, with names of their own, and patterns of such names."""

from __future__ import annotations

import msgspec

from pricewire.errors import InvalidTopicError, quoted
from pricewire.protocol.topics import Topic, is_quote, parse_topic

UPDATES = "mercure updates"
"""The topic that carries the updates of the Mercure protocol. It has a space, so no request for a topic can name it."""

FAMILIES = frozenset(
    {
        "account",
        "admin",
        "balance",
        "candles",
        "closed_contracts",
        "contract_price",
        "contracts",
        "open_contracts",
        "proposal",
        "ticks",
        UPDATES,
    }
)
"""What the names of the server's own topics begin with, up to a colon; `account` is kept for those that may come."""

MAX_NAME = 256
"""How long the name of a topic may be, in characters."""


class FreeTopic(msgspec.Struct, frozen=True):
    """
    A topic that a publisher makes, as `news:economy`.

    Attributes:
        name: its name.
    """

    name: str

    def __str__(self) -> str:
        return self.name


class TopicPattern(msgspec.Struct, frozen=True):
    """
    All topics of a beginning that there are and that come, as `ticks:*`.

    Attributes:
        text: the beginning, with a `*` at its end.
    """

    text: str

    def __str__(self) -> str:
        return self.text


AnyTopic = Topic | FreeTopic | TopicPattern
"""What a stream can be opened on."""


def is_own(name: str) -> bool:
    """Return whether a name is of one of the server's own families, in whatever case: nobody else publishes to it."""
    return name.partition(":")[0].casefold() in FAMILIES


def is_from_outside(name: str) -> bool:
    """Return whether what a topic has comes from publishers outside of the server: nobody is to be told that it has streams."""
    return name == UPDATES or not is_own(name)


def check_name(name: str) -> None:
    """
    Check that a free topic may have a name.

    Raises:
        InvalidTopicError: it is empty or too long, has a character that cannot be seen, a space or a `*`, or is of one of the server's own
            families.
    """
    _check_characters(name)
    if "*" in name:
        raise InvalidTopicError(f"topic {quoted(name)} has a '*', which stands at the end of patterns alone")
    if is_own(name):
        family = name.partition(":")[0]
        raise InvalidTopicError(f"topic {quoted(name)}: names that begin with {quoted(family)} are the server's own; take another")


def check_pattern(text: str) -> None:
    """
    Check that a text is a pattern of topics: a name, or the beginning of names with a `*` at its end.

    Raises:
        InvalidTopicError: it is neither.
    """
    _check_characters(text)
    if "*" in text[:-1]:
        raise InvalidTopicError(f"pattern {quoted(text)}: '*' stands at the end alone")


def read_topic(text: str) -> AnyTopic:
    """
    Read a topic, the server's own or a free one, or a pattern of these.

    Raises:
        InvalidTopicError: it is none.
    """
    if text.endswith("*"):
        check_pattern(text)
        if is_quote(text):
            raise InvalidTopicError(f"pattern {quoted(text)}: what a contract costs is computed for who asks for it, and has no patterns")
        return TopicPattern(text)
    if is_own(text):
        return parse_topic(text)
    check_name(text)
    return FreeTopic(text)


def _check_characters(text: str) -> None:
    if not 0 < len(text) <= MAX_NAME:
        raise InvalidTopicError(f"topic {quoted(text)} has {len(text)} characters; a name has 1 to {MAX_NAME}")
    # In a query a space is a plus that was sent as it is.
    if not text.isprintable() or " " in text:
        raise InvalidTopicError(f"topic {quoted(text)} has a space or a character that cannot be seen; a name has neither")
