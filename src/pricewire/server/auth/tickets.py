"""Tickets: what a browser's own EventSource sends instead of a token, because it cannot send headers."""

from __future__ import annotations

import secrets
import time
from collections import Counter
from collections.abc import Callable

from pricewire.errors import InvalidTokenError, StreamRefusedError
from pricewire.server.auth.tokens import Token

LIFETIME_S = 30.0
"""How long a ticket is valid, in seconds: a page asks for it right before it opens its stream."""

MAX_OPEN = 64
"""How many unused tickets an account may have: as many as it may have streams."""


class Tickets:
    """Gives tickets, each valid once, for one stream. They live by `steady`, a clock that nobody sets; `clock` has seconds since 1970."""

    def __init__(self, *, clock: Callable[[], float] = time.time, steady: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._steady = steady
        # In the order in which they expire, as all have the same lifetime.
        self._open: dict[str, tuple[Token, float]] = {}
        self._counts: Counter[str | None] = Counter()

    def give(self, token: Token) -> tuple[str, float]:
        """
        Return a ticket that stands for a token, and when it expires, in seconds since 1970.

        Raises:
            StreamRefusedError: the account has too many that it has not used.
        """
        now = self._steady()
        while self._open and (oldest := next(iter(self._open))) and self._open[oldest][1] <= now:
            self._remove(oldest)
        if self._counts[token.account] >= MAX_OPEN:
            raise StreamRefusedError("account", f"this account has {MAX_OPEN} tickets that it has not used, its limit", int(LIFETIME_S))
        ticket = secrets.token_urlsafe(24)
        self._open[ticket] = (token, now + LIFETIME_S)
        self._counts[token.account] += 1
        return ticket, self._clock() + LIFETIME_S

    def take(self, ticket: str) -> Token:
        """
        Return the token that a ticket stands for, and use up the ticket.

        Raises:
            InvalidTokenError: it is unknown, was used already, or has expired.
        """
        token, expires_at = self._remove(ticket) if ticket in self._open else (None, 0.0)
        if token is None or expires_at <= self._steady():
            raise InvalidTokenError("the ticket is not valid: each is for one stream, once, within 30 s; get another by POST /v1/tickets")
        return token

    def _remove(self, ticket: str) -> tuple[Token, float]:
        token, expires_at = self._open.pop(ticket)
        self._counts[token.account] -= 1
        if not self._counts[token.account]:
            del self._counts[token.account]
        return token, expires_at
