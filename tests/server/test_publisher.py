"""What the publisher shows to streams, and what it tells the desk: every tick once, when it has come."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from typing import Any

from pricewire.bus.nats import NatsBus
from pricewire.bus.nats_connection import NatsAddress
from pricewire.hub.flush_pace import FlushPolicy
from pricewire.market.journal import Journal
from pricewire.server.gateways.gateway import Gateway
from pricewire.server.publisher import Publisher
from pricewire.store.database import Database
from pricewire.store.ledger import Ledger
from support.app_server import Events, add_account, open_app_server
from support.contract_maker import make_purchase
from support.feeds import GOLD, HandFeed

DURATION = 3


def test_a_stream_that_begins_with_a_tick_of_before_is_no_tick_to_a_contract(tmp_path: Path) -> None:
    """A contract in ticks would end a tick too early: whoever listens first after a restart would count one twice."""
    path, feed = tmp_path / "pricewire.db", HandFeed()
    alice = add_account(path, "alice")
    now_ms = time.time_ns() // 1_000_000

    async def leave_behind() -> None:
        database, journal = await Database.open(path), Journal(tmp_path / "journal", [GOLD])
        for moment in (-3000, -1000, 0):
            journal.add("GOLD", now_ms + moment, 10_000, 10_010, 9990)
        terms: dict[str, Any] = {"duration": DURATION, "duration_unit": "ticks"}
        await Ledger(database, journal.sync).buy(make_purchase(alice, buy_time=now_ms - 2000, expiry_time=now_ms + 2000, **terms))
        await database.close()
        journal.close()

    asyncio.run(leave_behind())
    with open_app_server(path, feed) as server, Events(server, f"/protected/sse?topic=contracts:{alice.uuid}", alice) as account:
        for topic in ("ticks:GOLD", "candles:GOLD:60"):
            with Events(server, f"/sse?topic={topic}") as prices:
                prices.next()
        for moment in range(1, DURATION + 1):
            server.call(feed.give, 99, 101 + moment, now_ms + moment)
        settled = account.until(lambda data: data["event"] == "contract_settled")["data"]["contract_details"]
        # The entry is the tick at -1000, and that at 0 is the first after it.
        assert (settled["entry_tick_time"], settled["exit_tick_time"]) == (now_ms - 1000, now_ms + DURATION - 1)


def test_the_hubs_of_a_server_and_of_its_gateways_flush_as_they_are_told() -> None:
    policy = FlushPolicy(max_interval=0.05, target_utilisation=0.5)
    for hub in (Publisher([], flush=policy).hub, Gateway(NatsAddress(("nats://127.0.0.1:9",)), flush=policy).hub):
        assert hub._flusher._pace._policy == policy


async def test_what_is_on_its_way_over_the_bus_is_not_published_again_for_a_first_stream() -> None:
    feed = HandFeed()
    publisher = Publisher([feed])
    # Not open: as one that has not been answered yet.
    publisher.bus = bus = NatsBus(publisher.hub, NatsAddress(("nats://127.0.0.1:9",)), writes="all")
    market = asyncio.create_task(publisher.market.run())
    feed.give(10, 10.02, time.time_ns() // 1_000_000)
    while not publisher.market.taken["GOLD"]:  # noqa: ASYNC110 - nothing tells it
        await asyncio.sleep(0)
    publisher.hub._topics.enter(["ticks:GOLD"])
    market.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await market
    assert len(bus._frames._gathering.records) == 1
