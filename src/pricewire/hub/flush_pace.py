"""
How long groups wait from one flush to the next, by how busy the hub's thread is. No clock is read here: times come in as arguments.

Waiting saves CPU time, as more events are written at once, and makes prices older. So there is none as long as the thread has time to
spare. What flushes take in the long run is bounded by a share of the wall's time: what the other work of the thread leaves of the target.
Flushes that stay below it never wait; those that would exceed it wait exactly as long as that takes, by the generic cell rate algorithm.
Nothing in it can swing: what a flush costs is paid once, by the wait after it. There is no credit for quiet times either: a publisher that
is behind and publishes an event a turn would have each of them flushed by itself, and would be the later the longer the credit lasts.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from pricewire.errors import PricewireError

LONGEST_MAX_INTERVAL = 0.1
"""The greatest `FlushPolicy.max_interval`, in seconds: who wants slower updates opens streams with an interval."""

LEAST_PART = 1 / 3
"""
The part of the target that flushes may take however busy the thread is otherwise: more than a quarter of its time, by default.

Where it is other work that keeps the thread busy, updates that wait would save little.
"""

WINDOW = 0.05
"""How long the thread is watched before it is said how busy it is, in seconds."""

SETTLING = 0.2
"""In how many seconds what is known of the thread's other work follows a change."""

SAMPLE_INTERVAL = 0.005
"""Of the flushes within so many seconds the CPU time of one is read: it is the slowest of the clocks, and takes a microsecond."""

MOST_STRETCH = 1000.0
"""How many times longer all may seem to take where the processor is shared: a clock that hardly went on says nothing."""

SAMPLES_KEPT = 0.8
"""What samples of earlier windows count for, by window: those of one are too few where others use the processor too."""


@dataclass(frozen=True, slots=True)
class FlushPolicy:
    """
    How a hub trades the age of prices for CPU time.

    Attributes:
        max_interval: the longest time from a group's flush to its next, in seconds, 0 to 0.1; 0 for no wait at all.
        target_utilisation: how busy the hub's thread may be with everything it does, above 0 and at most 1, before events wait for
            others to be written with. 1 for as little wait as possible.

    Raises:
        PricewireError: a value is out of its range.
    """

    max_interval: float = 0.02
    target_utilisation: float = 0.8

    def __post_init__(self) -> None:
        if not 0 <= self.max_interval <= LONGEST_MAX_INTERVAL:
            raise PricewireError(
                f"max_interval is {self.max_interval:g} s: give 0 to {LONGEST_MAX_INTERVAL:g} s; streams can have an interval of their own"
            )
        if not 0 < self.target_utilisation <= 1:
            raise PricewireError(f"target_utilisation is {self.target_utilisation:g}: give a share of a core, above 0 and at most 1")


FLUSH_POLICY = FlushPolicy()
"""What a hub does where nothing is said."""


class FlushPace:
    """
    The waits of one hub. Hubs in one thread share its CPU time, and so know of each other.

    Attributes:
        flushed_at: when the last flush began, or was due; by the wall's clock, in seconds.
        sample_from: the first flush from this time on is to be told to `sample`,
        sample_until: unless it is as late as this: flushes take so little then that nobody waits, however busy the thread is.

    Args:
        policy: what it keeps to.
    """

    __slots__ = (
        "_cpu",
        "_debt",
        "_least_share",
        "_other",
        "_policy",
        "_sampled",
        "_sampled_cpu",
        "_share",
        "_since",
        "_spent",
        "flushed_at",
        "sample_from",
        "sample_until",
    )

    def __init__(self, policy: FlushPolicy) -> None:
        self._policy = policy
        self._least_share = policy.target_utilisation * LEAST_PART
        self.begin(0.0, 0.0)

    def begin(self, wall: float, cpu: float) -> None:
        """Watch a thread that has nothing to do yet, from a time of the wall's and of the thread's CPU clock on, in seconds."""
        self._since, self._cpu = wall, cpu
        self._other = 0.0
        self._share = self._policy.target_utilisation
        self._debt = 0.0
        # What all flushes took since then; and what those took that were sampled, by both clocks.
        self._spent = self._sampled = self._sampled_cpu = 0.0
        self.flushed_at = self.sample_from = self.sample_until = -inf

    @property
    def cycle(self) -> float:
        """How long all groups have to wait from the beginning of the last flush to that of the next, in seconds."""
        return self._debt

    @property
    def share(self) -> float:
        """The part of the wall's time that flushes may take."""
        return self._share

    def flushed(self, began: float, spent: float) -> None:
        """
        Take that there was a flush.

        Args:
            began: when it began, or was due, by the wall's clock, in seconds.
            spent: how long it took, in seconds of the wall's time: to wait for the processor meanwhile is not to be idle.
        """
        self._spent += spent
        longest = self._policy.max_interval
        self._debt = min(max(self._debt - (began - self.flushed_at), 0.0) + spent / self._share, longest)
        self.sample_until = min(max(self.sample_until, began) + spent / self._least_share, began + longest)
        self.flushed_at = began

    def sample(self, wall: float, cpu: float, spent: float, spent_cpu: float) -> None:
        """
        Take what the clocks showed after a flush, which `flushed` has been told of.

        Args:
            wall: the wall's clock, in seconds.
            cpu: the CPU time of the thread, in seconds.
            spent: how long the flush took, in seconds.
            spent_cpu: what of that was CPU time of the thread.
        """
        self.sample_from = wall + SAMPLE_INTERVAL
        self._sampled += spent
        self._sampled_cpu += max(spent_cpu, 0.0)
        elapsed = wall - self._since
        if elapsed < WINDOW:
            return
        # Hardly anything within a flush waits but for the processor: so this says how much longer all the thread does takes.
        # Without it a thread that gets half of a processor, and could use all of it, would seem to be idle half of the time.
        stretch = min(max(self._sampled / self._sampled_cpu, 1.0), MOST_STRETCH) if self._sampled_cpu > 0 else 1.0
        busy = min((cpu - self._cpu) * stretch / elapsed, 1.0)
        other = max(busy - self._spent / elapsed, 0.0)
        self._other += (other - self._other) * min(elapsed / SETTLING, 1.0)
        self._share = max(self._policy.target_utilisation - self._other, self._least_share)
        self._since, self._cpu, self._spent = wall, cpu, 0.0
        self._sampled *= SAMPLES_KEPT
        self._sampled_cpu *= SAMPLES_KEPT
