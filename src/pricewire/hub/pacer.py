"""When paced groups are flushed: at common times, by one timer, and not too many at once."""

from __future__ import annotations

import asyncio
import heapq
from collections import deque
from collections.abc import Callable

from pricewire.hub.paced_group import PacedGroup

CROWD = 300
"""From so many streams on, the other groups are flushed in the loop's next turn: these keep it for some milliseconds."""


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
