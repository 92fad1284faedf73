"""Ends each protected stream with its token."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace

from pricewire.hub.hub import Hub
from pricewire.protocol.stream_end import StreamEnd
from pricewire.server.auth.tokens import Token

STEP_S = 1.0
"""The longest time between two looks for expired tokens, in seconds."""

RETRY_S = 0.1
"""How long to wait before a stream is ended that has not joined the hub yet, in seconds."""

JUMP_S = 1.0
"""By how much the clock differs from the time that has passed before it counts as set, in seconds: less is corrected all the time."""

SLACK = 1000
"""How many outdated entries the heap may have, besides one for each stream, before it is rebuilt."""


@dataclass(frozen=True, slots=True)
class WatchedStream:
    """A stream's token, when the stream ends, in seconds by the clock that nobody sets, and why it will."""

    token: Token
    ends_at: float
    stream_end: StreamEnd = StreamEnd.TOKEN_EXPIRED


class TokenWatch:
    """
    Knows each stream's token, and ends the stream when the token expires or is revoked.

    One heap has all ends in order; the entry of a stream that was renewed or has ended is skipped. A stream ends when the time that its
    token had left has passed, also if the clock was set back meanwhile; if it was set forward, when the token has expired.

    Args:
        hub: the hub of the streams.
        clock: returns the time in seconds since 1970.
        steady: returns the time in seconds from any start, by a clock that nobody sets.
        on_renewed: called with the id of a stream that depends on another token than before, and this token.
    """

    def __init__(
        self,
        hub: Hub,
        *,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
        on_renewed: Callable[[str, Token], None] | None = None,
    ) -> None:
        self._hub = hub
        self._on_renewed = on_renewed
        self._clock = clock
        self._steady = steady
        # How much the one clock is ahead of the other.
        self._ahead = clock() - steady()
        self._watched: dict[str, WatchedStream] = {}
        self._streams: defaultdict[str, set[str]] = defaultdict(set)
        self._ends: list[tuple[float, str]] = []

    def begin(self, stream_id: str, token: Token) -> None:
        """Have a stream end with a token."""
        if len(self._ends) > 2 * len(self._watched) + SLACK:
            self._ends = [(each.ends_at, name) for name, each in self._watched.items()]
            heapq.heapify(self._ends)
        ends_at = self._steady() + token.expires_at - self._clock()
        self._watched[stream_id] = WatchedStream(token, ends_at)
        self._streams[token.id].add(stream_id)
        heapq.heappush(self._ends, (ends_at, stream_id))

    def token(self, stream_id: str) -> Token | None:
        """Return the token that a stream depends on; None for one that needs none."""
        watched = self._watched.get(stream_id)
        return None if watched is None else watched.token

    def renew(self, stream_id: str, token: Token) -> Token:
        """
        Have a stream depend on another token of the same account; return the one that it depends on then.

        It keeps its token if the other one expires earlier; unless that has grants which its own has not, as the stream may carry the
        topics of these now. Nothing changes for a stream that has ended.
        """
        watched = self._watched.get(stream_id)
        if watched is None:
            return token
        before = watched.token
        if token.expires_at <= before.expires_at and set(token.grants) <= set(before.grants):
            return before
        self.forget(stream_id)
        self.begin(stream_id, token)
        if self._on_renewed is not None:
            self._on_renewed(stream_id, token)
        return token

    def forget(self, stream_id: str) -> None:
        """Forget a stream that has ended; harmless for one that is not known."""
        watched = self._watched.pop(stream_id, None)
        if watched is not None:
            streams = self._streams[watched.token.id]
            streams.discard(stream_id)
            if not streams:
                del self._streams[watched.token.id]

    def revoke(self, token_id: str) -> None:
        """End all streams of a token."""
        for stream_id in list(self._streams.get(token_id, ())):
            self._end(stream_id, StreamEnd.TOKEN_REVOKED)

    def revoke_where(self, has_ended: Callable[[Token], bool]) -> None:
        """End all streams whose token has ended; called rarely, as it looks at all of them."""
        for stream_id in [name for name, watched in self._watched.items() if has_ended(watched.token)]:
            self._end(stream_id, StreamEnd.TOKEN_REVOKED)

    def end_expired(self) -> None:
        """End the streams whose tokens have expired."""
        ahead = self._clock() - self._steady()
        if abs(ahead - self._ahead) > JUMP_S:
            self._ahead = ahead
            now = self._clock()
            for stream_id in [name for name, watched in self._watched.items() if watched.token.expires_at <= now]:
                self._end(stream_id, self._watched[stream_id].stream_end)
        now = self._steady()
        while self._ends and self._ends[0][0] <= now:
            ends_at, stream_id = heapq.heappop(self._ends)
            watched = self._watched.get(stream_id)
            if watched is not None and watched.ends_at == ends_at:
                self._end(stream_id, watched.stream_end)

    async def run(self) -> None:
        """End streams when their time has come, until cancelled."""
        while True:
            wait = self._ends[0][0] - self._steady() if self._ends else STEP_S
            # Not longer than a step, as a stream may begin meanwhile that ends before the others.
            await asyncio.sleep(min(max(wait, 0.01), STEP_S))
            self.end_expired()

    def _end(self, stream_id: str, stream_end: StreamEnd) -> None:
        found = self._hub.find(stream_id)
        if found is None:
            # It has not joined the hub yet: try again shortly, when it has joined or has been forgotten.
            ends_at = self._steady() + RETRY_S
            self._watched[stream_id] = replace(self._watched[stream_id], ends_at=ends_at, stream_end=stream_end)
            heapq.heappush(self._ends, (ends_at, stream_id))
        else:
            self._hub.end(found[0], stream_end)
            self.forget(stream_id)
