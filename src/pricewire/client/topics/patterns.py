"""Patterns of topics: a `*` at the end of a name stands for all topics of that beginning, as `ticks:1HZ*`."""

from __future__ import annotations

from collections.abc import Iterable

from pricewire.protocol.topics import is_quote


def is_pattern(name: str) -> bool:
    """Return whether a name stands for all topics of a beginning."""
    return name.endswith("*")


def covers(names: Iterable[str], topic: str) -> bool:
    """
    Return whether a pattern among some names stands for a topic.

    None does for what a contract costs, and for what is for operators: the server has these for who asks for them by their names.
    """
    if is_pattern(topic) or is_quote(topic) or topic == "admin":
        return False
    return any(name.endswith("*") and topic.startswith(name[:-1]) for name in names)


def overlap(name: str, other: str) -> bool:
    """Return whether there may be topics that two different names both stand for: one of them is a pattern."""
    if is_pattern(name) and is_pattern(other):
        return name.startswith(other[:-1]) or other.startswith(name[:-1])
    return covers([name], other) or covers([other], name)
