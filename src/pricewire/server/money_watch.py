"""Hears of money that operators move while the server runs, so that balances are told at once and not with the next trade."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from pricewire.server.auth.polling import poll
from pricewire.store.audit import AuditTrail
from pricewire.store.transactions import now_ms

LOOK_BACK_MS = 600_000
"""How far back it begins, in milliseconds: longer than streams can resume, and than two clocks differ."""


class MoneyWatch:
    """Looks for new movements of money in the audit trail, and calls `on_moved` with the account of each."""

    def __init__(self, trail: AuditTrail, on_moved: Callable[[str], Awaitable[None]]) -> None:
        self._trail = trail
        self._on_moved = on_moved
        self._number = 0

    async def start(self) -> None:
        """
        Begin with what was moved lately, too: an earlier process may not have told of it.

        Raises:
            DatabaseError: the database does not answer.
        """
        self._number = await self._trail.newest(now_ms() - LOOK_BACK_MS)

    async def load(self) -> None:
        """
        Tell of what was moved since the last time.

        Raises:
            DatabaseError: the database does not answer; what was not told yet is told the next time.
        """
        moved = await self._trail.moved_since(self._number)
        for account_uuid in dict.fromkeys(account_uuid for _, account_uuid in moved):
            await self._on_moved(account_uuid)
        if moved:
            self._number = moved[-1][0]

    async def run(self) -> None:
        """Look each second, until cancelled."""
        await poll(self.load, "movements of money")
