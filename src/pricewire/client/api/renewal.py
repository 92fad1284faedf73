"""When a token is renewed: the one rule that the Python and the browser client follow, over `tests/vectors/renewal.json`."""

from __future__ import annotations

MARGIN = 30.0
"""How long before its end a token is renewed, in seconds; half of its life where that is less than twice this."""

LEAST_WAIT = 1.0
"""The least time between two renewals, in seconds: what would be renewed sooner is left to expire."""


def renew_after(expires_at: float | None, issued_at: float | None, now: float) -> float | None:
    """
    Return how long after its receipt a token is to be renewed, in seconds; None where it is not, as it has no end or a very near one.

    A life is a duration, counted from the receipt: so it does no harm where this machine's clock is wrong. A token that was old when it
    came is renewed too late by this; then the server says that it has expired, and the stream is resumed with the next.

    Args:
        expires_at: the token's `exp`, in seconds since 1970; None: it has no end.
        issued_at: its `iat`, likewise; None: not said, so that it counts as issued now.
        now: the time of the receipt by this machine's clock, likewise.
    """
    if expires_at is None:
        return None
    life = expires_at - (now if issued_at is None else issued_at)
    wait = max(life - MARGIN, life / 2)
    return wait if wait >= LEAST_WAIT else None
