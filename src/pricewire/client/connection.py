"""One connection of a stream, from the request to the end of the response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

import httpx2

from pricewire.client.request import (
    Headers,
    check_content_type,
    last_event_id_header,
    open_response,
    origin_of,
    public_url,
    read_status_error,
    status_error,
)
from pricewire.client.watchdog import Patience, Watchdog
from pricewire.protocol.decoder import EventStreamDecoder, ServerSentEvent

ERROR_BODY_TIMEOUT = 5.0
"""How long the body of an error may take to arrive, in seconds."""


class Connection:
    """
    An open stream.

    Attributes:
        response: what the server answered.
        decoder: reads its body; holds the cursor.
        watchdog: judges its silence.
    """

    def __init__(self, response: httpx2.Response, decoder: EventStreamDecoder, watchdog: Watchdog) -> None:
        self.response = response
        self.decoder = decoder
        self.watchdog = watchdog
        self._chunks: AsyncGenerator[bytes, None] = response.aiter_bytes()

    async def read(self) -> list[ServerSentEvent] | None:
        """
        Return the events that the next bytes complete, oldest first; None where the server ended the stream.

        Raises:
            httpx2.HTTPError: the connection broke.
            EventTooLargeError: an event exceeds the limit.
        """
        self.watchdog.read()
        try:
            chunk = await anext(self._chunks)
        except StopAsyncIteration:
            return None
        return self.decoder.feed(chunk)

    async def aclose(self) -> None:
        """End the connection."""
        self.watchdog.stop()
        try:
            await self._chunks.aclose()
        finally:
            # A generator that never ran has nothing to clean up, so the response is closed as well.
            await self.response.aclose()


async def connect(
    client: httpx2.AsyncClient,
    url: str,
    headers: Headers,
    *,
    last_event_id: str,
    max_event_size: int,
    idle_timeout: float | None,
    on_stale: Callable[[], None],
    on_dead: Callable[[], None],
) -> Connection | None:
    """
    Open a stream; None where the server answers 204, by which it says that there is nothing to come back for.

    Raises:
        httpx2.HTTPError: no connection came about.
        HTTPStatusError: the status is another than 200 and 204.
        ContentTypeError: it is no event stream.
    """
    response = await open_response(client, url, headers + last_event_id_header(last_event_id))
    try:
        if response.status_code == 200:
            check_content_type(public_url(url), response)
            patience = Patience.of(response.headers.get("pricewire-heartbeat"), idle_timeout)
            decoder = EventStreamDecoder(
                last_event_id=last_event_id,
                # That of the address after all redirects (WHATWG HTML, section 9.2.6, "dispatch the event", step 4).
                origin=origin_of(response.url),
                max_event_size=max_event_size,
            )
            return Connection(response, decoder, Watchdog(patience, on_stale, on_dead))
        if response.status_code != 204:
            try:
                async with asyncio.timeout(ERROR_BODY_TIMEOUT):
                    error = await read_status_error(public_url(url), response)
            except (httpx2.HTTPError, TimeoutError):
                # The body is an explanation; without it the status still says enough.
                error = status_error(public_url(url), response)
            raise error
    except BaseException:
        await response.aclose()
        raise
    await response.aclose()
    return None
