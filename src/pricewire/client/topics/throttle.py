"""Pacing: when a message may be given out, where a reader wants them less often than they come."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pricewire.client.topics.conflation import Arrival, Key, key_of

MANY = 256
"""How many keys are remembered before those that do not matter any more are forgotten."""


class Throttle:
    """
    Decides which message is due. Those without a key are due at once, and so is what has to come before them.

    Attributes:
        interval: the least time between two messages of a key, in seconds.

    Args:
        interval: as above.
        debounce: how long a key must have been silent before its newest message is due, in seconds.
    """

    def __init__(self, interval: float, debounce: float) -> None:
        self.interval = interval
        self._debounce = debounce
        # When the newest message of each key was given out, in seconds on the monotonic clock.
        self._given: dict[Key, float] = {}

    def pick(self, arrivals: Sequence[Arrival], now: float) -> tuple[int | None, float]:
        """
        Return the place of the first message that is due, of conflated ones, oldest first; or None and when the next one will be, infinity
        where none waits. Times are in seconds on the monotonic clock.
        """
        # Looked for when the first one is not due: of many that are due at once, each is found at once.
        last_fixed: dict[str, int] | None = None
        soonest = math.inf
        for place, arrival in enumerate(arrivals):
            key = key_of(arrival)
            if key is None:
                return place, now
            due = max(self._given.get(key, -math.inf) + self.interval, arrival.at + self._debounce)
            if due <= now:
                return place, now
            if last_fixed is None:
                last_fixed = {each.topic: at for at, each in enumerate(arrivals) if key_of(each) is None}
            if place < last_fixed.get(arrival.topic, -1):
                return place, now
            soonest = min(soonest, due)
        return None, soonest

    def gave(self, arrival: Arrival, now: float) -> None:
        """Note that a message was delivered."""
        key = key_of(arrival)
        if key is None:
            return
        if len(self._given) >= MANY:
            self._given = {key: given for key, given in self._given.items() if now - given < self.interval}
        self._given[key] = now
