"""Grants: what a principal may do, each an action on topics. Whatever form a token has, inside it is a list of these."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from functools import lru_cache

import msgspec

from pricewire.protocol.free_topics import is_own
from pricewire.protocol.topics import ACCOUNT_TOPICS, LIST_TOPICS

Matches = Callable[[str], bool]
"""Says whether a grant holds for a topic, by its name."""

ACCOUNT_FAMILIES = frozenset({*ACCOUNT_TOPICS, *LIST_TOPICS})
"""The families of topics that are an account's."""


class Action(StrEnum):
    """What a grant allows."""

    READ = "read"
    PUBLISH = "publish"


class Grant(msgspec.Struct, frozen=True, array_like=True):
    """
    One action on topics.

    It is plain data, so it goes over the bus to gateways, and streams whose readers have the same grants share their work.

    Attributes:
        action: what it allows.
        kind: how `text` says for which topics, one of `KINDS`. `account` is for the topics of an account, and `admin` for that of
            operators. All other kinds are for free topics alone, whatever their text is: nobody gets a server's own topic by a pattern.
        text: the name, the pattern, or the account's `uuid`.
    """

    action: Action
    kind: str
    text: str = ""

    def allows(self, action: Action, topic: str) -> bool:
        """Return whether it allows an action on a topic."""
        return self.action is action and matcher(self.kind, self.text)(topic)


def pattern_matcher(text: str) -> Matches:
    """Return what says whether a topic is a pattern's: the name itself, or one of its beginning where the pattern ends with `*`."""
    if text.endswith("*"):
        beginning = text[:-1]
        return lambda topic: topic.startswith(beginning) and not is_own(topic)
    return lambda topic: topic == text and not is_own(topic)


def public_matcher(text: str) -> Matches:
    """Return what says whether a topic is public, by lines with a `+` or `-` and a pattern: the first one that it matches decides."""
    lines = [(line[0] == "+", pattern_matcher(line[1:])) for line in text.split("\n")]
    return lambda topic: next((is_public for is_public, matches in lines if matches(topic)), False)


def account_matcher(text: str) -> Matches:
    """Return what says whether a topic is an account's, by the account's `uuid`."""

    def matches(topic: str) -> bool:
        family, _, rest = topic.partition(":")
        return family in ACCOUNT_FAMILIES and rest.partition(":")[0] == text

    return matches


def admin_matcher(text: str) -> Matches:
    """Return what says whether a topic is that of operators."""
    return lambda topic: topic == "admin"


KINDS: dict[str, Callable[[str], Matches]] = {
    "pattern": pattern_matcher,
    "public": public_matcher,
    "account": account_matcher,
    "admin": admin_matcher,
}
"""The kinds of grants, and what makes a matcher of a grant's text. A protocol with patterns of another form adds its own kind."""


@lru_cache(maxsize=10_000)
def matcher(kind: str, text: str) -> Matches:
    """
    Return the matcher of a kind of grant for a text, the same one for the same arguments.

    Raises:
        KeyError: there is no such kind.
    """
    return KINDS[kind](text)


def grants_of(account: str, scopes: Iterable[str], patterns: Sequence[str]) -> tuple[Grant, ...]:
    """
    Return the grants of one of the server's own tokens.

    Args:
        account: the account's `uuid`.
        scopes: `read` is for the account's topics and for reading what the patterns say, `publish` for publishing to that, and `admin` for
            the topic of operators.
        patterns: free topics, by their names or beginnings.
    """
    grants: list[Grant] = []
    if "read" in scopes:
        grants += [Grant(Action.READ, "account", account), *(Grant(Action.READ, "pattern", text) for text in patterns)]
    if "publish" in scopes:
        grants += [Grant(Action.PUBLISH, "pattern", text) for text in patterns]
    if "admin" in scopes:
        grants.append(Grant(Action.READ, "admin"))
    return tuple(grants)


def may(action: Action, topic: str, grants: Sequence[Grant]) -> bool:
    """Return whether one of some grants allows an action on a topic."""
    return any(grant.allows(action, topic) for grant in grants)
