from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pricewire.market.backoff import LONGEST_DELAY_S, restart_delay_s


@pytest.mark.parametrize(("failures", "expected"), [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (8, 60), (10**9, 60)])
def test_the_wait_doubles_up_to_a_minute(failures: int, expected: float) -> None:
    assert restart_delay_s(failures) == expected


@given(st.integers(1, 10**6))
def test_the_wait_never_shrinks_nor_exceeds_its_bound(failures: int) -> None:
    assert restart_delay_s(failures) <= restart_delay_s(failures + 1) <= LONGEST_DELAY_S
