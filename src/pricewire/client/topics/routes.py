"""Routes: from a topic to the subscriptions that want it."""

from __future__ import annotations

from collections.abc import Iterable

from pricewire.client.topics.conflation import ENDINGS, SINGLE, Arrival, slot_of
from pricewire.client.topics.message_queue import Inbox

MAX_INTERVAL_MS = 60_000
"""The slowest pace that a server keeps, in milliseconds."""


class Route:
    """
    A topic's way to its subscriptions.

    Attributes:
        inboxes: of those that want it; replaced whole, so that it can be walked while some leave.
        values: its current values, by contract where it has several; a subscription that joins later begins with them.
        is_stale: its feed has fallen silent.
    """

    def __init__(self) -> None:
        self.inboxes: tuple[Inbox, ...] = ()
        self.values: dict[str, Arrival] = {}
        self.is_stale = False

    def note(self, arrival: Arrival) -> None:
        """Note a message that supersedes all before it, which others pass on."""
        self.is_stale = False
        self.values[""] = arrival

    def take(self, arrival: Arrival) -> None:
        """Note a message, and pass it on."""
        self.is_stale = False
        if arrival.event in SINGLE:
            self.values[""] = arrival
        elif arrival.event in ENDINGS:
            self.values.pop(slot_of(arrival), None)
        else:
            self.values[slot_of(arrival)] = arrival
        for inbox in self.inboxes:
            inbox.put(arrival)


def pace_of(inboxes: Iterable[Inbox]) -> int:
    """Return the pace that does for all subscriptions, in milliseconds: the quickest that one wants; 0 where one wants every update."""
    return min(min((round(inbox.interval * 1000) for inbox in inboxes), default=0), MAX_INTERVAL_MS)
