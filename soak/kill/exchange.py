"""An exchange outside of the server, which keeps a record of every tick that it made; and the feeds that bring them into the server."""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np

from pricewire.errors import FeedError
from pricewire.market.feed import PastTicks
from pricewire.protocol.messages import Instrument, Tick

PORT_VARIABLE = "SOAK_EXCHANGE_PORT"
"""The environment variable that tells the feeds where the exchange is."""

TURN_S = 0.02
"""How often ticks are made and sent, in seconds."""

DOUBLED = 0.05
"""How many of the irregular ticks have another one in the same millisecond."""

DEVIATION_PIPS = 8.0
"""How far the price moves from a tick to the next, in pips."""


@dataclass(frozen=True, slots=True)
class Listing:
    """
    What the exchange lists.

    Attributes:
        name: the instrument's id.
        interval_ms: the time between two ticks, in milliseconds.
        is_regular: whether it is exactly that, or the mean.
        is_remembered: whether a server that was away can ask for what it missed.
    """

    name: str
    interval_ms: int
    is_regular: bool
    is_remembered: bool


LISTINGS = tuple(
    Listing(f"{kind}{number}", interval_ms, is_regular, kind == "KEPT")
    for kind in ("KEPT", "LOST")
    for number, (interval_ms, is_regular) in enumerate([(250, True), (200, False), (900, False)])
)

PIP_SIZE = 2


class Made(NamedTuple):
    """A tick as the exchange made it, with prices in pips."""

    epoch_ms: int
    price: int
    ask: int
    bid: int


class Exchange:
    """
    Makes ticks on its own clock, which nobody sets, and sends them to whoever connects.

    Attributes:
        port: where it listens, on 127.0.0.1.
        made: all ticks that it made, by instrument, oldest first.
    """

    def __init__(self, seed: int) -> None:
        self.port = 0
        self.made: dict[str, list[Made]] = {listing.name: [] for listing in LISTINGS}
        self._dice = random.Random(f"{seed}/exchange")
        self._prices = {listing.name: 100_000 + 10_000 * number for number, listing in enumerate(LISTINGS)}
        self._due_ms = {listing.name: time.time_ns() // 1_000_000 for listing in LISTINGS}
        self._silent_until: dict[str, float] = {}
        self._held_until = 0.0
        self._serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Make ticks and serve them during the block."""
        async with await asyncio.start_server(self._connected, "127.0.0.1", 0) as server:
            self.port = server.sockets[0].getsockname()[1]
            making = asyncio.create_task(self._run())
            try:
                yield
            finally:
                tasks = [making, *self._serving]
                for task in tasks:
                    task.cancel()
                await asyncio.wait(tasks)

    async def _run(self) -> None:
        while True:
            self._make(time.time_ns() // 1_000_000)
            await asyncio.sleep(TURN_S)

    def silence(self, name: str, seconds: float) -> None:
        """Make no tick of an instrument for so many seconds from now."""
        self._silent_until[name] = time.monotonic() + seconds

    def end_silences(self) -> None:
        """Make ticks of every instrument again."""
        self._silent_until.clear()

    def hold_back(self, seconds: float) -> None:
        """Send nothing for so many seconds, then all of it at once."""
        self._held_until = time.monotonic() + seconds

    def cut(self) -> None:
        """Cut every connection."""
        for writer in self._serving.values():
            writer.transport.abort()

    def _make(self, now_ms: int) -> None:
        for listing in LISTINGS:
            name = listing.name
            while (due_ms := self._due_ms[name]) <= now_ms:
                wait_ms = listing.interval_ms if listing.is_regular else max(1, round(self._dice.expovariate(1 / listing.interval_ms)))
                self._due_ms[name] += wait_ms
                if time.monotonic() < self._silent_until.get(name, 0.0):
                    continue
                self.made[name].append(self._tick(name, due_ms))
                if not listing.is_regular and self._dice.random() < DOUBLED:
                    self.made[name].append(self._tick(name, due_ms))

    def _tick(self, name: str, epoch_ms: int) -> Made:
        # Never the same price twice in a row, so that two ticks of a millisecond can be told apart.
        move = round(self._dice.gauss(0, DEVIATION_PIPS)) or 1
        price = self._prices[name] = max(1000, self._prices[name] + move)
        return Made(epoch_ms, price, price + 2, price - 2)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._serving[task] = writer
        task.add_done_callback(self._serving.pop)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked: dict[str, Any] = json.loads(await reader.readline())
            if "missed" in asked:
                places = {name: self._place(name, Made(*tick)) for name, tick in asked["missed"].items()}
                missed = {name: [place, self.made[name][place:]] for name, place in places.items()}
                writer.write(json.dumps(missed).encode() + b"\n")
                await writer.drain()
                return
            places = {name: len(self.made[name]) if place is None else place for name, place in asked["from"].items()}
            while not writer.is_closing():
                if time.monotonic() >= self._held_until:
                    for name, place in places.items():
                        new = enumerate(self.made[name][place:], place)
                        writer.write(b"".join(json.dumps([name, number, *tick]).encode() + b"\n" for number, tick in new))
                        places[name] = len(self.made[name])
                    await writer.drain()
                await asyncio.sleep(TURN_S)
        except (OSError, ValueError):
            pass
        finally:
            writer.close()

    def _place(self, name: str, newest: Made) -> int:
        """Return the place after a tick."""
        made = self.made[name]
        return next(place for place in range(len(made), 0, -1) if made[place - 1] == newest)


class ExchangeFeed:
    """The exchange's ticks, in the server; those of the time when it was away are lost."""

    is_remembered = False

    def __init__(self) -> None:
        names = [listing.name for listing in LISTINGS if listing.is_remembered == self.is_remembered]
        self.instruments = tuple(Instrument(name, name, ["Synthetic Index"], PIP_SIZE) for name in names)
        self._from: dict[str, int | None] = dict.fromkeys(names)
        self._port = int(os.environ[PORT_VARIABLE])

    async def __aiter__(self) -> AsyncIterator[Tick]:
        """Yield the exchange's ticks, until the connection breaks."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 24)
        try:
            writer.write(json.dumps({"from": self._from}).encode() + b"\n")
            while line := await reader.readline():
                name, number, epoch_ms, *pips = json.loads(line)
                if self.is_remembered:
                    self._from[name] = number + 1
                price, ask, bid = (Decimal(each).scaleb(-PIP_SIZE) for each in pips)
                yield Tick(name, epoch_ms, price, ask, bid)
        finally:
            writer.close()
        raise FeedError("the exchange has cut the connection")


class RememberedFeed(ExchangeFeed):
    """The exchange's ticks, in the server, with those that it missed."""

    is_remembered = True

    def backfill(self, newest: Sequence[Tick]) -> Iterable[PastTicks]:
        """Return the ticks after the newest of the journal."""
        asked = {
            tick.instrument_id: [tick.epoch_ms, *(int(each.scaleb(PIP_SIZE)) for each in (tick.price, tick.ask, tick.bid))]
            for tick in newest
        }
        with socket.create_connection(("127.0.0.1", self._port)) as connection, connection.makefile("rwb") as file:
            file.write(json.dumps({"missed": asked}).encode() + b"\n")
            file.flush()
            missed = json.loads(file.readline())
        for name, (place, ticks) in missed.items():
            self._from[name] = place + len(ticks)
            columns = np.array(ticks, np.int64).reshape(-1, 4)
            yield PastTicks(name, *(column.copy() for column in columns.T))
