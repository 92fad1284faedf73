"""The lives of protected streams: each ends with its token."""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import defaultdict
from collections.abc import Callable

from pricewire.hub.farewell import encode_error
from pricewire.hub.hub import Hub
from pricewire.server.auth.tokens import READ, Token

STEP_S = 1.0
"""How often is looked for streams whose time has come, in seconds."""


SLACK = 1000
"""How many entries may be left over of streams that have gone, besides as many as there are streams, before the heap is cleared of them."""


class Lives:
    """
    Knows each stream's token, and ends the stream when the token expires or is revoked.

    One heap has all ends in order; the entry of a stream that was prolonged or has gone is passed over.

    Args:
        hub: whose streams.
        clock: returns the time in seconds since 1970.
    """

    def __init__(self, hub: Hub, *, clock: Callable[[], float] = time.time) -> None:
        self._hub = hub
        self._clock = clock
        self._tokens: dict[str, Token] = {}
        self._streams: defaultdict[str, set[str]] = defaultdict(set)
        self._ends: list[tuple[float, str]] = []

    def __len__(self) -> int:
        return len(self._tokens)

    def begin(self, stream_id: str, token: Token) -> None:
        """Have a stream live as long as a token."""
        if len(self._ends) > 2 * len(self._tokens) + SLACK:
            self._ends = [(each.expires_at, name) for name, each in self._tokens.items()]
            heapq.heapify(self._ends)
        self._tokens[stream_id] = token
        self._streams[token.id].add(stream_id)
        heapq.heappush(self._ends, (token.expires_at, stream_id))

    def token(self, stream_id: str) -> Token | None:
        """Return the token that a stream lives by; None for one that needs none."""
        return self._tokens.get(stream_id)

    def prolong(self, stream_id: str, token: Token) -> Token:
        """
        Have a stream live by another token of the same account, and return the one that it lives by.

        It stays with the one that it has where the other ends earlier; but not where only the other is for reading, as the stream may
        carry the account's topics now.
        """
        before = self._tokens[stream_id]
        if token.expires_at <= before.expires_at and (READ in before.scopes or READ not in token.scopes):
            return before
        self.forget(stream_id)
        self.begin(stream_id, token)
        return token

    def forget(self, stream_id: str) -> None:
        """Forget a stream that has ended; harmless for one that is not known."""
        token = self._tokens.pop(stream_id, None)
        if token is not None:
            streams = self._streams[token.id]
            streams.discard(stream_id)
            if not streams:
                del self._streams[token.id]

    def revoke(self, token_id: str) -> None:
        """End all streams of a token."""
        for stream_id in list(self._streams.get(token_id, ())):
            self._end(stream_id, "TOKEN_REVOKED", "the token was revoked; log in again")

    def end_expired(self) -> None:
        """End the streams whose tokens have expired."""
        now = self._clock()
        while self._ends and self._ends[0][0] <= now:
            expires_at, stream_id = heapq.heappop(self._ends)
            token = self._tokens.get(stream_id)
            if token is not None and token.expires_at == expires_at:
                self._end(stream_id, "TOKEN_EXPIRED", "the token has expired; reconnect with a new one")

    async def run(self) -> None:
        """End streams when their time has come, until cancelled."""
        while True:
            wait = self._ends[0][0] - self._clock() if self._ends else STEP_S
            # Not longer than a step, as a stream may begin meanwhile that ends before the others.
            await asyncio.sleep(min(max(wait, 0.01), STEP_S))
            self.end_expired()

    def _end(self, stream_id: str, code: str, message: str) -> None:
        found = self._hub.find(stream_id)
        if found is None:
            # Its response's head is on the way: it comes up again shortly, by when it has joined the hub or has been forgotten.
            token = self._tokens[stream_id]
            self.forget(stream_id)
            self.begin(stream_id, Token(token.account, token.scopes, token.id, self._clock() + STEP_S / 10))
        else:
            self._hub.end(found[0], encode_error(code, message))
            self.forget(stream_id)
