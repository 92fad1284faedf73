from __future__ import annotations

import asyncio
import time

import pytest

from pricewire.market.clock import SystemClock


def test_the_time_is_the_system_s() -> None:
    before = time.time_ns()
    now = SystemClock().now_ns()
    assert before <= now <= time.time_ns()


def test_a_clock_that_is_set_back_goes_on_from_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    wall, steady = [10_000], [500]
    monkeypatch.setattr(time, "time_ns", lambda: wall[0])
    monkeypatch.setattr(time, "monotonic_ns", lambda: steady[0])
    clock = SystemClock()
    seen = []
    for wall[0], steady[0] in ((10_100, 600), (4_000, 650), (4_050, 700), (12_000, 800), (12_001, 801)):
        seen.append((clock.now_ns(), clock.monotonic_ns(), clock.ahead_ns))
    assert seen == [(10_100, 600, 0), (10_150, 650, 6150), (10_200, 700, 6150), (12_000, 800, 0), (12_001, 801, 0)]


def test_a_clock_that_is_ahead_goes_slower_until_it_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    wall, steady = [10_000_000], [0]
    monkeypatch.setattr(time, "time_ns", lambda: wall[0])
    monkeypatch.setattr(time, "monotonic_ns", lambda: steady[0])
    clock = SystemClock()
    wall[0] -= 5000
    seen = []
    for _ in range(7):
        wall[0], steady[0] = wall[0] + 100_000, steady[0] + 100_000
        seen.append((clock.now_ns(), clock.ahead_ns))
    assert [ahead for _, ahead in seen] == [4000, 3000, 2000, 1000, 0, 0, 0]
    assert [now for now, _ in seen[:2]] == [10_099_000, 10_198_000]
    assert seen[-1][0] == wall[0]


async def test_sleeping_for_no_time_lets_other_tasks_run() -> None:
    ran = asyncio.Event()

    async def other() -> None:
        ran.set()

    task = asyncio.create_task(other())
    await SystemClock().sleep(0)
    assert ran.is_set()
    await task
