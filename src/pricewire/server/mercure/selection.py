"""Which updates a subscriber gets: those that its matchers select, and of the private ones those that its token grants."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import msgspec

from pricewire.hub.event import Event
from pricewire.hub.streams import Resumption, Topic
from pricewire.protocol.free_topics import UPDATES
from pricewire.server.auth.grants import Action, Grant, may
from pricewire.server.mercure.matchers import EVERYTHING, EXACT, Matcher
from pricewire.server.mercure.router import UpdateRouter
from pricewire.server.mercure.update import EARLIEST, update_of

RESUMED_FROM = b"mercure-last-event-id"
"""The response's header with the id of the update before the first one that is sent."""


MOST_COMPARED = 50_000
"""
How many comparisons of an update with a pattern a reader that comes back may cost, each of them some microseconds: meanwhile everybody
else waits. With five patterns it gets all 10,000 updates that the hub has, with a hundred the last 500.
"""


class Selection(msgspec.Struct, frozen=True):
    """
    The selector of a subscriber's stream.

    Attributes:
        matchers: what it subscribes to, sorted, each once.
        grants: what its token grants, sorted, each once.
    """

    matchers: tuple[Matcher, ...]
    grants: tuple[Grant, ...] = ()

    def selects(self, event: Event) -> bool:
        """Return whether the subscriber gets an event."""
        if event.topic != UPDATES:
            return True
        update = update_of(event)
        return self.matches(update.topics) and (not update.private or self.may_read(update.topics))

    def matches(self, topics: Sequence[str]) -> bool:
        """Return whether one of an update's topics is subscribed to."""
        return any(matcher.matches(topic) for topic in topics for matcher in self.matchers)

    def may_read(self, topics: Sequence[str]) -> bool:
        """Return whether the token grants to read one of an update's topics."""
        return any(may(Action.READ, topic, self.grants) for topic in topics)

    def resume(self, last_event_id: str, topics: Sequence[Topic], place: Callable[[str], int | None]) -> Resumption:
        """
        Decide where the stream goes on: after the update of an id, or at the earliest one that the hub has.

        Where the id is not known, the stream begins with the next update, and the header says `earliest`: something may be missing.

        Source: the protocol, "Reconnection, State Reconciliation, and Event Sourcing".
        """
        patterns = sum(matcher.kind not in (EXACT, EVERYTHING) for matcher in self.matchers)
        most = MOST_COMPARED // max(patterns, 1)
        floor = max((topic.log.before(most) if topic.name == UPDATES else topic.log.floor for topic in topics), default=0)
        if last_event_id == EARLIEST:
            return _resumption(floor, EARLIEST)
        position = place(last_event_id.removeprefix("#"))
        for topic in topics:
            if position is None and isinstance(topic.router, UpdateRouter):
                position = topic.router.find(last_event_id, self, topic.log)
        if position is None:
            return _resumption(None, EARLIEST)
        return _resumption(max(position, floor), last_event_id if position >= floor else EARLIEST)


def _resumption(position: int | None, before: str) -> Resumption:
    return Resumption(position, ((RESUMED_FROM, before.encode()),))
