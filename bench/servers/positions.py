"""Pricewire's desk with many open contracts, each account's on a stream of its own."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from bench.machine import Placement
from bench.servers.asgi import AsgiPeer, serve
from pricewire.hub.hub import Hub
from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.market.journal import Journal
from pricewire.market.market import Market
from pricewire.protocol.messages import Tick
from pricewire.protocol.topics import ContractsTopic, parse_topic
from pricewire.server.transport.asgi_types import Receive, Scope, Send
from pricewire.server.transport.event_stream import EventStream
from pricewire.server.transport.serve import keep_from_collector, make_server
from pricewire.store.accounts import Accounts
from pricewire.store.database import Database
from pricewire.store.ledger import Ledger
from pricewire.trading.contracts import Contract
from pricewire.trading.desk import Desk
from pricewire.trading.recovery import Recovered

INSTRUMENT = "R_100"

VARIANTS = [("rise_fall", "rise"), ("rise_fall", "fall"), ("high_low", "higher"), ("touch", "no_touch")]


class Positions(AsgiPeer):
    """
    The server.

    Args:
        placement: which core it runs on.
        accounts: how many accounts there are; `/stream?account=0` is the stream of the first.
        each: how many open contracts each of them has.
    """

    name = "positions"
    label = "Pricewire, positions"

    def __init__(self, placement: Placement, accounts: int, each: int) -> None:
        super().__init__(placement)
        self._numbers = [str(accounts), str(each)]

    def __enter__(self) -> Positions:
        super().__enter__()
        return self

    def tick(self) -> float:
        """Have a tick happen; return how long the desk took for it, in seconds."""
        return self._ask("/tick")["nanoseconds"] / 1e9

    def _start(self) -> None:
        self._start_module("bench.servers.positions", str(self.directory / "trading.sqlite"), *self._numbers)


class Application:
    """The ASGI application: `/stream?account=…`, `/tick`, `/settle`."""

    def __init__(self, path: str, accounts: int, each: int) -> None:
        self._path, self._accounts, self._each = path, accounts, each
        self._hub = Hub(heartbeat=3600.0, on_first_stream=self._first_stream)
        self._market = Market([SimulatedFeed(seed=1, history_s=0)], lambda topic, message, event: None)
        self._uuids: list[str] = []
        self._desk: Desk | None = None
        self._ticks = 0
        self._opening = asyncio.Lock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond."""
        async with self._opening:
            desk = self._desk = self._desk or await self._open()
        if scope["path"] == Positions.path:
            account = int(parse_qs(scope["query_string"].decode())["account"][0])
            topic = await desk.prepare(ContractsTopic(self._uuids[account]))
            await EventStream(self._hub, [str(topic)])(scope, receive, send)
            return
        took = self._tick(desk) if scope["path"] == "/tick" else 0
        await send({"type": "http.response.start", "status": 200, "headers": [(b"connection", b"close")]})
        await send({"type": "http.response.body", "body": json.dumps({"nanoseconds": took}).encode()})

    def _tick(self, desk: Desk) -> int:
        self._ticks += 1
        price = Decimal(125_000 + self._ticks * 7 % 40) / 100
        tick = Tick(INSTRUMENT, time.time_ns() // 1_000_000, price, price + Decimal("0.02"), price - Decimal("0.02"))
        began = time.perf_counter_ns()
        desk.on_tick(tick)
        return time.perf_counter_ns() - began

    async def _open(self) -> Desk:
        database = await Database.open(self._path)
        accounts, journal = Accounts(database), Journal(Path(self._path).with_name("journal"), self._market.instruments())
        opened = await asyncio.gather(*(accounts.add(f"account-{number}", balance=Decimal(1000)) for number in range(self._accounts)))
        self._uuids = [account.uuid for account in opened]
        desk = Desk(self._market, Ledger(database, journal.sync), accounts, self._publish)
        now_ms = time.time_ns() // 1_000_000
        contracts = [contract(number, uuid, now_ms) for number in range(self._each) for uuid in self._uuids]
        await desk.restore([Recovered(each, 0) for each in contracts], journal)
        # As `pricewire serve` does when it has started.
        keep_from_collector()
        return desk

    def _publish(self, topic: str, message: Any, *, key: str | None = None, event: str = "message", ends: str | None = None) -> None:
        self._hub.publish(topic, message, key=key, event=event)

    def _first_stream(self, name: str) -> None:
        topic = parse_topic(name)
        if self._desk is not None and isinstance(topic, ContractsTopic):
            self._desk.first_stream(topic)


def contract(number: int, account_uuid: str, now_ms: int) -> Contract:
    """Return an entered contract that lasts for hours."""
    product_id, variant = VARIANTS[number % len(VARIANTS)]
    return Contract(
        contract_id=f"{number}-{account_uuid}",
        reference_id=f"{number:012d}",
        account_uuid=account_uuid,
        currency="USD",
        product_id=product_id,  # type: ignore[arg-type]
        variant=variant,  # type: ignore[arg-type]
        instrument_id=INSTRUMENT,
        duration=4,
        duration_unit="hours",
        allow_equals=False,
        barrier=None if product_id == "rise_fall" else "+9.50",
        stake=Decimal("10.00"),
        payout=Decimal("19.53"),
        commission=0.012,
        volatility=1.0,
        buy_time=now_ms - 2000,
        expiry_time=now_ms + 4 * 3_600_000,
        entry_tick_time=now_ms - 1000,
        entry_spot=Decimal("1250.00"),
        barrier_price=Decimal("1250.00") if product_id == "rise_fall" else Decimal("1259.50"),
    )


if __name__ == "__main__":
    serve(make_server, Application(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))  # type: ignore[arg-type]
