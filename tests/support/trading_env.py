"""A desk with a real market, ledger and SQLite file, whose ticks and clock the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from pricewire.market.hours import TradingHours
from pricewire.market.journal import Journal
from pricewire.market.market import Market
from pricewire.protocol.messages import Candle, Tick
from pricewire.protocol.topics import parse_topic
from pricewire.protocol.trading_messages import PurchaseDetails, PurchaseRequest
from pricewire.store.accounts import Account, Accounts
from pricewire.store.database import Database
from pricewire.store.ledger import Ledger
from pricewire.trading.desk import Desk
from pricewire.trading.limits import TradingLimits
from pricewire.trading.recovery import recover
from pricewire.trading.refusals import Refusals
from support.fake_market import START_MS, FakeClock, running, settle
from support.feeds import GOLD, HandFeed


class Published(msgspec.Struct):
    """What was published."""

    topic: str
    event: str
    key: str | None
    ends: str | None
    data: Any


class TradingEnv:
    """Everything that trades GOLD, and all that was `published`, oldest first."""

    def __init__(
        self,
        database: Database,
        journal: Path,
        ledger_type: type[Ledger] = Ledger,
        *,
        seconds: int = 0,
        limits: TradingLimits | None = None,
        hours: Mapping[str, TradingHours] | None = None,
        flush: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self.database = database
        self.clock = FakeClock((START_MS + seconds * 1000) * 1_000_000)
        self.feed = HandFeed()
        self.market = Market([self.feed], self._take, on_recorded=lambda tick: self.desk.on_tick(tick), hours=hours, clock=self.clock)
        self.accounts = Accounts(database)
        self.journal = Journal(journal, self.market.instruments())
        self.market.write_to(self.journal, {})
        self.ledger = ledger_type(database, self.journal.sync)
        self.refusals = Refusals(self.clock)
        self.desk = Desk(
            self.market, self.ledger, self.accounts, self.publish, clock=self.clock, limits=limits, flush=flush, refusals=self.refusals
        )
        self.published: list[Published] = []
        self._news = asyncio.Event()
        self._given = self._taken = 0

    def publish(self, topic: str, message: Any, *, key: str | None = None, event: str = "message", ends: str | None = None) -> None:
        data = msgspec.json.decode(msgspec.json.encode(message))
        self.published.append(Published(topic, event, key, ends, data))
        self._news.set()

    def _take(self, topic: str, message: Tick | Candle, event: str) -> None:
        if isinstance(message, Tick):
            self._taken += 1
            self._news.set()

    async def give(self, price: str, seconds: float) -> None:
        """Let the time be so many seconds after the start, and a tick come."""
        spot = float(price)
        target = START_MS / 1000 + seconds
        await self.clock.advance(max(0.0, target - self.clock.now_ns() / 1e9))
        self.feed.give(spot - 0.05, spot + 0.05, START_MS + round(seconds * 1000))
        self._given += 1
        await self.until(lambda: self._taken == self._given)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Wait until something holds, looked at whenever something was published."""
        async with asyncio.timeout(30):
            while not holds():
                self._news.clear()
                await self._news.wait()

    async def event(self, name: str) -> Published:
        """Wait for an event by its name; return the first."""
        await self.until(lambda: bool(self.events(name)))
        return self.events(name)[0]

    def events(self, *names: str) -> list[Published]:
        return [each for each in self.published if each.event in names]

    async def listen(self, *topics: str) -> None:
        for text in topics:
            topic = await self.desk.prepare(parse_topic(text))  # type: ignore[arg-type]
            self.desk.first_stream(topic)

    async def list_of(self, text: str) -> Any:
        """Return what a stream of a list of contracts begins with."""
        await self.listen(text)
        self.desk.last_stream(parse_topic(text))  # type: ignore[arg-type]
        return self.published.pop().data

    @asynccontextmanager
    async def open(self) -> AsyncIterator[TradingEnv]:
        """Run the market and the desk; the market has a few ticks from 100.00 to 100.10 behind it, the newest now."""
        now_ms = self.clock.now_ns() // 1_000_000
        await self.desk.restore(await recover(self.ledger, self.journal), self.journal)
        async with running(self.market):
            for number in range(-40, 1):
                price = 100 + 0.1 * (number % 2)
                self.feed.give(price - 0.05, price + 0.05, now_ms + number * 1000)
                self._given += 1
            await self.until(lambda: self._taken == self._given)
            desk = asyncio.create_task(self.desk.run())
            await settle()
            try:
                yield self
            finally:
                desk.cancel()
                await asyncio.wait([desk])
                self.journal.close()


async def open_account(trading_env: TradingEnv, balance: str = "100.00", name: str = "holder") -> Account:
    return await trading_env.accounts.add(name, balance=Decimal(balance))


def order(key: str = "key", product_id: str = "rise_fall", **details: Any) -> PurchaseRequest:
    """Return a request for a contract on GOLD; by default on rising within 15 seconds, for 10.00."""
    chosen = {"instrument_id": GOLD.id, "duration": 15, "duration_unit": "seconds", "stake": "10", "variant": "rise", **details}
    return PurchaseRequest(idempotency_key=key, product_id=product_id, proposal_details=PurchaseDetails(**chosen))  # type: ignore[arg-type]
