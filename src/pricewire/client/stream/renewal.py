"""
Renewal of an open stream: before its token expires, the server is given the next one, and the stream goes on.

Where that fails, nothing is lost: the server ends the stream with `TOKEN_EXPIRED`, and the client resumes it with a fresh token.
"""

from __future__ import annotations

import asyncio
import logging
import re
from urllib.parse import quote

import httpx2

from pricewire.client.api.tokens import Credentials
from pricewire.client.redaction import redacted
from pricewire.client.stream.request import TIMEOUTS, authorization_header
from pricewire.client.tasks import finish
from pricewire.client.urls import public_url
from pricewire.errors import TokenError

logger = logging.getLogger("pricewire.client")

RENEWAL_TIMEOUT = 10.0
"""How long the server may take to answer, in seconds."""

STREAM_PATH = re.compile("(/protected/sse|/sse|/v1/.*)$")
"""What follows the server's own path in the addresses of streams."""


class Renewal:
    """
    A task that renews an open stream each time before its token expires; it ends by itself where there is nothing to renew.

    Attributes:
        token: what the server knows the reader by.

    Args:
        client: sends the requests.
        url: the address of the stream, after all redirects.
        stream_id: the server's name for it, from the header `Pricewire-Stream`.
        credentials: provide the next tokens.
        token: the one that the stream was opened with.
    """

    def __init__(self, client: httpx2.AsyncClient, url: httpx2.URL, stream_id: str, credentials: Credentials, token: str) -> None:
        self._client = client
        self._url = stream_url(url, stream_id)
        self._credentials = credentials
        self.token = token
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"pricewire: renew {public_url(str(url))}")

    def stop(self) -> None:
        """End it; `wait_closed` says when it has."""
        self._task.cancel()

    async def wait_closed(self) -> None:
        """Return when it has ended, even where the caller is cancelled meanwhile."""
        await finish([self._task])

    async def _run(self) -> None:
        while (wait := self._credentials.renewal_wait(self.token)) is not None:
            await asyncio.sleep(wait)
            try:
                fresh = await self._credentials.refresh(self.token)
                async with asyncio.timeout(RENEWAL_TIMEOUT):
                    status = await self._send(fresh)
            except (TokenError, httpx2.HTTPError, TimeoutError) as error:
                logger.info("%s is not renewed: %s", public_url(self._url), type(error).__name__, extra={"url": public_url(self._url)})
                return
            logger.info(
                "%s answers to a renewal with status %d",
                public_url(self._url),
                status,
                extra={"url": public_url(self._url), "status": status},
            )
            if status != 200 or fresh == self.token:
                return
            self.token = fresh

    async def _send(self, token: str) -> int:
        headers = [(b"content-type", b"application/json"), *authorization_header(token)]
        request = self._client.build_request("PATCH", self._url, headers=headers, content=b"{}", timeout=TIMEOUTS)
        # The client's own `auth` would take the header's place.
        with redacted():
            response = await self._client.send(request, stream=True, follow_redirects=False, auth=None)
        # The status says enough; the stream confirms with an event of its own.
        await response.aclose()
        return response.status_code


def stream_url(url: httpx2.URL, stream_id: str) -> str:
    """Return where an open stream can be changed: on the server that it came from."""
    path = STREAM_PATH.sub("", url.path)
    return str(url.copy_with(path=f"{path.rstrip('/')}/v1/streams/{quote(stream_id, safe='')}", query=None, fragment=None))
