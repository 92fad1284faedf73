"""Routes: from a topic to the subscriptions that want it."""

from __future__ import annotations

from collections.abc import Iterable

from pricewire.client.topics.conflation import ENDINGS, SINGLE, Arrival, slot_of
from pricewire.client.topics.message_queue import MessageQueue

MAX_INTERVAL_MS = 60_000
"""The slowest pace that a server keeps, in milliseconds."""


class Route:
    """
    A topic's way to its subscriptions.

    Attributes:
        queues: of those that want it; replaced whole, so that it can be walked while some leave.
        values: its current values, by contract where it has several; a subscription that joins later begins with them.
        is_stale: its feed has fallen silent.
    """

    def __init__(self) -> None:
        self.queues: tuple[MessageQueue, ...] = ()
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
        for queue in self.queues:
            queue.put(arrival)


def pace_of(queues: Iterable[MessageQueue]) -> int:
    """Return the pace that does for all subscriptions, in milliseconds: the quickest that one wants; 0 where one wants every update."""
    return min(min((round(queue.interval * 1000) for queue in queues), default=0), MAX_INTERVAL_MS)
