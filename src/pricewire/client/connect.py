"""`connect`: prices as typed objects."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlencode

import httpx2

from pricewire.client.event_source import EventSource
from pricewire.client.reconnect import ReconnectPolicy
from pricewire.client.report import OnError, Reporter
from pricewire.client.request import TIMEOUTS, build_headers, check_url, public_url
from pricewire.client.subscription import M, Subscription
from pricewire.client.watchdog import IDLE_TIMEOUT
from pricewire.protocol.messages import Candle, Tick
from pricewire.protocol.topics import parse_topic

FOREVER = ReconnectPolicy(attempts=None)
"""Tries again until it is told to stop."""


def connect(
    url: str,
    *,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    reconnect: ReconnectPolicy = FOREVER,
    idle_timeout: float | None = IDLE_TIMEOUT,
    http_client: httpx2.AsyncClient | None = None,
    on_error: OnError | None = None,
) -> Wire:
    """
    Return a wire to a Pricewire server, for an `async with` block; the connections come with its subscriptions.

        async with pricewire.connect("http://127.0.0.1:8080") as wire:
            async for tick in wire.ticks("R_100", "EURUSD"):
                print(tick.instrument_id, tick.price)

    Args:
        url: the server's address; a path before its own ones may follow.
        token: who asks; with a token the protected stream is used. It is sent to this server only, and is in no log or error.
        headers: more headers for every request.
        reconnect: when to try again; by default for ever.
        idle_timeout: how much silence, in seconds, makes a connection dead where the server announces no heartbeat; None: any.
        http_client: sends the requests, and stays open afterwards; by default one of the wire's own.
        on_error: called with each error, also where the messages go on; by default errors are logged.

    Raises:
        ValueError: the address is none of `http` or `https`, or a header or the token cannot be sent.
        TypeError: `on_error` is a coroutine function.
    """
    check_url(url)
    build_headers(headers, token=token)
    return Wire(url, token, headers, reconnect, idle_timeout, http_client, on_error)


class Wire:
    """
    A server's prices. Made by `connect`; each subscription is a stream of its own, so that each resumes exactly where it stopped.

    Leaving the block ends all of them.
    """

    def __init__(
        self,
        url: str,
        token: str | None,
        headers: Mapping[str, str] | None,
        reconnect: ReconnectPolicy,
        idle_timeout: float | None,
        http_client: httpx2.AsyncClient | None,
        on_error: OnError | None,
    ) -> None:
        self._stream_url = stream_url(url, protected=token is not None)
        self._headers = dict(headers or {}) | ({} if token is None else {"authorization": f"Bearer {token}"})
        self._reconnect = reconnect
        self._idle_timeout = idle_timeout
        self._client = http_client
        self._own_client: httpx2.AsyncClient | None = None
        self._reporter = Reporter(on_error=on_error)
        self._subscriptions: set[Subscription[Any]] = set()
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<Wire {public_url(self._stream_url)} with {len(self._subscriptions)} subscriptions>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        await self.aclose()

    def ticks(self, *instrument_ids: str) -> Subscription[Tick]:
        """
        Return the ticks of some instruments, beginning with the newest of each.

        Raises:
            ValueError: no instrument is named.
            InvalidTopicError: an id cannot be one of an instrument.
            RuntimeError: the wire is closed.
        """
        return self._subscribe([f"ticks:{instrument_id}" for instrument_id in instrument_ids], Tick)

    def candles(self, instrument_id: str, granularity: int = 60) -> Subscription[Candle]:
        """
        Return the candles of an instrument, beginning with the one that is being built; every update of it comes.

        Args:
            instrument_id: whose candles.
            granularity: their span, in seconds.

        Raises:
            InvalidTopicError: the id cannot be one of an instrument, or there are no candles of this granularity.
            RuntimeError: the wire is closed.
        """
        return self._subscribe([f"candles:{instrument_id}:{granularity}"], Candle)

    async def aclose(self) -> None:
        """End all subscriptions, and return when their connections are freed."""
        self._is_closed = True
        subscriptions = list(self._subscriptions)
        # All at once first: none may give anything out while another one is still being freed.
        for subscription in subscriptions:
            subscription.close()
        try:
            for subscription in subscriptions:
                await subscription.aclose()
        finally:
            if self._own_client is not None:
                await self._own_client.aclose()

    def _subscribe(self, topics: Sequence[str], message_type: type[M]) -> Subscription[M]:
        if self._is_closed:
            raise RuntimeError("this wire is closed")
        if not topics:
            raise ValueError("no instrument is named")
        # A topic is subscribed to once, however often it is named; each is read here, so that a mistake shows before any request.
        names = list(dict.fromkeys(str(parse_topic(topic)) for topic in topics))
        if self._client is None:
            # Every subscription holds a connection for as long as it lasts: a bound would make the next one wait for ever.
            limits = httpx2.Limits(max_connections=None, max_keepalive_connections=0)
            self._client = self._own_client = httpx2.AsyncClient(timeout=TIMEOUTS, limits=limits)
        source = EventSource(
            f"{self._stream_url}?{urlencode([('topic', name) for name in names], safe=':')}",
            headers=self._headers,
            reconnect=self._reconnect,
            idle_timeout=self._idle_timeout,
            retry_statuses=True,
            http_client=self._client,
            on_error=self._reporter.error,
        )
        subscription = Subscription[M](names, message_type, source, self._reporter, self._subscriptions.discard)
        self._subscriptions.add(subscription)
        return subscription


def stream_url(base_url: str, *, protected: bool) -> str:
    """Return the address of a server's stream: the protected one for who holds a token."""
    return base_url.rstrip("/") + ("/protected/sse" if protected else "/sse")
