"""
What contracts are worth: the probability that they pay, for many of them in one call. Pure.

The price of the instrument is a geometric Brownian motion without drift, with rates of zero: from a tick to the next its logarithm changes
by N(-d²/2, d²), where d is the deviation of a tick; n ticks are one step of the deviation d sqrt(n). Prices are in pips. A contract is
priced by what settles it: the ticks that are still to come and that it looks at, as they are published.

Ticks are published in whole pips. So an exit spot equal to the barrier has a probability: what lies within half a pip of the barrier is
published as the barrier. A contract that wins above it therefore wins above its *edge*, half a pip beyond the barrier, or half a pip before
it where equality wins. A touch reaches its barrier half a pip before it. And the newest price itself is only known to the pip: it lies
anywhere within half a pip of what was published.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

from pricewire.protocol.trading_messages import DurationUnit
from pricewire.trading.columns import Columns
from pricewire.trading.durations import UNIT_MS
from pricewire.trading.touching import EXTRA, correction
from pricewire.trading.volatility import Moves

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Numbers = Floats | float

TINY: Final = 1e-150
"""Stands for a standard deviation of zero, without ticks or volatility: what lies on one side of the barrier stays there."""

COARSE: Final = 4.0
"""Where a deviation is fewer pips than this, where within its pip the newest price lies is averaged over exactly."""

COARSE_TOUCH: Final = 10.0
"""The same of the deviation of a tick, for touches."""

NARROW_TOUCH: Final = 1.2
"""Where the deviation of a tick is fewer pips than this, more places within the pip are tried."""

IRREGULAR_MARGIN: Final = 0.01
"""What the number of ticks being an estimate may change in a probability, where there are as many as a contract needs."""

OUTAGE_MARGIN: Final = 0.5
"""What an outage in a contract's life may change in its probability."""

VARIANCE_MARGIN: Final = 0.25
"""What a time that is longer by a part changes in a probability, in parts of that: at most 0.242, for a touch one deviation away."""

LOOKS_MARGIN: Final = 0.47
"""The same of the distance of a touch from being looked at less often, in deviations of a tick: 0.5826 times a density of 0.8 at most."""

OFF_CENTRE: Final = 0.15
"""How far from the middle of its pip the price is on the average after a move, where a tick moves a pip; less where it moves more."""

MOST_OFF_CENTRE: Final = 0.4
"""The same where it moves less than a pip, at most."""

FINE: Final = 5.0
"""Where a tick moves so many pips, that matters less than the least commission."""

PIP_DEVIATION: Final = 1 / math.sqrt(12)
"""The standard deviation of a price within its pip, in pips."""


WAITED_SIGHT: Final = 6.0
"""Beyond so many standard deviations of a first look that was waited for there is nothing."""

WAITED_NODES, WAITED_WEIGHTS = np.polynomial.legendre.leggauss(48)
"""Where the price may be at that look, from -1 to 1: places and weights of Gauss and Legendre."""

SIDES: Final = np.array([[1.0], [-1.0]])
"""The signs of the two sides of a contract, a row for each."""

QUOTE_COLUMNS = {
    "base": float,
    "of_spot": float,
    "of_deviation": float,
    "duration_ms": float,
    "ticks": float,
    "shift": float,
    "is_touch": bool,
}
"""The columns of the terms of live quotes."""


class Quote(NamedTuple):
    """
    The terms of a contract that could be bought, both sides of it.

    Attributes:
        base: the barrier in pips: as a price, or as an offset from the spot.
        of_spot: 1 where the barrier counts from the spot, else 0.
        of_deviation: how many standard deviations above that it lies, rounded to the pip: 1 for the default barrier, else 0.
        duration_ms: how long it would last, in milliseconds, as far as that is known; 0 for ticks.
        ticks: how many ticks it would last; 0 for other durations.
        shift: how far the edge of the side that wins above the barrier lies above the barrier, in pips; below it for the other side.
        is_touch: whether it is a touch contract.
    """

    base: float
    of_spot: float
    of_deviation: float
    duration_ms: float
    ticks: float
    shift: float
    is_touch: bool


