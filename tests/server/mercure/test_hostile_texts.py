"""Texts that nobody means well with: each is read, or refused by an error that says so."""

from __future__ import annotations

import contextlib
import random

from pricewire.server.mercure.publication import is_reserved, read_publication
from pricewire.server.mercure.subscription_query import read_matchers
from pricewire.server.mercure.texts import InvalidRequestError, TooLargeError, parse_form
from pricewire.server.mercure.url_pattern.pattern import subject
from support.mercure import HUB

PIECES = [
    *map(chr, (*range(32, 127), 0, 10, 0xE9, 0x130, 0x3B1, 0x5D0, 0x200B, 0x2028, 0xD7FF, 0xFFFD, 0x1F600, 0x10FFFF)),
    *("://", "https:", "//", "foo://", "data:", "%41", "%FF", "..", ":a", "[a-", "(?:", "(?", "{1,2}", "\\p{L}", ".well-known/mercure"),
]


def test_any_topic_is_no_url_or_has_eight_components_of_ascii() -> None:
    source = random.Random(1)
    for _ in range(2000):
        topic = source.choice(["", "https://", "foo://", "data:", "/", "//"]) + "".join(source.choices(PIECES, k=source.randint(0, 12)))
        found = subject(topic, HUB)
        assert found is None or (found.isascii() and found.count(b"\n") == 7)
        is_reserved(topic, HUB)


def test_any_request_is_read_or_refused() -> None:
    source = random.Random(2)
    names = ["match=", "match_urlpattern=", "topic=", "id=", "type=", "retry=", "private", "data=", "&", "=", "%", "+"]
    for _ in range(2000):
        data = "".join(source.choices([*PIECES, *names * 5], k=source.randint(0, 16))).encode()
        with contextlib.suppress(InvalidRequestError):
            read_matchers(parse_form(data), HUB, speaks_0_x=True)
        with contextlib.suppress(InvalidRequestError, TooLargeError):
            read_publication(data, HUB)
