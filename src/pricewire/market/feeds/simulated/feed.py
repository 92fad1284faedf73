"""The simulated feed: volatility indices around the clock, the same for the same seed."""

from __future__ import annotations

import heapq
import math
import secrets
from collections.abc import AsyncIterator, Iterable, Sequence

import numpy as np

from pricewire.errors import FeedError
from pricewire.market.clock import SUSPENSION_NS, Clock, SystemClock
from pricewire.market.feed import PastTicks
from pricewire.market.feeds.simulated.brownian import BrownianPrice, quote
from pricewire.market.feeds.simulated.instruments import SIMULATED, SimulatedInstrument
from pricewire.market.pips import Integers, middles, quantum_of
from pricewire.protocol.messages import Instrument, Tick

HISTORY_S = 86_400
"""How far back the history reaches, in seconds: what the longest candle spans."""

BLOCK = 512
"""How many prices are drawn at a time: enough that NumPy's cost per call does not show."""


class SimulatedFeed:
    """
    The ticks of simulated instruments, with a day of history before the first.

    The prices of an instrument depend on the seed and on its id alone, and not on when the feed starts nor on which others there are.
    (On the version of NumPy as well, in principle: it keeps a generator's sequence unless that has a bug.)

    Attributes:
        seed: what the prices are made from.
        instruments: whose ticks there are.
    """

    def __init__(
        self,
        seed: int | None = None,
        rate: float = 1.0,
        *,
        instruments: Sequence[SimulatedInstrument] = SIMULATED,
        history_s: int = HISTORY_S,
        clock: Clock | None = None,
    ) -> None:
        """
        Prepare the feed; its prices begin with `history()` or the iteration.

        Args:
            seed: of the prices, not negative; by default one is drawn.
            rate: multiplies the number of ticks per second, for load; the volatility per second stays the same.
            instruments: whose ticks to make.
            history_s: how far back the history reaches, in seconds.
            clock: the time to run by; by default the system's.

        Raises:
            FeedError: the seed is negative or the rate is not a positive number.
        """
        if seed is not None and seed < 0:
            raise FeedError(f"seed {seed} is negative")
        if not (math.isfinite(rate) and rate > 0):
            raise FeedError(f"rate {rate} is not a positive number")
        self.seed = secrets.randbits(32) if seed is None else seed
        self.instruments: tuple[Instrument, ...] = tuple(each.instrument for each in instruments)
        self._clock = clock or SystemClock()
        self._history_s = history_s
        self._walks = [Walk(each, self.seed, rate) for each in instruments]
        self._past: list[PastTicks] | None = None

    def history(self) -> Iterable[PastTicks]:
        """
        Return the ticks of the day before now; the live ones follow without a gap.

        With a `rate` above 1 it has as many ticks as with 1, all but the last few at the usual interval.
        """
        past, self._past = self._begin(), []
        return past

    async def __aiter__(self) -> AsyncIterator[Tick]:
        """Yield the ticks of all instruments as they fall due; a second iteration continues the first."""
        self._begin()
        clock = self._clock
        due = self._due_after_pause(clock.now_ns())
        while True:
            now = clock.now_ns()
            if abs(now - due[0][0]) > SUSPENSION_NS + due[0][2].interval_ns:
                due = self._due_after_pause(now)
            while due[0][0] <= now:
                _, order, walk = due[0]
                tick = walk.next_tick()
                heapq.heapreplace(due, (walk.due_ns, order, walk))
                yield tick
            # Not for longer, so that a clock that was set back just now is noticed.
            await clock.sleep(min(max(0, due[0][0] - clock.now_ns()), SUSPENSION_NS) / 1e9)

    def _begin(self) -> list[PastTicks]:
        if self._past is None:
            now = self._clock.now_ns()
            self._past = [walk.begin(now, self._history_s) for walk in self._walks]
        return self._past

    def _due_after_pause(self, now_ns: int) -> list[tuple[int, int, Walk]]:
        """Return the heap of the next ticks, the walks that are far from the time brought back to it."""
        for walk in self._walks:
            if abs(now_ns - walk.due_ns) > SUSPENSION_NS + walk.interval_ns:
                walk.skip_to(now_ns)
        due = [(walk.due_ns, order, walk) for order, walk in enumerate(self._walks)]
        heapq.heapify(due)
        return due


