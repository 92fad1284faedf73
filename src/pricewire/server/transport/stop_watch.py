"""
Ends streams when a server that is not ours is told to stop.

ASGI does not tell an application of that before its responses have ended, and servers wait for open responses: for ever (uvicorn, granian),
or until they cut them off (hypercorn after 3 s, gunicorn after 30 s).
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import threading
import weakref
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any, Protocol

SPREAD = 1.0
"""Over how many seconds the streams end, so that their readers do not all come back at once; hypercorn waits 3 s for them."""

LOOK_INTERVAL = 0.25
"""How often it is looked whether the server still listens, in seconds."""

LAST_BYTES = 0.25
"""How long a process that is about to end lets the servers write what has been given to them, in seconds."""

STEP = 0.05
"""How often streams are ended meanwhile, in seconds."""


class Stoppable(Protocol):
    """A stream that can be ended because the server stops."""

    def stop(self, retry: int) -> None:
        """End it, and have its reader come back after so many milliseconds."""


class Listener(Protocol):
    """A listening server of asyncio or uvloop."""

    def is_serving(self) -> bool:
        """Return whether it accepts connections."""


class StopWatch:
    """
    Watches whether the server of one event loop is about to stop, as long as it has streams, and ends them then.

    uvicorn, gunicorn and hypercorn close their listeners first, whatever makes them stop: a signal, a new version of the code, or the
    number of requests after which a process is replaced. Where there is no listener of asyncio's - granian has its own -, the signals
    that stop a process tell.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)
        self._streams: dict[Stoppable, None] = {}
        self._listeners: list[Listener] = []
        self._handle: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None
        self._has_signals = False

    @property
    def is_stopping(self) -> bool:
        """Whether new streams are to be refused."""
        if self._ending is not None and self._has_closed():
            # Another server may have begun on the same loop.
            self._listeners = find_listeners()
            if self._listeners:
                self._ending = None
        return self._ending is not None

    def enter(self, stream: Stoppable) -> None:
        """Watch for a stream."""
        loop = asyncio.get_running_loop()
        if not self._streams and self._has_closed():
            self._listeners = find_listeners()
            if not self._listeners and not self._has_signals:
                self._has_signals = listen_to_signals(lambda: call_soon(loop, self.stop))
        outlive_termination(lambda: loop.is_running() and call_soon(loop, self._stop_and_exit))
        self._streams[stream] = None
        if self._handle is None:
            self._handle = loop.call_later(LOOK_INTERVAL, self._look, loop)

    def leave(self, stream: Stoppable) -> None:
        """Watch for a stream no longer."""
        self._streams.pop(stream, None)

    def stop(self) -> None:
        """End the streams, and refuse new ones."""
        if self._ending is None:
            self._ending = asyncio.ensure_future(self._end())

    def _stop_and_exit(self) -> None:
        self.stop()
        assert self._ending is not None  # noqa: S101
        self._ending.add_done_callback(lambda _: self._exit())

    def _exit(self) -> None:
        """End the process as the signal would have, once the streams' last bytes are written."""
        loop = self._loop()
        if loop is not None:
            loop.call_later(LAST_BYTES, end_process)

    def _has_closed(self) -> bool:
        return not any(listener.is_serving() for listener in self._listeners)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self._handle = None
        if self._listeners and self._has_closed():
            self.stop()
        elif self._streams:
            self._handle = loop.call_later(LOOK_INTERVAL, self._look, loop)

    async def _end(self) -> None:
        streams = list(self._streams)
        random.shuffle(streams)
        total, loop = len(streams), asyncio.get_running_loop()
        began = loop.time()
        while streams:
            share = (loop.time() - began) / SPREAD
            while streams and total - len(streams) < max(share * total, 1):
                streams.pop().stop(round(random.uniform(0, SPREAD) * 1000))  # noqa: S311 - spreads load, no secret
            if streams:
                await asyncio.sleep(STEP)


_watches: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, StopWatch] = weakref.WeakKeyDictionary()


def stop_watch() -> StopWatch:
    """Return the watch of the running loop."""
    loop = asyncio.get_running_loop()
    watch = _watches.get(loop)
    if watch is None:
        watch = _watches[loop] = StopWatch(loop)
    return watch


def call_soon(loop: asyncio.AbstractEventLoop, function: Callable[[], object]) -> bool:
    """Call a function on a loop from a signal's handler, which may outlive the loop; return whether there is a loop."""
    try:
        loop.call_soon_threadsafe(function)
    except RuntimeError:
        return False
    return True


def find_listeners() -> list[Listener]:
    """
    Return the listeners that the servers on the running loop have open.

    asyncio keeps no list of them. But a server is a coroutine that waits, with its listeners in a variable or in its object: `servers` of
    `uvicorn.Server`, of gunicorn's ASGI worker, and of hypercorn's `worker_serve`. The tests run all of them.
    """
    found: list[Listener] = []
    for task in asyncio.all_tasks():
        for frame in frames(task.get_coro()):
            names = frame.f_locals
            for servers in (names.get("servers"), getattr(names.get("self"), "servers", None)):
                if isinstance(servers, list):
                    found += [each for each in servers if callable(getattr(each, "is_serving", None)) and each.is_serving()]
    return found


def frames(coroutine: Any) -> Iterator[FrameType]:
    """Yield the frames of a coroutine that waits, from the outermost on."""
    while (frame := getattr(coroutine, "cr_frame", None)) is not None:
        yield frame
        coroutine = coroutine.cr_await


def outlive_termination(tell: Callable[[], bool]) -> None:
    """
    Call a function where SIGTERM would end the process at once: hypercorn ends its other workers so when the first of them has gone.

    Args:
        tell: called in the main thread, between any two instructions; returns whether it sees to the end of the process.
    """
    if threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, lambda number, frame: None if tell() else end_process())


def end_process() -> None:
    """End the process by SIGTERM, as if nothing had been in its way."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.kill(os.getpid(), signal.SIGTERM)


def listen_to_signals(tell: Callable[[], object]) -> bool:
    """
    Call a function before the handlers of the signals that stop a process, which are called as before; return whether there are any.

    Args:
        tell: called in the main thread, between any two instructions.
    """
    if threading.current_thread() is not threading.main_thread():
        return False
    for number in (signal.SIGTERM, signal.SIGINT):
        before = signal.getsignal(number)
        # What ends the process at once leaves nothing to be done.
        if callable(before) and before is not signal.default_int_handler:

            def handle(number: int, frame: FrameType | None, before: Any = before) -> None:
                tell()
                before(number, frame)

            signal.signal(number, handle)
    return True
