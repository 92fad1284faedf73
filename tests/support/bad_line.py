"""A bad line between two ends: it is slow, narrow, loses packets, cuts connections, and refuses some."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from pricewire.verify.probe import Connection

SEGMENT = 1400
"""How many bytes travel together."""

FIRST_RETRY_S = 0.2
"""After so long a lost segment is sent again, in seconds, and after twice as long each further time: what follows waits, as with TCP."""

WINDOW = 32
"""How many segments are under way at once in one direction."""


LINES = {
    "far": {"delay": 3.0},
    "slow": {"delay": 0.3, "rate": 4000.0},
    "narrow": {"delay": 0.1, "rate": 200.0},
    "lossy": {"delay": 0.1, "loses": 0.2},
    "cut": {"delay": 0.02, "cuts": 1 / 20},
    "refuses": {"delay": 0.02, "refuses": 0.2},
    "all of it": {"delay": 0.2, "rate": 4000.0, "loses": 0.1, "cuts": 1 / 60, "refuses": 0.1},
}
"""What becomes of connections, by what a person would say of the line."""


@dataclass(frozen=True)
class BadLine:
    """
    What becomes of connections.

    Attributes:
        delay: how long a segment takes, in seconds.
        rate: how many bytes per second each connection carries in either direction; 0 for any number.
        loses: which share of the segments has to be sent again.
        cuts: how many times in a second a connection is cut, on the average.
        refuses: which share of the connections fails.
        dice: decides.
    """

    delay: float = 0.0
    rate: float = 0.0
    loses: float = 0.0
    cuts: float = 0.0
    refuses: float = 0.0
    dice: random.Random = field(default_factory=lambda: random.Random(1))

    async def carry(self, near: Connection, connect: Callable[[], Awaitable[Connection]]) -> None:
        """Connect a client that has come to its server, until either has ended or the line is cut."""
        writers = [near[1]]
        try:
            if self.dice.random() < self.refuses:
                return
            far = await connect()
            writers.append(far[1])
            async with asyncio.timeout(self.dice.expovariate(self.cuts) if self.cuts else None), asyncio.TaskGroup() as group:
                group.create_task(self._one_way(near[0], far[1]))
                group.create_task(self._one_way(far[0], near[1]))
        except* OSError:
            # Either has gone, or the line is cut.
            pass
        finally:
            for writer in writers:
                writer.transport.abort()

    @asynccontextmanager
    async def serving(self, port: int) -> AsyncIterator[int]:
        """Carry real connections to a port of this machine; yield the port to connect to."""
        carried = set[asyncio.Task[None]]()

        async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            carried.add(task)
            task.add_done_callback(carried.discard)
            with contextlib.suppress(asyncio.CancelledError):
                await self.carry((reader, writer), lambda: asyncio.open_connection("127.0.0.1", port))

        server = await asyncio.start_server(carry, "127.0.0.1", 0)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in carried:
                task.cancel()
            await asyncio.gather(*carried, return_exceptions=True)

    async def _one_way(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        segments = asyncio.Queue[tuple[float, bytes]](WINDOW)

        async def deliver() -> None:
            while True:
                due, data = await segments.get()
                await asyncio.sleep(due - loop.time())
                if not data:
                    writer.write_eof()
                    return
                writer.write(data)
                await writer.drain()

        async with asyncio.TaskGroup() as group:
            group.create_task(deliver())
            due = 0.0
            while True:
                data = await reader.read(SEGMENT)
                due = max(due, loop.time() + self.delay) + (len(data) / self.rate if self.rate else 0.0)
                retry = FIRST_RETRY_S
                while self.dice.random() < self.loses:
                    due, retry = due + retry, 2 * retry
                await segments.put((due, data))
                if not data:
                    return
