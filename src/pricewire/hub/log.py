"""The recent events of one topic: its snapshot, what a reader resumes with, and what a lagging one still has to get."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from pricewire.hub.event import Event


@dataclass(frozen=True, slots=True)
class LogLimits:
    """
    How far a topic's log reaches back; whichever is less.

    Attributes:
        count: how many events it holds at most. A process with 10,000 topics of ticks holds some 2 GB at this default.
        age: how old they are at most, in seconds: longer than a phone's tunnel or a restart of a proxy.
    """

    count: int = 1000
    age: float = 300.0


class TopicLog:
    """
    The events of a topic, in the order of their publishing.

    It knows no clock: times come in as arguments, in seconds.

    Attributes:
        seq: the number of the newest event of the topic.

    Args:
        limits: how far it reaches back.
        floor: the position up to which nothing is known of the topic.
    """

    def __init__(self, limits: LogLimits, floor: int) -> None:
        self.seq = 0
        self._limits = limits
        self._events: deque[Event] = deque()
        self._times: deque[float] = deque()
        self._latest: dict[str, Event] = {}
        # The newest event that is no longer held, and the newest such that nothing supersedes.
        self._floor = floor
        self._unkeyed_floor = floor

    def append(self, event: Event, now: float) -> None:
        """Add the newest event, and let go of what is beyond the limits."""
        self.seq = event.seq
        self._events.append(event)
        self._times.append(now)
        if event.key is not None:
            # Inserted anew, so that the order is that of the newest of each key.
            self._latest.pop(event.key, None)
            self._latest[event.key] = event
        if len(self._events) > self._limits.count:
            self._drop_oldest()
        self.expire(now)

    def expire(self, now: float) -> None:
        """Let go of what is too old."""
        oldest = now - self._limits.age
        while self._times and self._times[0] < oldest:
            self._drop_oldest()

    def snapshot(self, until: int) -> list[Event]:
        """Return the newest event of each key as of a position, oldest first."""
        events = []
        for key, latest in self._latest.items():
            event: Event | None = latest
            if latest.position > until:
                event = next((e for e in reversed(self._events) if e.key == key and e.position <= until), None)
            if event is not None:
                events.append(event)
        return sorted(events, key=_position)

    def after(self, position: int, until: int) -> list[Event] | None:
        """Return the events after one position and up to another, oldest first; None where the log no longer reaches back."""
        if position < self._floor:
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

        The newest event of a key is known however long ago it was. None where an event that nothing supersedes is no longer held.
        """
        if position < self._unkeyed_floor:
            return None
        kept: dict[str | int, Event] = {
            event.key: event for event in self.snapshot(until) if event.position > position and event.key is not None
        }
        for event in self.after(max(position, self._floor), until) or ():
            if event.key is None:
                kept[event.position] = event
        return sorted(kept.values(), key=_position)

    def seq_at(self, position: int) -> int:
        """Return the number of the topic's newest event at a recent position."""
        seq = self.seq
        for event in reversed(self._events):
            if event.position <= position:
                break
            seq = event.seq - 1
        return seq

    def _drop_oldest(self) -> None:
        event = self._events.popleft()
        self._times.popleft()
        self._floor = event.position
        if event.key is None:
            self._unkeyed_floor = event.position


def _position(event: Event) -> int:
    return event.position
