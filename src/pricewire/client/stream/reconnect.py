"""
Reconnection: when a client tries again, how long it waits, and when it gives up.

Nothing here does I/O, reads a clock or draws random numbers: times and random numbers are arguments.

Source: WHATWG HTML, section 9.2.3, "Processing model".
"""

from __future__ import annotations

import enum
import math
import re
from datetime import UTC
from email.utils import parsedate_to_datetime

import msgspec

from pricewire.client.arguments import check_type
from pricewire.errors import ClientError

CEILING = 30.0
"""The default of a policy's ceiling, in seconds."""

LONGEST_WAIT = 24 * 3600.0
"""The longest wait that a server can ask for, in seconds: what says more is a mistake, and a client that never comes back helps nobody."""

DELAY_SECONDS = re.compile("[0-9]+")


class State(enum.StrEnum):
    """Where a connection stands."""

    CONNECTING = "connecting"
    OPEN = "open"
    WAITING = "waiting"
    CLOSED = "closed"


TRANSITIONS: dict[State, frozenset[State]] = {
    State.CONNECTING: frozenset({State.OPEN, State.WAITING, State.CLOSED}),
    State.OPEN: frozenset({State.WAITING, State.CLOSED}),
    State.WAITING: frozenset({State.CONNECTING, State.CLOSED}),
    State.CLOSED: frozenset(),
}
"""Which state may follow which: `connecting → open → (waiting → connecting)* → closed`."""


class ReadyState(enum.IntEnum):
    """The state as the standard numbers it (section 9.2.2); waiting to reconnect is `CONNECTING` there."""

    CONNECTING = 0
    OPEN = 1
    CLOSED = 2


class ConnectionState(msgspec.Struct, frozen=True, kw_only=True):
    """
    The state of a connection at a moment.

    Attributes:
        state: where it stands.
        attempt: which attempt to reconnect this is, since the last event received; 0 for the first connection.
        wait: how long it will wait before that attempt, in seconds; None where it does not wait.
        reason: why it waits or is closed; None where it was not an error.
        is_stale: the server has been silent for longer than it announced, so that what was received may be old.
    """

    state: State
    attempt: int = 0
    wait: float | None = None
    reason: ClientError | None = None
    is_stale: bool = False


class ReconnectPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """
    How often and after which waits a lost connection is tried again.

    The wait before attempt `n` is drawn evenly from between the least one and `interval x 2^(n-1)` ("full jitter"), so that the
    readers of a server that failed do not come back all at once.

    Attributes:
        attempts: how many attempts in a row, without an event received between, before giving up; None: for ever, 0: none.
        interval: the greatest wait before the first attempt, in seconds. A stream's `retry:` takes its place.
        ceiling: the greatest wait before any attempt, in seconds, unless the server asks for more.
        floor: the least wait, in seconds, whatever the server asks for: at `retry: 0` a client would reconnect thousands of times a second.

    Raises:
        TypeError: a value is no number.
        ValueError: a number is negative or not finite, or the ceiling is below the floor.
    """

    attempts: int | None = 3
    interval: float = 1.0
    ceiling: float = CEILING
    floor: float = 0.1

    def __post_init__(self) -> None:
        check_type("attempts", self.attempts, (int, type(None)), "a whole number, or None for ever")
        if self.attempts is not None and self.attempts < 0:
            raise ValueError(f"attempts is {self.attempts}; it is 0 or more, or None for ever")
        for name, seconds in (("interval", self.interval), ("ceiling", self.ceiling), ("floor", self.floor)):
            check_type(name, seconds, (int, float), "a number of seconds")
            if not (math.isfinite(seconds) and seconds >= 0):
                raise ValueError(f"{name} is {seconds} s; it is a finite number of seconds, 0 or more")
        if self.ceiling < self.floor:
            raise ValueError(f"ceiling of {self.ceiling} s is below the floor of {self.floor} s")

    @classmethod
    def of(cls, attempts: int | None, interval: float) -> ReconnectPolicy:
        """Return a policy of so many attempts and this interval, in seconds, above the usual ceiling too."""
        # Named as the users of this know them.
        check_type("reconnect_attempts", attempts, (int, type(None)), "a whole number, or None for ever")
        check_type("reconnect_interval", interval, (int, float), "a number of seconds")
        return cls(attempts=attempts, interval=interval, ceiling=max(CEILING, interval))

    def wait(self, attempt: int, chance: float, *, retry: float | None = None, retry_after: float | None = None) -> float:
        """
        Return the wait before an attempt, in seconds.

        Args:
            attempt: which attempt in a row, 1 for the first.
            chance: a random number, at least 0 and below 1.
            retry: what the stream's newest `retry:` said, in seconds.
            retry_after: what the response's `Retry-After` says, in seconds.
        """
        least = max(self.floor, min(max(retry or 0.0, retry_after or 0.0), LONGEST_WAIT))
        interval = self.interval if retry is None else retry
        # The exponent is bounded, since a float cannot hold 2 to the 1024 and the ceiling is reached long before.
        most = min(interval * 2.0 ** min(attempt - 1, 60), self.ceiling)
        return least if most <= least else least + chance * (most - least)


class Reconnection:
    """
    The state of a policy: counts the failures in a row and says how long to wait for the next attempt.

    Attributes:
        policy: what it follows.
        attempt: which attempt to reconnect is under way or due; 0 for the first connection and after an event.
        retry: the reconnection time that the server asked for last, in seconds; it outlives connections.
        causes: why the connections since the last event failed, oldest first; not kept where there is no end of attempts.
    """

    def __init__(self, policy: ReconnectPolicy) -> None:
        self.policy = policy
        self.attempt = 0
        self.retry: float | None = None
        self.causes: list[ClientError] = []

    def asked(self, retry: float) -> None:
        """Note the reconnection time that the stream asks for, in seconds."""
        self.retry = retry

    def received(self) -> None:
        """Start the attempts again: an event came. That a connection merely opened proves nothing, it may be dropped at once."""
        if self.attempt:
            self.attempt = 0
            self.causes.clear()

    def failed(self, cause: ClientError, chance: float, *, retry_after: float | None = None) -> float | None:
        """
        Note why a connection ended; return how long after that to try again, in seconds, as the policy says; None where the attempts are
        used up.
        """
        attempts = self.policy.attempts
        if attempts is not None:
            self.causes.append(cause)
            if self.attempt >= attempts:
                return None
        self.attempt += 1
        return self.policy.wait(self.attempt, chance, retry=self.retry, retry_after=retry_after)


def may_retry(status: int) -> bool:
    """Whether a response of this status may be another one next time: a server's failure, 408 and 429; not a client's other errors."""
    return status in (408, 429) or 500 <= status <= 599


def parse_retry_after(value: str, now: float) -> float | None:
    """
    Return how long a `Retry-After` header asks to wait, in seconds, at least 0; None where it cannot be read.

    Args:
        value: the header's value, digits or a date.
        now: the time by the server's clock, by which a date is meant, in seconds since 1970.

    Source: RFC 9110, section 10.2.3.
    """
    value = value.strip()
    if DELAY_SECONDS.fullmatch(value):
        # int() refuses thousands of digits, and a float has no room for hundreds of them.
        return float(value) if len(value) <= 12 else LONGEST_WAIT
    date = parse_date(value)
    return None if date is None else max(0.0, date - now)


def parse_date(value: str) -> float | None:
    """
    Return an HTTP date in seconds since 1970; None if it cannot be parsed.

    Source: RFC 9110, section 5.6.7.
    """
    try:
        date = parsedate_to_datetime(value)
        # A date without a zone is in GMT, as all HTTP dates are.
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
