"""How much each address may ask for per second, and how many live quotes there may be."""

from __future__ import annotations

from collections.abc import Collection, Hashable

MOST_ADDRESSES = 10_000
"""Addresses that are remembered at most, in some 2 MB. Beyond, the one is forgotten that asked for nothing for the longest time."""


class AddressRates:
    """
    Lets each address ask for so much per second, and for a number at once after a quiet time.

    It knows no clock: times come in as arguments, in seconds.

    Args:
        rate: how much per second.
        burst: how much at once; a request for more is let in when the address has asked for nothing for long enough.
        most: how many addresses are remembered.
    """

    def __init__(self, rate: float, burst: float, most: int = MOST_ADDRESSES) -> None:
        self._rate = rate
        self._burst = burst
        self._most = most
        # When each address will have its whole burst again; in the order of their last requests.
        self._full_at: dict[Hashable, float] = {}

    def take(self, address: Hashable, cost: float, now: float) -> float:
        """
        Take what a request costs and return 0; or take nothing and return in how many seconds to try again, above 0.

        Args:
            address: whose request it is.
            cost: of the request; one that costs more than the burst counts as the burst.
            now: the time.
        """
        cost = min(cost, self._burst)
        full_at = max(self._full_at.pop(address, now), now)
        wait = full_at + cost / self._rate - (now + self._burst / self._rate)
        if wait <= 1e-9:
            full_at += cost / self._rate
            wait = 0.0
        if full_at > now:
            self._forget(now)
            self._full_at[address] = full_at
        return wait

    def _forget(self, now: float) -> None:
        """Make room for an address: one that has its whole burst again need not be remembered."""
        while self._full_at:
            oldest = next(iter(self._full_at))
            if self._full_at[oldest] > now and len(self._full_at) < self._most:
                return
            del self._full_at[oldest]


class LiveQuotes:
    """Counts the distinct quotes of streams: those that many streams have cost as much as one."""

    def __init__(self, of_stream: int, of_address: int, of_process: int) -> None:
        self.limit(of_stream, of_address, of_process)
        self._streams: dict[str, int] = {}
        self._addresses: dict[Hashable, dict[str, int]] = {}

    def limit(self, of_stream: int, of_address: int, of_process: int) -> None:
        """Have other limits from now on; what is there stays."""
        self._of_stream = of_stream
        self._of_address = of_address
        self._of_process = of_process

    def __len__(self) -> int:
        return len(self._streams)

    def refusal(self, address: Hashable | None, old: Collection[str], new: Collection[str]) -> tuple[str, str] | None:
        """
        Return why a stream may not have these quotes - a reason for counters, a message for people -, or None where it may.

        Args:
            address: where the stream comes from; None where that is not known.
            old: the distinct quotes that it has.
            new: those that it is to have instead.
        """
        if len(new) > self._of_stream:
            return "quotes", f"{len(new)} quotes exceed the limit of {self._of_stream} for one stream"
        own = self._addresses.get(address, {})
        if address is not None and self._after(own, old, new) > max(self._of_address, len(own)):
            has = f"this address has {len(own)} live quotes, and its limit is {self._of_address}"
            return "quotes", f"{has}: close a stream, or ask for fewer"
        if self._after(self._streams, old, new) > max(self._of_process, len(self._streams)):
            return "quotes", f"the server has {len(self._streams)} live quotes, and its limit is {self._of_process}"
        return None

    def change(self, address: Hashable | None, old: Collection[str], new: Collection[str]) -> None:
        """Count a stream's quotes `new` instead of `old`."""
        for counts in (self._streams, *(() if address is None else (self._addresses.setdefault(address, {}),))):
            for name in new:
                counts[name] = counts.get(name, 0) + 1
            for name in old:
                if counts[name] == 1:
                    del counts[name]
                else:
                    counts[name] -= 1
        if address is not None and not self._addresses[address]:
            del self._addresses[address]

    @staticmethod
    def _after(counts: dict[str, int], old: Collection[str], new: Collection[str]) -> int:
        """Return how many distinct ones there would be."""
        kept = set(new)
        added = sum(name not in counts for name in kept)
        removed = sum(counts.get(name) == 1 for name in old if name not in kept)
        return len(counts) + added - removed