class Priced(NamedTuple):
    """
    What quotes are worth at a tick; each array has a value for each of them.

    Attributes:
        barrier: in pips.
        first: the probability that the first side pays, which wins above the barrier or at a touch.
        second: the probability that the other side pays.
        duration_ms: how long they would last, in milliseconds.
        looks: how many ticks come between the entry and the end; an estimate where the ticks are irregular.
        margin: what is added to the commission, as some of this is estimated, and ticks may be lost.
        doubt: what is added to it on any contract: for where in its pip the price is, and for changes that are unlike those assumed.
    """

    barrier: Floats
    first: Floats
    second: Floats
    duration_ms: Floats
    looks: Floats
    margin: Floats
    doubt: Floats


def touch_probability(spot: Numbers, edge: Numbers, deviation: float, ticks: Floats) -> Floats:
    """
    Return the probability that one of the next ticks reaches an edge, above or below the price now.

    Args:
        spot: the price now, above 0.
        edge: above 0, for each contract.
        deviation: of a tick: the standard deviation of the change of the price's logarithm.
        ticks: how many ticks are looked at, for each contract; the number may be an estimate.

    Source: the reflection principle for a Brownian motion with the drift m = -s²/2: for b = ln(K/S) > 0 its maximum reaches b with the
        probability N((-b + mT) / (s sqrt(T))) + exp(2mb/s²) N((-b - mT) / (s sqrt(T))). For b < 0 the same, with the signs of b and m
        turned. That a price is looked at only at its ticks moves the barrier, as `touching` says; which is exact for m = 0, and off by
        at most 0.009 times the deviation otherwise.
    """
    step = max(deviation, TINY)
    log = np.log(np.divide(edge, spot))
    distance = np.minimum(np.abs(log) / step, 1e9)
    distance = distance + correction(distance, np.maximum(np.rint(ticks), 1).astype(np.int64))
    time = ticks + EXTRA
    root = np.sqrt(time)
    # In deviations of a tick: the drift until the end, and the way, in deviations of the whole time.
    drift = np.where(log > 0, -step, step) / 2
    way, drifted = distance / root, drift * root
    touched = np.minimum(ndtr(drifted - way) + np.exp(2 * drift * distance) * ndtr(-drifted - way), 1.0)
    return np.where(ticks > 0, touched, 0.0)


def touch_after_waiting(spot: Numbers, edge: Floats, deviation: float, ticks: Floats, waited: Floats) -> Floats:
    """
    Return the same probability where no tick has come for a while: what the price has moved meanwhile is seen by one look, and not by many.

    Args:
        spot: the price of the newest tick, above 0.
        edge: above 0, for each contract.
        deviation: of a tick, as before.
        ticks: as many ticks as the price moves for, from the newest tick to the end.
        waited: of these, as many as would usually have come since the newest.
    """
    step = max(deviation, TINY)
    log = np.log(np.divide(edge, spot))
    side = np.where(log > 0, 1.0, -1.0)
    until_look = np.minimum(waited + 1, ticks)
    spread = np.maximum(np.sqrt(until_look), TINY)
    # How far away the edge is at the next tick, in deviations of a tick; a distance grows where the price goes away from it.
    mean = np.minimum(np.abs(log) / step, 1e9) + side * step / 2 * until_look
    nearest, farthest = np.maximum(mean - WAITED_SIGHT * spread, 0.0), np.maximum(mean + WAITED_SIGHT * spread, 0.0)
    half = (farthest - nearest) / 2
    distance = nearest + half * (WAITED_NODES[:, None] + 1)
    density = np.exp(-(((distance - mean) / spread) ** 2) / 2) / (spread * math.sqrt(2 * math.pi))
    left = ticks - until_look
    spared = 1 - touch_probability(edge * np.exp(-side * step * distance), edge, deviation, np.broadcast_to(left, distance.shape))
    not_touched = (WAITED_WEIGHTS[:, None] * half * density * spared).sum(axis=0)
    return np.where(ticks > 0, 1 - not_touched, 0.0)


