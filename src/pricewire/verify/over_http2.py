"""
Asks for the stream over HTTP/2, as browsers do, and records what comes as an exchange.

The package h2 speaks the protocol; where it is not installed, `is_possible` is False, and nothing else here may be called.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from pricewire.verify.exchange import End, Exchange, Head
from pricewire.verify.probe import READ, Connection, close, now
from pricewire.verify.target import Target

try:
    from h2.config import H2Configuration
    from h2.connection import H2Connection
    from h2.events import ConnectionTerminated, DataReceived, Event, RemoteSettingsChanged, ResponseReceived, StreamEnded, StreamReset
    from h2.exceptions import H2Error
    from h2.settings import SettingCodes
except ImportError:
    is_possible = False
else:
    is_possible = True
"""Whether HTTP/2 can be spoken here."""

NOT_IN_HTTP2 = {"connection", "host"}
"""Header fields that an HTTP/2 request has not. Source: RFC 9113, section 8.2.2."""


class Http2Stream:
    """
    One stream on an HTTP/2 connection of its own.

    Attributes:
        exchange: what is recorded.
        most_streams: how many streams the server allows on one connection; None where it has not said.
    """

    def __init__(self, connection: Connection, target: Target, headers: Iterable[tuple[str, str]]) -> None:
        self.exchange = Exchange("http2", now())
        self.most_streams: int | None = None
        self._reader, self._writer = connection
        self._protocol = H2Connection(H2Configuration(client_side=True, header_encoding=None))
        self._protocol.initiate_connection()
        # Nothing of it is wanted. Source: RFC 9113, section 8.4.
        self._protocol.update_settings({SettingCodes.ENABLE_PUSH: 0})
        names = [(":method", "GET"), (":scheme", target.scheme), (":authority", target.authority), (":path", target.path)]
        fields = [(name.lower(), value) for name, value in headers if name.lower() not in NOT_IN_HTTP2]
        self._protocol.send_headers(1, [*names, *fields], end_stream=True)
        self._writer.write(self._protocol.data_to_send())
        self._reading = asyncio.create_task(self._read())

    async def leave(self) -> None:
        """Close the connection."""
        self.exchange.finish(End.LEFT, now())
        self._reading.cancel()
        await asyncio.wait([self._reading])
        await close(self._writer)

    async def _read(self) -> None:
        exchange = self.exchange
        try:
            while exchange.end is End.OPEN and (data := await self._reader.read(READ)):
                exchange.size += len(data)
                for event in self._protocol.receive_data(data):
                    self._take(event)
                self._writer.write(self._protocol.data_to_send())
            exchange.finish(End.CLOSED, now())
        except OSError as error:
            exchange.finish(End.RESET, now(), str(error))
        except H2Error as error:
            exchange.problem = f"what came is no HTTP/2: {error}"

    def _take(self, event: Event) -> None:
        exchange = self.exchange
        if isinstance(event, ResponseReceived):
            fields = tuple((bytes(name).decode("latin-1"), bytes(value).decode("latin-1")) for name, value in event.headers)
            status = next((int(value) for name, value in fields if name == ":status" and value.isdecimal()), 0)
            raw = "\r\n".join(f"{name}: {value}" for name, value in fields).encode()
            exchange.begin(Head("2", status, fields, raw), now())
        elif isinstance(event, DataReceived):
            if exchange.is_whole and not exchange.problem:
                exchange.take_body(event.data, now())
            # The window of what may be sent opens again.
            self._protocol.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            exchange.is_complete = True
            exchange.finish(End.CLOSED, now())
        elif isinstance(event, StreamReset | ConnectionTerminated):
            exchange.finish(End.RESET, now(), f"by the error code {event.error_code}")
        elif isinstance(event, RemoteSettingsChanged) and SettingCodes.MAX_CONCURRENT_STREAMS in event.changed_settings:
            self.most_streams = event.changed_settings[SettingCodes.MAX_CONCURRENT_STREAMS].new_value
