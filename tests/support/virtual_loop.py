"""An event loop whose time jumps to what is due next, and connections in memory: minutes pass in milliseconds on any machine."""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


TICK_S = 1e-6
"""By how much timers are late here, in seconds."""


class _SkippingSelector(selectors.DefaultSelector):
    """Waits for nothing, and counts what would have been waited for."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "nothing will ever happen"
        if timeout > 0:
            # A little more than is needed: a time that is almost there would be waited for without an end.
            self.seconds += timeout + TICK_S
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop that never sleeps."""

    def __init__(self) -> None:
        self._skipping = _SkippingSelector()
        super().__init__(self._skipping)

    def time(self) -> float:
        return self._skipping.seconds


def run(coroutine: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine on a loop of its own whose time jumps."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(coroutine)


class _End(asyncio.Transport):
    """One end of a connection in memory; `limit` is how many unread bytes it takes before the other end is to wait."""

    def __init__(self, protocol: asyncio.StreamReaderProtocol, limit: int) -> None:
        super().__init__()
        self.protocol = protocol
        self.peer: _End = self
        self._limit = limit
        self._waiting = deque[bytes | Exception | None]()
        self._size = 0
        self._is_paused = False
        self._is_closing = False
        self._holds_peer = False
        self._is_scheduled = False

    def receive(self, item: bytes | Exception | None) -> None:
        """Take what the other end sends: bytes, the end, or the news that it is gone."""
        self._waiting.append(item)
        if isinstance(item, bytes):
            self._size += len(item)
            if self._size > self._limit and not self._holds_peer:
                self._holds_peer = True
                self.peer.protocol.pause_writing()
        self._schedule()

    def _schedule(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_soon(self._deliver)

    def _deliver(self) -> None:
        self._is_scheduled = False
        while self._waiting and not self._is_closing and not (self._is_paused and isinstance(self._waiting[0], bytes)):
            item = self._waiting.popleft()
            if item is None:
                self.protocol.eof_received()
            elif isinstance(item, Exception):
                self._lose(item)
            else:
                self._size -= len(item)
                self.protocol.data_received(item)
        if self._holds_peer and self._size <= self._limit:
            self._holds_peer = False
            self.peer.protocol.resume_writing()

    def _lose(self, error: Exception | None) -> None:
        if not self._is_closing:
            self._is_closing = True
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, error)

    def write(self, data: bytes | bytearray | memoryview[Any]) -> None:
        if not self._is_closing:
            self.peer.receive(bytes(data))

    def close(self) -> None:
        if not self._is_closing:
            self.peer.receive(None)
            self._lose(None)

    def abort(self) -> None:
        if not self._is_closing:
            self.peer._waiting.clear()
            self.peer.receive(ConnectionResetError("reset"))
            self._lose(None)

    def write_eof(self) -> None:
        self.peer.receive(None)

    def can_write_eof(self) -> bool:
        return True

    def is_closing(self) -> bool:
        return self._is_closing

    def pause_reading(self) -> None:
        self._is_paused = True

    def resume_reading(self) -> None:
        self._is_paused = False
        self._schedule()


def connect(serve: Serve, tasks: set[asyncio.Task[None]], *, limit: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """
    Return a connection to a function that serves it in a task.

    Args:
        serve: the function.
        tasks: where the task is kept while it runs.
        limit: how many bytes each end reads ahead, and how many more are under way before the other has to wait.
    """
    loop = asyncio.get_running_loop()
    readers = [asyncio.StreamReader(limit=limit, loop=loop) for _ in range(2)]
    protocols = [asyncio.StreamReaderProtocol(reader, loop=loop) for reader in readers]
    ends = [_End(protocol, limit) for protocol in protocols]
    ends[0].peer, ends[1].peer = ends[1], ends[0]
    for protocol, end in zip(protocols, ends, strict=True):
        protocol.connection_made(end)
    writers = [asyncio.StreamWriter(*each, loop) for each in zip(ends, protocols, readers, strict=True)]

    async def run() -> None:
        await serve(readers[1], writers[1])

    task = loop.create_task(run())
    tasks.add(task)
    task.add_done_callback(tasks.discard)
    return readers[0], writers[0]
