"""Refusals: a purchase that was refused stays refused for a while, as the same request, sent before, may still be on its way."""

from __future__ import annotations

from typing import NamedTuple

from pricewire.errors import InvalidProposalError, PricewireError, TooManyPurchasesError, TradeRefusedError
from pricewire.market.clock import Clock

KEPT_NS = 15_000_000_000
"""For how long, in nanoseconds: longer than a gateway waits for an answer, and most networks hold anything up."""

MOST = 100_000
"""How many are kept at once; of more, the oldest are forgotten."""


class Refusal(NamedTuple):
    """
    What was refused.

    Attributes:
        digest: of the request.
        error: why.
        until_ns: until when it counts, in nanoseconds of a monotonic clock.
    """

    digest: str
    error: PricewireError
    until_ns: int


class Refusals:
    """
    The newest refusals of purchases, each by its account and key.

    Who gets no answer sends the request again. If the second one is refused and the first one, which was held up, bought after that,
    somebody would have a contract who was told that there is none.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin with none, and the time."""
        self._clock = clock
        # The oldest first.
        self._kept: dict[tuple[str, str], Refusal] = {}

    def add(self, key: tuple[str, str], digest: str, error: PricewireError) -> None:
        """Keep that a purchase was refused, unless it is to be repeated after a while: of an account's key."""
        if not isinstance(error, TradeRefusedError | InvalidProposalError) or isinstance(error, TooManyPurchasesError):
            return
        self._forget()
        self._kept.setdefault(key, Refusal(digest, error, self._clock.monotonic_ns() + KEPT_NS))

    def check(self, key: tuple[str, str], digest: str) -> None:
        """
        Raise what the same purchase was refused with.

        Raises:
            TradeRefusedError: it was.
            InvalidProposalError: it was, as it is not offered.
        """
        self._forget()
        kept = self._kept.get(key)
        if kept is not None and kept.digest == digest:
            raise kept.error.with_traceback(None)

    def _forget(self) -> None:
        now_ns = self._clock.monotonic_ns()
        while self._kept:
            oldest = next(iter(self._kept))
            if self._kept[oldest].until_ns > now_ns and len(self._kept) < MOST:
                return
            del self._kept[oldest]
