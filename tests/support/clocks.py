"""Clocks and timers that tests move by hand."""

from __future__ import annotations

from collections.abc import Callable


class HandClock:
    """A clock that returns `now`, in seconds."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class HandLoop:
    """An event loop whose timers the test runs."""

    def __init__(self) -> None:
        self.now = 100.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def call_later(self, delay: float, callback: Callable[[], None]) -> HandLoop:
        self.timers.append((delay, callback))
        return self

    def cancel(self) -> None:
        self.timers.clear()

    def run_after(self, seconds: float) -> None:
        """Move the time, and run the oldest timer."""
        self.now += seconds
        self.timers.pop(0)[1]()
