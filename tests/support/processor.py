"""A simulated processor that several threads take turns on, each with its CPU time: what others do to a thread, without a clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from dataclasses import dataclass
from math import inf
from typing import Literal

SLICE = 0.003
"""How long a thread runs before the next one that wants to has its turn, in seconds."""

Step = tuple[Literal["work", "sleep"], float]
"""What a thread does next: work for so many seconds of CPU time, or sleep until a time."""

Steps = Generator[Step, None, None]


@dataclass(eq=False)
class Thread:
    """
    One thread.

    Attributes:
        cpu: the CPU time that it has had, in seconds.
        left: what it has still to work before its next step, in seconds.
        wakes_at: when it can go on.
    """

    cpu: float = 0.0
    left: float = 0.0
    wakes_at: float = 0.0


class Processor:
    """
    One processor.

    Attributes:
        now: the wall's clock, in seconds.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self._threads: deque[tuple[Thread, Steps]] = deque()

    def start(self, program: Callable[[Thread], Steps]) -> Thread:
        """Have a program run in a thread of its own; return the thread."""
        thread = Thread(wakes_at=self.now)
        self._threads.append((thread, program(thread)))
        return thread

    def run(self, until: float) -> None:
        """Go on until a time."""
        while self.now < until:
            for _ in range(len(self._threads)):
                thread, steps = self._threads[0]
                self._threads.rotate(-1)
                if thread.wakes_at <= self.now:
                    self._take_turn(thread, steps)
                    break
            else:
                self.now = min(until, *(thread.wakes_at for thread, _ in self._threads))

    def _take_turn(self, thread: Thread, steps: Steps) -> None:
        left = SLICE
        while left > 0:
            if thread.left <= 0:
                kind, amount = next(steps, ("sleep", inf))
                if kind == "sleep":
                    thread.wakes_at = amount
                    if amount > self.now:
                        return
                    continue
                thread.left = amount
            ran = min(left, thread.left)
            thread.left -= ran
            thread.cpu += ran
            self.now += ran
            left -= ran


def busy_loop(thread: Thread) -> Steps:
    """Take all that there is."""
    while True:
        yield "work", 1.0
