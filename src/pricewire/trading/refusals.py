"""Refusals: a purchase that was refused stays refused for a while, as the same request, sent before, may still be on its way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from typing import NamedTuple

import msgspec

from pricewire.errors import InvalidProposalError, PricewireError, TooManyPurchasesError, TradeRefusedError
from pricewire.market.clock import Clock

KEPT_NS = 15_000_000_000
"""For how long, in nanoseconds: longer than a gateway waits for an answer, and most networks hold anything up."""

MOST = 100_000
"""How many are kept at once; of more, the oldest are forgotten."""


KINDS: dict[str, type[PricewireError]] = {
    InvalidProposalError.__name__: InvalidProposalError,
    **{each.__name__: each for each in TradeRefusedError.__subclasses__()},
}
"""What a purchase is refused with, by its name."""


class Told(msgspec.Struct, array_like=True, frozen=True):
    """
    A refusal, as other processes are told of it, which may get the account.

    Attributes:
        account_uuid: of whom.
        key: of the purchase.
        digest: of the request.
        kind: the name of the error.
        text: what it says.
    """

    account_uuid: str
    key: str
    digest: str
    kind: str
    text: str


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
    somebody would have a contract who was told that there is none. They outlive a desk: a process that shares the accounts opens one after
    the other.

    Attributes:
        tell: called with a new one, before anybody is answered.
    """

    def __init__(self, clock: Clock) -> None:
        """Begin with none, and the time."""
        self.tell: Callable[[Told], Awaitable[None]] = tell_nobody
        self._clock = clock
        # The oldest first.
        self._kept: dict[tuple[str, str], Refusal] = {}

    async def add(self, key: tuple[str, str], digest: str, error: PricewireError) -> None:
        """Keep that a purchase was refused, unless it is to be repeated after a while: of an account's key."""
        if not isinstance(error, TradeRefusedError | InvalidProposalError) or isinstance(error, TooManyPurchasesError):
            return
        if self._keep(key, digest, error):
            await self.tell(told(key, digest, error))

    def learn(self, other: Told) -> None:
        """Keep what another process has refused."""
        kind = KINDS.get(other.kind)
        if kind is not None:
            # Its text alone: what it was made of is not told.
            self._keep((other.account_uuid, other.key), other.digest, kind.__new__(kind, other.text))

    def kept(self) -> Iterator[Told]:
        """Return all that count now, to tell them to others."""
        self._forget()
        return (told(key, each.digest, each.error) for key, each in list(self._kept.items()))

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

    def _keep(self, key: tuple[str, str], digest: str, error: PricewireError) -> bool:
        self._forget()
        is_new = key not in self._kept
        if is_new:
            self._kept[key] = Refusal(digest, error, self._clock.monotonic_ns() + KEPT_NS)
        return is_new

    def _forget(self) -> None:
        now_ns = self._clock.monotonic_ns()
        while self._kept:
            oldest = next(iter(self._kept))
            if self._kept[oldest].until_ns > now_ns and len(self._kept) < MOST:
                return
            del self._kept[oldest]


def told(key: tuple[str, str], digest: str, error: PricewireError) -> Told:
    """Return a refusal as it is told."""
    return Told(*key, digest, type(error).__name__, str(error))


async def tell_nobody(refusal: Told) -> None:
    """Say nothing: there is no other process."""
