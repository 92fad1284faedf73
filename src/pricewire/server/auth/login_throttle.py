"""How many passwords may be tried: few wrong ones for one account, and few from one address; of right ones as many as others can bear."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from pricewire.errors import TooManyAttemptsError


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many attempts are allowed: so many at once after a quiet time, and one more each time so many seconds have passed."""

    burst: int
    seconds: float


OF_BOTH = Allowance(10, 12.0)
"""For one account from one address: a person who has forgotten which password it was."""

OF_ADDRESS = Allowance(50, 2.0)
"""From one address for all accounts: enough for an office, too few to try a list of accounts."""

OF_ACCOUNT = Allowance(100, 6.0)
"""For one account from all addresses: 14,400 guesses a day, spread over a botnet. With fewer, it could lock the owner out."""

OF_ALL = Allowance(200, 0.25)
"""From one address with whatever password, each of which takes 30 ms of a core: a firm may begin its day, and others can log in too."""

MAX_KEPT = 100_000
"""How many accounts and addresses are remembered; beyond that, those whose failures no longer count are forgotten."""


class LoginThrottle:
    """Counts attempts to log in: those that failed or are still under way, and all of an address."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # For each key until when its attempts count, each of which adds its seconds.
        self._until: dict[Hashable, float] = {}

    def begin(self, account_id: str, address: Hashable) -> None:
        """
        Count an attempt before its result is known, so that simultaneous attempts count too.

        Raises:
            TooManyAttemptsError: there were too many.
        """
        now = self._clock()
        keys = [*self._keys(account_id, address), (("all", address), OF_ALL)]
        waits = [self._until.get(key, now) - now - (each.burst - 1) * each.seconds for key, each in keys]
        if (wait := max(waits)) > 0:
            raise TooManyAttemptsError(1 + int(wait))
        if len(self._until) > MAX_KEPT:
            self._until = {key: until for key, until in self._until.items() if until > now}
        for key, allowance in keys:
            self._until[key] = max(self._until.get(key, now), now) + allowance.seconds

    def succeeded(self, account_id: str, address: Hashable) -> None:
        """Take an attempt back out of the counts of failures: the password was right."""
        now = self._clock()
        for key, allowance in self._keys(account_id, address):
            until = self._until.get(key)
            if until is None:
                # It took so long that it does not count any more.
                continue
            self._until[key] = until - allowance.seconds
            if self._until[key] <= now:
                del self._until[key]

    @staticmethod
    def _keys(account_id: str, address: Hashable) -> list[tuple[Hashable, Allowance]]:
        return [((account_id, address), OF_BOTH), (("address", address), OF_ADDRESS), (("account", account_id), OF_ACCOUNT)]
