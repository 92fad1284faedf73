"""The messages that have arrived for one subscription and were not read yet, within bounds."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Literal

from pricewire.client.topics.conflation import Arrival, Lane, conflate, newest_of
from pricewire.client.topics.patterns import covers, is_pattern
from pricewire.client.topics.throttle import Throttle
from pricewire.errors import BufferOverflowError, ClientError

Overflow = Literal["latest", "error"]

Start = Literal["resumed", "snapshot", "reset"]


class MessageQueue:
    """
    The waiting messages of a subscription, as they came: nothing is parsed before it is read.

    Attributes:
        topics: the topics of the messages, by the server's names, and patterns.
        overflow: what happens when it is full: `latest` leaves out what is superseded, `error` ends it.
        interval: at most one message of a key in so many seconds; 0 for all.
        throttle: holds messages back; None where they are wanted as they come.
        start: how the newest connection began, or the snapshot of topics that were added to an open one; None where nothing was said.
        received_at: when the newest message came, in seconds on the monotonic clock; None before the first.
        reason: why no more comes; None where that is no error.
        is_ended: whether no more comes.

    Args:
        topics: as above.
        limit: how many messages may wait.
        overflow: as above.
        interval: as above.
        debounce: how long a key must have been silent before its newest message is given out, in seconds; 0 for no such wait.
    """

    def __init__(self, topics: Iterable[str], *, limit: int, overflow: Overflow, interval: float, debounce: float) -> None:
        self.topics = tuple(topics)
        self.overflow = overflow
        self.interval = interval
        self.throttle = Throttle(interval, debounce) if interval or debounce else None
        self.start: Start | None = None
        self.received_at: float | None = None
        self.reason: ClientError | None = None
        self.is_ended = False
        self._failure: Exception | None = None
        # The server's names for topics that were asked for under others.
        self._names: dict[str, str] = {}
        self._newest: dict[str, Arrival] = {}
        self._limit = limit
        self._waiting: deque[Arrival] = deque()
        # Whether a message has come since those that wait were conflated.
        self._is_mixed = False
        # Set when there is something to look at: a message, or the end.
        self._news = asyncio.Event()

    @property
    def is_full(self) -> bool:
        """Whether there is no room for another message without leaving one out."""
        return len(self._waiting) >= self._limit and not self.is_ended

    def rename(self, name: str, topic: str) -> None:
        """Note that the server has another name for a topic."""
        self._names[name] = topic
        self.topics = tuple(topic if each == name else each for each in self.topics)

    def forget(self, topic: str) -> None:
        """Forget the newest message of a topic, which a pattern has brought and may never bring again."""
        self._newest.pop(topic, None)

    def put(self, arrival: Arrival) -> None:
        """Take a message; where it is one too many, do what `overflow` says."""
        if self.is_ended:
            return
        self.received_at = arrival.at
        self._newest[arrival.topic] = arrival
        self._waiting.append(arrival)
        self._is_mixed = True
        if len(self._waiting) > self._limit:
            self._make_room()
        self._news.set()

    def put_run(self, run: Sequence[tuple[Lane, str]], at: float) -> None:
        """
        Take messages that came at once, where `overflow` is `latest`; of those that are too many, the newest of each lane.

        Args:
            run: the lane and the text of each, oldest first.
            at: when they arrived, in seconds on the monotonic clock.
        """
        self._is_mixed = True
        place = 0
        while place < len(run) and not self.is_ended:
            room = self._limit - len(self._waiting)
            if len(run) - place <= room:
                self._waiting.extend(Arrival(lane.event, lane.topic, text, 0, at) for lane, text in run[place:])
                break
            part = run[place : place + max(room + 1, self._limit)]
            place += len(part)
            self._waiting.extend(newest_of(part, at))
            self._make_room()
        if not self.is_ended:
            self.received_at = at
            self._newest.update((lane.topic, Arrival(lane.event, lane.topic, text, 0, at)) for lane, text in dict(run).items())
            self._news.set()

    def take(self) -> Arrival | None:
        """Return the next message if one is due now, at less cost than `get`; otherwise None."""
        if self.throttle is not None or not self._waiting:
            return None
        return self._waiting.popleft()

    async def get(self) -> Arrival:
        """
        Return the next message. Cancelling this loses none.

        Raises:
            StopAsyncIteration: there are no more.
            Exception: what `fail` was given, once, after all that had arrived before it.
        """
        while True:
            now = time.monotonic()
            arrival, due = self._next(now)
            if arrival is not None:
                return arrival
            if self.is_ended:
                failure, self._failure = self._failure, None
                raise failure or StopAsyncIteration
            self._news.clear()
            timer = None if math.isinf(due) else asyncio.get_running_loop().call_later(due - now, self._news.set)
            try:
                await self._news.wait()
            finally:
                if timer is not None:
                    timer.cancel()

    def take_pace(self, pace: int) -> None:
        """Pace nothing here where the server's pace, in milliseconds, is slow enough: two paces in a row would skip updates."""
        if self.throttle is not None:
            self.throttle.interval = 0.0 if pace and pace >= round(self.interval * 1000) else self.interval

    async def newest(self, topics: Iterable[str], seen: Arrival | None = None) -> Arrival:
        """
        Return the newest message of some topics without taking it out; wait for one where there is none.

        Args:
            topics: whose, by any of their names, or patterns.
            seen: the one that is not wanted again.

        Raises:
            RuntimeError: there will be none.
            Exception: what `fail` was given.
        """
        while True:
            wanted = [self._names.get(topic, topic) for topic in topics]
            known = [self._newest[topic] for topic in wanted if topic in self._newest]
            if any(map(is_pattern, wanted)):
                known += [arrival for topic, arrival in self._newest.items() if covers(wanted, topic)]
            newest = max(known, key=lambda arrival: arrival.at, default=None)
            if newest is not None and newest is not seen:
                return newest
            if self.is_ended:
                raise self._failure or RuntimeError("this subscription has ended")
            self._news.clear()
            await self._news.wait()

    def close(self) -> None:
        """End it at once: nothing is delivered any more, not even what has arrived."""
        self._waiting.clear()
        self._failure = None
        self._end()

    def fail(self, failure: Exception | None) -> None:
        """End it after what has arrived, with an error or without."""
        if not self.is_ended:
            self._failure = failure
            self.reason = failure if isinstance(failure, ClientError) else None
            self._end()

    def _end(self) -> None:
        self.is_ended = True
        self._news.set()

    def _make_room(self) -> None:
        if self.overflow == "latest":
            self._waiting = deque(conflate(self._waiting))
        if len(self._waiting) > self._limit:
            self._waiting.pop()
            self.fail(BufferOverflowError(self._limit))

    def _next(self, now: float) -> tuple[Arrival | None, float]:
        """Take out the message that is due, or say when one will be, in seconds on the monotonic clock."""
        waiting = self._waiting
        if self.throttle is None or not waiting:
            return (waiting.popleft(), now) if waiting else (None, math.inf)
        if self._is_mixed:
            # Not for each of them that is read: a pattern has one of each topic here.
            waiting = self._waiting = deque(conflate(waiting))
            self._is_mixed = False
        place, due = (0, now) if self.is_ended else self.throttle.pick(waiting, now)
        if place is None:
            return None, due
        arrival = waiting[place]
        del waiting[place]
        self.throttle.gave(arrival, now)
        return arrival, now
