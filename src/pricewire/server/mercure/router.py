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

MOST_TOPICS = 100_000
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
    """URL patterns, found by the fixed text that they begin with: most of them need no look at all."""

    def __init__(self) -> None:
        # By the base that relative topics are resolved against, then by the length of the fixed text, then by the text.
        self._by_base: dict[str, dict[int, dict[bytes, list[Matcher]]]] = {}

    def add(self, matcher: Matcher) -> None:
        """Know of a pattern."""
        prefix = pattern_of(matcher.key).prefix
        self._by_base.setdefault(matcher.base, {}).setdefault(len(prefix), {}).setdefault(prefix, []).append(matcher)

    def remove(self, matcher: Matcher) -> None:
        """Forget a pattern."""
        prefix = pattern_of(matcher.key).prefix
        lengths = self._by_base[matcher.base]
        lengths[len(prefix)][prefix].remove(matcher)
        if not lengths[len(prefix)][prefix]:
            del lengths[len(prefix)][prefix]
        if not lengths[len(prefix)]:
            del lengths[len(prefix)]

    def find(self, topic: str) -> list[Matcher]:
        """Return the patterns that a topic matches."""
        found: list[Matcher] = []
        for base, lengths in self._by_base.items():
            subject = subject_of(topic, base)
            if subject is not None:
                for length, prefixes in lengths.items():
                    candidates = prefixes.get(subject[:length], ())
                    found += [matcher for matcher in candidates if pattern_of(matcher.key).matches(subject)]
        return found


class UpdateRouter:
    """The router of the updates' topic; see `pricewire.hub.streams.Router`."""

    def __init__(self) -> None:
        self._everything: dict[Group, None] = {}
        # The groups of each matcher but `*`, and the topics that are known to match it.
        self._groups: dict[Matcher, dict[Group, None]] = {}
        self._topics: dict[Matcher, dict[str, None]] = {}
        self._patterns = PatternIndex()
        # Other matchers are looked at one by one: those of clients that speak 0.x.
        self._others: dict[Matcher, None] = {}
        # The groups of each topic that is known, without those of `*`.
        self._known: dict[str, dict[Group, None]] = {}
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
            groups = self._groups.get(matcher)
            if groups is None:
                groups = self._begin(matcher)
            groups[group] = None
            for topic in self._topics[matcher]:
                self._known[topic][group] = None

    def remove(self, group: Group) -> None:
        """Forget a group."""
        if group in self._everything:
            del self._everything[group]
            return
        for matcher in selection_of(group).matchers:
            for topic in self._topics[matcher]:
                self._known[topic].pop(group, None)
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
        groups = self._known.get(topic)
        return self._look_at(topic) if groups is None else groups

    def _look_at(self, topic: str) -> dict[Group, None]:
        """Find the groups of a topic that is new."""
        if len(self._known) >= MOST_TOPICS:
            self._forget(next(iter(self._known)))
        found = self._patterns.find(topic)
        exact = Matcher(EXACT, topic)
        if exact in self._groups:
            found.append(exact)
        found += [matcher for matcher in self._others if matcher.matches(topic)]
        groups: dict[Group, None] = {}
        for matcher in found:
            self._topics[matcher][topic] = None
            groups |= self._groups[matcher]
        self._known[topic] = groups
        return groups

    def _forget(self, topic: str) -> None:
        del self._known[topic]
        for topics in self._topics.values():
            topics.pop(topic, None)

    def _begin(self, matcher: Matcher) -> dict[Group, None]:
        """Know of a matcher, and which of the known topics match it."""
        groups = self._groups[matcher] = {}
        if matcher.kind == EXACT:
            self._topics[matcher] = {matcher.text: None} if matcher.text in self._known else {}
        elif matcher.kind == URL_PATTERN:
            self._patterns.add(matcher)
            pattern = pattern_of(matcher.key)
            subjects = [(topic, subject_of(topic, matcher.base)) for topic in self._known]
            self._topics[matcher] = {topic: None for topic, subject in subjects if subject is not None and pattern.matches(subject)}
        else:
            self._others[matcher] = None
            self._topics[matcher] = {topic: None for topic in self._known if matcher.matches(topic)}
        return groups

    def _end(self, matcher: Matcher) -> None:
        del self._groups[matcher]
        del self._topics[matcher]
        if matcher.kind == URL_PATTERN:
            self._patterns.remove(matcher)
        self._others.pop(matcher, None)


def selection_of(group: Group) -> Selecting:
    """Return what the streams of a group select; all those of the updates' topic have it."""
    return cast("Selecting", group.spec.selector)
