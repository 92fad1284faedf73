"""Messages as a server sends them and as a subscription gets them, for the tests of the client."""

from __future__ import annotations

import asyncio

from pricewire.client.topics.conflation import Arrival
from pricewire.client.topics.subscription import Subscription
from pricewire.protocol.messages import Tick
from support.raw_server import PATIENCE

CANDLE_EVENT = (
    b'data: {"event":"candle","subscription_id":"candles:R_100:60","seq":1,"data":{"open_epoch_ms":"60000","open":"1","high":"3",'
    b'"low":"0.5","close":"2","close_epoch_ms":"120000","instrument_id":"R_100","granularity":60}}\n\n'
)


def tick_event(number: int, instrument_id: str = "R_100", *, merged: int = 0, price: str | None = None) -> bytes:
    left_out = f'"merged":{merged},' if merged else ""
    data = f'{{"epoch_ms":"{number}","price":"{price or number}","ask":"2","bid":"1","instrument_id":"{instrument_id}"}}'
    envelope = f'{{"event":"tick","subscription_id":"ticks:{instrument_id}","seq":{number},{left_out}"data":{data}}}'
    return f"id: {number}\ndata: {envelope}\n\n".encode()


def arrival(event: str, topic: str, data: str = "{}", *, merged: int = 0, at: float = 0.0) -> Arrival:
    text = f'{{"event":"{event}","subscription_id":"{topic}","seq":1,"data":{data}}}'
    return Arrival(event, topic, text, merged, at)


async def take(ticks: Subscription[Tick], count: int) -> list[int]:
    async with asyncio.timeout(PATIENCE):
        return [(await anext(ticks)).epoch_ms for _ in range(count)]
