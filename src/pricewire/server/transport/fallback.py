"""The stream by ASGI's `send`, for servers without the hand-over: slower, and with the same behaviour."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from pricewire.hub.hub import Hub
from pricewire.hub.streams import Stream
from pricewire.protocol.encoder import HEARTBEAT
from pricewire.protocol.stream_end import StreamEnd
from pricewire.server.transport.asgi_types import Receive, Send
from pricewire.server.transport.stop_watch import stop_watch

logger = logging.getLogger(__name__)

HIGH_WATER = 64 * 1024
"""How much waits for `send` before the stream counts as lagging, in bytes: what asyncio's transports allow."""


class FallbackStream(Stream):
    """A stream that keeps what is written until `run` has sent it."""

    __slots__ = ("_ended", "_hub", "_parts", "_paused", "_size", "_wake")

    def __init__(self, hub: Hub, stream_id: str, on_close: Callable[[], None] | None) -> None:
        super().__init__(stream_id, on_close)
        self._hub = hub
        self._parts: list[bytes] = []
        self._size = 0
        self._paused = False
        self._ended = False
        self._wake = asyncio.Event()

    def write(self, data: bytes) -> None:
        """Keep bytes for `run`."""
        self._parts.append(data)
        self._size += len(data)
        self._wake.set()
        if self._size > HIGH_WATER and not self._paused:
            self._paused = True
            self._hub.pause(self)

    def end(self, data: bytes) -> None:
        """Keep the last bytes, and have `run` return once they are sent."""
        self._parts.append(data)
        self._ended = True
        self._wake.set()

    def abort(self) -> None:
        """Have `run` return at once."""
        self._parts.clear()
        self._ended = True
        self._wake.set()

    def unsent(self) -> int:
        """Return how many bytes wait for `send`; what the server below keeps, ASGI does not tell."""
        return self._size

    def stop(self, retry: int) -> None:
        """End it, as the server stops, and have its reader come back after so many milliseconds."""
        self._hub.end(self, StreamEnd.SERVER_DRAINING, retry=retry)

    async def run(self, receive: Receive, send: Send) -> None:
        """Send what is written until the stream ends, its reader has gone, or `send` raises, which says the same."""
        watch = stop_watch()
        watch.enter(self)
        gone = asyncio.ensure_future(self._disconnected(receive))
        gone.add_done_callback(self._on_gone)
        if not self._parts:
            # gunicorn keeps the response's head until there is something of its body.
            self._parts.append(HEARTBEAT)
        try:
            while True:
                if self._parts:
                    data = b"".join(self._parts)
                    self._parts.clear()
                    await send({"type": "http.response.body", "body": data, "more_body": True})
                    self._size -= len(data)
                    if self._paused and not self._parts:
                        self._paused = False
                        self._hub.resume(self)
                elif self._ended:
                    await send({"type": "http.response.body", "body": b"", "more_body": False})
                    return
                else:
                    self._wake.clear()
                    await self._wake.wait()
        except Exception:
            # By ASGI an OSError, where the server cannot tell of the end by `receive`; under uvloop also a RuntimeError.
            logger.debug("a stream's connection has gone", exc_info=True)
        finally:
            watch.leave(self)
            self._hub.leave(self)
            gone.cancel()

    def _on_gone(self, gone: asyncio.Task[None]) -> None:
        """End it. Where it is not the reader that has gone, but the server that stops - some say that so -, the reader learns it."""
        if not gone.cancelled():
            self._hub.end(self, StreamEnd.SERVER_DRAINING)
            self._hub.leave(self)
            self._ended = True
            self._wake.set()

    @staticmethod
    async def _disconnected(receive: Receive) -> None:
        message: Any = {}
        while message.get("type") != "http.disconnect":
            message = await receive()