def win_probability(
    spot: float,
    barrier: Floats,
    shift: Numbers,
    deviation: float,
    ticks: Floats,
    sign: Numbers,
    is_touch: Bools,
    waited: Floats | None = None,
) -> Floats:
    """
    Return the probabilities that contracts pay.

    Args:
        spot: the price now, in pips.
        barrier: of each contract, in pips; at least 1.
        shift: how far the edge of each contract lies above its barrier, as `edge_shift` says; without effect on touches. It and `sign` may
            have a row for each side of the contracts, and so has the result then.
        deviation: of a tick: the standard deviation of the change of the price's logarithm.
        ticks: how many ticks each contract still looks at, or the last one of which it does; the number may be an estimate.
        sign: 1 where the contract wins above the edge or at a touch, -1 where it wins below or without one.
        is_touch: whether it is a touch contract, of each contract.
        waited: how many of `ticks` would usually have come since the newest, for each contract; None where none would.

    Source: Black and Scholes: the price ends above the edge with the probability N(d2), d2 = (ln(S/K) - s²T/2) / (s sqrt(T)); averaged over
        the pip that the price now lies in. Over a narrow pip that is one more variance, of a twelfth of its square.
    """
    pip = 1 / spot
    variance = np.maximum(ticks, 0.0) * (deviation * deviation)
    wide = np.sqrt(variance + (pip * PIP_DEVIATION) ** 2)
    drifted = np.log(spot / (barrier + shift)) - variance / 2
    won: Floats = ndtr(sign * drifted / wide)
    is_coarse = (variance < (COARSE * pip) ** 2) & ~is_touch
    if is_coarse.any():
        narrow = np.maximum(np.sqrt(variance[is_coarse]), TINY)
        way = (sign * drifted)[..., is_coarse]
        won[..., is_coarse] = (_above(way + pip / 2, narrow) - _above(way - pip / 2, narrow)) / pip
        np.clip(won, 0.0, 1.0, out=won)
    if is_touch.any():
        (places,) = np.nonzero(is_touch)
        near = barrier[places]
        edge = near - 0.5 * np.sign(near - spot)
        left = ticks[places]

        def touching(spot: float) -> Floats:
            if waited is None:
                return touch_probability(spot, edge, deviation, left)
            return touch_after_waiting(spot, edge, deviation, left, waited[places])

        if deviation * spot < COARSE_TOUCH:
            # A few places within the pip stand for it, those of Gauss and Legendre.
            places_within, weights = np.polynomial.legendre.leggauss(2 if deviation * spot > NARROW_TOUCH else 10)
            touched = np.zeros(len(places))
            for place, weight in zip(places_within / 2, weights / 2, strict=True):
                touched += weight * touching(spot + place)
        else:
            touched = touching(spot)
        touched = np.where(near == spot, 1.0, touched)
        won[..., places] = np.where(np.broadcast_to(sign, won.shape)[..., places] > 0, touched, 1 - touched)
    return won


def _above(way: Floats, deviation: Floats) -> Floats:
    """Return the mean of what a normally distributed number is above zero: the integral of N(x / deviation) up to `way`."""
    steps = np.clip(way / deviation, -1e9, 1e9)
    mean: Floats = way * ndtr(steps) + deviation * np.exp(-steps * steps / 2) / math.sqrt(2 * math.pi)
    return mean


def edge_shift(*, wins_above: bool, allow_equals: bool) -> float:
    """
    Return how far the edge of a contract that wins above or below its barrier lies above that, in pips; that of a touch is
    `win_probability`'s.
    """
    return -0.5 if wins_above == allow_equals else 0.5


