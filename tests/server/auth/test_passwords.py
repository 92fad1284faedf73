"""Passwords and their hashes."""

from __future__ import annotations

import asyncio
import threading

import pytest

from pricewire.errors import TooManyAttemptsError
from pricewire.server.auth import passwords as module
from pricewire.server.auth.passwords import AT_ONCE, MAX_WAITING, Passwords, hash_password, matches


def test_a_password_matches_its_hash_alone() -> None:
    kept = hash_password("correct horse")
    assert kept.startswith("$argon2id$")
    assert "correct horse" not in kept
    assert kept != hash_password("correct horse"), "each has a salt of its own"
    assert matches("correct horse", kept)
    assert not matches("correct horsf", kept)
    assert not matches("correct horse", "no hash")


async def test_an_account_that_is_not_there_costs_a_hash_too(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def check(password: str, kept: str) -> bool:
        seen.append(kept)
        return True

    passwords = Passwords()
    monkeypatch.setattr(module, "matches", check)
    assert not await passwords.check("x", None)
    assert seen[0].startswith("$argon2id$")
    assert await passwords.check("x", "kept")
    passwords.close()


async def test_few_are_checked_at_once_and_not_too_many_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    at_once, most, lock, may_go = 0, 0, threading.Lock(), threading.Event()

    def check(password: str, kept: str) -> bool:
        nonlocal at_once, most
        with lock:
            at_once += 1
            most = max(most, at_once)
        may_go.wait(60)
        with lock:
            at_once -= 1
        return True

    passwords = Passwords()
    monkeypatch.setattr(module, "matches", check)
    waiting = [asyncio.create_task(passwords.check("x", "kept")) for _ in range(MAX_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(TooManyAttemptsError):
        await passwords.check("x", "kept")
    may_go.set()
    assert all(await asyncio.gather(*waiting))
    assert most <= AT_ONCE
    assert await passwords.check("x", "kept")
    passwords.close()
