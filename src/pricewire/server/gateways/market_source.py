"""What a process with trading has of the market's process: instruments, past ticks, and the topics that it has streams of."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

import msgspec
import nats.errors
import numpy as np
from nats.aio.client import Client

from pricewire.bus.nats_connection import NatsAddress, connected
from pricewire.bus.tasks import running
from pricewire.market.feed import LATEST_MS, PastTicks
from pricewire.market.journal import Journal
from pricewire.protocol.messages import Instrument
from pricewire.server.gateways.market_messages import AskPast, Describe, MarketDescription, Past, Question, Want, Wanted, packed, unpacked
from pricewire.server.gateways.subjects import questions

logger = logging.getLogger(__name__)

ANSWER_S = 2.0
"""How long an answer may take before the market is asked again, in seconds."""

PAUSE_S = 0.2
"""How long to wait before the market is asked again that is not there, in seconds."""

REPEAT_S = 1.0
"""How often the market is told which topics have streams, in seconds: another process may have become the market."""

REPORT_S = 10.0
"""How often it is logged that the market is not there, in seconds."""

Answer = TypeVar("Answer")


async def describe(address: NatsAddress, stream: str) -> MarketDescription:
    """
    Return what the market is, waiting for its process.

    Raises:
        BusError: the address of the bus cannot be used.
    """
    async with connected(address, "pricewire trading") as client:
        return await ask(client, stream, Describe(), MarketDescription)


async def ask(client: Client, stream: str, question: Question, answer: type[Answer]) -> Answer:
    """Return the market's answer, asking until it comes."""
    reported_at = float("-inf")
    while True:
        try:
            message = await client.request(questions(stream), msgspec.msgpack.encode(question), timeout=ANSWER_S)
            return msgspec.msgpack.decode(unpacked(message.data), type=answer)
        except (nats.errors.Error, OSError):
            if time.monotonic() - reported_at >= REPORT_S:
                reported_at = time.monotonic()
                logger.warning("the process with the role market does not answer yet; waiting for it")
            await asyncio.sleep(PAUSE_S)


async def is_there(client: Client, stream: str) -> bool:
    """Return whether a process with the market serves."""
    try:
        await client.request(questions(stream), msgspec.msgpack.encode(Describe()), timeout=ANSWER_S)
    except (nats.errors.Error, OSError):
        return False
    return True


async def fill_up(client: Client, stream: str, journal: Journal, instruments: Sequence[Instrument], keep_s: float) -> None:
    """
    Write the ticks to a journal that the market's has and it has not.

    Args:
        client: the connection.
        stream: the stream of JetStream with the frames.
        journal: gets them; what it has are ticks of the market's journal.
        instruments: the market's.
        keep_s: how long ticks are kept, in seconds: older ones are not asked for.

    Raises:
        JournalError: the journal cannot be read or written.
    """
    oldest_ms = time.time_ns() // 1_000_000 - round(keep_s * 1000)
    filled = 0
    for instrument in instruments:
        from_ms, known = oldest_ms, 0
        for newest in await journal.between(instrument.id, oldest_ms, LATEST_MS, newest=1):
            from_ms = newest.epoch_ms
            known = len(await journal.between(instrument.id, from_ms, from_ms))
        while True:
            past = await ask(client, stream, AskPast(instrument.id, from_ms, known), Past)
            epoch_ms, *prices = (np.frombuffer(column, np.int64) for column in past.columns)
            if len(epoch_ms):
                journal.extend(PastTicks(instrument.id, epoch_ms, *prices))
                filled += len(epoch_ms)
                newest_ms = int(epoch_ms[-1])
                known = int((epoch_ms == newest_ms).sum()) + (known if newest_ms == from_ms else 0)
                from_ms = newest_ms
            if past.is_all:
                break
    if filled:
        logger.info("the journal has %d ticks more, from that of the market", filled)


class Interest:
    """
    The topics of the market that have streams, as the market is told.

    Args:
        name: of this process.
        stream: the stream of JetStream with the frames.
    """

    def __init__(self, name: str, stream: str) -> None:
        self._name = name
        self._stream = stream
        self._topics: set[str] = set()
        self._changed = asyncio.Event()
        # How often something has changed; how much of that the market knows, and the position that it has given then.
        self._version = self._known = self._position = 0
        self._told = asyncio.Event()

    def add(self, topic: str) -> None:
        """Have the market publish a topic from now on."""
        self._topics.add(topic)
        self._change()

    def discard(self, topic: str) -> None:
        """Have the market stop it."""
        self._topics.discard(topic)
        self._change()

    def _change(self) -> None:
        self._version += 1
        self._changed.set()

    async def first_values(self) -> int:
        """
        Return the position up to which a hub has to have everything to have the first values of all topics.

        Where the market is not there, it is an earlier one, and the values come when it is.
        """
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._until(self._version), ANSWER_S)
        return self._position

    async def _until(self, version: int) -> None:
        while self._known < version:
            self._told.clear()
            await self._told.wait()

    @contextlib.asynccontextmanager
    async def telling(self, client: Client) -> AsyncIterator[None]:
        """Tell the market within the block."""
        async with running(self._tell(client), "market interest"):
            yield

    async def _tell(self, client: Client) -> None:
        while True:
            version = self._version
            self._changed.clear()
            question = packed(Want(self._name, sorted(self._topics)), client.max_payload)
            try:
                message = await client.request(questions(self._stream), question, timeout=ANSWER_S)
                self._position = msgspec.msgpack.decode(message.data, type=Wanted).position
            except (nats.errors.Error, OSError):
                await asyncio.sleep(PAUSE_S)
                continue
            self._known = version
            self._told.set()
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._changed.wait(), REPEAT_S)
