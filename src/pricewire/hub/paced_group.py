"""
Groups with a pace: they get the newest of what was published, now and then.

Publishing costs such a group nothing. When its time comes it looks what its topics' logs have that is newer than what it was given last.
Groups whose time has come, and that were given the same last, share that look: what is new of a topic, and its bytes.
"""

from __future__ import annotations

from itertools import chain
from typing import Protocol

from pricewire.hub.counters import Counters
from pricewire.hub.event import Event, Format, Notice
from pricewire.hub.streams import Fail, Frame, Group, Lag, StreamSpec, Topic, in_order

RESTING = -1
"""The `time` of a group that waits for nothing but its topics' next event."""

ENDED = -2
"""The `time` of a group that has no streams any more."""

STEPS = 8
"""
At how many times within an interval groups are flushed, at least: few, so that they meet and share their look. A group's first interval is
longer for that, by up to an eighth.
"""

LONGEST_STEP = 50
"""The longest time between two of them, in milliseconds."""

Part = tuple[int, int, bytes, int]
"""An event as a group writes it: its position and number, its bytes, and how many older ones it stands for. Parts sort by publishing."""


class Timetable(Protocol):
    """What a paced group needs to know when its time comes."""

    def plan(self, group: PacedGroup) -> None:
        """Flush a group at its `time`, if that is still the same then."""

    def now(self) -> int:
        """Return the time of the loop's clock, in milliseconds."""


