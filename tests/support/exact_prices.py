"""What contracts are worth by a recursion over ticks, one after the other: slow, and without anything of the code's own."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy.stats import norm

Floats = npt.NDArray[np.float64]

STEPS = 24
"""Steps of the grid in a standard deviation of a tick."""

WIDE = 8
"""Beyond so many standard deviations there is nothing."""


def within_pip(points: int) -> tuple[Floats, Floats]:
    """Return places within a pip, from -0.5 to 0.5, and their weights: where a price may lie that is published as a whole pip."""
    nodes, weights = np.polynomial.legendre.leggauss(points)
    return nodes / 2, weights / 2


def exact_touch(spot: float, barrier: float, deviation: float, ticks: int, *, waited: float = 0.0, points: int = 8) -> float:
    """
    Return the probability that one of the next ticks is published at the barrier or beyond.

    The density of the price that has not touched yet is carried from tick to tick on a grid of its distance from where it touches.

    Args:
        spot: the price as published, in pips.
        barrier: in pips, another than the spot.
        deviation: of the logarithm of the price from a tick to the next; its mean is -deviation²/2.
        ticks: how many.
        waited: how many more would have come before the first of them, at their usual pace.
        points: how many places within the pip are tried.
    """
    side = 1 if barrier > spot else -1
    edge = barrier - side * 0.5
    # A distance grows where the price goes away from the barrier.
    drift = side * deviation**2 / 2
    step = deviation / STEPS
    reach = WIDE * deviation
    kernel = norm.pdf(np.arange(-reach, reach + step / 2, step), loc=drift, scale=deviation) * step
    total = 0.0
    for place, weight in zip(*within_pip(points), strict=True):
        distance = side * math.log(edge / (spot + place))
        grid = np.arange(0, distance + WIDE * deviation * (math.sqrt(ticks + waited) + 1) + abs(drift) * (ticks + waited), step)
        density = norm.pdf(grid, loc=distance + drift * (1 + waited), scale=deviation * math.sqrt(1 + waited))
        for _ in range(ticks - 1):
            # By the trapezoidal rule, what is at the barrier counts half.
            density[0] /= 2
            density = np.convolve(density, kernel)[len(kernel) // 2 :][: len(grid)]
        total += weight * (1 - (density.sum() - density[0] / 2) * step)
    return float(total)


def exact_above(spot: float, barrier: float, deviation: float, ticks: float, *, allow_equals: bool) -> float:
    """Return the probability that the last of some ticks is published above a barrier, or at it where equality counts."""
    if ticks == 0:
        return float(spot > barrier or (spot == barrier and allow_equals))
    edge = barrier - 0.5 if allow_equals else barrier + 0.5
    total = deviation * math.sqrt(ticks)
    places, weights = within_pip(200)
    return float(np.dot(weights, norm.sf((np.log(edge / (spot + places)) + total**2 / 2) / total)))
