"""The simulated feed: volatility indices around the clock, computed from a secret and the time."""

from __future__ import annotations

import heapq
import math
import secrets
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence

import msgspec
import numpy as np

from pricewire.errors import FeedError
from pricewire.market.clock import SUSPENSION_NS, Clock, SystemClock
from pricewire.market.feed import PastTicks
from pricewire.market.feeds.simulated.instruments import SIMULATED, SimulatedInstrument
from pricewire.market.feeds.simulated.keystream import SECRET_BYTES, secret_of_seed
from pricewire.market.feeds.simulated.path import SimulatedPath
from pricewire.market.pips import quantum_of
from pricewire.protocol.messages import Instrument, Tick

HISTORY_S = 86_400
"""How far back the history reaches, in seconds: the span of the longest candle."""

BLOCK = 512
"""How many prices are computed at a time: enough to make NumPy's cost per call negligible."""

CHUNK = 65_536
"""How many ticks are returned at a time."""

CATCH_UP = 86_400
"""
How many ticks of an instrument come at once at most, after the machine slept: those of a day, at one per second.

Contracts are settled with these ticks, so they are not left out; but a clock that was set forward by a year must not bring them all.
"""


class SimulatedFeed:
    """
    The ticks of simulated instruments, with a day of history before the first.

    They are a function of a secret and of the time: a feed that starts again continues where the prices would be by then, two feeds with
    one secret agree, and nobody without it can predict a price. (They agree to the last bit on the same versions of NumPy and SciPy.)
    """

    def __init__(
        self,
        seed: int | None = None,
        rate: float = 1.0,
        *,
        secret: bytes | None = None,
        instruments: Sequence[SimulatedInstrument] = SIMULATED,
        history_s: int = HISTORY_S,
        clock: Clock | None = None,
    ) -> None:
        """
        Prepare the feed.

        Args:
            seed: makes the prices instead of a secret, for tests and demonstrations; not negative. Whoever knows or guesses it can compute
                all prices, and the instruments say so.
            rate: multiplies the number of ticks per second, for load; the volatility per second stays the same. Another rate has other
                prices.
            secret: 32 random bytes that nobody else knows, `local_secret` for instance; by default they are drawn.
            instruments: those whose ticks are made.
            history_s: how far back the history reaches, in seconds.
            clock: the time; by default the system's.

        Raises:
            FeedError: the seed is negative, the secret has another length, both are given, or the rate is not a positive number.
        """
        if seed is not None and secret is not None:
            raise FeedError("a seed and a secret exclude each other: give one")
        if seed is not None and seed < 0:
            raise FeedError(f"seed {seed} is negative")
        if not (math.isfinite(rate) and rate > 0):
            raise FeedError(f"rate {rate} is not a positive number")
        if secret is None:
            secret = secrets.token_bytes(SECRET_BYTES) if seed is None else secret_of_seed(seed)
        self.instruments: tuple[Instrument, ...] = tuple(
            msgspec.structs.replace(each.instrument, is_predictable=seed is not None) for each in instruments
        )
        self.volatilities = {each.instrument.id: each.volatility for each in instruments}
        self._clock = clock or SystemClock()
        self._history_s = history_s
        # At a high rate a day would be too many ticks to keep: then the history has every second one, or fourth, and so on.
        self._history_level = max(0, math.floor(math.log2(rate)))
        self._cursors = [Cursor(each, secret, max(1, round(each.interval_ms * 1_000_000 / rate))) for each in instruments]
        # Shorter ones than a millisecond show in no tick's time.
        intervals_ms = {each.instrument_id: each.path.interval_ns / 1e6 for each in self._cursors}
        self.intervals_ms = {each: interval_ms for each, interval_ms in intervals_ms.items() if interval_ms >= 1}
        self._start_ns: int | None = None

    def backfill(self, newest: Sequence[Tick]) -> Iterable[PastTicks]:
        """
        Return the ticks after the newest recorded ones, up to now; history and iteration continue from there.

        Nothing is returned for an instrument whose newest recorded tick is not from this feed: it had another secret then, or another rate.
        """
        start_ns = self._begin()
        recorded = {tick.instrument_id: tick for tick in newest}
        missing = []
        for cursor in self._cursors:
            tick = recorded.get(cursor.instrument_id)
            if tick is None:
                continue
            step = cursor.find(tick)
            if step is not None:
                missing.append((cursor.path, step + 1, cursor.path.step_at(start_ns)))
            # A clock that was set back must not bring ticks again that everybody knows.
            after = cursor.path.step_at((tick.epoch_ms + 1) * 1_000_000 - 1) if step is None else step
            cursor.move_to(max(cursor.step, after + 1))
        return self._chunks(missing)

    def history(self) -> Iterable[PastTicks]:
        """
        Return the ticks of the day before the start; the live ones follow without a gap.

        With a `rate` above 1 it has not many more ticks than with 1: for instance every second one, except for the last ones.
        """
        start_ns, level = self._begin(), self._history_level
        for cursor in self._cursors:
            path = cursor.path
            last = path.step_at(start_ns)
            first = path.step_at(start_ns - self._history_s * 1_000_000_000) + 1
            sparse = path.ticks(-(-first >> level), last >> level, level)
            rest = path.ticks((last >> level << level) + 1, last)
            yield joined(sparse, rest)

    async def __aiter__(self) -> AsyncIterator[Tick]:
        """
        Yield the ticks of all instruments as they fall due; a second iteration continues the first.

        Raises:
            FeedError: the clock was set back: the prices of that time are known already, and go on after it.
        """
        self._begin()
        clock = self._clock
        due = [(cursor.due_ns, order, cursor) for order, cursor in enumerate(self._cursors)]
        heapq.heapify(due)
        while True:
            now = clock.now_ns()
            self._skip_what_is_too_old(due, now)
            early_ns = due[0][0] - now - due[0][2].path.interval_ns
            if early_ns > SUSPENSION_NS:
                raise FeedError(
                    f"the clock stands {early_ns / 1e9:.0f} s before the newest tick; prices go on when it has come there again"
                )
            while due[0][0] <= now:
                _, order, cursor = due[0]
                tick = cursor.next_tick()
                heapq.heapreplace(due, (cursor.due_ns, order, cursor))
                yield tick
            # Not longer, so that a clock that is set back meanwhile is noticed.
            await clock.sleep(min(max(0, due[0][0] - clock.now_ns()), SUSPENSION_NS) / 1e9)

    def _begin(self) -> int:
        """Return when the feed has started, in nanoseconds since 1970; the live ticks are those after it."""
        if self._start_ns is None:
            self._start_ns = self._clock.now_ns()
            for cursor in self._cursors:
                cursor.move_to(cursor.path.step_at(self._start_ns) + 1)
        return self._start_ns

    def _skip_what_is_too_old(self, due: list[tuple[int, int, Cursor]], now_ns: int) -> None:
        if now_ns - due[0][0] <= CATCH_UP * due[0][2].path.interval_ns:
            return
        for cursor in self._cursors:
            cursor.move_to(max(cursor.step, cursor.path.step_at(now_ns) - CATCH_UP + 1))
        due[:] = [(cursor.due_ns, order, cursor) for order, cursor in enumerate(self._cursors)]
        heapq.heapify(due)

    def _chunks(self, rows: list[tuple[SimulatedPath, int, int]]) -> Iterator[PastTicks]:
        for path, first, last in rows:
            for start in range(first, last + 1, CHUNK):
                yield path.ticks(start, min(start + CHUNK - 1, last))


