"""The thread that a hub lives on: what other threads ask of the hub is done there."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Owner:
    """
    The event loop that a hub's streams are on, and its thread.

    It is the first loop on which the hub is used; another takes its place where that one is closed, or streams join on another.

    Attributes:
        thread: the thread's identifier; 0 before there is one.

    Args:
        on_begin: called with each loop that becomes the owner.
    """

    __slots__ = ("_lock", "_loop", "_on_begin", "thread")

    def __init__(self, on_begin: Callable[[asyncio.AbstractEventLoop], None]) -> None:
        self.thread = 0
        self._on_begin = on_begin
        self._loop: asyncio.AbstractEventLoop | None = None
        # Held where there is no loop yet that would put calls in order; reentrant, as a call may publish something itself.
        self._lock = threading.RLock()

    def begin(self, loop: asyncio.AbstractEventLoop) -> None:
        """Note that a stream joins on the running loop."""
        if self._loop is not loop:
            with self._lock:
                self._loop, self.thread = loop, threading.get_ident()
                self._on_begin(loop)

    def run(self, function: Callable[[], T]) -> T | None:
        """Call a function of the hub's, at once on its thread, and as `call` does on another."""
        return function() if threading.get_ident() == self.thread else self.call(function)

    def call(self, function: Callable[[], T]) -> T | None:
        """
        Call a function of the hub's from any thread: on its loop, in the order of the calls of a thread, and return None; where there is no
        loop, at once.
        """
        with self._lock:
            loop = self._loop
            if loop is None or loop.is_closed():
                with contextlib.suppress(RuntimeError):
                    self.begin(asyncio.get_running_loop())
                return function()
        try:
            loop.call_soon_threadsafe(function)
        except RuntimeError:
            if not loop.is_closed():
                raise
            # It has been closed in this very moment, and is not the owner any more.
            return self.call(function)
        return None
