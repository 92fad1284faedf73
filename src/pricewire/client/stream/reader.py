"""Reads a stream and delivers its events: one connection after another, and the state machine between them."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import random
from types import TracebackType
from typing import Self

import httpx2
import msgspec

from pricewire.client.failure import failure_text
from pricewire.client.http_client import new_client
from pricewire.client.parsing import read_error
from pricewire.client.report import Reporter
from pricewire.client.stream.connection import Connection, connect
from pricewire.client.stream.options import StreamOptions
from pricewire.client.stream.reconnect import TRANSITIONS, ConnectionState, Reconnection, State, may_retry
from pricewire.client.stream.request import FINAL_FAILURES, retry_after
from pricewire.client.tasks import is_cancelled
from pricewire.client.urls import public_url
from pricewire.errors import (
    ClientError,
    ConnectError,
    ContentTypeError,
    EventTooLargeError,
    HTTPStatusError,
    ReconnectExhausted,
    StreamError,
    TokenError,
)
from pricewire.protocol.decoder import ServerSentEvent
from pricewire.protocol.stream_end import StreamEnd

HEALTHY_LIFE = 1.0
"""How long a stream that ended with its token must have been open to count as a healthy one, in seconds, with or without events."""


freeing: set[asyncio.Task[None]] = set()
"""The tasks that free abandoned readers: the event loop keeps no reference to them."""


class StreamReader:
    """
    Keeps a stream connected while someone asks for its events.

    Attributes:
        url: where the next connection goes.
        last_event_id: the id to resume after, so that what was given out does not come again; empty: none.
        state: the connection's state.
        is_closed: nothing comes any more.
        headers: the headers of the newest stream's response.
    """

    def __init__(self, url: str, options: StreamOptions, reporter: Reporter, *, last_event_id: str = "") -> None:
        self.url = url
        self.last_event_id = last_event_id
        self.state = ConnectionState(state=State.CONNECTING)
        self.is_closed = False
        self.headers = httpx2.Headers()
        self._options = options
        # Those that were read and not given out yet, oldest first.
        self._events: list[ServerSentEvent] = []
        # What the server said before it ends the stream: the reason for the disconnection that follows.
        self._stream_end: StreamError | None = None
        # Why the reader closed; None where that was no error, or was raised already.
        self._failure: ClientError | None = None
        self._client = options.http_client
        self._own_client: httpx2.AsyncClient | None = None
        self._reporter = reporter
        self._reconnection = Reconnection(options.reconnect)
        self._connection: Connection | None = None
        self._begun = False
        # When the newest stream was opened, and when the next attempt is due, on the loop's clock.
        self._opened_at = -math.inf
        self._due = 0.0
        # The time-out around what is awaited at the moment: made to expire now, it wakes the reader from anywhere.
        self._scope: asyncio.Timeout | None = None
        # Where it was read last; None before that.
        self._loop: asyncio.AbstractEventLoop | None = None
        self._at_rest = asyncio.Event()
        self._at_rest.set()

    @property
    def _decoded_id(self) -> str:
        """The id of the last event that was decoded; that of an event without data, too."""
        return self.last_event_id if self._connection is None else self._connection.decoder.last_event_id

    @property
    def held_by(self) -> asyncio.AbstractEventLoop | None:
        """The event loop in which there is something to free; None where there is nothing."""
        return None if self._connection is None and self._own_client is None else self._loop

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        await self.aclose()

    def retarget(self, url: str, *, last_event_id: str | None = None) -> None:
        """Have the next connection go to another address; and resume there after an event, where its id is given."""
        self.url = url
        if last_event_id is not None:
            self.last_event_id = last_event_id

    async def next_events(self) -> list[ServerSentEvent]:
        """
        Return the next events, as many as came at once, oldest first; wait, connect and reconnect as it takes.

        An event `error` is the first of those that are returned: what the server says in it is reported at that moment.

        Raises:
            StopAsyncIteration: there are no more.
            ClientError: why the stream cannot go on, once.
            RuntimeError: another task is reading, or the connection is open in another event loop.
        """
        while not self.is_closed:
            if not self._events:
                self._events = await self._advance()
                continue
            events, self._events = self._events, []
            self.last_event_id = events[0].last_event_id
            if not self._judge(events[0]):
                break
            types = [event.type for event in events]
            if "error" in types[1:]:
                place = types.index("error", 1)
                events, self._events = events[:place], events[place:]
            # Behind the last event of a chunk there may be another that has only an id.
            self.last_event_id = events[-1].last_event_id if self._events else self._decoded_id
            return events
        await self.aclose()
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        raise StopAsyncIteration

    async def _advance(self) -> list[ServerSentEvent]:
        """
        Take one step - wait, connect, or read - and return the events that it brought.

        What fails is judged here, and reported where the stream goes on; when there is no way on, the reader is closed afterwards and has a
        failure.

        Raises:
            RuntimeError: another task is reading, or the connection is open in another event loop.
        """
        if not self._at_rest.is_set():
            raise RuntimeError("this stream is being read already; there can be one reader at a time")
        loop = asyncio.get_running_loop()
        if self._connection is not None and self._loop is not None and self._loop is not loop and not self._loop.is_closed():
            raise RuntimeError("this stream is open in another event loop; read it there, or make one in each")
        self._at_rest.clear()
        self._loop = loop
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._scope = scope
                try:
                    return await self._step(scope)
                finally:
                    self._scope = None
        except TimeoutError as error:
            # Closing wakes the reader by the same time-out, and then nothing is lost.
            if not self.is_closed:
                self._lost(self._connect_error(self._describe_silence() if scope.expired() else "timed out", error))
        except HTTPStatusError as error:
            self._lost(error, final=not (self._options.retry_statuses and may_retry(error.status)))
        except ContentTypeError as error:
            self._lost(error, final=True)
        except (ConnectError, EventTooLargeError) as error:
            # No client can be made here, or it is not fit for streams, or the next connection would bring the same event.
            self._lost(error, final=True)
        except TokenError as error:
            self._lost(error, final=error.is_final)
        except httpx2.PoolTimeout as error:
            detail = "all connections of the http_client are in use; give it limits=httpx2.Limits(max_connections=None)"
            self._lost(self._connect_error(detail, error))
        except httpx2.LocalProtocolError:
            # Its text repeats the header that cannot be sent, which may be a token.
            self._lost(ConnectError(public_url(self.url), "the request cannot be sent, a header of it is illegal"), final=True)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            self._lost(self._connect_error(failure_text(error), error), final=isinstance(error, FINAL_FAILURES))
        except Exception as error:  # of a transport or hook of the user's own: a failure that the reader has to hear of
            self._lost(self._connect_error(f"{type(error).__name__} while connecting or reading", error), final=True)
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and not is_cancelled():
                # A transport or a hook may raise one too: passed on, it would end the reader's task although nobody cancelled it.
                self._lost(self._connect_error("CancelledError while connecting or reading", error), final=True)
                return []
            # Cancelled, mostly: the connection goes at once.
            self._pause()
            raise
        finally:
            try:
                if self.state.state is not State.OPEN:
                    await self._drop()
            finally:
                self._at_rest.set()
        return []

    async def reconnect(self) -> None:
        """Leave the connection, where there is one, so that the next step makes another; not while somebody reads."""
        self._pause()
        await self._drop()

    def close(self, failure: ClientError | None = None) -> None:
        """Close the reader; a step under way ends at once. The socket is freed by that step, or by `aclose`."""
        if not self.is_closed:
            self._failure = failure
            self._move(State.CLOSED, reason=failure)
        self._interrupt()

    async def aclose(self) -> None:
        """Close the reader and return when everything is freed."""
        self.close()
        await self._at_rest.wait()
        try:
            await self._drop()
        finally:
            client, self._own_client = self._own_client, None
            if client is not None:
                await client.aclose()

    async def _step(self, scope: asyncio.Timeout) -> list[ServerSentEvent]:
        if self.state.state is State.WAITING:
            await asyncio.sleep(self._due - asyncio.get_running_loop().time())
            if not self.is_closed:
                self._move(State.CONNECTING)
        elif self._connection is None:
            if self._client is None:
                # Before the time-out begins: it loads the certificates.
                self._client = self._own_client = await new_client(self.url)
            if self._options.idle_timeout is not None:
                scope.reschedule(asyncio.get_running_loop().time() + self._options.idle_timeout)
            await self._connect(self._client, scope)
        else:
            return await self._read(self._connection)
        return []

    async def _connect(self, client: httpx2.AsyncClient, scope: asyncio.Timeout) -> None:
        if not self._begun:
            self._begun = True
            self._report_state()
            if self.is_closed:
                return
        connection = await connect(
            client,
            self.url,
            self._options,
            last_event_id=self.last_event_id,
            on_stale=lambda: self._set_stale(True),
            on_dead=self._interrupt,
        )
        # Closed by another task in the turn in which the response arrived: `_advance` drops what has come.
        self._connection = connection
        if self.is_closed:
            return
        if connection is None:
            self.close()
            return
        # Unless a callback closed the reader meanwhile, the time-out has done its work.
        scope.reschedule(None)
        self.headers = connection.response.headers
        self._stream_end = None
        self._opened_at = asyncio.get_running_loop().time()
        self._move(State.OPEN)
        if not self.is_closed:
            self._reporter.opened()

    async def _read(self, connection: Connection) -> list[ServerSentEvent]:
        events = await connection.read()
        if self.is_closed:
            return []
        if events is None:
            # What is left in the decoder is an event without its blank line: discarded with it.
            raise httpx2.RemoteProtocolError("the server ended the stream")
        if connection.watchdog.heard():
            self._set_stale(False)
        if connection.decoder.retry is not None:
            self._reconnection.asked(connection.decoder.retry / 1000)
        if not events:
            # An event that has only an id is not given out, and is resumed after all the same.
            self.last_event_id = connection.decoder.last_event_id
        return events

    def _judge(self, event: ServerSentEvent) -> bool:
        """
        Count an event as a sign of health, unless the server says in it why it is about to end the stream.

        Returns whether events are given out still: a callback that hears of the error may have closed the reader.
        """
        detail = read_error(event.data) if event.type == "error" else None
        if detail is None:
            self._reconnection.received()
            return True
        # No sign of health: a server that refuses in band would be asked again and again, as if for the first time.
        self._stream_end = StreamError(detail.code, detail.message)
        self._reporter.error(self._stream_end, level=logging.INFO)
        return not self.is_closed

    def _pause(self) -> None:
        """
        Have the next step connect anew without a wait, since nothing failed.

        But for the policy's floor since the last opening: who connects anew again and again would do so hundreds of times a second.
        """
        if self.state.state in (State.CONNECTING, State.OPEN):
            now = asyncio.get_running_loop().time()
            self._due = max(now, self._opened_at + self._options.reconnect.floor)
            self._move(State.WAITING, wait=self._due - now)

    def _lost(self, error: ClientError, *, final: bool = False) -> None:
        """Note that the connection is lost, and decide what follows. The last error of all is left to the reader, others are reported."""
        if self.is_closed:
            return
        stream_end, self._stream_end = self._stream_end, None
        if final:
            self.close(error)
            return
        if stream_end is not None:
            stream_end.__cause__ = error
        reason: ClientError = stream_end or error
        at_once = self._renewed(stream_end)
        wait = self._reconnection.failed(reason, random.random(), retry_after=retry_after(error))  # noqa: S311 - spreads load, no secret
        if wait is None:
            causes = self._reconnection.causes
            exhausted = ReconnectExhausted(causes)
            exhausted.__cause__ = causes[-1]
            self.close(exhausted)
            return
        wait = 0.0 if at_once else wait
        # The wait counts from the disconnection, however long the callbacks take now.
        self._due = asyncio.get_running_loop().time() + wait
        self._move(State.WAITING, wait=wait, reason=reason)
        # Of a last event of the server the user has heard when it came.
        if stream_end is None and not self.is_closed:
            # A provider that fails is the application's to mend, and no ordinary reconnection.
            self._reporter.error(error, level=logging.WARNING if isinstance(error, TokenError) else logging.INFO)

    def _renewed(self, stream_end: StreamError | None) -> bool:
        """
        Whether the stream ended because of its token alone, so that it can be resumed at once with another one.

        A server that takes no token for longer than a moment is not to be asked in a busy loop: one that ended the stream before any event
        has that counted as a failure.
        """
        credentials = self._options.credentials
        token = None if self._connection is None else self._connection.token
        if stream_end is None or stream_end.code != StreamEnd.TOKEN_EXPIRED.name or credentials is None or token is None:
            return False
        credentials.reject(token)
        if asyncio.get_running_loop().time() - self._opened_at >= HEALTHY_LIFE:
            self._reconnection.received()
        return credentials.can_refresh and self._reconnection.attempt == 0

    def _connect_error(self, detail: str, cause: BaseException) -> ConnectError:
        error = ConnectError(public_url(self.url), detail)
        error.__cause__ = cause
        return error

    def _describe_silence(self) -> str:
        if self._connection is None:
            return f"no response within {self._options.idle_timeout} s"
        return f"silent for {self._connection.watchdog.patience.dead} s, which counts as dead"

    def _set_stale(self, is_stale: bool) -> None:
        self.state = msgspec.structs.replace(self.state, is_stale=is_stale)
        self._report_state()

    def _move(self, state: State, *, wait: float | None = None, reason: ClientError | None = None) -> None:
        if state not in TRANSITIONS[self.state.state]:
            raise RuntimeError(f"a connection cannot become {state} when it is {self.state.state}")
        self.is_closed = state is State.CLOSED
        self.state = ConnectionState(state=state, attempt=self._reconnection.attempt, wait=wait, reason=reason)
        self._report_state()

    def _report_state(self) -> None:
        self._reporter.state(public_url(self.url), self.state)

    def _interrupt(self) -> None:
        """Wake whoever is in `_advance`."""
        if self._scope is not None and not self._scope.expired():
            self._scope.reschedule(asyncio.get_running_loop().time())

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose()


def abandon(reader: StreamReader) -> None:
    """Free a reader that nobody holds any more. The collector may call this in any thread, and after the loop's end."""
    loop = reader.held_by
    if loop is None or loop.is_closed():
        return

    def free() -> None:
        task = loop.create_task(reader.aclose(), name="pricewire: free a stream")
        freeing.add(task)
        task.add_done_callback(freeing.discard)

    # At once where that can be: a loop that is about to end takes no more calls, and cancels the tasks it has.
    if asyncio._get_running_loop() is loop:
        free()
    else:
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(free)
