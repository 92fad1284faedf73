"""
How much further away a barrier is to a price that is looked at only at its ticks: a table from a recursion, made once. Pure.

A price that goes on between its ticks may reach a barrier and be back before anybody looks. Looked at n times, it reaches a barrier b (in
standard deviations of a tick) about as often as one that is looked at all the time reaches b + 0.5826, after n + 1/4 ticks. The table has
what is exact instead of 0.5826 for up to `MOST` ticks, and for any number of them in the limit: it is 0.7071 at the barrier itself.

Source: M. Broadie, P. Glasserman and S. Kou, "A continuity correction for discrete barrier options", Mathematical Finance 7 (1997); for the
limit near the barrier the renewal function of the ladder heights, as in D. Siegmund, "Sequential Analysis" (1985), chapter X.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri

Floats = npt.NDArray[np.float64]

MOST: Final = 128
"""The most ticks that the table is exact for; beyond, the limit is off by less than 0.00004."""

CORRECTION: Final = 0.5825971579390107
"""The correction of a barrier that is far away, for many looks: -zeta(1/2) / sqrt(2 pi)."""

EXTRA: Final = 0.25
"""By how many ticks the time is longer, for the same reason: the correction to the next order."""

RESOLUTION: Final = 64
"""The table's steps in the square root of the distance: they are finest at the barrier, where the correction changes most."""

FARTHEST: Final = 64.0
"""The table's last distance, in standard deviations of a tick."""

SIGHT: Final = 5.0
"""Nothing is tabulated beyond so many standard deviations: there a touch has a probability of less than 0.000001."""


def correction(distance: Floats, looks: npt.NDArray[np.int64]) -> Floats:
    """
    Return by how much farther than it is a barrier counts, in standard deviations of a tick.

    Args:
        distance: of the barrier, in the same unit, not below 0.
        looks: how many ticks may reach it, at least 1, for each distance.
    """
    table = shifts()
    row = np.where(looks > MOST, 0, looks)
    place = np.sqrt(np.minimum(distance, FARTHEST)) * RESOLUTION
    column = place.astype(np.int64)
    part = place - column
    index = row * table.shape[1] + column
    flat = table.ravel()
    below = flat[index]
    shift: Floats = below + part * (flat[index + 1] - below)
    return shift


@cache
def shifts() -> Floats:
    """
    Return the table: a row for each number of looks, row 0 for very many; a column for each step of the distance's square root.

    The probability u(n, x) that a price does not reach a barrier at the distance x with n ticks follows from that with one tick less:
    u(n, x) is the integral over y > 0 of the normal density at x - y, times u(n - 1, y). The integral is one of Gauss and Legendre over
    pieces of a standard deviation; beyond the last piece u is 1. Takes some 50 milliseconds.
    """
    grid = (np.arange(int(np.sqrt(FARTHEST) * RESOLUTION) + 2) / RESOLUTION) ** 2
    end = FARTHEST + SIGHT * np.sqrt(MOST)
    nodes, weights = (np.asarray(each, np.float64) for each in np.polynomial.legendre.leggauss(6))
    pieces = np.arange(int(np.ceil(end)))
    places = (pieces[:, None] + (nodes + 1) / 2).ravel()
    weights = np.tile(weights / 2, len(pieces))
    stay, reach = _kernel(places, places, weights), _kernel(grid, places, weights)
    beyond, beyond_grid = ndtr(places - len(pieces)), ndtr(grid - len(pieces))
    table = np.empty((MOST + 1, len(grid)))
    spared = np.ones(len(places))
    for looks in range(1, MOST + 1):
        touched = 1 - (reach @ spared + beyond_grid)
        time = np.sqrt(looks + EXTRA)
        seen = np.searchsorted(grid, SIGHT * np.sqrt(looks))
        row = -time * ndtri(touched[:seen] / 2) - grid[:seen]
        table[looks, :seen], table[looks, seen:] = row, row[-1]
        spared = stay @ spared + beyond
    # The limit, from where it is reached in inverse proportion to the looks; away from the barrier it is known.
    table[0] = np.where(grid < SIGHT, 2 * table[MOST] - table[MOST // 2], CORRECTION)
    return table


def _kernel(at: Floats, places: Floats, weights: Floats) -> Floats:
    """Return what a step from each of `at` brings to each of `places`: the density of the normal distribution times the weight."""
    steps = at[:, None] - places
    kernel: Floats = np.exp(-steps * steps / 2) * (weights / np.sqrt(2 * np.pi))
    return kernel