class Walk:
    """
    The ticks of one simulated instrument, each at a multiple of its interval.

    Attributes:
        interval_ns: the time between two ticks, in nanoseconds.
        due_ns: when the next tick is due, in nanoseconds since 1970.
    """

    __slots__ = (
        "_block",
        "_index",
        "_instrument_id",
        "_pip_size",
        "_position",
        "_price",
        "_quantum",
        "_usual_intervals",
        "due_ns",
        "interval_ns",
    )

    def __init__(self, simulated: SimulatedInstrument, seed: int, rate: float) -> None:
        instrument = simulated.instrument
        # The id, not the place in the list, tells the instruments' random numbers apart: a new instrument changes no other.
        sequence = np.random.SeedSequence(seed, spawn_key=tuple(instrument.id.encode()))
        self._price = BrownianPrice(np.random.default_rng(sequence), simulated.start_price, simulated.volatility)
        self._instrument_id = instrument.id
        self._pip_size = instrument.pip_size
        self._quantum = quantum_of(instrument.pip_size)
        self.interval_ns = max(1, round(simulated.interval_ms * 1_000_000 / rate))
        self._usual_intervals = max(1, int(rate))
        self._index = 0
        self.due_ns = 0
        self._block: list[tuple[int, int]] = []
        self._position = 0

    def begin(self, now_ns: int, history_s: int) -> PastTicks:
        """
        Return the ticks before now, and make the next one the first after it.

        Args:
            now_ns: the time, in nanoseconds since 1970.
            history_s: how far back to begin, in seconds.
        """
        newest = now_ns // self.interval_ns
        usual = self._usual_intervals
        # At a high rate a day would be too many ticks to make and to keep. So: ticks at the usual interval, then the rest at the live one.
        last_usual = newest // usual * usual
        steps = history_s * 1_000_000_000 // (usual * self.interval_ns)
        past = np.arange(last_usual - (steps - 1) * usual, last_usual + 1, usual, dtype=np.int64)
        rest = np.arange(last_usual + 1, newest + 1, dtype=np.int64)
        prices = np.concatenate(
            [
                self._price.walk(len(past), usual * self.interval_ns / 1e9),
                self._price.walk(len(rest), self.interval_ns / 1e9),
            ]
        )
        self._move_to(newest + 1)
        mids, halves = quote(prices, self._price.volatility, self._pip_size)
        bids, asks = mids - halves, mids + halves
        epochs: Integers = np.concatenate([past, rest]) * self.interval_ns // 1_000_000
        return PastTicks(self._instrument_id, epochs, middles(bids, asks), asks, bids)

    def next_tick(self) -> Tick:
        """Return the tick that is due next."""
        if self._position == len(self._block):
            prices = self._price.walk(BLOCK, self.interval_ns / 1e9)
            mids, halves = quote(prices, self._price.volatility, self._pip_size)
            self._block = list(zip(mids.tolist(), halves.tolist(), strict=True))
            self._position = 0
        mid, half = self._block[self._position]
        self._position += 1
        epoch_ms = self.due_ns // 1_000_000
        self._index += 1
        self.due_ns += self.interval_ns
        one = self._quantum
        return Tick(self._instrument_id, epoch_ms, mid * one, (mid + half) * one, (mid - half) * one)

    def skip_to(self, now_ns: int) -> None:
        """
        Make the next tick the first one after now, leaving out those before; the price changes by as much as if they had come.

        Args:
            now_ns: the time, in nanoseconds since 1970; it may also lie before the last tick, where the clock was set back.
        """
        index = now_ns // self.interval_ns + 1
        skipped = index - self._index
        left = len(self._block) - self._position
        if skipped > left:
            self._price.walk(1, (skipped - left) * self.interval_ns / 1e9)
        self._position += max(0, min(skipped, left))
        self._move_to(index)

    def _move_to(self, index: int) -> None:
        self._index = index
        self.due_ns = index * self.interval_ns
