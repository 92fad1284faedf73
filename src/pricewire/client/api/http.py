"""Requests beside the streams: JSON out, typed objects back, with the token, and with limits on time and size."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TypeVar
from urllib.parse import urlencode

import httpx2
import msgspec

from pricewire.client.api.tokens import Credentials
from pricewire.client.failure import failure_text
from pricewire.client.parsing import all_finite
from pricewire.client.redaction import redacted
from pricewire.client.stream.decompress import plain_chunks
from pricewire.client.stream.request import Headers, authorization_header, read_status_error
from pricewire.client.urls import public_url
from pricewire.errors import ConnectError, HTTPStatusError

A = TypeVar("A")

TIMEOUT = 10.0
"""How long an answer may take, in seconds."""

MAX_ANSWER = 1024 * 1024
"""How long an answer may be, in bytes."""


class Api:
    """Sends requests to a server, with the same headers and the token that the credentials provide, if there are any."""

    def __init__(self, base_url: str, headers: Headers, credentials: Credentials | None) -> None:
        self.base_url = base_url.rstrip("/")
        own = [(b"content-type", b"application/json"), (b"accept", b"application/json")]
        self._headers = [*(header for header in headers if header[0] not in (b"content-type", b"accept")), *own]
        self._credentials = credentials

    async def send(
        self,
        client: httpx2.AsyncClient,
        method: str,
        path: str,
        answer: type[A],
        *,
        body: msgspec.Struct | None = None,
        within: float = TIMEOUT,
    ) -> A:
        """
        Send one request and return its answer. A token that the server rejects is replaced once.

        Args:
            client: sends it.
            method: `POST`, for instance.
            path: what follows the server's address, with the query.
            answer: the type of the answer's body.
            body: what to send, as JSON; None: nothing.
            within: how long it may take, in seconds.

        Raises:
            HTTPStatusError: the server refused.
            ConnectError: there was no answer, or one that cannot be read; its cause says which. Without a cause nothing can be sent.
            TokenError: the token's provider failed.
        """
        url = self.base_url + path
        content = b"" if body is None else msgspec.json.encode(body)
        try:
            async with asyncio.timeout(within):
                text = await self._authorized(client, method, url, content, within)
            found = msgspec.json.decode(text, type=answer, strict=False)
            if not all_finite(found):
                raise msgspec.ValidationError("a number is not finite")
        except httpx2.LocalProtocolError:
            # Its text repeats the header that cannot be sent, which may be a secret.
            raise ConnectError(public_url(url), "the request cannot be sent, a header of it is illegal") from None
        except (httpx2.HTTPError, TimeoutError, msgspec.MsgspecError, RecursionError) as error:
            detail = f"no answer within {within:.3g} s" if isinstance(error, TimeoutError) else failure_text(error)
            raise ConnectError(public_url(url), detail) from error
        return found

    async def _authorized(self, client: httpx2.AsyncClient, method: str, url: str, content: bytes, within: float) -> bytes:
        # Shorter than the whole: so it shows that nothing was sent.
        timeout = httpx2.Timeout(None, connect=within / 2, pool=within / 2)

        def build(authorization: Headers) -> httpx2.Request:
            return client.build_request(method, url, headers=self._headers + authorization, content=content, timeout=timeout)

        credentials = self._credentials
        if credentials is None:
            return await _request(client, build([]))
        token = await credentials.get()
        try:
            return await _request(client, build(authorization_header(token)))
        except HTTPStatusError as error:
            if error.status != 401 or not credentials.can_refresh:
                raise
        return await _request(client, build(authorization_header(await credentials.refresh(token))))


def with_query(path: str, **parameters: object) -> str:
    """Return a path with its parameters; those that are None or empty are left out."""
    query = urlencode({name: value for name, value in parameters.items() if value not in (None, [])}, doseq=True)
    return f"{path}?{query}" if query else path


async def _request(client: httpx2.AsyncClient, request: httpx2.Request) -> bytes:
    """Send a request and return the body of its answer."""
    # A client's own `auth` would take the token's place. A redirect is refused like any other status than 200.
    with redacted():
        response = await client.send(request, stream=True, follow_redirects=False, auth=None)
    try:
        if response.status_code != 200:
            raise await read_status_error(public_url(str(request.url)), response)
        body = b""
        async with contextlib.aclosing(plain_chunks(response)) as chunks:
            async for chunk in chunks:
                body += chunk
                if len(body) > MAX_ANSWER:
                    raise httpx2.DecodingError(f"the answer exceeds the limit of {MAX_ANSWER} bytes")
    finally:
        await response.aclose()
    return body
