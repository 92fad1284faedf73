"""How much is let in: who has had enough is refused before its stream starts, and nobody who is in is thrown out."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, fields
from types import TracebackType
from typing import Any

from pricewire.errors import PricewireError, StreamRefusedError
from pricewire.server.addresses import Address, Network, client_address, household

if sys.platform != "win32":
    import resource

MAX_RETRY_AFTER = 30.0
"""The longest that a refused stream is asked to wait, in seconds: a person who waits for prices closes the page after that."""

PLACE_RETRY_AFTER = 5.0
"""How long to wait where a stream has to end first, in seconds. When one will, nobody knows."""

SPARE_FILES = 200
"""Open files of a process besides its streams: requests that are no streams, connections kept alive, recordings."""


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What one process lets in.

    Attributes:
        streams: open streams of the process. With 4 KB for each at most, 10,000 are 40 MB; and a price for all of them every 50 ms is what
            one core can write.
        streams_per_address: open streams from one IPv4 address or one /64 of IPv6. An office with a /24 network shows one address; 256
            is a stream for each of its machines.
        streams_per_account: open streams of one account, from wherever: 64 are a dozen of pages and programs with several streams each.
        topics_per_stream: topics of one stream: more than a page shows, and within the length of a request line that servers accept.
        new_streams_per_second: how many streams may start. Starting one takes some 0.2 ms of a core, so 1,000 are a fifth of it, and prices
            go on flowing to those that are in.
        burst_seconds: how many seconds' worth of new streams a quiet server lets in at once: of 5,000 that were cut, 2,000 are back at
            once and the others within some 5 s, as they were told to come.
        request_target: the address in the request line, in bytes. Source: RFC 9112, section 3, asks for 8,000 at least; 8 KiB is the usual.
        request_headers: all headers of a request, in bytes: what Node accepts, and room for a token and a few cookies.
        request_seconds: how long a connection may take to send the head of a request, in seconds: a phone's lost packets are sent again by
            then, and who sends it byte by byte takes no place for longer. As long again for the body, and a second more for each
            `bytes_per_second` of it.
        request_body: the body of a request, in bytes: the largest that the HTTP surface has is a change of a stream's 250 topics.
        bytes_per_second: how fast a body comes and a response is taken at least: a tenth of the slowest mobile network.
        connections: connections of the process that are no streams: coming, being answered, or kept alive for the next request. At least as
            many as streams, since these come back at once after a cut. Fewer where the system lets the process open fewer files.
        connections_per_address: those from one IPv4 address or one /64 of IPv6: one for each machine of an office. Where there are more,
            the one that has waited longest for a request is closed. At least as many as streams, too. Trusted proxies may have any number.

    Raises:
        PricewireError: a limit is not above 0.
    """

    streams: int = 10_000
    streams_per_address: int = 256
    streams_per_account: int = 64
    topics_per_stream: int = 250
    new_streams_per_second: float = 1000.0
    burst_seconds: float = 2.0
    request_target: int = 8192
    request_headers: int = 16_384
    request_seconds: float = 20.0
    request_body: int = 65_536
    bytes_per_second: float = 1000.0
    connections: int = 10_000
    connections_per_address: int = 256

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not value > 0:
                raise PricewireError(f"limit {field.name} is {value:g}; it has to be above 0")


