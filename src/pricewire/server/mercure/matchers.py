"""Matchers of topics: of a name, of a URL pattern, or of all; and the kinds of grants that are made of them."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from pricewire.errors import quoted
from pricewire.server.auth.grants import KINDS, Action, Grant, Matches, matcher
from pricewire.server.mercure.texts import InvalidRequestError, has_invisible
from pricewire.server.mercure.uri_template import template_matcher
from pricewire.server.mercure.url_pattern.pattern import UrlPattern, subject
from pricewire.server.mercure.url_pattern.tokens import InvalidPatternError

EXACT = "exact"
URL_PATTERN = "urlpattern"
EVERYTHING = "*"
URI_TEMPLATE = "uritemplate"
"""The kinds of matchers; the last one of clients that speak 0.x."""

MAX_PATTERN = 4096
"""How long a matcher may be, in bytes."""

MOST_KNOWN = 10_000
"""How many compiled patterns, and how many topics as URLs, are remembered."""


class Matcher(NamedTuple):
    """
    What topics something is for.

    Attributes:
        kind: how `text` says so.
        text: the name, or the pattern.
        base: the hub's URL, which a relative pattern is resolved against; empty for the other kinds.
    """

    kind: str
    text: str
    base: str = ""

    @property
    def match_type(self) -> str:
        """The kind as the protocol names it: `*` is a value, and of no kind of its own."""
        return EXACT if self.kind == EVERYTHING else self.kind

    @property
    def key(self) -> str:
        """The text of a grant of this kind."""
        return f"{self.base} {self.text}" if self.base else self.text

    def matches(self, topic: str) -> bool:
        """Return whether a topic is one of these."""
        return matcher(f"mercure {self.kind}", self.key)(topic)

    def grant(self, action: Action) -> Grant:
        """Return the grant of an action on these topics."""
        return Grant(action, f"mercure {self.kind}", self.key)


def read_matcher(kind: str, text: str, base: str) -> Matcher:
    """
    Return a matcher, checked.

    Args:
        kind: `EXACT`, `URL_PATTERN` or `URI_TEMPLATE`; `*` matches everything whatever this is.
        text: its value.
        base: the hub's URL.

    Raises:
        InvalidRequestError: the value is not allowed, or no URL pattern, or too long.
    """
    if text == "*":
        return Matcher(EVERYTHING, "*")
    if len(text.encode()) > MAX_PATTERN:
        raise InvalidRequestError(f"a matcher of {len(text.encode())} bytes exceeds the limit of {MAX_PATTERN}")
    if not text:
        raise InvalidRequestError("a matcher is empty, which no topic is")
    if has_invisible(text):
        raise InvalidRequestError(f"the matcher {quoted(text)} has a control character, or another one that cannot be seen")
    if kind == EXACT:
        return Matcher(EXACT, text)
    found = Matcher(kind, text, base)
    try:
        matcher(f"mercure {kind}", found.key)
    except InvalidPatternError as error:
        raise InvalidRequestError(str(error)) from None
    return found


@lru_cache(maxsize=MOST_KNOWN)
def pattern_of(key: str) -> UrlPattern:
    """
    Return the compiled pattern of a matcher's key.

    Raises:
        InvalidPatternError: it is none.
    """
    base, _, text = key.partition(" ")
    return UrlPattern(text, base)


@lru_cache(maxsize=MOST_KNOWN)
def subject_of(topic: str, base: str) -> bytes | None:
    """Return a topic as what patterns are matched against; None where it is no URL."""
    return subject(topic, base)


def url_pattern_matcher(key: str) -> Matches:
    """Return what says whether a topic is a URL pattern's."""
    base, pattern = key.partition(" ")[0], pattern_of(key)

    def matches(topic: str) -> bool:
        found = subject_of(topic, base)
        return found is not None and pattern.matches(found)

    return matches


def exact_matcher(text: str) -> Matches:
    """Return what says whether a topic has a name, byte for byte."""
    return lambda topic: topic == text


def everything_matcher(text: str) -> Matches:
    """Return what says that every topic is meant."""
    return lambda topic: True


def uri_template_matcher(key: str) -> Matches:
    """Return what says whether a topic is a URI template's, or is that text itself."""
    return template_matcher(key.partition(" ")[2])


KINDS["mercure exact"] = exact_matcher
KINDS["mercure *"] = everything_matcher
KINDS["mercure urlpattern"] = url_pattern_matcher
KINDS["mercure uritemplate"] = uri_template_matcher
