"""
`EventSource`: an event stream as an asynchronous iterator that reconnects.

Source: WHATWG HTML, section 9.2, "Server-sent events".
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import httpx2

from pricewire.client.api.tokens import Credentials, Token
from pricewire.client.arguments import check_callbacks, check_last_event_id, check_type
from pricewire.client.report import OnError, OnMessage, OnOpen, OnState, Reporter
from pricewire.client.stream.options import StreamOptions, credentials_of
from pricewire.client.stream.reader import StreamReader, abandon
from pricewire.client.stream.reconnect import ConnectionState, ReadyState, ReconnectPolicy, State
from pricewire.client.stream.watchdog import IDLE_TIMEOUT
from pricewire.client.urls import check_url, public_url
from pricewire.protocol.decoder import MAX_EVENT_SIZE, ServerSentEvent

READY_STATES = {
    State.CONNECTING: ReadyState.CONNECTING,
    State.OPEN: ReadyState.OPEN,
    State.WAITING: ReadyState.CONNECTING,
    State.CLOSED: ReadyState.CLOSED,
}


class EventSource:
    """
    The events of a stream, over as many connections as it takes.

        async with EventSource("https://example.com/stream") as source:
            async for event in source:
                print(event.type, event.data)

    Iterating is what connects, reads and reconnects; there is no task behind it, so a slow reader slows the server down, and nothing is
    left when the block ends. Without a block the connection is freed soon after nobody holds the source any more. The iteration ends when
    the server says so (204) or after `close()`, and raises where it cannot go on.
    Cancelling a pending `anext()` ends the connection; the next one resumes after the last event.

    Callbacks are plain functions, called while the stream is iterated. What they raise is reported to `on_error`.

    Args:
        url: the stream's address, `http` or `https`.
        headers: more headers for the request.
        token: a bearer token, or an async function that returns one, or `Credentials` that others share. With a function, a token that
            the server rejects is replaced once, and one that is about to expire in time. It is sent to this address's origin only.
        reconnect: when to try again; by default made from the next two.
        reconnect_attempts: how many attempts in a row; None: for ever.
        reconnect_interval: the greatest wait before the first, in seconds.
        last_event_id: where to resume, as an earlier `last_event_id` said.
        idle_timeout: how much silence, in seconds, makes the connection dead where the server announces no heartbeat; also how long the
            response may take to begin; None: any.
        retry_statuses: whether to try again after 408, 429 and 5xx; by the standard every status but 200 ends the stream for good.
        max_event_size: the most that one event may hold, in bytes.
        http_client: sends the requests, and stays open afterwards; by default one of its own.
        on_open: called when a connection is open, also after a reconnection.
        on_message: called with each event of the type `message`, before the iterator gives it out.
        on_error: called with each error after which the stream goes on; by default these are logged, ordinary reconnections at INFO. The
            one that ends the stream is raised by the iteration, and is not reported as well.
        on_state: called with each change of the connection's state.

    Raises:
        ValueError: the address is none of `http` or `https`, a header or the token cannot be sent, the id of the last event holds NUL or a
            line break, or a number is out of bounds.
        TypeError: an argument has another type than the one named here, or a callback is a coroutine function.
    """

    def __init__(
        self,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        token: Token | Credentials | None = None,
        reconnect: ReconnectPolicy | None = None,
        reconnect_attempts: int | None = 3,
        reconnect_interval: float = 1.0,
        last_event_id: str | None = None,
        idle_timeout: float | None = IDLE_TIMEOUT,
        retry_statuses: bool = False,
        max_event_size: int = MAX_EVENT_SIZE,
        http_client: httpx2.AsyncClient | None = None,
        on_open: OnOpen | None = None,
        on_message: OnMessage | None = None,
        on_error: OnError | None = None,
        on_state: OnState | None = None,
    ) -> None:
        check_url(url)
        check_last_event_id(last_event_id)
        check_callbacks(on_message=on_message)
        options = StreamOptions(
            headers=headers,
            credentials=credentials_of(token),
            reconnect=ReconnectPolicy.of(reconnect_attempts, reconnect_interval) if reconnect is None else reconnect,
            idle_timeout=idle_timeout,
            retry_statuses=retry_statuses,
            max_event_size=max_event_size,
            http_client=http_client,
        )
        self._reporter = Reporter(on_open=on_open, on_error=on_error, on_state=on_state)
        self._reader = StreamReader(url, options, self._reporter, last_event_id=last_event_id or "")
        # A source that nobody holds any more, after a `break` for instance, frees its connection too.
        weakref.finalize(self, abandon, self._reader).atexit = False
        # What the reader has delivered and was not given out yet, oldest first; and the id of what was given out before it.
        self._events: deque[ServerSentEvent] = deque()
        self._last_event_id = ""
        # By the type, with their names for errors; the keys tell two registrations of the same callback apart.
        self._listeners: dict[str, dict[object, tuple[str, OnMessage]]] = {}
        if on_message is not None:
            self._listeners["message"] = {object(): ("on_message", on_message)}

    @property
    def url(self) -> str:
        """The address as it was given."""
        return self._reader.url

    @property
    def ready_state(self) -> ReadyState:
        """The state as the standard numbers it."""
        return READY_STATES[self._reader.state.state]

    @property
    def state(self) -> ConnectionState:
        """The state in full."""
        return self._reader.state

    @property
    def last_event_id(self) -> str:
        """Where to resume so that all that was given out does not come again, and nothing else is missed."""
        return self._last_event_id if self._events else self._reader.last_event_id

    @property
    def headers(self) -> httpx2.Headers:
        """The headers of the newest stream's response; none before the first."""
        return self._reader.headers

    def __repr__(self) -> str:
        return f"<EventSource {public_url(self.url)} {self._reader.state.state}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> ServerSentEvent:
        """
        Return the next event; wait, connect and reconnect as it takes.

        Raises:
            HTTPStatusError: the server refused for good.
            ContentTypeError: it is no event stream.
            ConnectError: the address cannot be requested.
            EventTooLargeError: an event exceeds `max_event_size`.
            ReconnectExhausted: all attempts failed.
        """
        reader, events = self._reader, self._events
        while True:
            if not events or reader.is_closed:
                # The reader frees everything and raises where it is closed.
                events.extend(await reader.next_events())
            event = events.popleft()
            self._last_event_id = event.last_event_id
            if not self._listeners:
                return event
            self._call(event)
            # A callback may have closed it: then nothing more is given out, not even this.
            if not reader.is_closed:
                return event

    def on(self, event_type: str, callback: OnMessage) -> Callable[[], None]:
        """
        Have a callback called with each event of a type, before the iterator gives it out; return what ends that.

        Raises:
            TypeError: the callback is a coroutine function.
        """
        check_type("event_type", event_type, str, "a string")
        check_callbacks(callback=callback)
        key = object()
        listeners = self._listeners.setdefault(event_type, {})
        listeners[key] = f"on({event_type!r})", callback

        def remove() -> None:
            listeners.pop(key, None)

        return remove

    async def run(self) -> None:
        """Read to the end for the callbacks' sake; raise what the iteration would."""
        async for _ in self:
            pass

    def close(self) -> None:
        """
        End it at once: nothing is given out after this, not even what has arrived already.

        Can be called from anywhere in the event loop's thread, callbacks included. A waiting reader wakes and frees the connection;
        where none waits, `aclose()` or the end of the block does.
        """
        self._reader.close()

    async def aclose(self) -> None:
        """End it at once, and return when the connection is freed."""
        await self._reader.aclose()

    def _call(self, event: ServerSentEvent) -> None:
        """Call the callbacks of an event, as long as none of them closes the stream."""
        listeners = self._listeners.get(event.type, {})
        for key, (name, callback) in list(listeners.items()):
            # An earlier one may have removed this one, or closed the stream.
            if key in listeners and not self._reader.is_closed:
                self._reporter.call(name, callback, event)
