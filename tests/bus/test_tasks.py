"""Tasks that end with a block, whatever they do when they are cancelled."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from pricewire.bus.tasks import running


async def test_a_task_that_swallows_a_cancellation_ends_all_the_same() -> None:
    swallowed = 0

    async def work() -> None:
        nonlocal swallowed
        while swallowed < 2:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(3600)
            swallowed += 1
        await asyncio.sleep(3600)

    async with asyncio.timeout(60):
        async with running(work(), "stubborn") as task:
            await asyncio.sleep(0)
    assert task.cancelled()


async def test_a_task_that_fails_says_so(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        raise ValueError("no more")

    async with running(work(), "the work") as task:
        await asyncio.wait([task])
    assert "the work has failed" in caplog.text