class Cursor:
    """The place in the live ticks of one instrument: the number of the next tick, and when that is due, in nanoseconds since 1970."""

    __slots__ = ("_block", "_block_start", "_quantum", "due_ns", "instrument_id", "path", "step")

    def __init__(self, simulated: SimulatedInstrument, secret: bytes, interval_ns: int) -> None:
        self.instrument_id = simulated.instrument.id
        self.path = SimulatedPath(simulated, secret, interval_ns)
        self._quantum = quantum_of(simulated.instrument.pip_size)
        self._block: list[tuple[int, int]] = []
        self._block_start = 0
        self.move_to(0)

    def move_to(self, step: int) -> None:
        """Make another tick the next one, by its number."""
        self.step = step
        self.due_ns = self.path.due_ns(step)

    def next_tick(self) -> Tick:
        """Return the tick that is due next, and move on."""
        place = self.step - self._block_start
        if not 0 <= place < len(self._block):
            self._block_start, place = self.step, 0
            prices, halves = self.path.quotes(self.step, self.step + BLOCK - 1)
            self._block = list(zip(prices.tolist(), halves.tolist(), strict=True))
        price, half = self._block[place]
        epoch_ms = self.due_ns // 1_000_000
        self.move_to(self.step + 1)
        one = self._quantum
        return Tick(self.instrument_id, epoch_ms, price * one, (price + half) * one, (price - half) * one)

    def find(self, tick: Tick) -> int | None:
        """Return the number of a tick, the last one if several are equal; None if it is not of this path."""
        first = self.path.step_at(tick.epoch_ms * 1_000_000 - 1) + 1
        last = self.path.step_at((tick.epoch_ms + 1) * 1_000_000 - 1)
        ticks = self.path.ticks(first, last)
        bid, ask = (int(price / self._quantum) for price in (tick.bid, tick.ask))
        same = np.flatnonzero((ticks.bid == bid) & (ticks.ask == ask))
        return first + int(same[-1]) if len(same) else None


def joined(before: PastTicks, after: PastTicks) -> PastTicks:
    """Return the ticks of one instrument in two rows as one."""
    columns = (np.concatenate([getattr(before, name), getattr(after, name)]) for name in ("epoch_ms", "price", "ask", "bid"))
    return PastTicks(before.instrument_id, *columns)
