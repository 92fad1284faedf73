from __future__ import annotations

import asyncio
import time

import pytest

from pricewire.client.stream.watchdog import Patience, Watchdog
from support.raw_server import PATIENCE


@pytest.mark.parametrize(
    ("heartbeat", "idle_timeout", "expected"),
    [
        ("15", 60.0, Patience(22.5, 30.0)),
        ("0.5", None, Patience(0.75, 1.0)),
        (None, 60.0, Patience(45.0, 60.0)),
        (None, None, Patience(None, None)),
        *[(bad, None, Patience(None, None)) for bad in ("", "0", "-1", "nan", "1_0", "٣", "9" * 400, "15 s")],
    ],
)
def test_the_heartbeat_decides_and_else_the_idle_timeout(heartbeat: str | None, idle_timeout: float | None, expected: Patience) -> None:
    assert Patience.of(heartbeat, idle_timeout) == expected


async def test_stale_comes_before_dead_and_both_once() -> None:
    told: list[str] = []
    dead = asyncio.Event()

    def die() -> None:
        told.append("dead")
        dead.set()

    watchdog = Watchdog(Patience(0.01, 0.02), lambda: told.append("stale"), die)
    watchdog.read()
    async with asyncio.timeout(PATIENCE):
        await dead.wait()
    assert told == ["stale", "dead"]
    assert watchdog.is_stale


async def test_a_loop_that_stood_still_is_not_the_servers_silence() -> None:
    told: list[str] = []
    stale = asyncio.Event()
    watchdog = Watchdog(Patience(0.01, 0.02), stale.set, lambda: told.append("dead"))
    watchdog.read()
    time.sleep(0.05)  # noqa: ASYNC251 - it is what is tested
    async with asyncio.timeout(PATIENCE):
        await stale.wait()
    time.sleep(0.05)  # noqa: ASYNC251 - it is what is tested
    await asyncio.sleep(0)
    assert told == []
    # What came meanwhile is read now.
    assert watchdog.heard()
    watchdog.stop()


async def test_bytes_end_staleness() -> None:
    stale = asyncio.Event()
    watchdog = Watchdog(Patience(0.01, 0.05), stale.set, lambda: None)
    for _ in range(2):
        stale.clear()
        watchdog.read()
        async with asyncio.timeout(PATIENCE):
            await stale.wait()
        assert watchdog.heard()
    assert not watchdog.heard()
    watchdog.stop()


async def test_a_stopped_one_says_nothing_and_leaves_no_timer() -> None:
    told: list[str] = []
    watchdog = Watchdog(Patience(0.0, 0.0), lambda: told.append("stale"), lambda: told.append("dead"))
    watchdog.read()
    watchdog.stop()
    for _ in range(3):
        await asyncio.sleep(0)
    assert told == []
