"""A network between a browser and a server that can be cut, stalled and throttled."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress

PIECE = 2048
"""How much it carries at once, and holds back, in bytes: little, so that a server notices a slow reader."""


class Wire:
    """
    Carries connections to a server, from a port of its own; a context manager.

    Attributes:
        url: where it listens.

    Args:
        port: the server's, on this machine.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=f"wire to {port}")
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._rate: float | None = None
        self._writers = set[asyncio.StreamWriter]()
        self.url = ""

    def __enter__(self) -> Wire:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result(60)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(60)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def cut(self) -> None:
        """Break all connections off; new ones are carried."""
        self._call(self._abort)

    def stall(self) -> None:
        """Carry nothing, and let all connections stand."""
        self._call(self._flowing.clear)

    def flow(self) -> None:
        """Carry again, with what was held back."""
        self._call(self._flowing.set)

    def throttle(self, rate: float) -> None:
        """Carry so many bytes per second in each direction of a connection."""
        self._rate = rate

    def _call(self, function: Callable[[], None]) -> None:
        async def run() -> None:
            function()

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(60)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=PIECE)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def _end(self) -> None:
        self._server.close()
        self._flowing.set()
        self._rate = None
        self._abort()
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        near = socket.socket()
        near.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, PIECE)
        near.setblocking(False)
        try:
            await self._loop.sock_connect(near, ("127.0.0.1", self._port))
        except OSError:
            near.close()
            writer.transport.abort()
            return
        from_server, to_server = await asyncio.open_connection(sock=near, limit=PIECE)
        writers = {writer, to_server}
        self._writers |= writers
        await asyncio.gather(self._carry(reader, to_server), self._carry(from_server, writer))
        self._writers -= writers

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(PIECE):
                await self._flowing.wait()
                writer.write(piece)
                await writer.drain()
                if self._rate is not None:
                    await asyncio.sleep(len(piece) / self._rate)
        writer.close()
