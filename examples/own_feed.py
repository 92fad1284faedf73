"""A feed of one's own: `pricewire serve --feed own_feed:CoinFeed`, in this folder, and prices of COIN flow."""

import asyncio
import random
import time
from collections.abc import AsyncIterator

from pricewire.market.feed import make_tick
from pricewire.protocol.messages import Instrument, Tick


class CoinFeed:
    """A coin is thrown ten times a second, and moves the price up or down."""

    coin = Instrument(id="COIN", display_name="Thrown coin", categories=["Synthetic Index", "Coins"], pip_size=2)
    instruments = (coin,)

    async def __aiter__(self) -> AsyncIterator[Tick]:
        """Yield ticks for ever; a feed of an exchange would connect here, and be called again when it has failed."""
        price = 100.0
        while True:
            price *= random.choice((1.001, 1 / 1.001))
            yield make_tick(self.coin, bid=price - 0.01, ask=price + 0.01, epoch_ms=time.time_ns() // 1_000_000)
            await asyncio.sleep(0.1)
