"""How often an instrument's ticks usually come, and how long a silence is too long."""

from __future__ import annotations

MEMORY = 0.02
"""The weight of the newest interval in the usual one: about the last fifty count."""

PATIENCE = 5
"""
How many times the usual interval may pass.

Tried on six hours of EURUSD on a New Year's evening, 9,500 quotes between which up to 86 s pass: with 5 there are 9 false alarms, and with
the plain mean instead of the usual interval 532.
"""

LEAST_SILENCE_NS = 5_000_000_000
"""The shortest silence that counts, in nanoseconds: below it, the network and the loop show more than the feed."""

UNKNOWN_SILENCE_NS = 60_000_000_000
"""The silence that counts while the usual pace is not known yet, in nanoseconds."""


class Pace:
    """
    The usual interval between an instrument's ticks, and whether it is silent for much longer.

    Quotes come in bursts: the plain mean of the intervals is that of the bursts, and every pause would look like a silence. So the usual
    interval is the one that a moment taken at random falls into: the mean of the squares over the mean.

    Attributes:
        newest_ns: when the last tick came, in nanoseconds of a monotonic clock, as all times here; before the first, the start.
        is_stale: whether the silence since then has been found too long.
    """

    __slots__ = ("_mean", "_mean_square", "_ticks", "is_stale", "newest_ns")

    def __init__(self, start_ns: int) -> None:
        self.newest_ns = start_ns
        self.is_stale = False
        self._ticks = 0
        self._mean = 0.0
        self._mean_square = 0.0

    def tick(self, now_ns: int) -> None:
        """Count a tick that came at `now_ns`."""
        interval = now_ns - self.newest_ns
        self.newest_ns = now_ns
        self.is_stale = False
        self._ticks += 1
        if self._ticks == 1:
            # The time from the start to the first tick says nothing of the pace.
            return
        if self._ticks == 2:
            self._mean = interval
            self._mean_square = interval * interval
            return
        if interval > LEAST_SILENCE_NS:
            # An outage must not make the next one look usual.
            interval = min(interval, self.longest_silence_ns())
        self._mean += MEMORY * (interval - self._mean)
        self._mean_square += MEMORY * (interval * interval - self._mean_square)

    def longest_silence_ns(self) -> int:
        """Return how long a silence is still usual, in nanoseconds."""
        if self._ticks < 2:
            return UNKNOWN_SILENCE_NS
        if self._mean == 0:
            return LEAST_SILENCE_NS
        return max(LEAST_SILENCE_NS, int(PATIENCE * self._mean_square / self._mean))

    def falls_silent(self, now_ns: int) -> bool:
        """Return True once per silence, as soon as it is too long at `now_ns`."""
        if self.is_stale or now_ns - self.newest_ns <= self.longest_silence_ns():
            return False
        self.is_stale = True
        return True
