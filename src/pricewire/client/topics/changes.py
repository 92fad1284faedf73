"""Changing an open stream by `PATCH /v1/streams/{stream_id}`: its topics, and its pace."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import quote

import httpx2

from pricewire.client.api.http import Api
from pricewire.errors import HTTPStatusError
from pricewire.protocol.messages import Data, StreamChange, StreamState


class Changer:
    """
    Sends changes to a server.

    Args:
        api: sends requests.
    """

    def __init__(self, api: Api) -> None:
        self._api = api

    async def change(
        self, client: httpx2.AsyncClient, stream_id: str, *, add: Sequence[str] = (), remove: Sequence[str] = (), interval_ms: int
    ) -> StreamState:
        """
        Change a stream, and return what it carries from then on.

        Args:
            client: sends the request.
            stream_id: the server's name for the stream, from the header `Pricewire-Stream`.
            add: topics that come.
            remove: topics that go.
            interval_ms: the stream's pace, in milliseconds.

        Raises:
            HTTPStatusError: the server refused.
            ConnectError: there was no answer, or one that cannot be read.
            TokenError: the token's provider failed.
        """
        change = StreamChange(add=list(add), remove=list(remove), interval_ms=interval_ms)
        answer = await self._api.send(client, "PATCH", f"/v1/streams/{quote(stream_id, safe='')}", Data[StreamState], body=change)
        return answer.data


def is_refusal(error: HTTPStatusError) -> bool:
    """Whether asking again for the same would not help: a client's error but 408 and 429, or what the server does not know at all."""
    return (400 <= error.status < 500 and error.status not in (408, 429)) or error.status == 501
