"""Joins the market, and the desk if there is one, to a bus: publishes their messages, and tells them which topics have streams."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec

from pricewire.bus.bus import Bus
from pricewire.bus.memory import MemoryBus
from pricewire.hub.flush_pace import FLUSH_POLICY, FlushPolicy
from pricewire.hub.hub import Hub
from pricewire.hub.log import LogLimits
from pricewire.market.feed import Feed, PastTicks
from pricewire.market.hours import TradingHours
from pricewire.market.market import Market
from pricewire.market.pips import quantum_of
from pricewire.protocol.free_topics import is_from_outside
from pricewire.protocol.messages import Candle, CandleBody, CandlesHistoryRequest, Tick, TickBody
from pricewire.protocol.topics import (
    GRANULARITIES,
    AccountTopic,
    AdminTopic,
    BalanceTopic,
    CandlesTopic,
    ContractsTopic,
    MarketTopic,
    QuoteTopic,
    TicksTopic,
    parse_topic,
)
from pricewire.server.topic_rules import TopicRules
from pricewire.server.updates_topic import router_of
from pricewire.trading.desk import Desk

logger = logging.getLogger(__name__)


TICK = msgspec.json.Decoder(TickBody)
CANDLE = msgspec.json.Decoder(CandleBody)


class Publisher:
    """
    The market and the hub that carries it.

    Attributes:
        market: instruments, history and the running feeds.
        bus: what is published to, and carries it to the hub.
        hub: the streams.
        desk: gets every tick that is in the journal, and publishes the topics of trading; None without trading.
        on_admin: called with whether anybody listens to the topic `admin`.
        topic_rules: what holds for free topics.

    Args:
        feeds: where prices come from.
        limits: how far the topics' logs reach back.
        hours: when the markets of some instruments are open, instead of what their feeds say.
        heartbeat: after so many seconds of silence a stream gets a comment.
        ring: the folder in which the bus keeps what was published last, for the next process; None for none.
        flush: how long events may wait for others to be written with.
        topic_rules: what holds for free topics.
        make_hub: makes the hub.
    """

    def __init__(
        self,
        feeds: Sequence[Feed],
        *,
        limits: LogLimits | None = None,
        hours: Mapping[str, TradingHours] | None = None,
        heartbeat: float = 15.0,
        ring: Path | None = None,
        flush: FlushPolicy = FLUSH_POLICY,
        topic_rules: TopicRules | None = None,
        make_hub: Callable[..., Hub] = Hub,
    ) -> None:
        self.topic_rules = topic_rules or TopicRules()
        self.desk: Desk | None = None
        self.on_admin: Callable[[bool], None] = lambda is_wanted: None
        self._building: dict[str, CandleBody] = {}
        # The topics that the market or the desk were told to publish.
        self._wanted: set[str] = set()
        self.market = Market(feeds, self._publish, on_recorded=self._recorded, on_stale=self._stale, hours=hours)
        self._limits = limits or LogLimits()
        self.hub = make_hub(
            limits=self._limits_of,
            heartbeat=heartbeat,
            on_first_stream=self._first_stream,
            on_last_stream=self._last_stream,
            # Each process of a server has all of it, by a bus.
            replicated=True,
            flush=flush,
        )
        self.hub.route_by(router_of)
        self.bus: Bus = MemoryBus(self.hub, ring)

    def go_on(self, past: Mapping[str, PastTicks]) -> None:
        """
        Publish the ticks that came after those which an earlier process has published, in the order of their times.

        Called once, before the first tick of this process: streams that come back get them after what they have.

        Args:
            past: the recent ticks of the journal by instrument.
        """
        missed: list[Tick] = []
        for instrument in self.market.instruments():
            ticks = past.get(instrument.id)
            published = self._newest_times(str(TicksTopic(instrument.id)))
            if ticks is not None and published:
                # There may be more of the same time than were published; or fewer, if the journal could not be written.
                begin = int(ticks.epoch_ms.searchsorted(published[0]))
                end = int(ticks.epoch_ms.searchsorted(published[0], "right"))
                # One more than the log holds is enough: then nobody can resume from before them.
                first = max(min(begin + len(published), end), len(ticks.epoch_ms) - self._limits.count - 1)
                missed += ticks_of(ticks, first, quantum_of(instrument.pip_size))
        for tick in sorted(missed, key=lambda tick: tick.epoch_ms):
            self._show(str(TicksTopic(tick.instrument_id)), tick, "tick")
        if missed:
            logger.info("%d ticks are published that came while the server was down", len(missed))

    def _newest_times(self, topic: str) -> list[int]:
        """Return the time of the newest tick that was published, in milliseconds since 1970, as often as there are ticks of that time."""
        times: list[int] = []
        for event in reversed(self.hub.recent_events(topic)):
            epoch_ms = int(TICK.decode(event.json).epoch_ms)
            if times and epoch_ms != times[0]:
                break
            times.append(epoch_ms)
        return times

    async def catch_up(self) -> None:
        """Return when the desk has had every tick that any client may have: at once, as it gets them before the streams do."""

    def begin_trading(self, desk: Desk) -> None:
        """Have every tick given to the desk from now on, and the desk's topics served."""
        self.desk = desk

    async def prepare(self, topic: QuoteTopic | AccountTopic) -> str | None:
        """
        Return the name of a topic of trading in canonical form, ready for a stream to be opened on it, as `Desk.prepare` says.

        None where there is no trading.
        """
        return None if self.desk is None else str(await self.desk.prepare(topic))

    def check(self, topic: TicksTopic | CandlesTopic) -> str:
        """
        Return a topic's name.

        Raises:
            UnknownInstrumentError: no feed has its instrument.
        """
        self.market.instrument(topic.instrument_id)
        return str(topic)

    def _limits_of(self, name: str) -> LogLimits:
        return self.topic_rules.log_limits(name, self._limits)

    def _publish(self, topic: str, message: Tick | Candle, event: str) -> None:
        """Show what the market has just brought."""
        self._show(topic, message, event)

    def _recorded(self, tick: Tick) -> None:
        """Let a tick happen to the contracts. What is not in the journal decides nothing: a restart would not know of it."""
        if self.desk is not None:
            try:
                self.desk.on_tick(tick)
            except Exception:
                # Prices go on: what the market's listener raises would end them.
                logger.exception("the desk has failed at a tick of %s", tick.instrument_id)

    def _show(self, topic: str, message: Tick | Candle, event: str) -> None:
        """Publish a tick or a candle, new or known."""
        if isinstance(message, Tick):
            body: TickBody | CandleBody = TickBody.of(message)
        else:
            body = CandleBody.of(message)
            before = self._building.get(topic, body)
            self._building[topic] = body
            if before.open_epoch_ms != body.open_epoch_ms:
                # Without a key: the next candle must not supersede how this one closed, for a reader that lags or takes its time.
                self.bus.publish(topic, before, event=event)
        # One key: a reader that cannot keep up wants the newest price.
        self.bus.publish(topic, body, key=topic, event=event)

    def _stale(self, instrument_id: str, since_epoch_ms: int) -> None:
        for topic in (TicksTopic(instrument_id), *(CandlesTopic(instrument_id, granularity) for granularity in GRANULARITIES)):
            self.bus.notify(str(topic), "stale", {"topic": str(topic), "since_epoch_ms": str(since_epoch_ms)})

    def _first_stream(self, name: str) -> None:
        if is_from_outside(name):
            # Its publisher is no part of this server.
            return
        topic = parse_topic(name)
        if isinstance(topic, AdminTopic):
            self.on_admin(True)
            return
        if not isinstance(topic, MarketTopic):
            if self.desk is not None:
                self.desk.first_stream(topic)
                self._wanted.add(name)
            return
        self.market.want(topic)
        self._wanted.add(name)
        kept = self.hub.latest_events(name)
        if isinstance(topic, CandlesTopic) and kept and name not in self._building:
            self._go_on_with_candles(name, topic, CANDLE.decode(kept[-1].json))
        elif isinstance(topic, CandlesTopic) and not kept:
            candle = self.market.candle(topic.instrument_id, topic.granularity)
            if candle is not None:
                self._show(name, candle, "candle")
        elif isinstance(topic, TicksTopic) and not kept and not self.hub.on_its_way(name):
            tick = self.market.tick(topic.instrument_id)
            if tick is not None:
                # The desk has had it when it came, or in the journal; or it is of a feed's past, and nobody trades at it.
                self._show(name, tick, "tick")

    def _go_on_with_candles(self, name: str, topic: CandlesTopic, newest: CandleBody) -> None:
        """Publish what has become of the newest candle that an earlier process has published, and the candles since."""
        self._building[name] = newest
        since = CandlesHistoryRequest(
            instrument_id=topic.instrument_id,
            granularity=topic.granularity,
            from_epoch_ms=int(newest.open_epoch_ms),
            count=self._limits.count,
        )
        for candle in self.market.select_candles(since).candles():
            if CandleBody.of(candle) != newest:
                self._show(name, candle, "candle")

    def _last_stream(self, name: str) -> None:
        if is_from_outside(name):
            return
        topic = parse_topic(name)
        # Nobody may have come back to what an earlier process has published.
        was_wanted = name in self._wanted
        self._wanted.discard(name)
        if isinstance(topic, AdminTopic):
            self.on_admin(False)
            self.bus.forget(name)
            return
        if not isinstance(topic, MarketTopic):
            if was_wanted and self.desk is not None:
                self.desk.last_stream(topic)
            if not isinstance(topic, ContractsTopic | BalanceTopic):
                # Contracts and balances are still published; the others have a gap from here on.
                self.bus.forget(name)
            return
        if was_wanted:
            self.market.unwant(topic)
        if isinstance(topic, CandlesTopic):
            # Its candles are no longer published, so its log has a gap from here on.
            self.bus.forget(name)
            self._building.pop(name, None)


def ticks_of(past: PastTicks, first: int, quantum: Decimal) -> Iterator[Tick]:
    """Yield past ticks from one on; `quantum` is one pip as a price."""
    columns = (column[first:].tolist() for column in (past.epoch_ms, past.price, past.ask, past.bid))
    for epoch_ms, price, ask, bid in zip(*columns, strict=True):
        yield Tick(past.instrument_id, epoch_ms, price * quantum, ask * quantum, bid * quantum)