def default_offset(spot: float, deviation: float, ticks: Numbers) -> Floats:
    """Return one standard deviation of the price's change over so many ticks, rounded to the pip, at least one; all in pips."""
    return np.maximum(np.rint(spot * deviation * np.sqrt(ticks)), 1.0)


def payout_units(stake: int, probability: float, commission: float) -> int:
    """
    Return what a contract pays, in the currency's smallest unit.

    Args:
        stake: what it costs, in the same unit.
        probability: that it pays.
        commission: is added to the probability; above 0.
    """
    return round(stake / (probability + commission))


def price_units(payout: int, probability: float, commission: float) -> int:
    """Return what a contract costs, in the currency's smallest unit; the inverse of `payout_units`."""
    return round(payout * (probability + commission))


def bid_units(payout: Floats, probability: Floats, commission: Floats) -> npt.NDArray[np.int64]:
    """
    Return what bought contracts can be sold for, in the smallest unit of each one's currency, not below zero.

    Args:
        payout: what each pays, in the same unit.
        probability: that it pays.
        commission: is subtracted from the probability.
    """
    return np.rint(payout * np.maximum(probability - commission, 0.0)).astype(np.int64)


def make_quote(
    *, duration: int, unit: DurationUnit, barrier: str | None, allow_equals: bool, pip_size: int, has_barrier: bool, is_touch: bool
) -> Quote:
    """
    Return the terms of a contract as numbers.

    Args:
        duration: how long it would last, in units.
        unit: the unit.
        barrier: a price, an offset from the spot with its sign, or None for the default.
        allow_equals: whether an exit spot equal to the barrier would win.
        pip_size: the decimals of the instrument's prices.
        has_barrier: whether the default barrier is a standard deviation above the spot, or else the spot itself.
        is_touch: whether it is a touch contract.
    """
    is_timed = unit != "ticks"
    return Quote(
        base=0.0 if barrier is None else float(Decimal(barrier).scaleb(pip_size)),
        of_spot=1.0 if barrier is None or barrier[0] in "+-" else 0.0,
        of_deviation=1.0 if barrier is None and has_barrier else 0.0,
        duration_ms=float(duration * UNIT_MS[unit]) if is_timed else 0.0,
        ticks=0.0 if is_timed else float(duration),
        shift=0.0 if is_touch else edge_shift(wins_above=True, allow_equals=allow_equals),
        is_touch=is_touch,
    )


