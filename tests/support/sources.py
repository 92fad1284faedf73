"""What the tests of `EventSource` share: policies that do not wait, and reading to the end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from pricewire.client.stream.event_source import EventSource
from pricewire.client.stream.reconnect import ConnectionState, ReconnectPolicy, State
from pricewire.errors import ClientError
from pricewire.protocol.decoder import ServerSentEvent
from support.raw_server import PATIENCE, RawConnection, RawServer, Script, answer

QUICK = ReconnectPolicy(attempts=3, interval=0.001, ceiling=0.01, floor=0.001)
FOREVER = ReconnectPolicy(attempts=None, interval=0.001, ceiling=0.01, floor=0.001)

NO_CONTENT = answer(b"HTTP/1.1 204 No Content\r\n\r\n")


def quiet(error: ClientError) -> None:
    """Hear an error and do nothing."""


async def drain(source: EventSource) -> list[ServerSentEvent]:
    """Return all events until the end."""
    async with asyncio.timeout(PATIENCE), source:
        return [event async for event in source]


@dataclass
class Heard:
    """What came of reading a stream: events, errors after which it went on, states, and the requests that the server has got."""

    events: list[ServerSentEvent]
    errors: list[ClientError]
    states: list[ConnectionState]
    requests: list[RawConnection]

    @property
    def data(self) -> list[str]:
        return [event.data for event in self.events]

    @property
    def waiting(self) -> list[ConnectionState]:
        return [state for state in self.states if state.state is State.WAITING]


async def read(*scripts: Script, path: str = "", **options: Any) -> Heard:
    """Read a stream of a `RawServer` to its end, by the policy `QUICK`."""
    errors: list[ClientError] = []
    states: list[ConnectionState] = []
    async with RawServer(*scripts) as server:
        hearing = {"reconnect": QUICK, "on_error": errors.append, "on_state": states.append, **options}
        events = await drain(EventSource(server.url + path, **hearing))
    return Heard(events, errors, states, server.connections)
