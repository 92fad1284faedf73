"""Topics as text."""

from __future__ import annotations

from fuzz.finding import expect
from pricewire.errors import InvalidTopicError
from pricewire.protocol.topics import parse_topic


def check(data: bytes) -> None:
    """Read a topic; its own text reads as the same topic, and does not change any more."""
    try:
        topic = parse_topic(data.decode("utf-8", "replace"))
    except InvalidTopicError:
        return
    text = str(topic)
    expect(text.isascii() and text.isprintable(), f"a topic's text is plain: {text!r}")
    expect(len(text) <= 200, f"a topic's text is short: {len(text)} characters")
    expect(parse_topic(text) == topic, f"{text!r} reads as what it was written from")
    expect(str(parse_topic(text)) == text, f"{text!r} is written as it was read")
