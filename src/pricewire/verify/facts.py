"""What a test of a stream has recorded: all that the rules look at, and nothing else."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from pricewire.verify.exchange import End, Exchange


@dataclass(frozen=True)
class Handshake:
    """
    What TLS agreed on.

    Attributes:
        problem: why there is no connection; empty where there is one.
        version: of TLS.
        protocol: what was chosen where HTTP/2 and HTTP/1.1 were offered; None where the server chose none.
        days_left: for how many days the certificate is still valid.
    """

    problem: str = ""
    version: str = ""
    protocol: str | None = None
    days_left: float = 0.0


class Resume(Enum):
    """When a stream was resumed."""

    AT_ONCE = "at once"
    AFTER_A_CUT = "after a cut in the middle of an event"
    LATER = "later"


@dataclass(frozen=True)
class Resumed:
    """
    A stream that was asked to go on after an event.

    Attributes:
        kind: when.
        after: the id of that event.
        exchange: what came.
        asked_at: when it was asked for, in seconds on the recording's clock.
    """

    kind: Resume
    after: str
    exchange: Exchange
    asked_at: float


@dataclass(frozen=True)
class Published:
    """
    One run of what makes an event.

    Attributes:
        started: when it was started, in seconds on the recording's clock.
        finished: when it had ended.
        problem: why it failed; empty where it did not.
    """

    started: float
    finished: float
    problem: str = ""


@dataclass(frozen=True)
class Slow:
    """
    A while in which nobody read a stream.

    Attributes:
        exchange: the stream; what came was read afterwards.
        begun: from when on it was not read, in seconds on the recording's clock.
        ended: until when.
    """

    exchange: Exchange
    begun: float
    ended: float


@dataclass(frozen=True)
class Expiring:
    """
    A stream that was watched until after its token's end.

    Attributes:
        exchange: what came.
        expires_at: when the token ended, in seconds on the recording's clock.
        watched_until: until when it was watched.
    """

    exchange: Exchange
    expires_at: float
    watched_until: float


@dataclass
class Facts:
    """
    What was recorded.

    Attributes:
        url: the address, without user and password.
        query: the names of the parameters in its query.
        is_local: whether the server is on this machine.
        is_tls: whether it was asked over TLS.
        has_token: whether requests carried a token.
        watch: the stream that was watched.
        until: for how long it was to be watched, in seconds.
        redirects: the addresses that the server sent us on to.
        tls: what TLS agreed on; None where there was none.
        http2: the stream over HTTP/2; None where it was not tried.
        most_streams: how many streams the server allows on one connection of HTTP/2; None where it has not said.
        requests: what came for other requests, by their names.
        resumed: the streams that were resumed.
        published: the runs of what makes an event.
        slow: the times when a stream was not read.
        storm: the streams that were asked for at once.
        expiring: the stream with a token that ended; None where none was tried.
        shutdown: the streams that were open when the server was shut down.
        shutdown_at: when it was asked to, in seconds on the recording's clock; None where it was not.
        lag: how long this machine held the recording up at most, in seconds.
        recovered: how many requests were answered after their connection had broken without an answer.
        broken: how many connections broke so, those of the storm not counted.
        skipped: why something was not tried, by the name of its rule.
    """

    watch: Exchange
    url: str = ""
    query: frozenset[str] = frozenset()
    is_local: bool = True
    is_tls: bool = False
    has_token: bool = False
    until: float = 30.0
    redirects: list[str] = field(default_factory=list)
    tls: Handshake | None = None
    http2: Exchange | None = None
    most_streams: int | None = None
    requests: dict[str, Exchange] = field(default_factory=dict)
    resumed: list[Resumed] = field(default_factory=list)
    published: list[Published] = field(default_factory=list)
    slow: list[Slow] = field(default_factory=list)
    storm: list[Exchange] = field(default_factory=list)
    expiring: Expiring | None = None
    shutdown: list[Exchange] = field(default_factory=list)
    shutdown_at: float | None = None
    lag: float = 0.0
    recovered: int = 0
    broken: int = 0
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def watched_until(self) -> float:
        """Until when the stream was watched, in seconds on the recording's clock."""
        return self.watch.started + self.until if self.watch.end is End.OPEN else self.watch.ended

    @property
    def quickest_s(self) -> float:
        """How long the quickest answer took that was no stream, in seconds; 0 where there was none."""
        answers = [each.head_at - each.started for each in self.requests.values() if each.head is not None and not each.is_stream]
        return min(answers, default=0.0)

    @property
    def streams(self) -> Iterable[Exchange]:
        """All event streams that opened, the watched one first."""
        every = [self.watch, *self.requests.values(), *(each.exchange for each in self.resumed)]
        return [exchange for exchange in every if exchange.is_stream]

    @property
    def one_by_one(self) -> list[Exchange]:
        """All that was asked for, but the storm."""
        slow = [each.exchange for each in self.slow[:1]]
        return [self.watch, *self.requests.values(), *(each.exchange for each in self.resumed), *slow]

    @property
    def exchanges(self) -> list[Exchange]:
        """All that was asked for."""
        return [*self.one_by_one, *self.storm]
