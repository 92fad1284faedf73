"""Publishes the market for processes that trade on it."""

from __future__ import annotations

from pricewire.protocol.messages import Candle, Tick
from pricewire.protocol.topics import TicksTopic
from pricewire.server.publisher import Publisher


class MarketPublisher(Publisher):
    """The market alone: a tick is published when the journal has taken it, as others decide by what is published."""

    def _publish(self, topic: str, message: Tick | Candle, event: str) -> None:
        if isinstance(message, Candle):
            self._show(topic, message, event)

    def _recorded(self, tick: Tick) -> None:
        self._show(str(TicksTopic(tick.instrument_id)), tick, "tick")
