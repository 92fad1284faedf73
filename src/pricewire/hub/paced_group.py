"""
Groups with a pace: they get the newest of what was published, at most once per interval.

Publishing costs such a group nothing. When its time comes it looks what its topics' logs have that is newer than what it was given last.
Groups whose time has come, and that were given the same last, share that look: what is new of a topic, and its bytes.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from itertools import chain

from pricewire.hub.counters import Counters
from pricewire.hub.delta import Delta, FlushPass, Part
from pricewire.hub.event import Event, Notice
from pricewire.hub.streams import Fail, Frame, Group, Lag, StreamSpec, Topic

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

CROWD = 300
"""From so many streams on, the other groups are flushed in the loop's next turn: these keep it for some milliseconds."""


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

    __slots__ = ("_pacer", "interval", "position", "seqs", "step", "steps", "time")

    def __init__(
        self,
        spec: StreamSpec,
        topics: tuple[Topic, ...],
        frame: Frame,
        pacer: Pacer,
        position: int,
        now: float,
        fail: Fail,
    ) -> None:
        super().__init__(spec, topics, frame, [], now, fail)
        self._pacer = pacer
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

    def gain(self, topic: Topic) -> None:
        """Carry a topic besides, before its first event is published."""
        super().gain(topic)
        del topic.groups[self]
        topic.paced[self] = None
        # The dict is shared with groups that may not have the topic, and may know another one of the name that has ended.
        self.seqs = {**self.seqs, topic.name: topic.log.seq}
        if self.time == RESTING:
            topic.resting.add(self)

    def lose(self, topic: Topic) -> None:
        """Carry a topic no more, which has ended: nothing of it is pending."""
        super().lose(topic)
        topic.paced.pop(self, None)
        topic.resting.discard(self)

    def wake(self, position: int) -> None:
        """Be flushed soon, for an event after a position, where the group has rested."""
        if self.time == RESTING:
            self.position = position
            self.time = self._pacer.now()
            self.step = self._step_at(self.time)
            self._pacer.plan(self)

    def given(self, position: int) -> int:
        """Return the position that the members have been given everything up to; the hub's own where they are missing nothing."""
        return position if self.time == RESTING else self.position

    def needs_flush(self, position: int) -> bool:
        """Return whether a stream that has everything up to a position cannot go on before the group has been flushed."""
        if self.time == RESTING:
            return False
        # A log that has dropped what the group was not given cannot tell any more what was current then.
        return position > self.position or any(topic.log.floor > self.position for topic in self.topics)

    def lag(self, position: int) -> Lag:
        """Describe a member that stops now: it has been given everything up to a position that is `given`."""
        return Lag(position, {topic.name: self.seqs[topic.name] for topic in self.topics})

    def flush_early(self, position: int, now: float, counters: Counters) -> None:
        """Write what is new to all members, before its time."""
        self.flush_in(FlushPass(position, now), counters)

    def flush_in(self, flush_pass: FlushPass, counters: Counters) -> None:
        """Write what is new to all members."""
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
            # The user's format failed: it is not called for the same events again.
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
        self._pacer.plan(self)

    def _step_at(self, time: int) -> int:
        """Return the first step that is not before a time in milliseconds."""
        return -(-time * self.steps // self.interval)


class Pacer:
    """
    The timetable of paced groups.

    Args:
        flush: called with groups whose time has come; each plans its next time, or rests.
    """

    def __init__(self, flush: Callable[[list[PacedGroup]], None]) -> None:
        self._flush = flush
        self._loop: asyncio.AbstractEventLoop | None = None
        # By their times, in milliseconds of the loop's clock; some have got another time since.
        self._groups: dict[int, deque[PacedGroup]] = {}
        self._times: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        # That of the timer.
        self._time = 0

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Note the loop that streams join on."""
        self._loop = loop

    def now(self) -> int:
        """Return the time of the loop's clock, in milliseconds."""
        assert self._loop is not None, "a group has streams, and they joined on a loop"  # noqa: S101
        return int(self._loop.time() * 1000)

    def plan(self, group: PacedGroup) -> None:
        """Flush a group at its `time`, if that is still the same then."""
        groups = self._groups.get(group.time)
        if groups is None:
            groups = self._groups[group.time] = deque()
            heapq.heappush(self._times, group.time)
            self._wait()
        groups.append(group)

    def close(self) -> None:
        """Stop the timer, and forget all times."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._groups.clear()
        self._times.clear()

    def _wait(self) -> None:
        """Have the timer run at the first time of all."""
        if self._timer is not None:
            if self._time <= self._times[0]:
                return
            self._timer.cancel()
        assert self._loop is not None, "a group has streams, and they joined on a loop"  # noqa: S101
        self._time = self._times[0]
        self._timer = self._loop.call_later(max(self._time / 1000 - self._loop.time(), 0.0), self._run)

    def _run(self) -> None:
        # A timer may come a little early.
        self._timer, now = None, max(self.now(), self._time)
        # In the same order as the last time, so that groups which were flushed together are so again.
        due: list[PacedGroup] = []
        streams = 0
        while self._times and (time := self._times[0]) <= now and streams < CROWD:
            groups = self._groups[time]
            while groups and streams < CROWD:
                group = groups.popleft()
                if group.time == time:
                    due.append(group)
                    streams += len(group.members)
            if not groups:
                del self._groups[time]
                heapq.heappop(self._times)
        try:
            self._flush(due)
        finally:
            # Whatever happened: without a timer all groups would stand still.
            if self._times:
                self._wait()
