"""A bad line between two ends: it is slow, narrow, loses packets, cuts connections, and refuses some."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from pricewire.verify.probe import Connection

SEGMENT = 1400
"""How many bytes travel together."""

FIRST_RETRY_S = 0.2
"""After so long a lost segment is sent again, in seconds, and after twice as long each further time: what follows waits, as with TCP."""

WINDOW = 32
"""How many segments are under way at once in one direction."""


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
