"""Which of several processes with trading has an account: accounts are in partitions, and each process has some of these."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from decimal import Decimal

import msgspec

from pricewire.errors import FencedError
from pricewire.trading.interfaces import Account, Accounts

PARTITIONS = 16
"""How many partitions accounts are in: no more processes can share them."""


def partition_of(account_uuid: str) -> int:
    """Return an account's partition, which is always the same."""
    return zlib.crc32(account_uuid.encode()) % PARTITIONS


class Share(msgspec.Struct, frozen=True):
    """
    The partitions that one process has, of all.

    Attributes:
        term: in which term of trading: with the next one, each process has another share.
        place: which of the processes it is, from 0 on; that at 0 also has all that is no account's.
        processes: the names of all of them; at most `PARTITIONS`.
    """

    term: int
    place: int
    processes: Sequence[str]

    def place_of(self, account_uuid: str) -> int:
        """Return the place of the process that has an account."""
        return partition_of(account_uuid) % len(self.processes)

    def owns(self, account_uuid: str) -> bool:
        """Return whether this process has an account."""
        return self.place_of(account_uuid) == self.place

    @property
    def part(self) -> Decimal:
        """Which part of all partitions it is, above 0 and at most 1."""
        count = len(range(self.place, PARTITIONS, len(self.processes)))
        return Decimal(count) / PARTITIONS


class OwnAccounts:
    """
    The accounts that a process has a share of: it knows nothing of the others, whose money another one moves.

    Args:
        accounts: all of them.
        share: the process's.
    """

    def __init__(self, accounts: Accounts, share: Share) -> None:
        self._accounts = accounts
        self._share = share

    async def find_uuid(self, account_uuid: str) -> Account | None:
        """
        Return the account with this uuid, or None.

        Raises:
            FencedError: another process has it.
            DatabaseError: the database does not answer.
        """
        if not self._share.owns(account_uuid):
            raise FencedError("another process has this account now; repeat the request")
        return await self._accounts.find_uuid(account_uuid)
