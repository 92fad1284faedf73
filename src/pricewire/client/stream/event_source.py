"""
`EventSource`: an event stream as an asynchronous iterator that reconnects.

Source: WHATWG HTML, section 9.2, "Server-sent events".
"""

from __future__ import annotations

import logging
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Self

import httpx2

from pricewire.client.api.tokens import Credentials, Token
from pricewire.client.arguments import (
    check_callbacks,
    check_headers,
    check_last_event_id,
    check_seconds,
    check_type,
)
from pricewire.client.http_client import check_http_client
from pricewire.client.parsing import read_error
from pricewire.client.report import OnError, OnMessage, OnOpen, OnState, Reporter
from pricewire.client.stream.reader import StreamReader, abandon
from pricewire.client.stream.reconnect import ConnectionState, ReadyState, ReconnectPolicy, State
from pricewire.client.stream.request import Target, authorization_header, build_headers
from pricewire.client.stream.watchdog import IDLE_TIMEOUT
from pricewire.client.urls import check_url, public_url
from pricewire.errors import StreamError
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
        token: who asks, or an asynchronous function that returns that, or `Credentials` that others share. With a function, a token that
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
        check_headers(headers)
        check_type("reconnect", reconnect, (ReconnectPolicy, type(None)), "a ReconnectPolicy, or None")
        check_last_event_id(last_event_id)
        check_seconds("idle_timeout", idle_timeout)
        check_type("retry_statuses", retry_statuses, bool, "True or False")
        check_type("max_event_size", max_event_size, int, "a whole number of bytes")
        if max_event_size < 1:
            raise ValueError(f"max_event_size is {max_event_size} bytes; it is 1 or more")
        check_http_client(http_client)
        check_callbacks(on_open=on_open, on_message=on_message)
        target = Target(
            url=url,
            headers=build_headers(headers),
            credentials=_credentials_of(token, headers),
            reconnect=reconnect or ReconnectPolicy.of(reconnect_attempts, reconnect_interval),
            idle_timeout=idle_timeout,
            retry_statuses=retry_statuses,
            max_event_size=max_event_size,
        )
        self._url = url
        self._on_message = on_message
        self._reporter = Reporter(on_error=on_error, on_state=on_state)
        self._reader = StreamReader(target, cursor=last_event_id or "", client=http_client, reporter=self._reporter, on_open=on_open)
        # A source that nobody holds any more, after a `break` for instance, frees its connection too.
        weakref.finalize(self, abandon, self._reader).atexit = False
        self._events: deque[ServerSentEvent] = deque()
        # By the type; the keys tell two registrations of the same callback apart.
        self._listeners: dict[str, dict[object, OnMessage]] = {}

    @property
    def url(self) -> str:
        """The address as it was given."""
        return self._url

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
        return self._reader.cursor

    @property
    def headers(self) -> httpx2.Headers:
        """The headers of the newest stream's response; none before the first."""
        return self._reader.headers

    def __repr__(self) -> str:
        return f"<EventSource {public_url(self._url)} {self._reader.state.state}>"

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
        while not reader.is_closed:
            if not events:
                events.extend(await reader.advance())
                continue
            event = events.popleft()
            # Behind the last event of a chunk there may be another that has only an id.
            reader.cursor = event.last_event_id if events else reader.decoded_id
            if event.type == "message" and self._on_message is None and not self._listeners:
                if reader.reconnection.attempt:
                    # Asked first: a call for each event would show.
                    reader.reconnection.received()
                return event
            self._deliver(event)
            # A callback may have closed it: then nothing more is given out, not even this.
            if not reader.is_closed:
                return event
        self._events.clear()
        await self._reader.aclose()
        failure, self._reader.failure = self._reader.failure, None
        if failure is not None:
            raise failure
        raise StopAsyncIteration

    async def next_events(self) -> list[ServerSentEvent]:
        """
        Return the next events, as many as came at once, oldest first: for who reads a lot. Otherwise as iterating.

        Raises:
            StopAsyncIteration: there are no more.
            ClientError: as iterating does.
        """
        events, others = [await anext(self)], self._events
        if others and self._on_message is None and not self._listeners:
            if "error" not in {event.type for event in others}:
                events += others
                others.clear()
            while others and others[0].type != "error":
                events.append(others.popleft())
            self._reader.cursor = events[-1].last_event_id if others else self._reader.decoded_id
        return events

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
        listeners[key] = callback

        def remove() -> None:
            listeners.pop(key, None)

        return remove

    def retarget(self, url: str, *, last_event_id: str | None = None) -> None:
        """
        Have the next connection go to another address; an open one stays.

        Args:
            url: the address, `http` or `https`.
            last_event_id: where to resume there; None: after the last event.

        Raises:
            ValueError: the address is none of `http` or `https`, or the id holds NUL or a line break.
            TypeError: one of them is no string.
        """
        check_url(url)
        check_last_event_id(last_event_id)
        self._url = url
        self._reader.retarget(url)
        if last_event_id is not None:
            self._reader.cursor = last_event_id

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
        self._events.clear()
        self._reader.close()

    async def aclose(self) -> None:
        """End it at once, and return when the connection is freed."""
        self._events.clear()
        await self._reader.aclose()

    def _deliver(self, event: ServerSentEvent) -> None:
        """Tell the callbacks of an event, as long as none of them closes the stream."""
        if event.type == "error" and (detail := read_error(event.data)) is not None:
            # No sign of health: a server that refuses in band would be asked again and again, as if for the first time.
            self._reader.stream_end = StreamError(detail.code, detail.message)
            self._reporter.error(self._reader.stream_end, level=logging.INFO)
        else:
            self._reader.reconnection.received()
        if event.type == "message" and self._on_message is not None:
            self._reporter.call("on_message", self._on_message, event)
        listeners = self._listeners.get(event.type, {})
        for key, callback in list(listeners.items()):
            # An earlier one may have removed this one, or closed the stream.
            if key in listeners and not self._reader.is_closed:
                self._reporter.call(f"on({event.type!r})", callback, event)


def _credentials_of(token: Token | Credentials | None, headers: Mapping[str, str] | None) -> Credentials | None:
    if token is None:
        return None
    if any(name.lower() == "authorization" for name in headers or {}):
        raise ValueError("there is a token and a header 'Authorization'; give one of them")
    if isinstance(token, str):
        # What cannot be sent shows here, not with the first request.
        authorization_header(token)
    return token if isinstance(token, Credentials) else Credentials(token)
