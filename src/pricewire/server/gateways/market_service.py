"""Answers processes with trading, which ask the market's process for its instruments, past ticks and topics."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import msgspec
import nats.errors
import numpy as np
from nats.aio.client import Client
from nats.aio.msg import Msg

from pricewire.bus.nats import NatsBus
from pricewire.bus.tasks import running
from pricewire.market.feed import LATEST_MS, FeedWithIntervals, FeedWithVolatility, PastTicks, RecordedFeed
from pricewire.market.journal import Journal
from pricewire.market.market import Market
from pricewire.market.pips import Integers
from pricewire.protocol.topics import CandlesTopic, TicksTopic, parse_topic
from pricewire.server.gateways.bus_feed import from_hours
from pricewire.server.gateways.market_messages import AskPast, Describe, MarketDescription, Past, Question, Want, Wanted, packed, unpacked
from pricewire.server.gateways.remote_streams import HubOfGateways
from pricewire.server.gateways.subjects import SYNC_S, questions

logger = logging.getLogger(__name__)

KEPT_S = 30.0
"""
How long what was read of the journal is answered from, in seconds: far less than the bus reaches back, which brings what came since.
"""

LOOK_S = 0.02
"""How often it is looked of which instruments nobody knows the price, in seconds: so long others may trade at the old one."""

MOST_TICKS = 20_000
"""How many ticks an answer has at most: a message of NATS has 1 MiB."""


class MarketService:
    """
    Answers processes with trading.

    Args:
        market: the market.
        journal: returns its journal.
        bus: the bus, which this process writes.
        stream: the stream of JetStream with the frames.
        hub: knows the topics that they want.
    """

    def __init__(self, market: Market, journal: Callable[[], Journal | None], bus: NatsBus, stream: str, hub: HubOfGateways) -> None:
        self._market = market
        self._journal = journal
        self._bus = bus
        self._stream = stream
        self._hub = hub
        self._decoder = msgspec.msgpack.Decoder(Question)
        self._tasks: set[asyncio.Task[None]] = set()
        # What was read of the journal last: who asks, asks for one instrument after another, and in parts.
        self._ticks: dict[str, PastTicks] = {}
        self._ticks_from_ms = LATEST_MS
        self._read_at = float("-inf")
        self._reading = asyncio.Lock()

    @contextlib.asynccontextmanager
    async def answering(self, client: Client) -> AsyncIterator[None]:
        """Answer within the block."""
        subscription = await client.subscribe(questions(self._stream), cb=self._on_question)
        async with (
            running(self._look_for_silence(), "interest watch"),
            running(self._tell_what_is_closed(), "watch of closed markets"),
        ):
            try:
                yield
            finally:
                with contextlib.suppress(nats.errors.Error, OSError):
                    await subscription.unsubscribe()
                if self._tasks:
                    await asyncio.wait(self._tasks)

    async def _on_question(self, message: Msg) -> None:
        # One that was stopped past its lease says nothing: another one answers.
        if self._bus.is_writer:
            self._begin(self._answer(message))

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("a process with trading was not answered", exc_info=error)

    async def _answer(self, message: Msg) -> None:
        answer = await self._answer_to(self._decoder.decode(unpacked(message.data)))
        with contextlib.suppress(nats.errors.Error, OSError):
            await message.respond(packed(answer, message._client.max_payload))

    async def _answer_to(self, question: Question) -> MarketDescription | Past | Wanted:
        match question:
            case Describe():
                return self._describe()
            case AskPast():
                return await self._past(question)
            case Want():
                self._hub.want(question.process, list(filter(self._is_published, question.topics)))
                await self._bus.flush()
                return Wanted(self._bus.position)

    def _is_published(self, name: str) -> bool:
        """Return whether a topic is one of candles that this market has: after a restart there may be others than trading knows."""
        topic = parse_topic(name)
        return isinstance(topic, CandlesTopic) and topic.instrument_id in {each.id for each in self._market.instruments()}

    def _describe(self) -> MarketDescription:
        market = self._market
        volatilities, intervals_ms, recordings, hours = dict[str, float](), dict[str, float](), list[str](), {}
        instruments = market.instruments()
        for instrument in instruments:
            feed = market.feed(instrument.id)
            if isinstance(feed, FeedWithVolatility) and instrument.id in feed.volatilities:
                volatilities[instrument.id] = feed.volatilities[instrument.id]
            if isinstance(feed, FeedWithIntervals) and instrument.id in feed.intervals_ms:
                intervals_ms[instrument.id] = feed.intervals_ms[instrument.id]
            if isinstance(feed, RecordedFeed) and feed.is_recording:
                recordings.append(instrument.id)
            if (known := market.hours(instrument.id)) is not None:
                hours[instrument.id] = from_hours(known)
        return MarketDescription(instruments, volatilities, intervals_ms, recordings, hours)

    async def _past(self, question: AskPast) -> Past:
        async with self._reading:
            journal = self._journal()
            if journal is not None and (question.from_ms < self._ticks_from_ms or time.monotonic() - self._read_at > KEPT_S):
                self._ticks, self._ticks_from_ms = await asyncio.to_thread(journal.read, question.from_ms), question.from_ms
                self._read_at = time.monotonic()
        past = self._ticks.get(question.instrument_id)
        if past is None:
            return Past((b"", b"", b"", b""), is_all=True)
        first, last = (int(np.searchsorted(past.epoch_ms, question.from_ms, side)) for side in ("left", "right"))
        # This journal may have fewer of the first time: the other one was killed before it could publish one.
        begin = min(first + question.known, last)
        part = slice(begin, begin + MOST_TICKS)
        return Past(columns_of(past, part), is_all=len(past.epoch_ms) <= begin + MOST_TICKS)

    async def _tell_what_is_closed(self) -> None:
        """Tell whoever trades of which instruments nobody knows the price: the bus brings nothing of these until the next tick."""
        told: dict[str, int] = {}
        while True:
            market = self._market
            for instrument_id in [each.id for each in market.instruments()] if market.journal_failure else market.without_prices():
                # Ticks that wait for the journal may still come after this.
                recorded = market.recorded[instrument_id]
                if told.get(instrument_id) != recorded:
                    told[instrument_id] = recorded
                    self._bus.close(str(TicksTopic(instrument_id)))
            await asyncio.sleep(LOOK_S)

    async def _look_for_silence(self) -> None:
        while True:
            await asyncio.sleep(SYNC_S)
            self._hub.end_silent()
            if time.monotonic() - self._read_at > KEPT_S:
                self._ticks, self._ticks_from_ms = {}, LATEST_MS


def columns_of(past: PastTicks, part: slice) -> tuple[bytes, bytes, bytes, bytes]:
    """Return some ticks as they are sent."""

    def sent(column: Integers) -> bytes:
        return np.ascontiguousarray(column[part], np.int64).tobytes()

    return sent(past.epoch_ms), sent(past.price), sent(past.ask), sent(past.bid)
