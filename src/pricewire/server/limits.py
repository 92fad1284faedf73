"""The limits of the server: what would exceed one is refused before it starts, and no open stream is ended for one."""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from types import TracebackType
from typing import Any

from pricewire.errors import PricewireError, StreamRefusedError
from pricewire.protocol.topics import is_quote
from pricewire.server.client_address import Address, Network, client_address, limit_key
from pricewire.server.rates import AddressRates, LiveQuotes
from pricewire.trading.limits import TradingLimits

if sys.platform != "win32":
    import resource

MAX_RETRY_AFTER = 30.0
"""The longest that a refused stream is asked to wait, in seconds: a person who waits for prices closes the page after that."""

PERMIT_RETRY_AFTER = 5.0
"""How long to wait where a stream has to end first, in seconds. When that will be is not known."""

QUOTE_COST = 20
"""What it costs to begin a quote, as a multiple of a topic of ticks: measured, 0.2 ms and 0.01 ms."""

CHANGE_COST = 20
"""What it costs to change a stream besides its topics, likewise."""

REQUESTS_OF_A_PAGE = 4
"""What a page asks for when it comes back: its stream, a history, a change of topics, its account."""

HISTORY_COST = 250
"""What a request for a history costs besides its rows, in rows: candles are merged from all minutes of the time that is asked for."""

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
        quotes: distinct proposals and contract prices with streams. Each takes some 60 microseconds of a core with every tick, so 2,000 on
            instruments with a tick a second are an eighth of a core; and each stream that has one takes a write with every tick besides.
        quotes_per_address: those of the streams of one address, so that eight addresses are needed to have them all.
        quotes_per_stream: those of one stream. One that begins takes some 0.2 ms, so a request for all 50 holds the loop for 10 ms.
        topics_per_second: topics that one address may ask for, by opening streams and by changing them. A quote counts as 20, and so does a
            change besides what the stream has then, and patterns as what it takes to look at all topics; so all of it is a twentieth of
            a core.
        requests_per_second: requests of any kind that one address may make: the smallest takes some 0.3 ms of a core.
        history_rows_per_second: ticks and candles that one address may ask for. A request counts as 250 besides. 10,000 are some
            5 % of a core.
        address_burst_seconds: how many seconds' worth of the last three an address may have at once after a quiet time: an office of 256
            pages that reconnect, each with 100 topics.
        open_contracts_per_account: how many contracts an account may have open. The stream of their list has all of them with every tick:
            300 kB for 500.
        purchases_per_second: how many an account may make: each takes some ms of a core, so two accounts that buy all the time leave
            room for the others.
        exposure_per_account: how much the open contracts of an account may win, for each currency; for others, any amount.
        exposure_per_instrument: how much the open contracts on an instrument may win, of all accounts of a currency together, likewise.
        free_topics: topics that publishers make. Each takes some 2 KB besides its events, so 20,000 are 40 MB.
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
    quotes: int = 2000
    quotes_per_address: int = 250
    quotes_per_stream: int = 50
    topics_per_second: float = 5000.0
    requests_per_second: float = 100.0
    history_rows_per_second: float = 10_000.0
    address_burst_seconds: float = 10.0
    open_contracts_per_account: int = 500
    purchases_per_second: float = 100.0
    exposure_per_account: Mapping[str, Decimal] = field(default_factory=dict)
    exposure_per_instrument: Mapping[str, Decimal] = field(default_factory=dict)
    free_topics: int = 20_000
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
        for each in fields(self):
            value = getattr(self, each.name)
            if not (isinstance(value, Mapping) or value > 0):
                raise PricewireError(f"limit {each.name} is {value:g}; it has to be above 0")
        # Which checks them.
        self.trading()

    def trading(self) -> TradingLimits:
        """Return the limits of trading."""
        return TradingLimits(
            open_contracts=self.open_contracts_per_account,
            purchases_per_second=self.purchases_per_second,
            account_exposure=self.exposure_per_account,
            instrument_exposure=self.exposure_per_instrument,
        )


