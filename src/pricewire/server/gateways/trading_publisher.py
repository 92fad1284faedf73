"""Joins the desk to a bus whose prices another process publishes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pricewire.bus.frames import Record
from pricewire.bus.nats import NatsBus
from pricewire.market.feed import PastTicks
from pricewire.protocol.messages import Candle, Tick
from pricewire.protocol.topics import CandlesTopic, MarketTopic, parse_topic
from pricewire.server.gateways.bus_feed import BusFeed
from pricewire.server.gateways.market_source import Interest
from pricewire.server.publisher import Publisher


class TradingPublisher(Publisher):
    """
    The desk, and a market whose prices come from the bus and are on it already.

    Attributes:
        feeds: the market of the other process.
        interest: has the market's process publish what streams want.

    Args:
        feeds: the market of the other process.
        interest: what that is told by.
        options: what `Publisher` takes.
    """

    def __init__(self, feeds: Sequence[BusFeed], interest: Interest, **options: Any) -> None:
        super().__init__(feeds, **options)
        self.feeds = feeds
        self.interest = interest

    def take(self, records: Sequence[Record]) -> None:
        """Have the desk get the ticks among what was published."""
        for feed in self.feeds:
            feed.take(records)

    async def catch_up(self) -> None:
        """
        Return when the desk has had every tick that any client may have.

        Raises:
            BusError: the bus does not answer.
        """
        assert isinstance(self.bus, NatsBus), "prices come by it"  # noqa: S101
        await self.bus.catch_up()
        for feed in self.feeds:
            await feed.taken()

    def go_on(self, past: Mapping[str, PastTicks]) -> None:
        """Publish nothing: the market does."""

    def _show(self, topic: str, message: Tick | Candle, event: str) -> None:
        """Publish nothing: the market has."""

    def _stale(self, instrument_id: str, since_epoch_ms: int) -> None:
        """Say nothing: the market does."""

    def _first_stream(self, name: str) -> None:
        topic = parse_topic(name)
        if not isinstance(topic, MarketTopic):
            super()._first_stream(name)
        elif isinstance(topic, CandlesTopic):
            self.interest.add(name)

    def _last_stream(self, name: str) -> None:
        topic = parse_topic(name)
        if not isinstance(topic, MarketTopic):
            super()._last_stream(name)
        elif isinstance(topic, CandlesTopic):
            self.interest.discard(name)
