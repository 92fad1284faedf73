"""How long to wait before a failed feed is started again."""

from __future__ import annotations

FIRST_DELAY_S = 1.0
"""The wait after the first failure, in seconds."""

LONGEST_DELAY_S = 60.0
"""The longest wait, in seconds: a source that comes back is noticed within a minute."""


def restart_delay_s(failures: int) -> float:
    """
    Return the wait before the next start, in seconds: doubled with every failure, up to a minute.

    Args:
        failures: how many starts in a row have failed before a tick came, at least 1.
    """
    # The exponent is bounded before the power is taken: a source that is gone for a month must not overflow the float.
    return min(LONGEST_DELAY_S, FIRST_DELAY_S * 2.0 ** min(failures - 1, 16))
