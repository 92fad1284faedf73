"""Joins the market, and the desk if there is one, to the hub: publishes their messages, and tells them which topics have streams."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

from pricewire.bus.bus import Publishing
from pricewire.hub.hub import Hub
from pricewire.hub.log import LogLimits
from pricewire.market.feed import Feed
from pricewire.market.market import Market
from pricewire.protocol.messages import Candle, CandleBody, Tick, TickBody
from pricewire.protocol.topics import GRANULARITIES, BalanceTopic, CandlesTopic, ContractsTopic, MarketTopic, TicksTopic, parse_topic
from pricewire.server.topic_logs import log_limits
from pricewire.trading.desk import Desk

logger = logging.getLogger(__name__)


class Publisher:
    """
    The market and the hub that carries it.

    Attributes:
        market: instruments, history and the running feeds.
        hub: the streams.
        bus: what is published to, and carries it to the hub.
        desk: gets every tick that is in the journal, and publishes the topics that are not the market's; None without trading.

    Args:
        feeds: where prices come from.
        limits: how far the topics' logs reach back.
        heartbeat: after so many seconds of silence a stream gets a comment.
        make_hub: makes the hub.
    """

    def __init__(
        self,
        feeds: Sequence[Feed],
        *,
        limits: LogLimits | None = None,
        heartbeat: float = 15.0,
        make_hub: Callable[..., Hub] = Hub,
    ) -> None:
        self.desk: Desk | None = None
        self._building: dict[str, CandleBody] = {}
        self.market = Market(feeds, self._publish, on_stale=self._stale)
        self._limits = limits or LogLimits()
        self.hub = make_hub(
            limits=self._limits_of, heartbeat=heartbeat, on_first_stream=self._first_stream, on_last_stream=self._last_stream
        )
        self.bus: Publishing = self.hub

    def begin_trading(self, desk: Desk) -> None:
        """Have every tick given to the desk from now on, and the desk's topics served."""
        self.desk = desk

    def check(self, topic: TicksTopic | CandlesTopic) -> str:
        """
        Return a topic's name.

        Raises:
            UnknownInstrumentError: no feed has its instrument.
        """
        self.market.instrument(topic.instrument_id)
        return str(topic)

    def _limits_of(self, name: str) -> LogLimits:
        return log_limits(name, self._limits)

    def _publish(self, topic: str, message: Tick | Candle, event: str) -> None:
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
        # What is not in the journal decides nothing: a restart would not know of it.
        if isinstance(message, Tick) and self.desk is not None and not self.market.journal_failure:
            try:
                self.desk.on_tick(message)
            except Exception:
                # Prices go on: what the market's listener raises would end them.
                logger.exception("the desk has failed at a tick of %s", message.instrument_id)

    def _stale(self, instrument_id: str, since_epoch_ms: int) -> None:
        for topic in (TicksTopic(instrument_id), *(CandlesTopic(instrument_id, granularity) for granularity in GRANULARITIES)):
            self.bus.notify(str(topic), "stale", {"topic": str(topic), "since_epoch_ms": str(since_epoch_ms)})

    def _first_stream(self, name: str) -> None:
        topic = parse_topic(name)
        if not isinstance(topic, MarketTopic):
            if self.desk is not None:
                self.desk.first_stream(topic)
            return
        self.market.want(topic)
        if isinstance(topic, CandlesTopic) and not self.hub.latest(name):
            candle = self.market.candle(topic.instrument_id, topic.granularity)
            if candle is not None:
                self._publish(name, candle, "candle")
        elif isinstance(topic, TicksTopic) and not self.hub.latest(name):
            tick = self.market.tick(topic.instrument_id)
            if tick is not None:
                self._publish(name, tick, "tick")

    def _last_stream(self, name: str) -> None:
        topic = parse_topic(name)
        if not isinstance(topic, MarketTopic):
            if self.desk is not None:
                self.desk.last_stream(topic)
            if not isinstance(topic, ContractsTopic | BalanceTopic):
                # Contracts and balances are still published; the others have a gap from here on.
                self.bus.forget(name)
            return
        self.market.unwant(topic)
        if isinstance(topic, CandlesTopic):
            # Its candles are no longer published, so its log has a gap from here on.
            self.bus.forget(name)
            self._building.pop(name, None)
