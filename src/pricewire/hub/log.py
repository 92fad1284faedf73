"""The recent events of one topic: its snapshot, what a reader resumes with, and what a lagging one still has to get."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from pricewire.hub.event import Event

OVERHEAD = 650
"""About how many bytes of memory an event takes besides its JSON and its names, with its encoded form left aside: measured."""

WIDE = 8
"""
How many bytes a character of names takes at most that are not ASCII: a string has the width of its widest character, up to four bytes,
and keeps its UTF-8 once that was asked for.
"""


@dataclass(slots=True)
class LogBudget:
    """
    How many bytes the logs of some topics hold together.

    Attributes:
        limit: how many they may; a log whose topic gets an event beyond that drops its own oldest ones.
        held: how many they do; also more, where the newest events of keys take it all, as these stay.
    """

    limit: int
    held: int = 0


@dataclass(frozen=True, slots=True)
class LogLimits:
    """
    How far a topic's log reaches back, whichever is less, and how long it is kept going without streams.

    Attributes:
        count: how many events it holds at most, and for readers that lag how many without a key. A process with 10,000 topics of ticks
            holds some 2 GB at this default.
        age: how old they are at most, in seconds: longer than a phone's tunnel or a restart of a proxy.
        linger: how long a topic is kept going after its last stream has left, in seconds, so that a reader that lost its connection can
            resume; 0 for a topic whose events are expensive to make: its publisher is told at once.
        budget: how many bytes it may hold together with others; None for any number.
        retained: with how many of the newest events without a key a new stream begins. These are held however old they are.
    """

    count: int = 1000
    age: float = 300.0
    linger: float = 60.0
    retained: int = 0
    budget: LogBudget | None = None


class TopicLog:
    """
    The events of a topic, in the order of their publishing.

    It knows no clock: times come in as arguments, in seconds.

    Attributes:
        limits: how far it reaches back.
        seq: the number of the newest event of the topic.
        floor: the position up to which nothing is known of the topic but the newest event of each key.
    """

    def __init__(self, limits: LogLimits, floor: int) -> None:
        self.seq = 0
        self.limits = limits
        self._events: deque[Event] = deque()
        self._times: deque[float] = deque()
        # Those that nothing supersedes, with their times: a flood of others must not push them out for a reader that lags.
        self._unkeyed: deque[tuple[Event, float]] = deque()
        self._latest: dict[str, Event] = {}
        # The last event of each key that has ended, and where: streams that have not been given that much yet still have to account for it.
        self._ended: deque[tuple[int, Event]] = deque()
        self.floor = floor
        self._budget = limits.budget
        # The newest event that nothing supersedes and that is no longer held.
        self._unkeyed_floor = floor

    def append(self, event: Event, now: float) -> None:
        """Add the newest event, and drop what is beyond the limits."""
        self.seq = event.seq
        before: Event | None = None
        self._events.append(event)
        self._times.append(now)
        if event.key is None:
            self._unkeyed.append((event, now))
        else:
            # Inserted again, so that the order is that of the newest of each key.
            before = self._latest.pop(event.key, None)
            self._latest[event.key] = event
        if len(self._events) > self.limits.count:
            self._drop_oldest()
        if len(self._unkeyed) > self.limits.count:
            self._drop_oldest_unkeyed()
        # The calls of `expire` alone would be a tenth of what an event costs here.
        oldest = now - self.limits.age
        if self._times[0] < oldest or (self._unkeyed and self._unkeyed[0][1] < oldest):
            self.expire(now)
        if self._budget is not None:
            self._budget.held += size_of(event) * (1 if event.key is None else 2) - size_of(before)
            while self._budget.held > self._budget.limit and len(self._events) > 1:
                self._drop_oldest()
                while self._unkeyed and self._unkeyed[0][0].position <= self.floor:
                    self._drop_oldest_unkeyed()

    def end(self, key: str) -> None:
        """Leave a key out of snapshots as of the newest event, until there is an event of it again."""
        last = self._latest.pop(key, None)
        if self._budget is not None:
            self._budget.held -= size_of(last)
        if last is not None and self._events:
            self._ended.append((self._events[-1].position, last))

    def rate(self, now: float) -> float:
        """Return how many events per second there have been, over the time that the log reaches back; 0 where it holds none."""
        return len(self._times) / max(now - self._times[0], 1.0) if self._times else 0.0

    @property
    def newest_event(self) -> tuple[Event, float] | None:
        """The topic's newest event, and when it was published, in seconds; None where it is no longer held."""
        return (self._events[-1], self._times[-1]) if self._events else None

    @property
    def position(self) -> int:
        """That of the topic's newest event."""
        return self._events[-1].position if self._events else self.floor

    def unkeyed(self) -> list[Event]:
        """Return the events that nothing supersedes and that are held, oldest first."""
        return [event for event, _ in self._unkeyed]

    def quiet(self, before: int) -> list[Event]:
        """Return the newest event of each key that has had none since a position, oldest first."""
        events = []
        for event in self._latest.values():
            if event.position >= before:
                break
            events.append(event)
        return events

    def know_nothing_before(self, position: int) -> None:
        """Reach back no further than to a position."""
        self.floor = max(self.floor, position)
        self._unkeyed_floor = max(self._unkeyed_floor, position)

    def keep(self, seq: int, position: int, events: list[Event]) -> None:
        """
        Know of events from before all that were added, of which each is the newest of its key or older than what is known.

        Args:
            seq: the number of the topic's newest event when these were the newest.
            position: where that event was.
            events: these events.
        """
        if self.seq == 0:
            # Nothing has been since: nothing is missing after it.
            self.seq = seq
            self.floor = self._unkeyed_floor = position
        elif self.seq < seq:
            self.seq = seq
            self.know_nothing_before(position)
        known = dict(self._latest)
        if self._budget is not None:
            self._budget.held -= sum(map(size_of, known.values()))
        for event in events:
            if event.key is not None and (event.key not in known or known[event.key].position < event.position):
                known[event.key] = event
        # In the order of their publishing, which `newest` goes by.
        self._latest = {event.key: event for event in sorted(known.values(), key=_position) if event.key is not None}
        if self._budget is not None:
            self._budget.held += sum(map(size_of, known.values()))

    def expire(self, now: float) -> None:
        """Drop what is too old."""
        oldest = now - self.limits.age
        while self._times and self._times[0] < oldest:
            self._drop_oldest()
        while len(self._unkeyed) > self.limits.retained and self._unkeyed[0][1] < oldest:
            self._drop_oldest_unkeyed()

    def snapshot(self, until: int) -> list[Event]:
        """Return the newest event of each key as of a position, and those without one that are retained, oldest first."""
        values = {key: event for key, latest in self._latest.items() if (event := self._as_of(until, latest)) is not None}
        for ended_at, last in self._ended:
            if ended_at > until and last.key is not None and (event := self._as_of(until, last)) is not None:
                values[last.key] = event
        for ended_at, last in self._ended:
            if ended_at <= until and last.key in values and values[last.key].position < ended_at:
                del values[last.key]
        if not self.limits.retained:
            return sorted(values.values(), key=_position)
        unkeyed = [event for event, _ in self._unkeyed if event.position <= until][-self.limits.retained :]
        return sorted([*values.values(), *unkeyed], key=_position)

    def newest(self, seq: int) -> list[Event]:
        """Return the newest event of each key whose number is greater, however long ago it was; the newest first."""
        events = []
        for event in reversed(self._latest.values()):
            if event.seq <= seq:
                break
            events.append(event)
        return events

    def after(self, position: int, until: int) -> list[Event] | None:
        """Return the events after one position and up to another, oldest first; None where the log no longer reaches back."""
        if position < self.floor:
            return None
        events = []
        for event in reversed(self._events):
            if event.position <= position:
                break
            if event.position <= until:
                events.append(event)
        events.reverse()
        return events

    def missed(self, position: int, until: int) -> list[Event] | None:
        """
        Return the events after one position and up to another that nothing up to there has superseded, oldest first.

        The newest event of a key is known however long ago it was, and those without a key are as many as the log holds in all. None where
        one of these is no longer held.
        """
        if position < self._unkeyed_floor:
            return None
        kept: dict[str | int, Event] = {
            event.key: event for event in self.snapshot(until) if event.position > position and event.key is not None
        }
        for event, _ in reversed(self._unkeyed):
            if event.position <= position:
                break
            if event.position <= until:
                kept[event.position] = event
        return sorted(kept.values(), key=_position)

    def has_dropped(self, position: int, until: int) -> bool:
        """Return whether the newest event up to `until` came after a position, and is no longer held, while later ones are."""
        return self.floor > position and bool(self._events) and self._events[0].position > until

    def before(self, count: int) -> int:
        """Return the position after which the log holds so many events at most."""
        return self.floor if count >= len(self._events) else self._events[-count - 1].position

    def seq_at(self, position: int) -> int:
        """Return the number of the topic's newest event at a recent position."""
        seq = self.seq
        for event in reversed(self._events):
            if event.position <= position:
                break
            seq = event.seq - 1
        return seq

    def _as_of(self, until: int, latest: Event) -> Event | None:
        """Return the newest event of a key as of a position; None where there was none, or it is no longer held."""
        if latest.position <= until:
            return latest
        return next((event for event in reversed(self._events) if event.key == latest.key and event.position <= until), None)

    def release(self) -> None:
        """Hold nothing of the budget any more: the topic has ended."""
        if self._budget is not None:
            self._budget.held -= sum(map(size_of, self._events)) + sum(map(size_of, self._latest.values()))
            self._budget = None

    def _drop_oldest(self) -> None:
        event = self._events.popleft()
        if self._budget is not None:
            self._budget.held -= size_of(event)
        self._times.popleft()
        self.floor = event.position
        while self._ended and self._ended[0][0] <= self.floor:
            self._ended.popleft()

    def _drop_oldest_unkeyed(self) -> None:
        self._unkeyed_floor = self._unkeyed.popleft()[0].position


def size_of(event: Event | None) -> int:
    """Return about how many bytes an event takes that is held; 0 for none."""
    if event is None:
        return 0
    if not event.size:
        names = event.topic + event.name + (event.key or "")
        event.size = len(event.json) + OVERHEAD + len(names) * (1 if names.isascii() else WIDE)
    return event.size


def _position(event: Event) -> int:
    return event.position
