"""Finds the groups of streams that get an update: a new topic is looked at once, and an update of a known one finds them at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from typing import Protocol, cast

from pricewire.hub.event import Event
from pricewire.hub.log import TopicLog
from pricewire.hub.streams import Group
from pricewire.server.mercure.matchers import EVERYTHING, EXACT, URL_PATTERN, Matcher, pattern_of, subject_of
from pricewire.server.mercure.update import update_of
from pricewire.server.mercure.url_pattern.pattern import UrlPattern

MOST_TOPICS = 20_000
"""Of how many topics it is remembered who gets their updates."""


class Selecting(Protocol):
    """What the router has to know of a `Selection`."""

    @property
    def matchers(self) -> tuple[Matcher, ...]:
        """What is subscribed to."""

    def selects(self, event: Event) -> bool:
        """Return whether a subscriber gets an event."""

    def may_read(self, topics: Sequence[str]) -> bool:
        """Return whether it may read one of an update's topics."""


class PatternIndex:
    """URL patterns of one base, found by the fixed text that they begin with: most of them need no look at all."""

    def __init__(self) -> None:
        # By the length of the fixed text, then by the text.
        self._patterns: dict[int, dict[bytes, dict[Matcher, UrlPattern]]] = {}
        # The topics that were looked at, as patterns are matched against them.
        self.subjects: dict[str, bytes] = {}

    def __bool__(self) -> bool:
        return bool(self._patterns)

    def add(self, matcher: Matcher) -> list[str]:
        """Know of a pattern; return the topics that were looked at and may match it, by the fixed texts that it has."""
        pattern = pattern_of(matcher.key)
        prefix, needle = pattern.prefix, pattern.needle
        self._patterns.setdefault(len(prefix), {}).setdefault(prefix, {})[matcher] = pattern
        return [topic for topic, subject in self.subjects.items() if subject.startswith(prefix) and needle in subject]

    def remove(self, matcher: Matcher) -> None:
        """Forget a pattern."""
        prefix = pattern_of(matcher.key).prefix
        prefixes = self._patterns[len(prefix)]
        del prefixes[prefix][matcher]
        if not prefixes[prefix]:
            del prefixes[prefix]
        if not prefixes:
            del self._patterns[len(prefix)]

    def find(self, topic: str, subject: bytes) -> list[Matcher]:
        """Look at a topic; return the patterns that it matches."""
        self.subjects[topic] = subject
        found: list[Matcher] = []
        for length, prefixes in self._patterns.items():
            candidates = prefixes.get(subject[:length])
            if candidates is not None:
                found += [
                    matcher
                    for matcher, pattern in candidates.items()
                    if subject.find(pattern.needle, length) >= 0 and pattern.matches(subject)
                ]
        return found


class KnownTopic:
    """A topic of which it is known who gets its updates: the matchers that it matches, and their groups."""

    __slots__ = ("groups", "matchers")

    def __init__(self, matchers: dict[Matcher, None], groups: dict[Group, None]) -> None:
        self.matchers = matchers
        self.groups = groups