class TokenBucket:
    """
    Lets so many in per second, and a number at once after a quiet time. It knows no clock: times come in as arguments, in seconds.

    Who is not let in is told when to come instead, one after the other at the same rate: told the same time, they would all come together
    and most of them in vain.

    Args:
        rate: how many per second.
        burst: how many at once.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self._rate = rate
        self._burst = max(1.0, burst)
        self._tokens = self._burst
        self._filled_at: float | None = None
        self._next_appointment = 0.0

    def take(self, now: float) -> float:
        """Let one in and return 0; or return in how many seconds it should come again, above 0."""
        if self._filled_at is not None:
            self._tokens = min(self._burst, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            return 0.0
        self._next_appointment = min(max(self._next_appointment, now) + 1.0 / self._rate, now + MAX_RETRY_AFTER)
        return self._next_appointment - now


class Tally:
    """Counts what each key has, and remembers only keys that have something."""

    def __init__(self) -> None:
        self._counts: dict[Hashable, int] = {}

    def __len__(self) -> int:
        return len(self._counts)

    def __getitem__(self, key: Hashable) -> int:
        return self._counts.get(key, 0)

    def add(self, key: Hashable) -> None:
        """Count one more."""
        self._counts[key] = self._counts.get(key, 0) + 1

    def remove(self, key: Hashable) -> None:
        """Count one less."""
        if self._counts[key] == 1:
            del self._counts[key]
        else:
            self._counts[key] -= 1


class Admission:
    """
    Lets new streams in, and counts them until they give their place back.

    Attributes:
        limits: what is let in.
        open: open streams of each endpoint.
        refusals: how many requests were refused, for each reason.

    Args:
        limits: see above.
        trusted_proxies: the networks of the proxies that are believed about who their client is.
        clock: returns the time in seconds.
        jitter: returns a number from 0 to 1.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        trusted_proxies: Sequence[Network] = (),
        *,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.limits = limits or Limits()
        self.open: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self._trusted = trusted_proxies
        self._clock = clock
        self._jitter = jitter
        self._addresses = Tally()
        self._accounts = Tally()
        self._bucket = TokenBucket(self.limits.new_streams_per_second, self.limits.new_streams_per_second * self.limits.burst_seconds)

    def client(self, scope: Mapping[str, Any]) -> Address | None:
        """Return the address of a request's client; None where it has none, which is not limited by its address then."""
        peer = scope.get("client")
        return client_address(peer[0] if peer else None, scope["headers"], self._trusted)

    def admit(self, endpoint: str, client: Address | None, account: str | None = None) -> Place:
        """
        Let a stream in.

        Args:
            endpoint: what it is counted as.
            client: the address that it comes from.
            account: the account whose token it comes with; None where it comes with none.

        Returns:
            its place, to be given back when it has ended.

        Raises:
            StreamRefusedError: it would exceed a limit.
        """
        limits = self.limits
        key = None if client is None else household(client)
        if key is not None and self._addresses[key] >= limits.streams_per_address:
            message = f"this address has {limits.streams_per_address} streams, its limit: close one, or have one stream carry more topics"
            raise self._refused("address", message, PLACE_RETRY_AFTER)
        if account is not None and self._accounts[account] >= limits.streams_per_account:
            message = f"this account has {limits.streams_per_account} streams, its limit: close one, or have one stream carry more topics"
            raise self._refused("account", message, PLACE_RETRY_AFTER)
        if self.open.total() >= limits.streams:
            raise self._refused("process", f"the server has {limits.streams} streams, its limit", PLACE_RETRY_AFTER)
        # Last, so that who is refused for another reason takes nobody's turn.
        if (wait := self._bucket.take(self._clock())) > 0:
            raise self._refused("rate", f"the server lets {limits.new_streams_per_second:g} new streams in per second, its limit", wait)
        self.open[endpoint] += 1
        if key is not None:
            self._addresses.add(key)
        if account is not None:
            self._accounts.add(account)
        return Place(self, endpoint, key, account)

    def leave(self, endpoint: str, key: Hashable, account: str | None) -> None:
        """Count a stream as ended; its `Place` calls this."""
        self.open[endpoint] -= 1
        if key is not None:
            self._addresses.remove(key)
        if account is not None:
            self._accounts.remove(account)

    def _refused(self, reason: str, message: str, wait: float) -> StreamRefusedError:
        self.refusals[reason] += 1
        # Spread over some seconds, so that those refused together do not come back together.
        return StreamRefusedError(reason, message, 1 + int(wait + self._jitter() * max(2.0, wait / 2)))


class Place:
    """
    The place of one stream among those that are let in.

    As a context manager it gives itself back where its block fails, and keeps itself otherwise:

        with admission.admit("ticks", client) as place:
            return EventStream(hub, topics, on_close=place.give_back)
    """

    __slots__ = ("_account", "_admission", "_endpoint", "_key")

    def __init__(self, admission: Admission, endpoint: str, key: Hashable, account: str | None) -> None:
        self._account = account
        self._admission: Admission | None = admission
        self._endpoint = endpoint
        self._key = key

    def __enter__(self) -> Place:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self.give_back()

    def give_back(self) -> None:
        """Make room for another; harmless where it was given back already."""
        admission, self._admission = self._admission, None
        if admission is not None:
            admission.leave(self._endpoint, self._key, self._account)


def allow_open_files(streams: int, connections: int = 0) -> int | None:
    """
    Let the process open as many files as its streams need, as far as the system lets it: each stream is one, and 1,024 a usual beginning.

    Args:
        streams: how many there may be.
        connections: how many others there may be; where these are too many files, fewer are let in.

    Returns:
        how many it may open, where that is not enough for the streams; None where it is.
    """
    if sys.platform == "win32":
        return None
    needed, wanted = streams + SPARE_FILES, streams + SPARE_FILES + connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return None
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft if soft < needed else None