class PacedGroup(Group):
    """
    A group that is written to once in its interval at most.

    What it has pending are events that nothing supersedes, and notices; of all others it finds the newest when its time comes.

    Attributes:
        interval: the shortest time from one write to the next, in milliseconds.
        steps: at how many times within the interval groups of this pace may be flushed.
        step: which of these times is the group's next, counted from the beginning of the loop's clock.
        time: when it is flushed next, in milliseconds of the loop's clock.
        position: its members have been given everything up to there, and nothing after it.
        seqs: the number of the last event of each topic that they have been given; other groups have the same dict.
    """

    __slots__ = ("_timetable", "interval", "position", "seqs", "step", "steps", "time")

    def __init__(
        self,
        spec: StreamSpec,
        topics: tuple[Topic, ...],
        frame: Frame,
        timetable: Timetable,
        position: int,
        now: float,
        fail: Fail,
    ) -> None:
        super().__init__(spec, topics, frame, [], now, fail)
        self._timetable = timetable
        self.interval = max(round(spec.interval * 1000), 1)
        self.steps = max(STEPS, -(-self.interval // LONGEST_STEP))
        self.position = position
        self.seqs = {topic.name: topic.log.seq for topic in topics}
        # The snapshot, which its first stream gets now, is its first update.
        self.step = self.time = 0
        self._plan(int(now * 1000))

    def listen(self) -> None:
        """Have what nothing supersedes become pending."""
        for topic in self.topics:
            topic.paced[self] = None

    def leave(self) -> None:
        """Undo `listen`, and be flushed no more."""
        self.time = ENDED
        for topic in self.topics:
            del topic.paced[self]
            topic.resting.discard(self)

    def wake(self, position: int) -> None:
        """Be flushed soon, for an event after a position, where the group has rested."""
        if self.time == RESTING:
            self.position = position
            self.time = self._timetable.now()
            self.step = self._step_at(self.time)
            self._timetable.plan(self)

    def given(self, position: int) -> int:
        """Return the position that the members have been given everything up to; the hub's own where they are missing nothing."""
        return position if self.time == RESTING else self.position

    def needs_flush(self, position: int) -> bool:
        """Return whether a stream that has everything up to a position cannot go on before the group has been flushed."""
        if self.time == RESTING:
            return False
        # A log that has let go of what the group was not given cannot tell any more what was current then.
        return position > self.position or any(topic.log.floor > self.position for topic in self.topics)

    def lag(self, position: int) -> Lag:
        """Describe a member that stops now: it has been given everything up to a position that is `given`."""
        return Lag(position, {topic.name: self.seqs[topic.name] for topic in self.topics})

    def flush(self, position: int, now: float, counters: Counters) -> None:
        """Write what is new to all members, before its time."""
        self.flush_in(FlushPass(position, now), counters)

    def flush_in(self, flush_pass: FlushPass, counters: Counters) -> None:
        """
        Write what is new to all members.

        Args:
            flush_pass: what groups share that are flushed in the same go.
            counters: where it is counted.
        """
        pending, self.pending, self.position = self.pending, [], flush_pass.position
        if not self.members:
            # Those that lag find by themselves what they missed.
            before, self.seqs = self.seqs, flush_pass.seqs_of(self.topics)
            self._go_on(any(before[topic.name] != topic.log.seq for topic in self.topics), flush_pass.now)
            return
        delta = flush_pass.delta(self.seqs, self.spec.form)
        try:
            parts = self._parts_with(pending, delta) if pending else list(chain.from_iterable(map(delta.__getitem__, self.topics)))
        except Exception:
            # A form of the user's failed: it is not asked for the same events again.
            self.seqs = flush_pass.seqs_of(self.topics)
            raise
        self.seqs = flush_pass.seqs
        self._go_on(bool(parts), flush_pass.now)
        if parts:
            parts.sort()
            _, _, events, merged = zip(*parts, strict=True)
            counters.events_merged += sum(merged) * len(self.members)
            self.deliver(b"".join(events), len(events), flush_pass.now, counters)

    def _parts_with(self, pending: list[Event], delta: Delta) -> list[Part]:
        """Return what is new, where there is something among it that a topic's newest events do not tell."""
        form, kept = self.spec.form, dict[str, list[Event]]()
        parts: list[Part] = []
        for event in pending:
            if isinstance(event, Notice):
                parts.append((event.position, 0, event.encoded(form), 0))
            else:
                kept.setdefault(event.topic, []).append(event)
        for topic in self.topics:
            parts += delta.parts(topic, kept[topic.name]) if topic.name in kept else delta[topic]
        return parts

    def _go_on(self, is_busy: bool, now: float) -> None:
        """Be flushed again after the interval, or, where there was nothing, as soon as there is something."""
        if is_busy:
            self._plan(int(now * 1000))
            return
        self.time = RESTING
        for topic in self.topics:
            topic.resting.add(self)

    def _plan(self, now: int) -> None:
        """Have the next time be one interval after the last, if that was on time, or after now; in milliseconds."""
        if 0 <= now - self.time <= self.interval // self.steps:
            self.step += self.steps
        else:
            self.step = self._step_at(now + self.interval)
        self.time = self.step * self.interval // self.steps
        self._timetable.plan(self)

    def _step_at(self, time: int) -> int:
        """Return the first step that is not before a time in milliseconds."""
        return -(-time * self.steps // self.interval)


class FlushPass:
    """
    What groups share that are flushed in the same go.

    Attributes:
        position: that of the hub's newest event.
        now: the time of the loop's clock, in seconds.
        seqs: the number of the newest event of each topic that was looked at.
    """

    def __init__(self, position: int, now: float) -> None:
        self.position = position
        self.now = now
        self.seqs: dict[str, int] = {}
        self._deltas: dict[tuple[int, Format], Delta] = {}

    def delta(self, seqs: dict[str, int], form: Format) -> Delta:
        """Return what is new for groups of a form that were given the events of the same numbers last."""
        # The view refers to the dict, so that no other one can be at its place meanwhile.
        key = id(seqs), form
        delta = self._deltas.get(key)
        if delta is None:
            delta = self._deltas[key] = Delta(seqs, self.seqs, form)
        return delta

    def seqs_of(self, topics: tuple[Topic, ...]) -> dict[str, int]:
        """Look at some topics, and return `seqs`."""
        self.seqs.update((topic.name, topic.log.seq) for topic in topics)
        return self.seqs


class Delta(dict[Topic, list[Part]]):
    """
    What is new of each topic; found when it is asked for first.

    Args:
        given: the number of the last event of each topic that was given before.
        seqs: where the number of a topic's newest event is noted.
        form: how events are shown.
    """

    __slots__ = ("_form", "_given", "_seqs")

    def __init__(self, given: dict[str, int], seqs: dict[str, int], form: Format) -> None:
        self._given = given
        self._seqs = seqs
        self._form = form

    def __missing__(self, topic: Topic) -> list[Part]:
        parts = self[topic] = self.parts(topic, [])
        return parts

    def parts(self, topic: Topic, kept: list[Event]) -> list[Part]:
        """
        Return what is new of a topic.

        Args:
            topic: the topic.
            kept: its new events that nothing supersedes.
        """
        last = self._given[topic.name]
        self._seqs[topic.name] = topic.log.seq
        if topic.log.seq == last:
            return []
        events = topic.log.newest(last)
        if kept or len(events) > 1:
            events = in_order([*kept, *events])
        parts = []
        for event in events:
            merged = event.seq - last - 1
            last = event.seq
            parts.append((event.position, last, event.encoded_merged(self._form, merged), merged))
        return parts
