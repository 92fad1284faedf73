"""Revoked tokens: known at once in this process, and within a second in the others that use the same database."""

from __future__ import annotations

import time
from collections.abc import Callable

from pricewire.server.auth.polling import poll
from pricewire.server.auth.tokens import Token
from pricewire.store.revocations import Revocations

PRUNE_S = 3600.0
"""How often tokens that have expired are forgotten, in seconds."""

GRACE_S = 86_400.0
"""
How long after its expiry a token is still kept, in seconds: longer than any leeway with which it could be accepted, and longer than a clock
is set forward by mistake. If it were forgotten then, it would be valid again when the clock is right.
"""


class Revoked:
    """The revoked tokens. `on_revoked` is called with the id of each one that becomes known."""

    def __init__(self, store: Revocations, on_revoked: Callable[[str], None]) -> None:
        self._store = store
        self._on_revoked = on_revoked
        self._known: dict[str, float] = {}
        self._number = 0
        self._pruned_at = float("-inf")

    def __contains__(self, token_id: str) -> bool:
        return token_id in self._known

    async def add(self, token: Token) -> None:
        """Revoke a token; durable when this returns."""
        await self._store.add(token.id, int(token.expires_at + GRACE_S))
        self._learn(token.id, token.expires_at + GRACE_S)

    async def load(self) -> None:
        """Learn what has been revoked since the last time."""
        for each in await self._store.since(self._number):
            self._number = each.number
            self._learn(each.token_id, each.expires_at)

    async def run(self) -> None:
        """Learn what other processes revoke, until cancelled."""
        await poll(self._refresh, "revoked tokens")

    async def _refresh(self) -> None:
        await self.load()
        if time.monotonic() - self._pruned_at >= PRUNE_S:
            self._pruned_at, now = time.monotonic(), time.time()
            self._known = {name: until for name, until in self._known.items() if until > now}
            await self._store.prune(int(now))

    def _learn(self, token_id: str, until: float) -> None:
        if token_id not in self._known:
            self._known[token_id] = until
            self._on_revoked(token_id)
