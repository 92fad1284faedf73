"""The network between processes: TCP links that can be cut, stall and be slow."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Sequence

CHUNK = 64 * 1024
"""How much is passed on at once, in bytes."""

SLOW_CHUNK = 4 * 1024
"""How much a slow link passes on at once, in bytes."""


class Link:
    """
    Passes connections on to a port of this machine, or to one of several in turn, as a load balancer does.

    Attributes:
        port: where it listens, on 127.0.0.1.

    Args:
        targets: the ports behind it; one that refuses a connection is passed over.
    """

    def __init__(self, targets: Sequence[int]) -> None:
        self.port = 0
        self._targets = list(targets)
        self._next = 0
        self._is_cut = False
        self._pause_s = 0.0
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._connections: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Pass connections on within the block."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, backlog=2048)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            for task in self._connections:
                task.cancel()
            if self._connections:
                await asyncio.wait(list(self._connections))

    def cut(self) -> None:
        """End all connections, and every new one at once, until `heal`."""
        self._is_cut = True
        self.drop(1.0, random.Random(0))

    def drop(self, share: float, dice: random.Random) -> None:
        """End some of the connections; new ones are passed on."""
        for writer in list(self._connections.values()):
            if dice.random() < share:
                writer.transport.abort()

    def stall(self) -> None:
        """Pass nothing on until `heal`; connections stay as they are."""
        self._flowing.clear()

    def slow(self, pause_s: float) -> None:
        """Pass on little at once until `heal`, each time so many seconds later."""
        self._pause_s = pause_s

    def heal(self) -> None:
        """Pass everything on again, as it comes."""
        self._is_cut = False
        self._pause_s = 0.0
        self._flowing.set()

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._is_cut:
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections[task] = writer
        task.add_done_callback(self._connections.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await self._connect()
        except OSError:
            writer.transport.abort()
            return
        pumps = [asyncio.create_task(self._pump(*pair)) for pair in ((reader, far_writer), (far_reader, writer))]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for each in (writer, far_writer):
                each.close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """
        Return a connection to the next target that accepts one.

        Raises:
            OSError: none does.
        """
        for left in range(len(self._targets), 0, -1):
            self._next += 1
            try:
                return await asyncio.open_connection("127.0.0.1", self._targets[self._next % len(self._targets)])
            except OSError:
                if left == 1:
                    raise
        raise OSError("there is no target")

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(SLOW_CHUNK if self._pause_s else CHUNK):
                if self._pause_s:
                    await asyncio.sleep(self._pause_s)
                await self._flowing.wait()
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
