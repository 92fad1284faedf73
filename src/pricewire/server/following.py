"""Streams of patterns: which topics of a pattern a reader gets."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from pricewire.hub.streams import Follow
from pricewire.protocol.free_topics import is_own
from pricewire.server.auth.grants import ACCOUNT_FAMILIES, Action, Grant, may

MARKET_FAMILIES = frozenset({"ticks", "candles"})
"""The families of topics that everybody may read."""


class Following(msgspec.Struct, frozen=True, tag="topics"):
    """
    The topics of some patterns that a reader may read.

    It is plain data, so it goes over the bus to gateways, and streams of the same patterns and rights share their work.

    Attributes:
        beginnings: of the topics' names, sorted.
        grants: what the reader may read besides prices; only what can make a difference, so that others with the same patterns share.
    """

    beginnings: tuple[str, ...]
    grants: tuple[Grant, ...]

    def __call__(self, topic: str) -> bool:
        """Return whether it has a topic. What contracts cost, and what is for operators, it never has."""
        if not topic.startswith(self.beginnings):
            return False
        if not is_own(topic):
            return may(Action.READ, topic, self.grants)
        family, _, rest = topic.partition(":")
        if family in MARKET_FAMILIES:
            return True
        # A list of one contract is made for the stream that asks for it.
        return family in ACCOUNT_FAMILIES and ":" not in rest and may(Action.READ, topic, self.grants)

    @property
    def patterns(self) -> list[str]:
        """The patterns."""
        return [f"{each}*" for each in self.beginnings]


def following(patterns: Iterable[str], grants: Sequence[Grant]) -> Following | None:
    """
    Return what says which topics a stream of patterns has; None where there are no patterns.

    Args:
        patterns: each the beginning of names, with a `*` at its end.
        grants: what the reader may read, and everybody.
    """
    beginnings = tuple(sorted({pattern.removesuffix("*") for pattern in patterns}))
    if not beginnings:
        return None
    families = {beginning.partition(":")[0] for beginning in beginnings}
    open_ended = any(":" not in beginning for beginning in beginnings)
    has_free = open_ended or not all(map(is_own, beginnings))
    has_accounts = open_ended or not families.isdisjoint(ACCOUNT_FAMILIES)
    kept = {each for each in grants if each.action is Action.READ and (has_accounts if each.kind == "account" else has_free)}
    return Following(beginnings, tuple(sorted(kept, key=msgspec.json.encode)))


def patterns_of(follow: Follow | None) -> list[str]:
    """Return the patterns of what a stream follows."""
    return follow.patterns if isinstance(follow, Following) else []
