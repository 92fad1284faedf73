"""What the tests of `EventSource` share: policies that do not wait, and reading to the end."""

from __future__ import annotations

import asyncio

from pricewire.client.stream.event_source import EventSource
from pricewire.client.stream.reconnect import ReconnectPolicy
from pricewire.errors import ClientError
from pricewire.protocol.decoder import ServerSentEvent
from support.raw_server import PATIENCE, answer

QUICK = ReconnectPolicy(attempts=3, interval=0.001, ceiling=0.01, floor=0.001)
FOREVER = ReconnectPolicy(attempts=None, interval=0.001, ceiling=0.01, floor=0.001)

NO_CONTENT = answer(b"HTTP/1.1 204 No Content\r\n\r\n")


def quiet(error: ClientError) -> None:
    """Hear an error and do nothing."""


async def drain(source: EventSource) -> list[ServerSentEvent]:
    """Return all events until the end."""
    async with asyncio.timeout(PATIENCE), source:
        return [event async for event in source]
