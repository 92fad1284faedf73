"""Which tokens of an account are valid: those issued after its last change of password or status, and none while it is suspended."""

from __future__ import annotations

from collections.abc import Callable

from pricewire.server.auth.polling import poll
from pricewire.server.auth.tokens import Token
from pricewire.store.accounts import Accounts, Standing


class Standings:
    """The accounts that have ended their earlier tokens. `on_changed` is called when more tokens may have ended."""

    def __init__(self, accounts: Accounts, on_changed: Callable[[], None]) -> None:
        self._accounts = accounts
        self._on_changed = on_changed
        self._known: dict[str, Standing] = {}
        self._generation: int | None = None

    def fault(self, token: Token) -> str | None:
        """Return why a token is not valid; None if it is."""
        standing = None if token.account is None else self._known.get(token.account)
        if standing is None:
            return None
        if token.generation is not None:
            if token.generation > standing.generation:
                # Issued after a change that this process has not heard of yet.
                return None
            has_ended = token.generation < standing.generation
        else:
            has_ended = (token.issued_at or 0.0) * 1000 < standing.not_before_ms
        if standing.is_suspended:
            return "the account is suspended"
        return "the token has ended, as the account was changed; log in again" if has_ended else None

    async def load(self) -> None:
        """Learn what has changed since the last time."""
        changed = await self._accounts.standings(self._generation)
        for each in changed:
            self._known[each.account_uuid] = each
        self._generation = max([self._generation or 0, *(each.generation for each in changed)])
        if changed:
            self._on_changed()

    async def run(self) -> None:
        """Learn what other processes change, until cancelled."""
        await poll(self.load, "ended tokens")
