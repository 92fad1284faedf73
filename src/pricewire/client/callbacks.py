"""The callback form of the client: `create_sse_connection`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from pricewire.client.api.tokens import Token
from pricewire.client.arguments import check_callbacks, check_type
from pricewire.client.parsing import EnvelopeDecoder, TypedDecoder
from pricewire.client.report import OnError, OnOpen, OnState, Reporter
from pricewire.client.stream.event_source import EventSource
from pricewire.client.stream.reconnect import ConnectionState
from pricewire.client.urls import check_url
from pricewire.client.wire import stream_url
from pricewire.errors import ClientError, DecodeError
from pricewire.protocol.decoder import ServerSentEvent
from pricewire.protocol.messages import InstrumentPrice

Parameter = str | int | float | bool | None
Parameters = Mapping[str, Parameter | Sequence[Parameter]]

running: set[asyncio.Task[None]] = set()
"""The tasks that read: the event loop keeps no reference to them, and a caller may ignore what `create_sse_connection` returns."""


class SSEConnection:
    """A running connection; calling it, or `close()`, ends it at once. Made by `create_sse_connection`."""

    def __init__(self, source: EventSource, reporter: Reporter) -> None:
        self._reporter = reporter
        self._source = source
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"pricewire: {source!r}")
        running.add(self._task)
        self._task.add_done_callback(running.discard)

    @property
    def state(self) -> ConnectionState:
        """Where the connection stands, and why it waits."""
        return self._source.state

    def __repr__(self) -> str:
        return f"<SSEConnection of {self._source!r}>"

    def __call__(self) -> None:
        """End it at once: no callback is called any more but `on_state`, which hears of the end before this returns."""
        self.close()

    def close(self) -> None:
        """End it at once: no callback is called any more but `on_state`, which hears of the end before this returns."""
        self._source.close()

    async def wait_closed(self) -> None:
        """Return when it has ended, by itself or by `close()`, and everything is freed."""
        await asyncio.wait([self._task])

    async def aclose(self) -> None:
        """End it at once, and return when everything is freed."""
        self.close()
        await self.wait_closed()

    async def _run(self) -> None:
        async with self._source:
            try:
                await self._source.run()
            except ClientError as error:
                self._reporter.error(error)


def create_sse_connection(
    params: Parameters,
    *,
    base_url: str = "http://127.0.0.1:8080",
    headers: Mapping[str, str] | None = None,
    token: Token | None = None,
    on_message: Callable[[Any], object],
    on_error: OnError | None = None,
    on_open: OnOpen | None = None,
    on_state: OnState | None = None,
    reconnect_attempts: int | None = 3,
    reconnect_interval: float = 1.0,
) -> SSEConnection:
    """
    Open a stream and call back with its messages; return what ends it when called.

        cleanup = create_sse_connection({"action": "instrument_price", "instrument_id": "R_100"}, on_message=print)
        ...
        cleanup()

    It runs in the event loop that is running, and reconnects by itself. What a callback raises is reported to `on_error`, and neither
    stops nor doubles the connection.

    Args:
        params: the request's parameters, `action` or `topic` among them; a list stands for a parameter that is repeated.
        base_url: the server's address.
        headers: more headers for the request.
        token: a bearer token, or an async function that returns one; with it the protected stream is used.
        on_message: called with each message: an `InstrumentPrice` for the action `instrument_price`, an `Envelope` of a `Tick` or a
            `Candle` for topics, and plain data for all else.
        on_error: called with each error, once, also with the one that ends the stream; by default they are logged, ordinary reconnections
            at INFO.
        on_open: called when a connection is open, also after a reconnection.
        on_state: called with each change of the connection's state.
        reconnect_attempts: how many attempts in a row; None: for ever.
        reconnect_interval: the greatest wait before the first, in seconds.

    Raises:
        ValueError: the address is none of `http` or `https`, or a header or the token cannot be sent.
        TypeError: an argument has another type than the one named here, or a callback is a coroutine function.
        RuntimeError: no event loop is running.
    """
    check_url(base_url)
    check_type("params", params, Mapping, "a mapping of names to values")
    if on_message is None:
        raise TypeError("on_message is None; it is a function")
    check_callbacks(on_message=on_message)
    reporter = Reporter(on_error=on_error)
    decode = _decoder_for(params)

    def receive(event: ServerSentEvent) -> None:
        try:
            message = decode(event.data)
        except DecodeError as error:
            reporter.error(error)
            return
        reporter.call("on_message", on_message, message)

    source = EventSource(
        f"{stream_url(base_url, protected=token is not None)}?{urlencode(_flatten(params), safe=':')}",
        headers=headers,
        token=token,
        reconnect_attempts=reconnect_attempts,
        reconnect_interval=reconnect_interval,
        retry_statuses=True,
        on_open=on_open,
        on_message=receive,
        on_error=on_error,
        on_state=on_state,
    )
    return SSEConnection(source, reporter)


def _decoder_for(params: Parameters) -> Callable[[str], Any]:
    if params.get("action") == "instrument_price":
        return TypedDecoder(InstrumentPrice).decode
    if "topic" in params:
        return EnvelopeDecoder().decode
    return TypedDecoder(object).decode


def _flatten(params: Parameters) -> list[tuple[str, str]]:
    """Return names and values as they stand in the address; what is None is left out."""
    pairs: list[tuple[str, str]] = []
    for name, value in params.items():
        values = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        pairs.extend((name, _text(single)) for single in values if single is not None)
    return pairs


def _text(value: Parameter) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