class TokenBucket:
    """
    Lets so many in per second, and a number at once after a quiet time. It knows no clock: times come in as arguments, in seconds.

    Those that are not let in get different times to come back, one after the other at the same rate: with the same time, they would all
    come together, and most of them in vain.
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
    Lets new streams in, and counts them until they give their permit back. What would exceed a limit gets a `StreamRefusedError`.

    Attributes:
        limits: what is let in.
        open: open streams of each endpoint.
        quotes: the quotes that these have.
        refusals: how many requests were refused, for each reason.

    Args:
        trusted_proxies: the networks of the proxies that are trusted to say who their client is.
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
        self._permits: dict[str, Permit] = {}
        self.quotes = LiveQuotes(self.limits.quotes_per_stream, self.limits.quotes_per_address, self.limits.quotes)
        self._set_rates()

    def change(self, limits: Limits) -> None:
        """Have other limits from now on. Open streams stay; rates begin anew, so each address has its whole burst again."""
        self.limits = limits
        self.quotes.limit(limits.quotes_per_stream, limits.quotes_per_address, limits.quotes)
        self._set_rates()

    def _set_rates(self) -> None:
        limits = self.limits
        burst = limits.address_burst_seconds
        # Each stream of an address may come back at once, with what its page asks for besides.
        requests = max(limits.requests_per_second * burst, REQUESTS_OF_A_PAGE * limits.streams_per_address)
        self._request_rates = AddressRates(limits.requests_per_second, requests)
        self._topic_rates = AddressRates(limits.topics_per_second, limits.topics_per_second * burst)
        self._history_rates = AddressRates(limits.history_rows_per_second, limits.history_rows_per_second * burst)
        self._bucket = TokenBucket(limits.new_streams_per_second, limits.new_streams_per_second * limits.burst_seconds)

    def client(self, scope: Mapping[str, Any]) -> Address | None:
        """Return the address of a request's client; None where it has none, which is not limited by its address then."""
        peer = scope.get("client")
        return client_address(peer[0] if peer else None, scope["headers"], self._trusted)

    def admit(self, endpoint: str, client: Address | None, account: str | None = None) -> Permit:
        """
        Let a stream in, and count it: to its endpoint, to its address, and to the account whose token it comes with.

        Returns:
            its permit, to be given back when it has ended.
        """
        limits = self.limits
        key = None if client is None else limit_key(client)
        if key is not None and self._addresses[key] >= limits.streams_per_address:
            message = f"this address has {limits.streams_per_address} streams, its limit: close one, or have one stream carry more topics"
            raise self._refused("address", message, PERMIT_RETRY_AFTER)
        if account is not None and self._accounts[account] >= limits.streams_per_account:
            message = f"this account has {limits.streams_per_account} streams, its limit: close one, or have one stream carry more topics"
            raise self._refused("account", message, PERMIT_RETRY_AFTER)
        if self.open.total() >= limits.streams:
            raise self._refused("process", f"the server has {limits.streams} streams, its limit", PERMIT_RETRY_AFTER)
        # Last, so that a stream that is refused for another reason takes nobody's turn.
        if (wait := self._bucket.take(self._clock())) > 0:
            raise self._refused("rate", f"the server lets {limits.new_streams_per_second:g} new streams in per second, its limit", wait)
        return self.readmit(endpoint, client, account)

    def readmit(self, endpoint: str, client: Address | None, account: str | None = None) -> Permit:
        """Count a stream that was let in before, as by an earlier process; the arguments and the result are those of `admit`."""
        key = None if client is None else limit_key(client)
        self.open[endpoint] += 1
        if key is not None:
            self._addresses.add(key)
        if account is not None:
            self._accounts.add(account)
        return Permit(self, endpoint, key, account)

    def ask(self, client: Address | None) -> None:
        """Let an address make a request."""
        what = f"this address may make {self.limits.requests_per_second:g} requests per second, its limit: ask less often"
        self._charge(self._request_rates, "requests", client, 1, what)

    def ask_for_topics(self, client: Address | None, topics: int, quotes: Collection[str], *, carried: int | None = None) -> None:
        """
        Let a request ask for topics, before they are looked at: to look at a quote costs as much as twenty others.

        Args:
            client: the address that it comes from.
            topics: how many it asks for.
            quotes: those of them that are quotes, each once.
            carried: how many topics the open stream has that is to be changed; None for a new stream.
        """
        if (refusal := self.quotes.refusal(None, (), quotes)) is not None:
            raise self._refused(*refusal, PERMIT_RETRY_AFTER)
        cost = topics + QUOTE_COST * len(quotes) + (0 if carried is None else CHANGE_COST + carried)
        what = f"this address may ask for {self.limits.topics_per_second:g} topics per second, its limit: ask less often, or for fewer"
        self._charge(self._topic_rates, "topics", client, cost, what)

    def ask_for_history(self, client: Address | None, rows: int) -> None:
        """Let a request ask for a history of so many ticks or candles at most."""
        limit = self.limits.history_rows_per_second
        what = f"this address may ask for {limit:g} rows of history per second, its limit: ask less often, or for fewer"
        self._charge(self._history_rates, "history", client, HISTORY_COST + rows, what)

    def permit(self, stream_id: str) -> Permit | None:
        """Return the permit of an open stream; None where there is none."""
        return self._permits.get(stream_id)

    def carry(self, key: Hashable, old: frozenset[str], new: frozenset[str]) -> None:
        """Count a stream's distinct quotes; its `Permit` calls this."""
        if (refusal := self.quotes.refusal(key, old, new)) is not None:
            raise self._refused(*refusal, PERMIT_RETRY_AFTER)
        self.quotes.change(key, old, new)

    def name(self, stream_id: str, permit: Permit) -> None:
        """Have a stream's permit found by its id; the permit calls this."""
        self._permits[stream_id] = permit

    def leave(self, endpoint: str, key: Hashable, account: str | None, stream_id: str | None) -> None:
        """Count a stream as ended; its `Permit` calls this."""
        if stream_id is not None:
            del self._permits[stream_id]
        self.open[endpoint] -= 1
        if key is not None:
            self._addresses.remove(key)
        if account is not None:
            self._accounts.remove(account)

    def _charge(self, rates: AddressRates, reason: str, client: Address | None, cost: float, message: str) -> None:
        if client is not None and (wait := rates.take(limit_key(client), cost, self._clock())) > 0:
            raise self._refused(reason, message, wait)

    def _refused(self, reason: str, message: str, wait: float) -> StreamRefusedError:
        self.refusals[reason] += 1
        # Spread over some seconds, so that those refused together do not come back together.
        return StreamRefusedError(reason, message, 1 + int(wait + self._jitter() * max(2.0, wait / 2)))


