"""Publishes the market for processes that trade on it."""

from __future__ import annotations

from pricewire.protocol.messages import Candle, Tick
from pricewire.server.publisher import Publisher


class MarketPublisher(Publisher):
    """The market alone: what the journal has not taken is not published, as others decide by what is published."""

    def _publish(self, topic: str, message: Tick | Candle, event: str) -> None:
        if not self.market.journal_failure:
            super()._publish(topic, message, event)
