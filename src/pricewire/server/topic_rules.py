"""What the operator says of free topics, in a file of TOML: who may read them, and what of them is kept."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import msgspec

from pricewire.errors import InvalidTopicError, PricewireError
from pricewire.hub.log import LogBudget, LogLimits
from pricewire.protocol.free_topics import UPDATES, check_pattern, is_own
from pricewire.server.auth.grants import Action, Grant, matcher
from pricewire.server.topic_logs import USUAL, log_limits

MOST_BYTES = 256 * 1024 * 1024
"""How many bytes the logs of all free topics hold at most: of a flood each topic keeps less, and others lose nothing."""

MOST_KNOWN = 100_000
"""Of how many topics it is remembered which settings they have."""


class TopicSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    The settings of the topics of a pattern.

    Attributes:
        public: whether everybody may read them, without a token.
        log_events: how many events are kept for streams that resume.
        log_seconds: for how long these are kept, in seconds.
        key: the key of events that are published without one, so that each supersedes the one before; None for no key.
        retain: with how many of the newest events without a key a new stream begins.
        ends_after_seconds: a topic that nobody reads by its name ends so many seconds after its last event.
        survives_restart: whether a new process begins with the last values that an earlier one has published.
    """

    public: bool = False
    log_events: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = USUAL.count
    log_seconds: Annotated[float, msgspec.Meta(ge=1, le=86_400)] = USUAL.age
    key: Annotated[str, msgspec.Meta(min_length=1, max_length=256)] | None = None
    retain: Annotated[int, msgspec.Meta(ge=0, le=1000)] = 0
    ends_after_seconds: Annotated[float, msgspec.Meta(ge=1, le=31_536_000)] = 3600.0
    survives_restart: bool = True

    @property
    def log(self) -> LogLimits:
        """How far the logs of the topics reach back."""
        return LogLimits(self.log_events, self.log_seconds, USUAL.linger, self.retain)


class TopicRules:
    """
    The settings of free topics.

    Attributes:
        public: what everybody may read.
        budget: how many bytes the logs of all free topics hold.

    Args:
        settings: by names and patterns; of several that a topic has, the longest one counts.

    Raises:
        InvalidTopicError: a pattern is none, or one of the server's own topics.
    """

    def __init__(self, settings: Mapping[str, TopicSettings] | None = None) -> None:
        settings = settings or {}
        for pattern in settings:
            check_pattern(pattern)
            if is_own(pattern):
                raise InvalidTopicError(f"pattern {pattern!r} is of the server's own topics, which have no settings")
        self._settings = [(matcher("pattern", pattern), settings[pattern]) for pattern in sorted(settings, key=len, reverse=True)]
        self._known: dict[str, TopicSettings] = {}
        self.budget = LogBudget(MOST_BYTES)
        lines = [f"{'+' if settings[pattern].public else '-'}{pattern}" for pattern in sorted(settings, key=len, reverse=True)]
        self.public = (Grant(Action.READ, "public", "\n".join(lines)),) if any(each.public for each in settings.values()) else ()

    def __len__(self) -> int:
        return len(self._settings)

    def of(self, topic: str) -> TopicSettings:
        """Return the settings of a free topic."""
        found = self._known.get(topic)
        if found is None:
            found = next((each for matches, each in self._settings if matches(topic)), DEFAULTS)
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[topic] = found
        return found

    def log_limits(self, topic: str, usual: LogLimits = USUAL) -> LogLimits:
        """Return how far the log of any topic reaches back; `usual` is for the server's own that have no special limits."""
        if topic == UPDATES:
            return replace(log_limits(topic, usual), budget=self.budget)
        return log_limits(topic, usual) if is_own(topic) else replace(self.of(topic).log, budget=self.budget)


DEFAULTS = TopicSettings()


def read_rules(path: Path) -> TopicRules:
    """
    Return the settings in a file, a table for each pattern.

        ["news:*"]
        public = true
        retain = 20

    Raises:
        PricewireError: the file cannot be read, or has something else.
    """
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
        return TopicRules(msgspec.convert(found, dict[str, TopicSettings]))
    except OSError as error:
        raise PricewireError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise PricewireError(f"{path}: it is no UTF-8, from byte {error.start} on") from None
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, InvalidTopicError) as error:
        raise PricewireError(f"{path}: {error}") from None
