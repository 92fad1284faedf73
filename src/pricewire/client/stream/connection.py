"""One connection of a stream, from the request to the end of the response."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

import httpx2

from pricewire.client.redaction import redacted
from pricewire.client.stream.decompress import plain_chunks
from pricewire.client.stream.options import StreamOptions
from pricewire.client.stream.renewal import Renewal
from pricewire.client.stream.request import (
    Headers,
    authorization_header,
    build_headers,
    check_content_type,
    last_event_id_header,
    open_response,
    read_status_error,
    status_error,
)
from pricewire.client.stream.watchdog import Patience, Watchdog
from pricewire.client.urls import origin_of, public_url
from pricewire.errors import ConnectError
from pricewire.protocol.decoder import EventStreamDecoder, ServerSentEvent

ERROR_BODY_TIMEOUT = 5.0
"""How long the body of an error may take to arrive, in seconds."""


class Connection:
    """An open stream: its response, the decoder that reads it and holds the cursor, and the watchdog that judges its silence."""

    def __init__(
        self,
        response: httpx2.Response,
        decoder: EventStreamDecoder,
        watchdog: Watchdog,
        *,
        token: str | None,
        renewal: Renewal | None,
    ) -> None:
        self.response = response
        self.decoder = decoder
        self.watchdog = watchdog
        self._token = token
        self._renewal = renewal
        self._has_ended = False
        self._chunks: AsyncGenerator[bytes, None] = plain_chunks(response)

    @property
    def token(self) -> str | None:
        """What the server knows the reader by: the token of the request, or of the newest renewal; None where there was none."""
        return self._token if self._renewal is None else self._renewal.token

    async def read(self) -> list[ServerSentEvent] | None:
        """
        Return the events that the next bytes complete, oldest first; None where the server ended the stream.

        Raises:
            httpx2.HTTPError: the connection broke.
            EventTooLargeError: an event exceeds the limit.
        """
        if self.decoder.has_failed:
            # The events before the one that is too large were given out.
            return self.decoder.feed(b"")
        self.watchdog.read()
        try:
            with redacted():
                chunk = await anext(self._chunks)
        except StopAsyncIteration:
            self._has_ended = True
            return None
        return self.decoder.feed(chunk)

    async def aclose(self) -> None:
        """End the connection."""
        self.watchdog.stop()
        if self._renewal is not None:
            self._renewal.stop()
        try:
            if self._has_ended:
                await close_socket(self.response)
            await self._chunks.aclose()
        finally:
            try:
                # A generator that never ran has nothing to clean up, so the response is closed as well.
                await self.response.aclose()
            finally:
                if self._renewal is not None:
                    await self._renewal.wait_closed()


async def close_socket(response: httpx2.Response) -> None:
    """
    Close the socket of a stream that has ended.

    Many servers close it as well, a moment later and without having said so; the library would send the next request over it meanwhile.
    """
    stream = response.extensions.get("network_stream")
    if stream is not None:
        await stream.aclose()


async def connect(
    client: httpx2.AsyncClient,
    url: str,
    options: StreamOptions,
    *,
    last_event_id: str,
    on_stale: Callable[[], None],
    on_dead: Callable[[], None],
) -> Connection | None:
    """
    Open a stream; None if the server answers 204: there is no reason to come back.

    Raises:
        httpx2.HTTPError: no connection could be made.
        HTTPStatusError: the status is another than 200 and 204.
        ContentTypeError: it is no event stream.
        ConnectError: it came by HTTP/2.
        TokenError: the token's provider failed.
    """
    response, token = await _request(client, url, options, build_headers(options.headers) + last_event_id_header(last_event_id))
    url = public_url(url)
    try:
        if response.status_code == 200:
            check_content_type(url, response)
            if response.http_version == "HTTP/2":
                # The library only forgets such a stream when it is closed: the server would go on sending, until its window is used up.
                raise ConnectError(url, "an http_client that speaks HTTP/2 cannot end a stream; make it without http2=True")
            patience = Patience.of(response.headers.get("pricewire-heartbeat"), options.idle_timeout)
            decoder = EventStreamDecoder(
                last_event_id=last_event_id,
                # That of the address after all redirects (WHATWG HTML, section 9.2.6, "dispatch the event", step 4).
                origin=origin_of(response.url),
                max_event_size=options.max_event_size,
            )
            stream_id = response.headers.get("pricewire-stream")
            credentials, renewal = options.credentials, None
            if token is not None and credentials is not None and credentials.can_refresh and stream_id is not None:
                renewal = Renewal(client, response.url, stream_id, credentials, token)
            return Connection(response, decoder, Watchdog(patience, on_stale, on_dead), token=token, renewal=renewal)
        if response.status_code != 204:
            try:
                async with asyncio.timeout(ERROR_BODY_TIMEOUT):
                    error = await read_status_error(url, response)
            except (httpx2.HTTPError, TimeoutError):
                # The body is an explanation; without it the status still says enough.
                error = status_error(url, response)
            raise error
    except BaseException:
        await response.aclose()
        raise
    await response.aclose()
    return None


async def _request(client: httpx2.AsyncClient, url: str, options: StreamOptions, headers: Headers) -> tuple[httpx2.Response, str | None]:
    """Return the response, and the token that it was asked for with; a rejected one is replaced once."""
    credentials = options.credentials
    if credentials is None:
        return await open_response(client, url, headers), None
    token = await credentials.get()
    response = await open_response(client, url, headers + authorization_header(token))
    # After a redirect to another origin it is not the token that was rejected: it was not sent there.
    if response.status_code == 401 and credentials.can_refresh and "authorization" in response.request.headers:
        await response.aclose()
        token = await credentials.refresh(token)
        response = await open_response(client, url, headers + authorization_header(token))
    return response, token if "authorization" in response.request.headers else None
