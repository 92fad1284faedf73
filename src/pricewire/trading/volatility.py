"""How an instrument's price moves: how much, how often, and how well that is known. Known of the simulated ones, else estimated. Pure."""

from __future__ import annotations

import math
from collections import deque
from typing import Final, NamedTuple

from pricewire.protocol.messages import Tick

YEAR_MS: Final = 365 * 86_400_000
"""A year of 365 days, in milliseconds."""

WEIGHT = 1 / 500
"""The weight of the newest change in the estimates: about the last five hundred count."""

LEAST_CHANGES = 20
"""Without so many changes nothing is estimated."""

LONGEST_CHANGE_MS = 3_600_000
"""A change over more than an hour is left out: the market was closed meanwhile, and moves less then."""

LONGEST_INTERVAL = 10
"""A change that took longer than so many usual intervals counts as that many: an outage says little of the usual pace."""

BOUNDS = (0.001, 10.0)
"""The least and the highest estimate of an annual volatility."""

ROUNDING = 1 / 6
"""What rounding to whole pips adds to the mean square of a change, in square pips: two rounded prices are off by a twelfth each."""

COARSE = 0.5
"""Where the mean square of a change is less than this, in square pips, rounding adds another part: changes over longer spans are taken."""

CHANCE = 3.0
"""How many standard errors the mean square has to be above that, one being a part 1 / sqrt(changes) of it."""

SPAN = 16
"""How many ticks such a span has."""

STILL = 0.16
"""Where the price moves less than this in a span, as a mean square in square pips, by how much it moves cannot be told from whole pips."""

REGULAR_AFTER = 20
"""So many equal intervals between ticks, less ten for each that differs, make an instrument regular."""

REGULAR_MOST = 60
"""What the count of equal intervals stops at: an outage does not make regular ticks irregular, five within a minute of ticks do."""

ROUNDING_MS = 1
"""By how much equal intervals of at least `ROUNDED_MS` may differ, in milliseconds: times are whole milliseconds."""

ROUNDED_MS = 100

LONGEST_GAP_MS = 120_000
"""A gap counts as so long at most, in milliseconds: contracts that wait longer for a tick are given back."""

LEAST_ODD = 1e-4
"""Where fewer intervals than this part are odd, nothing is: those that were are forgotten by and by."""

ESTIMATE_MARGIN = 0.5
"""What an error of 100 % in the volatility changes in a probability, doubled: that is at most 0.242, at a barrier one deviation away."""


NORMAL = math.sqrt(2 / math.pi)
"""The mean size of normally distributed changes, in standard deviations. It is less where most are small and a few are large."""

NORMAL_CHANCE = 2 * 0.27
"""Two standard errors of that, of one change: of many, it is as the square root of their number less."""


MOST_UNLIKE = 0.1
"""Where a probability may be wrong by more than this for such changes, nothing is sold: some strategies know more."""


class Moves(NamedTuple):
    """
    How an instrument's price moves.

    Attributes:
        volatility: annual; 1.0 is 100 %.
        interval_ms: the time between two ticks, in milliseconds: exactly, or the mean.
        is_regular: whether it is exactly that, as far as no tick is lost.
        margin: by how much a probability may be wrong because some of this is estimated. It is added to the commission.
        odd: of the intervals, the part that is another one: ticks were lost in it. 1 where they are not regular.
        excess: how much longer than `interval_ms` the mean with these is, as a part of it.
        wait: how long a tick is away from a moment, on the average, in intervals: half, where nothing is lost.
        unlike: by how much a probability may be wrong because most changes are smaller and a few larger than those that prices rest on.
    """

    volatility: float
    interval_ms: float
    is_regular: bool
    margin: float
    odd: float = 0.0
    excess: float = 0.0
    wait: float = 0.5
    unlike: float = 0.0

    @property
    def tick_deviation(self) -> float:
        """The standard deviation of the logarithm of the price from a tick to the next."""
        return self.volatility * math.sqrt(self.interval_ms / YEAR_MS)


