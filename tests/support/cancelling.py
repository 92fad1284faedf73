"""Cancelling a coroutine at every place where it can be cancelled."""

from __future__ import annotations

import asyncio
import gc
import types
from collections.abc import Callable, Coroutine, Generator
from typing import Any

from support.raw_server import PATIENCE, RawServer


@types.coroutine
def cancelling(coroutine: Coroutine[Any, Any, None], count: int) -> Generator[Any, Any, bool]:
    """Run a coroutine and cancel its task when it is suspended for the count-th time; return whether it came so far."""
    task = asyncio.current_task()
    assert task is not None
    step: Callable[[Any], Any] = coroutine.send
    argument: Any = None
    suspensions = 0
    while True:
        try:
            awaited = step(argument)
        except StopIteration:
            return suspensions >= count
        suspensions += 1
        if suspensions == count:
            asyncio.get_running_loop().call_soon(task.cancel)
        try:
            argument = yield awaited
            step = coroutine.send
        except BaseException as error:
            step, argument = coroutine.throw, error


async def cancel_everywhere(
    scenario: Callable[[str], Coroutine[Any, Any, None]], make_server: Callable[[], RawServer], *, least: int
) -> None:
    """Cancel a scenario at each of its awaits, at least so many, each time with a server of its own; assert that no task is left."""

    async def run(url: str, count: int) -> bool:
        return await cancelling(scenario(url), count)

    for count in range(1, 1000):
        async with make_server() as server:
            task = asyncio.create_task(run(server.url, count))
            await asyncio.wait([task], timeout=PATIENCE)
        gc.collect()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        if not task.cancelled() and not task.result():
            assert count > least
            return
    raise AssertionError("the scenario has no end")