def price_quotes(quotes: Columns[Any] | Mapping[str, npt.NDArray[Any]], spot: float, moves: Moves, elapsed_ms: float = 0.0) -> Priced:
    """
    Price quotes of one instrument, all at once.

    The entry is the first tick after the purchase, and fixes the barriers that count from it; where the barrier is a price, it is the first
    one after the newest. So an offset is as many ticks away as there are between entry and end, and a price is one tick more.

    Args:
        quotes: with the columns of `QUOTE_COLUMNS`.
        spot: the price now, in pips.
        moves: how the price moves.
        elapsed_ms: how long after the newest tick they are bought, in milliseconds. Where ticks are irregular, it is not known whether none
            came meanwhile or some are on their way: each side is priced by what makes it more likely.
    """
    interval_ms, deviation, awaited = moves.interval_ms, moves.tick_deviation, None
    is_relative, in_ticks, timed_ms = quotes["of_spot"], quotes["ticks"], quotes["duration_ms"]
    if moves.is_regular:
        # A tick whose time has come is on its way, and is no entry for what counts from it.
        entry: Numbers = np.where(is_relative > 0, elapsed_ms // interval_ms + 1, 1)
        last = np.where(in_ticks > 0, in_ticks + entry, (timed_ms + elapsed_ms) // interval_ms)
        looks = last - entry
    else:
        # On the average, the entry comes an interval after the purchase, and the last tick is as far from the end as from any moment.
        entry = elapsed_ms / interval_ms + 1
        awaited = (1 - is_relative) * (entry - 1) if elapsed_ms > 0 else None
        looks = np.where(in_ticks > 0, in_ticks, timed_ms / interval_ms - 1 - moves.wait)
    ticks = np.maximum(looks + (1 - is_relative) * entry, 0.0)
    duration_ms = timed_ms + in_ticks * interval_ms
    barrier = quotes["base"] + is_relative * spot + quotes["of_deviation"] * default_offset(spot, deviation, duration_ms / interval_ms)
    # An offset below the spot may have become a price below zero since it was asked for.
    barrier = np.maximum(barrier, 1.0)
    # Both sides in one call: of a single quote, the calls are what costs.
    shift, is_touch = SIDES * quotes["shift"], quotes["is_touch"]
    first, second = win_probability(spot, barrier, shift, deviation, ticks, SIDES, is_touch, awaited)
    if awaited is not None:
        came = ticks - np.where(in_ticks > 0, awaited, 0.0)
        one, other = win_probability(spot, barrier, shift, deviation, came, SIDES, is_touch)
        first, second = np.maximum(first, one), np.maximum(second, other)
    margin = moves.margin + tick_margin(moves, in_ticks > 0, looks)
    # An offset counts from the entry, where the price is by then nobody knows.
    doubt = moves.unlike + (1 - is_relative) * place_margin(spot * deviation, ticks)
    return Priced(barrier, first, second, duration_ms, looks, margin, doubt)


def place_margin(pips: float, ticks: Floats) -> Floats:
    """
    Return what a probability may be off by because the price is not in the middle of its pip: who has seen it come from below knows that
    it is rather in the lower half.

    Args:
        pips: the deviation of a tick, in pips.
        ticks: how many ticks each contract still looks at, or the last one of which it does.
    """
    if not 0 < pips < FINE:
        return np.zeros(len(ticks))
    off = min(OFF_CENTRE / pips, MOST_OFF_CENTRE)
    # The density of the price at the end, where it is highest.
    return np.where(ticks > 0, off / (math.sqrt(2 * math.pi) * pips * np.sqrt(np.maximum(ticks, 1.0))), 0.0)


def tick_margin(moves: Moves, in_ticks: Bools, looks: Floats) -> Floats:
    """
    Return what a probability may be off by because ticks come irregularly, or are lost: of the two bounds the lower one.

    One is how likely a gap comes before the end. The other is how much the time changes in which the price moves: a duration in ticks takes
    longer, and one in time is cut by a longer wait for the entry and from the last tick to the end; touches are looked at less often.

    Args:
        moves: how the price moves.
        in_ticks: whether each contract lasts ticks.
        looks: how many ticks come between its entry and its end.
    """
    if not moves.is_regular:
        return np.full(len(looks), IRREGULAR_MARGIN * max(1.0, moves.wait))
    if moves.odd == 0:
        return np.zeros(len(looks))
    ahead = np.maximum(looks, 1.0)
    fewer = LOOKS_MARGIN * (math.sqrt(1 + moves.excess) - 1) / np.sqrt(ahead)
    shorter = VARIANCE_MARGIN * (moves.wait - 0.5 + moves.excess) / ahead
    by_time = np.where(in_ticks, VARIANCE_MARGIN * math.log1p(moves.excess), shorter + fewer)
    return np.minimum(OUTAGE_MARGIN * np.minimum(moves.odd * (ahead + 2), 1.0), by_time)


def price_one(quote: Quote, spot: float, moves: Moves, elapsed_ms: float = 0.0) -> Priced:
    """Price a single quote; the same as `price_quotes` with one row."""
    return price_quotes({name: np.array([value]) for name, value in quote._asdict().items()}, spot, moves, elapsed_ms)
