"""Keeps free topics: counts those that publishers make, and ends those that nobody publishes to any more."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection

from pricewire.errors import StreamRefusedError
from pricewire.protocol.free_topics import is_own
from pricewire.server.limits import Limits
from pricewire.server.publisher import Publisher

LOOK_S = 10.0
"""How often it is looked for topics that are to end, in seconds."""

SLICE = 1000
"""After how many topics others get their turn."""


class TopicKeeper:
    """
    Knows the free topics.

    Args:
        publisher: has the bus, the hub and the settings of topics.
        limits: how many there may be.
    """

    def __init__(self, publisher: Publisher, limits: Limits) -> None:
        self._publisher = publisher
        self._limits = limits
        # The place of the newest event of each, and when it was seen first, in seconds of `time.monotonic`.
        self._known: dict[str, tuple[int, float]] = {}
        self._has_begun = False

    def admit(self, topics: Collection[str], *, frees: bool = False) -> None:
        """
        Let messages be published to topics, of which some may be new.

        Args:
            topics: the topics.
            frees: whether all of these messages end keys.

        Raises:
            StreamRefusedError: there would be too many topics, or the newest events of topics and keys take too much memory.
        """
        new = {topic for topic in topics if topic not in self._known}
        if new and len(self._known) + len(new) > self._limits.free_topics:
            most = self._limits.free_topics
            raise StreamRefusedError("topics", f"the server has {most} topics that were published to, its limit: use fewer", round(LOOK_S))
        budget = self._publisher.topic_rules.budget
        if budget.held > budget.limit and not frees:
            # What is older has been dropped already.
            message = f"the newest events of topics and keys take {budget.held} bytes, more than the server keeps: end keys by 'ends'"
            raise StreamRefusedError("topics", message, round(LOOK_S))
        now = time.monotonic()
        self._known.update((topic, (-1, now)) for topic in new)

    async def run(self) -> None:
        """End topics, until cancelled; only while this process publishes to them."""
        self._begin()
        while True:
            await self.look(time.monotonic())
            await asyncio.sleep(LOOK_S)

    async def look(self, now: float) -> None:
        """Learn which topics there are, and end those that nobody has published to for long; `now` is of `time.monotonic`."""
        hub, rules = self._publisher.hub, self._publisher.topic_rules
        there = set[str]()
        for count, (name, log, _) in enumerate(list(hub.logs())):
            if count % SLICE == SLICE - 1:
                await asyncio.sleep(0)
            if is_own(name):
                continue
            log.expire(now)
            position, since = self._known.get(name, (-1, now))
            if position != log.position:
                position, since = log.position, now
            elif now - since >= rules.of(name).ends_after_seconds and not hub.has_readers(name):
                self._publisher.bus.forget(name)
                continue
            self._known[name] = position, since
            there.add(name)
        # What was admitted a moment ago may be on its way.
        gone = [name for name, (position, since) in self._known.items() if name not in there and (position >= 0 or now - since > LOOK_S)]
        for name in gone:
            del self._known[name]

    def _begin(self) -> None:
        """Begin without the last values of topics that do not survive a restart."""
        if self._has_begun:
            return
        self._has_begun = True
        for name in self._publisher.hub.topics:
            if not is_own(name) and not self._publisher.topic_rules.of(name).survives_restart:
                self._publisher.bus.forget(name)