class Permit:
    """
    The permit of one stream, to be given back when it has ended.

    As a context manager it gives itself back where its block fails, and keeps itself otherwise:

        with admission.admit("ticks", client) as permit:
            return EventStream(hub, topics, on_close=permit.give_back)
    """

    __slots__ = ("_account", "_admission", "_endpoint", "_key", "_quotes", "_stream_id")

    def __init__(self, admission: Admission, endpoint: str, key: Hashable, account: str | None) -> None:
        self._account = account
        self._admission: Admission | None = admission
        self._endpoint = endpoint
        self._key = key
        self._quotes: frozenset[str] = frozenset()
        self._stream_id: str | None = None

    def name(self, stream_id: str) -> None:
        """Have the stream found by its id, to be changed."""
        if self._admission is not None:
            self._stream_id = stream_id
            self._admission.name(stream_id, self)

    def carry(self, topics: Iterable[str]) -> None:
        """
        Have the stream carry topics, by their canonical names, instead of what it has.

        Raises:
            StreamRefusedError: it would exceed a limit of quotes.
        """
        quotes = frozenset(filter(is_quote, topics))
        if self._admission is not None and quotes != self._quotes:
            self._admission.carry(self._key, self._quotes, quotes)
            self._quotes = quotes

    def __enter__(self) -> Permit:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is not None:
            self.give_back()

    def give_back(self) -> None:
        """Make room for another; harmless where it was given back already."""
        admission = self._admission
        if admission is not None:
            self.carry(())
            self._admission = None
            admission.leave(self._endpoint, self._key, self._account, self._stream_id)


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
