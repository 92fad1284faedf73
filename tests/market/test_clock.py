from __future__ import annotations

import asyncio
import time

from pricewire.market.clock import SystemClock


def test_the_time_is_the_system_s() -> None:
    before = time.time_ns()
    now = SystemClock().now_ns()
    assert before <= now <= time.time_ns()


async def test_sleeping_for_no_time_lets_other_tasks_run() -> None:
    ran = asyncio.Event()

    async def other() -> None:
        ran.set()

    task = asyncio.create_task(other())
    await SystemClock().sleep(0)
    assert ran.is_set()
    await task
