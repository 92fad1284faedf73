"""Passwords, kept as hashes that are slow to guess from."""

from __future__ import annotations

import asyncio
import secrets
from concurrent.futures import ThreadPoolExecutor

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from pricewire.errors import TooManyAttemptsError

HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
"""argon2id with 19 MiB and two passes: some 30 ms of a core. Source: RFC 9106; OWASP, "Password Storage Cheat Sheet"."""

AT_ONCE = 2
"""How many are checked at once: this bounds the memory and the cores used, however many try to log in."""

MAX_WAITING = 64
"""How many may wait for that; more would wait longer than their clients do."""


DEMO = "demo"
"""The name and the password of the demo account."""


def hash_password(password: str) -> str:
    """Return the hash that a password is kept as."""
    return HASHER.hash(password)


class Passwords:
    """Checks passwords in threads: one check takes as long as thousands of events."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="passwords")
        self._waiting = 0
        # Checked for accounts that do not exist, so that the time taken does not tell which ones do.
        self._nobody = hash_password(secrets.token_hex(16))

    async def check(self, password: str, kept: str | None) -> bool:
        """
        Return whether a password is the one that is kept as a hash; False, after the same time, where none is kept.

        Raises:
            TooManyAttemptsError: too many wait already.
        """
        if self._waiting >= MAX_WAITING:
            raise TooManyAttemptsError(5)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            is_right = await loop.run_in_executor(self._threads, matches, password, self._nobody if kept is None else kept)
        finally:
            self._waiting -= 1
        return is_right and kept is not None

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown(wait=False, cancel_futures=True)


def matches(password: str, kept: str) -> bool:
    """Return whether a password is the one that is kept as a hash."""
    try:
        return HASHER.verify(kept, password)
    except (VerificationError, InvalidHashError):
        return False
