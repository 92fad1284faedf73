"""
Trades by the whole of the services and is killed, again and again, on the same database and the same ring.

Run as a program with a database's address, a folder, accounts' uuids with commas between them, how often to kill, and a seed. Each life is
a fork of this process, and is ended by SIGKILL at a moment that nothing in it knows of; the last one ends in an orderly way.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
from collections.abc import AsyncIterator
from itertools import count
from pathlib import Path

from pricewire.errors import PricewireError
from pricewire.market.feed import make_tick
from pricewire.protocol.messages import Tick
from pricewire.protocol.topics import parse_topic
from pricewire.protocol.trading_messages import PurchaseDetails, PurchaseRequest
from pricewire.server.publisher import Publisher
from pricewire.server.services import Services, TradingSetup
from support.app_server import KEY
from support.feeds import GOLD

TICK_S = 0.02


class WalkFeed:
    """A feed of GOLD whose price goes up and down."""

    instruments = (GOLD,)

    async def __aiter__(self) -> AsyncIterator[Tick]:
        chance = random.Random(time.time_ns())
        price = 1000.0
        while True:
            price += chance.choice([-0.1, 0.1])
            yield make_tick(GOLD, bid=price - 0.05, ask=price + 0.05, epoch_ms=time.time_ns() // 1_000_000)
            await asyncio.sleep(TICK_S)


def order(key: str, chance: random.Random) -> PurchaseRequest:
    details = PurchaseDetails(
        instrument_id=GOLD.id,
        duration=chance.choice([1, 2, 5, 10]),
        duration_unit="ticks",
        stake="10",
        variant=chance.choice(["rise", "fall"]),
    )
    return PurchaseRequest(idempotency_key=key, product_id="rise_fall", proposal_details=details)


async def trade(services: Services, account_uuid: str, chance: random.Random, over: asyncio.Event) -> None:
    """Buy and sell until it is over, as fast as that goes."""
    desk = services.publisher.desk
    assert desk is not None
    for number in count():
        if over.is_set():
            return
        try:
            bought = await desk.buy(account_uuid, order(f"{os.getpid()}-{number}", chance))
            if chance.random() < 0.3:
                await asyncio.sleep(2 * TICK_S)
                await desk.sell(account_uuid, bought.contract_id)
        except PricewireError:
            # The market opens when some ticks have come; and what has ended cannot be sold.
            await asyncio.sleep(TICK_S)


async def live(address: str, folder: Path, accounts: list[str], output: int, seed: int, seconds: float) -> None:
    publisher = Publisher([WalkFeed()], ring=folder / "bus")
    setup = TradingSetup(address, folder / "journal", KEY)
    services = Services(publisher, setup)
    async with services.open():
        assert publisher.desk is not None
        for account_uuid in accounts[::2]:
            # Somebody listens to some of them.
            await publisher.desk.prepare(parse_topic(f"contracts:{account_uuid}"))  # type: ignore[arg-type]
            publisher.desk.first_stream(parse_topic(f"contracts:{account_uuid}"))  # type: ignore[arg-type]
        over = asyncio.Event()
        chances = [random.Random(seed * 100 + place) for place in range(len(accounts))]
        traders = [asyncio.create_task(trade(services, each, chance, over)) for each, chance in zip(accounts, chances, strict=True)]
        while publisher.desk.purchases < 5:  # noqa: ASYNC110 - the desk says nothing of it
            await asyncio.sleep(TICK_S)
        os.write(output, b".")
        await asyncio.sleep(seconds)
        over.set()
        await asyncio.gather(*traders)
        while publisher.desk.open_contracts or publisher.desk.unsettled_contracts:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(TICK_S)


def main() -> None:
    address, folder, accounts = sys.argv[1], Path(sys.argv[2]), sys.argv[3].split(",")
    kills, seed = int(sys.argv[4]), int(sys.argv[5])
    chance = random.Random(seed)
    for number in range(kills + 1):
        is_last = number == kills
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            asyncio.run(live(address, folder, accounts, writing, seed + number, 0.5 if is_last else 600))
            os._exit(0)
        os.close(writing)
        if os.read(reading, 1) != b".":
            raise RuntimeError("a life has ended by itself")
        os.close(reading)
        if not is_last:
            time.sleep(chance.uniform(0, 0.5))
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if is_last and status:
            raise RuntimeError(f"the last life has failed: {status}")


if __name__ == "__main__":
    main()
