"""The table of what ticks hide: its limits, and that it is what it says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from pricewire.trading.touching import CORRECTION, EXTRA, FARTHEST, MOST, correction, shifts


def test_it_is_small_and_made_once() -> None:
    assert shifts() is shifts()
    assert shifts().nbytes < 600_000
    assert np.isfinite(shifts()).all()


@pytest.mark.parametrize("looks", [1, 2, 7, MOST])
def test_at_the_barrier_it_is_what_is_known_of_random_walks(looks: int) -> None:
    # A walk of n symmetric steps stays on one side with the probability C(2n, n) / 4^n, whatever its steps.
    spared = math.comb(2 * looks, looks) / 4**looks
    (shift,) = correction(np.array([0.0]), np.array([looks]))
    assert 2 * norm.cdf(-shift / math.sqrt(looks + EXTRA)) == pytest.approx(1 - spared, abs=1e-6)


def test_in_the_limit_it_is_that_of_broadie_glasserman_and_kou_and_near_the_barrier_that_of_the_ladder_heights() -> None:
    distances = np.array([0.0, 6.0, 40.0, 1e6])
    shift = correction(distances, np.full(4, 10**6))
    assert shift.tolist() == pytest.approx([math.sqrt(0.5), CORRECTION, CORRECTION, CORRECTION], abs=2e-4)


def test_one_look_is_a_normal_distribution() -> None:
    distances = np.linspace(0, 4, 200)
    shift = correction(distances, np.ones(200, np.int64))
    assert 2 * norm.cdf(-(distances + shift) / math.sqrt(1 + EXTRA)) == pytest.approx(norm.sf(distances), abs=2e-5)


def test_it_goes_on_without_a_step_from_the_last_row_to_the_limit() -> None:
    distances = np.linspace(0, FARTHEST, 300)
    last, limit = (correction(distances, np.full(300, looks)) for looks in (MOST, MOST + 1))
    root = math.sqrt(MOST)
    assert 2 * norm.cdf(-(distances + last) / root) == pytest.approx(2 * norm.cdf(-(distances + limit) / root), abs=5e-5)