class UpdateRouter:
    """The router of the updates' topic; see `pricewire.hub.streams.Router`."""

    def __init__(self) -> None:
        self._everything: dict[Group, None] = {}
        # The groups of each matcher but `*`, and the known topics that match it.
        self._groups: dict[Matcher, dict[Group, None]] = {}
        self._topics: dict[Matcher, dict[str, None]] = {}
        # By the base that relative topics are resolved against.
        self._patterns: dict[str, PatternIndex] = {}
        # Other matchers are looked at one by one: those of clients that speak 0.x.
        self._others: dict[Matcher, None] = {}
        # The oldest first.
        self._known: dict[str, KnownTopic] = {}
        # Where the updates of each id are, and all ids in their order.
        self._places: dict[str, list[int]] = {}
        self._ids: deque[tuple[int, str]] = deque()

    def add(self, group: Group) -> None:
        """Know of a group."""
        matchers = selection_of(group).matchers
        if any(matcher.kind == EVERYTHING for matcher in matchers):
            self._everything[group] = None
            return
        for matcher in matchers:
            if matcher not in self._groups:
                self._begin(matcher)
            self._groups[matcher][group] = None
            for topic in self._topics[matcher]:
                self._known[topic].groups[group] = None

    def remove(self, group: Group) -> None:
        """Forget a group."""
        if group in self._everything:
            del self._everything[group]
            return
        for matcher in selection_of(group).matchers:
            for topic in self._topics[matcher]:
                self._known[topic].groups.pop(group, None)
            del self._groups[matcher][group]
            if not self._groups[matcher]:
                self._end(matcher)

    def route(self, event: Event, floor: int) -> Collection[Group]:
        """Return the groups that get an update, and note its id."""
        update = update_of(event)
        self._note(event.position, update.id, floor)
        groups: dict[Group, None] = self._groups_of(update.topics[0])
        if self._everything or len(update.topics) > 1:
            groups = dict(self._everything)
            for topic in update.topics:
                groups |= self._groups_of(topic)
        if update.private:
            return [group for group in groups if selection_of(group).may_read(update.topics)]
        return groups

    def find(self, update_id: str, selection: Selecting, log: TopicLog) -> int | None:
        """
        Return where the first update is that has an id and that a subscriber gets, so that it misses nothing where the id was used again;
        else where the first one is of this id. None where the log has none.
        """
        places = [place for place in self._places.get(update_id, ()) if place > log.floor]
        if len(places) < 2:
            return places[0] if places else None
        events = {event.position: event for event in log.after(places[0] - 1, places[-1]) or ()}
        return next((place for place in places if place in events and selection.selects(events[place])), places[0])

    def _note(self, position: int, update_id: str, floor: int) -> None:
        self._places.setdefault(update_id, []).append(position)
        self._ids.append((position, update_id))
        while self._ids[0][0] <= floor:
            _, old = self._ids.popleft()
            places = self._places[old]
            del places[0]
            if not places:
                del self._places[old]

    def _groups_of(self, topic: str) -> dict[Group, None]:
        known = self._known.get(topic)
        return (self._look_at(topic) if known is None else known).groups

    def _look_at(self, topic: str) -> KnownTopic:
        """Find the groups of a topic that is new."""
        if len(self._known) >= MOST_TOPICS:
            self._forget(next(iter(self._known)))
        found: list[Matcher] = []
        for base, index in self._patterns.items():
            subject = subject_of(topic, base)
            if subject is not None:
                found += index.find(topic, subject)
        exact = Matcher(EXACT, topic)
        if exact in self._groups:
            found.append(exact)
        found += [matcher for matcher in self._others if matcher.matches(topic)]
        groups: dict[Group, None] = {}
        for matcher in found:
            self._topics[matcher][topic] = None
            groups |= self._groups[matcher]
        known = self._known[topic] = KnownTopic(dict.fromkeys(found), groups)
        return known

    def _forget(self, topic: str) -> None:
        for matcher in self._known.pop(topic).matchers:
            del self._topics[matcher][topic]
        for index in self._patterns.values():
            index.subjects.pop(topic, None)

    def _begin(self, matcher: Matcher) -> None:
        """Know of a matcher, and which of the known topics match it."""
        self._groups[matcher] = {}
        topics = self._topics[matcher] = {}
        if matcher.kind == EXACT:
            if matcher.text in self._known:
                topics[matcher.text] = None
                self._known[matcher.text].matchers[matcher] = None
            return
        if matcher.kind == URL_PATTERN and matcher.base in self._patterns:
            changed = self._patterns[matcher.base].add(matcher)
        else:
            changed = list(self._known)
            if matcher.kind == URL_PATTERN:
                self._patterns[matcher.base] = PatternIndex()
                self._patterns[matcher.base].add(matcher)
            else:
                self._others[matcher] = None
        # They are looked at again with their next updates: to match all of them now would take longer than others can wait.
        for topic in changed:
            self._forget(topic)

    def _end(self, matcher: Matcher) -> None:
        for topic in self._topics.pop(matcher):
            del self._known[topic].matchers[matcher]
        del self._groups[matcher]
        if matcher.kind == URL_PATTERN:
            index = self._patterns[matcher.base]
            index.remove(matcher)
            if not index:
                del self._patterns[matcher.base]
        self._others.pop(matcher, None)


def selection_of(group: Group) -> Selecting:
    """Return what the streams of a group select; all those of the updates' topic have it."""
    return cast("Selecting", group.spec.selector)
