"""An event loop whose clock the test moves: timers run when it says so, and nobody sleeps."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Callable, Coroutine
from types import SimpleNamespace
from typing import Any, ParamSpec
from unittest.mock import patch

from pricewire.hub import flusher

P = ParamSpec("P")


class ManualLoop(asyncio.SelectorEventLoop):
    """
    A loop whose time stands still until it is moved.

    Attributes:
        seconds: its time.
        worked: the CPU time of its thread, in seconds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 1000.0
        self.worked = 0.0

    def time(self) -> float:
        return self.seconds

    def work(self, seconds: float) -> None:
        """Be busy for so long."""
        self.seconds += seconds
        self.worked += seconds


def running_loop() -> ManualLoop:
    """Return the loop that runs the test."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, ManualLoop)
    return loop


async def advance(seconds: float) -> None:
    """Move the running loop's clock, and have what is due run, and what that has run at once."""
    running_loop().seconds += seconds
    for _ in range(4):
        await asyncio.sleep(0)


def run(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a test on a `ManualLoop`."""
    # The hub measures how long its flushes take, too; by a clock that goes on it would wait for what the test does not let pass.
    clock = SimpleNamespace(perf_counter=lambda: running_loop().seconds, thread_time=lambda: running_loop().worked)
    with asyncio.Runner(loop_factory=ManualLoop) as runner, patch.object(flusher, "time", clock):
        runner.run(coroutine)


def on_manual_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Have a test run on a `ManualLoop`."""

    @functools.wraps(test)
    def running(*args: P.args, **kwargs: P.kwargs) -> None:
        run(test(*args, **kwargs))

    return running
