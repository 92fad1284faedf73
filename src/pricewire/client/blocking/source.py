"""`EventSource` and `create_sse_connection` without `await`."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from asyncio import CancelledError
from collections.abc import Callable
from concurrent.futures import CancelledError as FutureCancelledError
from types import TracebackType
from typing import Any, ParamSpec, Self

import httpx2

from pricewire.client import callbacks
from pricewire.client.blocking.portal import Portal, PortalClosedError
from pricewire.client.blocking.wire import next_or
from pricewire.client.report import OnMessage
from pricewire.client.stream.event_source import EventSource as AsyncEventSource
from pricewire.client.stream.reconnect import ConnectionState, ReadyState
from pricewire.protocol.decoder import ServerSentEvent

P = ParamSpec("P")


class EventSource:
    """
    The events of a stream, as an iterator: `pricewire.EventSource` for scripts, threads and notebooks.

        with pricewire.sync.EventSource("https://example.com/stream") as source:
            for event in source:
                print(event.type, event.data)

    It has a thread with an event loop; callbacks are called there.

    Args:
        url: the stream's address, `http` or `https`.
        options: those of `pricewire.EventSource`.

    Raises:
        ValueError: as `pricewire.EventSource` does.
        TypeError: likewise.
    """

    def __init__(self, url: str, **options: Any) -> None:
        self._source = AsyncEventSource(url, **options)
        self._portal = Portal(self._source.aclose)

    @property
    def url(self) -> str:
        """The address as it was given."""
        return self._source.url

    @property
    def ready_state(self) -> ReadyState:
        """The state as the standard numbers it."""
        return self._source.ready_state

    @property
    def state(self) -> ConnectionState:
        """The state in full."""
        return self._source.state

    @property
    def last_event_id(self) -> str:
        """Where to resume so that all that was given out does not come again, and nothing else is missed."""
        return self._source.last_event_id

    @property
    def headers(self) -> httpx2.Headers:
        """The headers of the newest stream's response; none before the first."""
        return self._source.headers

    def __repr__(self) -> str:
        return repr(self._source)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> ServerSentEvent:
        """
        Return the next event; wait, connect and reconnect as it takes.

        Raises:
            ClientError: as `pricewire.EventSource` does.
        """
        try:
            event = self._portal.call(next_or, self._source.__anext__, None)
        except (PortalClosedError, CancelledError, FutureCancelledError):
            # It was closed before, or in the middle of this.
            event = None
        if event is None:
            raise StopIteration
        return event

    def on(self, event_type: str, callback: OnMessage) -> Callable[[], None]:
        """Have a callback called with each event of a type, before the iterator gives it out; return what ends that."""
        return self._portal.run(self._source.on, event_type, callback)

    def run(self) -> None:
        """Read to the end for the callbacks' sake; raise what the iteration would."""
        for _ in self:
            pass

    def close(self) -> None:
        """End it at once, and free its connection and thread. Any thread can do that, a callback too."""
        if self._portal.is_inside:
            # Nothing is given out after this, though the rest takes another turn of the loop.
            self._source.close()
        self._portal.close()


class SSEConnection:
    """A running connection; calling it, or `close()`, ends it. Made by `create_sse_connection`."""

    def __init__(self, create: Callable[[], callbacks.SSEConnection]) -> None:
        made: list[callbacks.SSEConnection] = []

        async def end() -> None:
            for connection in made:
                await connection.aclose()

        def start() -> callbacks.SSEConnection:
            made.append(create())
            # As in an event loop of the user's own, a caller may ignore what is returned: the thread goes on until the stream's end.
            self._holding = asyncio.get_running_loop().create_task(_hold(portal, made[0]), name="pricewire: hold the thread")
            return made[0]

        self._portal = portal = Portal(end)
        try:
            self._connection = portal.run(start)
        except BaseException:
            portal.close()
            raise

    @property
    def state(self) -> ConnectionState:
        """Where the connection stands, and why it waits."""
        return self._connection.state

    def __repr__(self) -> str:
        return repr(self._connection)

    def __call__(self) -> None:
        """End it at once, as `close` does."""
        self.close()

    def close(self) -> None:
        """End it at once: no callback is called any more but `on_state`. Any thread can do that, a callback too."""
        if self._portal.is_inside:
            self._connection.close()
        self._portal.close()

    def wait_closed(self) -> None:
        """Return when it has ended, by itself or by `close()`, and everything is freed."""
        with contextlib.suppress(PortalClosedError, CancelledError, FutureCancelledError):
            self._portal.call(self._connection.wait_closed)
        self.close()


async def _hold(portal: Portal, connection: callbacks.SSEConnection) -> None:
    """Keep a portal from the collector until the connection has ended."""
    await connection.wait_closed()


def _blocking(create: Callable[P, callbacks.SSEConnection]) -> Callable[P, SSEConnection]:
    @functools.wraps(create, assigned=("__name__", "__qualname__"), updated=())
    def blocking(*args: P.args, **kwargs: P.kwargs) -> SSEConnection:
        return SSEConnection(functools.partial(create, *args, **kwargs))

    blocking.__doc__ = """
    Open a stream and call back with its messages, in a thread of its own; return what ends it when called.

    Arguments and errors are those of `pricewire.create_sse_connection`.
    """
    return blocking


create_sse_connection = _blocking(callbacks.create_sse_connection)
