"""A feed whose ticks the test gives."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from pricewire.market.feed import make_tick
from pricewire.protocol.messages import Instrument, Tick

GOLD = Instrument(id="GOLD", display_name="Gold", categories=["Commodities", "Metals"], pip_size=2)


class HandFeed:
    """A feed of one instrument; `give` is called on the server's loop."""

    def __init__(self, instrument: Instrument = GOLD) -> None:
        self.instruments = [instrument]
        self._ticks = asyncio.Queue[Tick | Exception]()

    def give(self, bid: float, ask: float, epoch_ms: int) -> None:
        self._ticks.put_nowait(make_tick(self.instruments[0], bid=bid, ask=ask, epoch_ms=epoch_ms))

    def fail(self, error: Exception) -> None:
        self._ticks.put_nowait(error)

    async def __aiter__(self) -> AsyncIterator[Tick]:
        while True:
            tick = await self._ticks.get()
            if isinstance(tick, Exception):
                raise tick
            yield tick
