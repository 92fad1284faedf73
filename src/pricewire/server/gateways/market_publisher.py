"""Publishes the market for processes that trade on it."""

from __future__ import annotations

from typing import Any

from pricewire.protocol.messages import Candle, Tick
from pricewire.protocol.topics import CandlesTopic, TicksTopic, parse_topic
from pricewire.server.publisher import Publisher


class MarketPublisher(Publisher):
    """The market alone: what the journal has not taken is not published, as others decide by what is published."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        """Begin; the arguments are those of `Publisher`."""
        super().__init__(*arguments, **options)
        # The topics of candles that have changed meanwhile.
        self._withheld = set[str]()

    def _publish(self, topic: str, message: Tick | Candle, event: str) -> None:
        if isinstance(message, Candle):
            self._show(topic, message, event)

    def _recorded(self, tick: Tick) -> None:
        self._show(str(TicksTopic(tick.instrument_id)), tick, "tick")

    def _show(self, topic: str, message: Tick | Candle, event: str) -> None:
        if isinstance(message, Tick):
            super()._show(topic, message, event)
        elif self.market.journal_failure:
            self._withheld.add(topic)
        elif topic in self._withheld:
            self._withheld.discard(topic)
            known, newest = parse_topic(topic), self._building.get(topic)
            if newest is None or not isinstance(known, CandlesTopic):
                super()._show(topic, message, event)
            else:
                # With those that were closed meanwhile.
                self._go_on_with_candles(topic, known, newest)
        else:
            super()._show(topic, message, event)
