"""A portal: an event loop in a thread of its own, and the way into it from other threads."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError
from queue import Empty, SimpleQueue
from typing import Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

EXIT_TIMEOUT = 5.0
"""How long the thread may take to end, in seconds: the interpreter's exit does not wait for ever."""

TURN_S = 1.0
"""
How long a thread waits at a time, in seconds. A signal that comes just before the main thread begins to wait does not end the wait, so
its handler, and with it Ctrl-C, runs only after that time.
"""

End = Callable[[], Awaitable[object]]
"""Ends what runs on the loop; harmless when that has ended."""


class PortalClosedError(RuntimeError):
    """The loop has ended, or is about to."""

    def __init__(self) -> None:
        super().__init__("this has been closed")


class ForkedError(RuntimeError):
    """The process was forked, and the loop's thread stayed in the parent."""

    def __init__(self) -> None:
        super().__init__("this was made before the process forked, and its thread stayed in the parent; make a new one in this process")


class Life:
    """How far the loop is: whether something can be asked of it, and whether it answers no more."""

    def __init__(self) -> None:
        self.is_open = True
        self.has_ended = False


class Call(Generic[R]):
    """
    What a thread asks of the loop, and the answer.

    An interrupt may come anywhere in the thread. So nothing is made there that would have to be awaited, and the thread shares no lock with
    the loop but that within a `SimpleQueue`: one of Python's own conditions could stay locked, and hold the loop up for ever.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, function: Callable[[], Awaitable[R]]) -> None:
        self._loop = loop
        self._function = function
        self._answers = SimpleQueue[tuple[R, None] | tuple[None, BaseException]]()
        self._task: asyncio.Task[None] | None = None
        self._is_done = self._is_cancelled = False

    def start(self) -> None:
        """Begin, on the loop."""
        if not self._is_cancelled:
            self._task = self._loop.create_task(self._run())

    def result(self, life: Life) -> R:
        """
        Wait for the answer.

        Raises:
            concurrent.futures.CancelledError: the loop has ended without one.
        """
        while True:
            has_ended = life.has_ended
            try:
                answer, error = self._answers.get(timeout=TURN_S)
            except Empty:
                if has_ended:
                    raise CancelledError from None
                continue
            if error is None:
                return answer  # type: ignore[return-value]  # that of the answer without an error
            try:
                raise error
            finally:
                # Break the cycle of the error, its traceback and this frame.
                del error

    def cancel(self) -> None:
        """End it where it is still being done."""
        self._is_cancelled = True
        if not self._is_done:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and with it the task
                self._loop.call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        try:
            answer = await self._function()
        except asyncio.CancelledError:
            self._answers.put((None, CancelledError()))
        except BaseException as error:
            self._answers.put((None, error))
        else:
            self._answers.put((answer, None))
        self._is_done = True


class Portal:
    """
    Runs an event loop in a daemon thread until it is closed, or nobody holds it any more, or the interpreter ends.

    Args:
        end: ends what runs on the loop, before the loop does. It holds no reference to this portal.
    """

    def __init__(self, end: End) -> None:
        self._end = end
        self._life = Life()
        self._process = os.getpid()
        self._loop = asyncio.new_event_loop()
        started = SimpleQueue[None]()
        self._thread = threading.Thread(target=_run, args=(self._loop, self._life, end, started), name="pricewire", daemon=True)
        self._thread.start()
        started.get()
        self._stop = weakref.finalize(self, _stop, self._loop, self._thread, self._process)

    @property
    def is_inside(self) -> bool:
        """Whether the calling thread is that of the loop, as it is in callbacks."""
        return threading.get_ident() == self._thread.ident

    @property
    def is_closed(self) -> bool:
        """Whether the loop has ended, or is about to."""
        return not (self._stop.alive and self._life.is_open)

    def call(self, function: Callable[P, Awaitable[R]], *args: P.args, **kwargs: P.kwargs) -> R:
        """
        Call an asynchronous function on the loop and wait for what it returns. Interrupted, by Ctrl-C for instance, it is cancelled.

        Raises:
            RuntimeError: the calling thread is that of the loop, which cannot wait for itself.
            ForkedError: the loop is in another process.
            PortalClosedError: the loop has ended.
            concurrent.futures.CancelledError: the loop ended meanwhile.
        """
        if os.getpid() != self._process:
            raise ForkedError
        if self.is_inside:
            raise RuntimeError("this would wait for the thread that calls it; in a callback only close() can be called")

        call = Call(self._loop, lambda: function(*args, **kwargs))
        try:
            if self.is_closed:
                raise PortalClosedError
            try:
                self._loop.call_soon_threadsafe(call.start)
            except RuntimeError:  # it has ended since
                raise PortalClosedError from None
            return call.result(self._life)
        finally:
            call.cancel()

    def run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """
        Call a plain function on the loop and return what it returns.

        Raises:
            ForkedError: the loop is in another process.
            PortalClosedError: the loop has ended.
        """
        if self.is_inside:
            return function(*args, **kwargs)

        async def run() -> R:
            return function(*args, **kwargs)

        return self.call(run)

    def close(self) -> None:
        """
        End what runs on the loop, then the loop and its thread.

        From a callback, this returns at once, and the end comes soon after. Harmless when it is closed already, and after a fork: the
        parent's loop goes on.
        """
        if os.getpid() != self._process:
            return
        if self.is_inside:
            self._stop()
        elif self.is_closed:
            # From a callback, perhaps, and not done yet.
            self._thread.join(EXIT_TIMEOUT)
        else:
            try:
                self.call(self._end)
            finally:
                self._stop()


def _run(loop: asyncio.AbstractEventLoop, life: Life, end: End, started: SimpleQueue[None]) -> None:
    async def wind_up() -> None:
        await end()

    async def cancel_rest() -> None:
        # What other threads had asked for before that is a task by now; they hear that it is cancelled.
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        for task in rest:
            task.cancel()
        await asyncio.gather(*rest, return_exceptions=True)

    try:
        loop.call_soon(started.put, None)
        loop.run_forever()
    finally:
        life.is_open = False
        try:
            # First by those who wait for them: tasks of libraries are not to be cancelled all at once.
            loop.run_until_complete(wind_up())
            loop.run_until_complete(cancel_rest())
            loop.run_until_complete(loop.shutdown_asyncgens())
        finally:
            # Not by `asyncio.Runner`: it waits for the threads of the loop in a thread of its own, and from Python 3.12 on there can be no
            # new one while the interpreter ends.
            loop.close()
            life.has_ended = True


def _stop(loop: asyncio.AbstractEventLoop, thread: threading.Thread, process: int) -> None:
    """Stop the loop. The collector may call this in any thread, and in a process that was forked, which shares the loop's descriptors."""
    if os.getpid() != process:
        return
    if not loop.is_closed():
        loop.call_soon_threadsafe(loop.stop)
    if threading.get_ident() != thread.ident:
        thread.join(EXIT_TIMEOUT)