class Volatility:
    """
    The annual volatility of an instrument and the time between its ticks, both moving with its ticks.

    The estimate is the exponentially weighted mean of the squared changes of the price's logarithm, over that of the times that they took.
    It is a ratio of means, so that changes within a few milliseconds do not weigh more than others, and ticks of one time can count as the
    ticks that they are for contracts. Prices are in whole pips, and rounding makes their changes larger. That is taken off again; where a
    tick moves less than a pip, it is done with changes over `SPAN` ticks.

    The mean size of changes shows whether they are normally distributed, as contracts are priced: where it is calm for long, and then a few
    move the price far, the price mostly stays nearer than their mean square says.
    """

    __slots__ = (
        "_changes",
        "_equal",
        "_gap_ms",
        "_gap_square",
        "_known",
        "_moves",
        "_newest_log",
        "_newest_ms",
        "_odd",
        "_past",
        "_pip",
        "_pip_square",
        "_regular_ms",
        "_root_ms",
        "_size",
        "_span_ms",
        "_span_root_ms",
        "_span_size",
        "_span_square",
        "_spans",
        "_square",
        "_time_ms",
    )

    def __init__(self, known: float | None = None, pip: float = 0.0, interval_ms: float | None = None) -> None:
        """
        Begin without ticks.

        Args:
            known: the annual volatility; one that is not known is estimated.
            pip: what prices are rounded to; 0 where they are not.
            interval_ms: the time between two ticks, in milliseconds; one that is not known is taken from the ticks.
        """
        self._known = known
        self._pip = pip
        # Of a pip at the newest price, as prices are logarithms here.
        self._pip_square = 0.0
        # The newest prices and their times, and what has changed over the whole of them, as `_square` and `_time_ms` have it of one tick.
        self._past: deque[tuple[float, int]] = deque(maxlen=SPAN + 1)
        self._span_square = 0.0
        self._span_ms = 0.0
        self._span_size = 0.0
        self._span_root_ms = 0.0
        self._spans = 0
        # What follows from the ticks so far; None where nobody has asked for it.
        self._moves: Moves | None = None
        self._changes = 0
        self._newest_ms = 0
        self._newest_log = 0.0
        self._square = 0.0
        self._time_ms = 0.0
        # The means of how large changes are, and of the square roots of their times.
        self._size = 0.0
        self._root_ms = 0.0
        self._regular_ms = 0
        self._equal = 0
        # What outages do to the intervals: the mean of them all and of their squares, and how many of them are not the regular one.
        self._gap_ms = 0.0
        self._gap_square = 0.0
        self._odd = 0.0
        if interval_ms is not None:
            # As if such an interval had been seen.
            self._changes = 1
            self._time_ms = self._gap_ms = interval_ms
            self._gap_square = interval_ms * interval_ms
            self._regular_ms, self._equal = round(interval_ms), REGULAR_MOST

    def add(self, tick: Tick) -> None:
        """Take a tick; one that is older than the newest is left out."""
        log, elapsed_ms = math.log(tick.price), tick.epoch_ms - self._newest_ms
        if elapsed_ms < 0:
            return
        self._moves = None
        change = log - self._newest_log
        self._newest_ms, self._newest_log = tick.epoch_ms, log
        if elapsed_ms > LONGEST_CHANGE_MS:
            self._past.clear()
        self._past.append((log, tick.epoch_ms))
        if elapsed_ms > LONGEST_CHANGE_MS:
            return
        self._pip_square = (self._pip / float(tick.price)) ** 2
        is_odd = self._count(elapsed_ms)
        self._changes += 1
        # The plain mean of the first ones: none of them is to weigh more than its part.
        weight = max(WEIGHT, 1 / self._changes)
        gap_ms = min(elapsed_ms, LONGEST_GAP_MS)
        self._gap_ms += weight * (gap_ms - self._gap_ms)
        self._gap_square += weight * (gap_ms * gap_ms - self._gap_square)
        self._odd += weight * (is_odd - self._odd)
        part = part_of(elapsed_ms, self._time_ms) if self._changes > LEAST_CHANGES else 1.0
        square = change * change - ROUNDING * self._pip_square
        self._square += weight * (part * square - self._square)
        self._time_ms += weight * (part * elapsed_ms - self._time_ms)
        self._size += weight * (math.sqrt(part) * abs(change) - self._size)
        self._root_ms += weight * (math.sqrt(part * elapsed_ms) - self._root_ms)
        if len(self._past) > SPAN:
            self._add_span(log, tick.epoch_ms)

    def _add_span(self, log: float, epoch_ms: int) -> None:
        """Take the change over the last `SPAN` ticks, of which as many count as of single ones that do not overlap."""
        first_log, first_ms = self._past[0]
        change, elapsed_ms = log - first_log, epoch_ms - first_ms
        part = part_of(elapsed_ms, self._span_ms) if self._spans > LEAST_CHANGES else 1.0
        square = change * change - ROUNDING * self._pip_square
        self._spans += 1
        weight = max(WEIGHT / SPAN, 1 / self._spans)
        self._span_square += weight * (part * square - self._span_square)
        self._span_ms += weight * (part * elapsed_ms - self._span_ms)
        self._span_size += weight * (math.sqrt(part) * abs(change) - self._span_size)
        self._span_root_ms += weight * (math.sqrt(part * elapsed_ms) - self._span_root_ms)

    @property
    def annual(self) -> float | None:
        """The annual volatility, 1.0 is 100 %; None where too few ticks have come to know it."""
        if self._known is not None:
            return self._known
        if self._sample < LEAST_CHANGES:
            return None
        square, time_ms = (self._span_square, self._span_ms) if self._is_coarse else (self._square, self._time_ms)
        if time_ms == 0 or (self._is_coarse and square < STILL * self._pip_square):
            return None
        least, most = BOUNDS
        return min(max(math.sqrt(square / time_ms * YEAR_MS), least), most)

    @property
    def _is_coarse(self) -> bool:
        """Whether a tick changes the price by too little of a pip to tell by how much; a few may have moved more than usual by chance."""
        return self._square < COARSE * (1 + CHANCE / math.sqrt(max(self._changes, 1))) * self._pip_square

    @property
    def _sample(self) -> float:
        """How many changes that do not overlap the volatility is estimated from, as far as they have not been forgotten."""
        return min(self._spans / SPAN if self._is_coarse else self._changes, 2 / WEIGHT)

    @property
    def is_regular(self) -> bool:
        """Whether ticks come at equal intervals, but for a few that were left out."""
        return self._equal >= REGULAR_AFTER

    @property
    def interval_ms(self) -> int:
        """The usual time between two ticks, in milliseconds; a second where it is not known."""
        if self.is_regular:
            return self._regular_ms
        return max(1, round(self._time_ms)) if self._changes else 1000

    @property
    def moves(self) -> Moves | None:
        """All that is known; None where too few ticks have come."""
        if self._moves is None:
            self._moves = self._estimate()
        return self._moves

    def _estimate(self) -> Moves | None:
        annual = self.annual
        if annual is None:
            return None
        interval_ms, is_regular = float(self.interval_ms), self.is_regular
        margin = unlike = 0.0
        if self._known is None:
            # The relative standard error of a standard deviation of so many changes.
            margin = ESTIMATE_MARGIN / math.sqrt(2 * self._sample)
            unlike = ESTIMATE_MARGIN * self._unlikeness()
        moves = Moves(annual, interval_ms, is_regular, margin, unlike=unlike)
        if is_regular and self._odd < LEAST_ODD:
            return moves
        excess = max(0.0, self._gap_ms / interval_ms - 1)
        # A moment falls into long intervals more often than into short ones: into one that lasts the mean square over the mean.
        wait = max(0.5, self._gap_square / self._gap_ms / interval_ms / 2) if self._gap_ms else 0.5
        return moves._replace(odd=self._odd if is_regular else 1.0, excess=excess, wait=wait)

    def _unlikeness(self) -> float:
        """Return by what part changes are smaller on the average than normally distributed ones, of a tick or of a span of them."""
        spans = self._spans / SPAN
        found = [(self._span_size, self._span_root_ms, self._span_square, self._span_ms, spans)] if spans >= LEAST_CHANGES else []
        if not self._is_coarse:
            found.append((self._size, self._root_ms, self._square, self._time_ms, self._changes))
        parts = [0.0]
        for size, root_ms, square, time_ms, count in found:
            if square > 0 and root_ms > 0:
                chance = NORMAL_CHANCE / math.sqrt(min(count, 2 / WEIGHT))
                parts.append(1 - chance - size / (NORMAL * math.sqrt(square / time_ms) * root_ms))
        return max(parts)

    def _count(self, elapsed_ms: int) -> bool:
        """Count an interval for or against the ticks being regular; return whether it is another than the regular one. None is 0."""
        apart = abs(elapsed_ms - self._regular_ms)
        if 0 == apart < elapsed_ms or (apart <= ROUNDING_MS and elapsed_ms >= ROUNDED_MS):
            self._equal = min(self._equal + 1, REGULAR_MOST)
            return False
        is_odd = self._regular_ms > 0
        self._equal -= 10
        if self._equal <= 0:
            self._regular_ms, self._equal = elapsed_ms, 1
        return is_odd


def part_of(elapsed_ms: float, usual_ms: float) -> float:
    """Return the part of a change that counts, which took so many milliseconds where it usually takes others."""
    return min(1.0, LONGEST_INTERVAL * max(usual_ms, 1.0) / max(elapsed_ms, 1))
