"""The market of another process as feeds: their ticks are those that the bus brings."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import date
from zoneinfo import ZoneInfo

import msgspec

from pricewire.bus.frames import Closed, Published, Record
from pricewire.market.hours import TradingHours, Weekly
from pricewire.protocol.messages import Instrument, Tick, TickBody
from pricewire.protocol.topics import TicksTopic
from pricewire.server.gateways.market_messages import Hours, MarketDescription

TICK = msgspec.json.Decoder(TickBody)


class BusFeed:
    """
    Some instruments of another process's market.

    The bus brings each tick once and in order, and so does this feed: those that are given to `take`.

    Attributes:
        instruments: the instruments.
        volatilities: the annual volatility of those where it is known.
        intervals_ms: the time between two ticks of those where it is known.
        hours: when the markets of some are open.
        is_recording: whether their prices may be known to others before they come.
        is_away: tells whether nothing comes from the market, not even that there is nothing.

    Args:
        instruments: the instruments.
        description: what is known of them.
        is_recording: whether they are recordings.
    """

    def __init__(self, instruments: Sequence[Instrument], description: MarketDescription, *, is_recording: bool) -> None:
        ids = [instrument.id for instrument in instruments]
        self.instruments = instruments
        self.volatilities: Mapping[str, float] = {each: description.volatilities[each] for each in ids if each in description.volatilities}
        self.intervals_ms: Mapping[str, float] = {each: description.intervals_ms[each] for each in ids if each in description.intervals_ms}
        self.hours: Mapping[str, TradingHours] = {each: to_hours(description.hours[each]) for each in ids if each in description.hours}
        self.is_recording = is_recording
        self.is_away: Callable[[], bool] = lambda: False
        self._ids = {str(TicksTopic(each)): each for each in ids}
        self._news = asyncio.Queue[Tick | Closed]()
        self._closed = set[str]()
        self._goes_on = asyncio.Event()
        self._goes_on.set()

    def pause(self) -> None:
        """Bring no tick until `go_on`: those that come wait."""
        self._goes_on.clear()

    def go_on(self) -> None:
        """Bring the ticks that have waited, and go on."""
        self._goes_on.set()

    def take(self, records: Sequence[Record]) -> None:
        """Bring the ticks among what was published, and know of which instruments nobody knows the price."""
        for record in records:
            if record.topic not in self._ids:
                continue
            if type(record) is Published:
                body = TICK.decode(record.json)
                self._news.put_nowait(Tick(body.instrument_id, int(body.epoch_ms), body.price, body.ask, body.bid))
            elif type(record) is Closed:
                self._news.put_nowait(record)

    def is_holding(self, instrument_id: str) -> bool:
        """Return whether nobody knows the price of an instrument: its market has said so, or is silent itself."""
        return instrument_id in self._closed or self.is_away()

    async def __aiter__(self) -> AsyncIterator[Tick]:
        """Yield the ticks that come."""
        while True:
            came = await self._news.get()
            await self._goes_on.wait()
            if isinstance(came, Closed):
                self._closed.add(self._ids[came.topic])
            else:
                yield came
                self._closed.discard(came.instrument_id)
            # Only now has the market taken it.
            self._news.task_done()

    async def taken(self) -> None:
        """Wait until the market has taken all that came so far."""
        await self._news.join()


def feeds_of(description: MarketDescription) -> list[BusFeed]:
    """Return the market that is described as feeds."""
    recordings = set(description.recordings)
    played = [each for each in description.instruments if each.id in recordings]
    live = [each for each in description.instruments if each.id not in recordings]
    return [BusFeed(those, description, is_recording=those is played) for those in (live, played) if those]


def to_hours(hours: Hours) -> TradingHours:
    """Return the trading hours of a message."""
    weekly = [Weekly(opens, closes) for opens, closes in hours.weekly]
    return TradingHours(ZoneInfo(hours.zone), weekly, frozenset(map(date.fromisoformat, hours.closed)))


def from_hours(hours: TradingHours) -> Hours:
    """Return trading hours as a message."""
    return Hours(hours.zone.key, [(each.opens, each.closes) for each in hours.weekly], sorted(day.isoformat() for day in hours.closed))
