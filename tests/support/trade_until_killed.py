"""
Trades and moves money without an end and is killed, again and again, on the same database; then prints what was answered.

It prints one JSON array for each answer.

Run as a program with a database's address, the journal's folder, an account's uuid, how often to kill, and a seed. Each life is a
fork of this process, so that it begins at once, and is ended by SIGKILL at a moment that nothing in it knows of.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
from decimal import Decimal
from itertools import count
from pathlib import Path

from pricewire.errors import ContractNotSellableError
from pricewire.market.journal import Journal
from pricewire.protocol.messages import Instrument, Tick
from pricewire.store.audit import Operator
from pricewire.store.cashier import Cashier
from pricewire.store.database import Database
from pricewire.store.ledger import Ledger
from pricewire.trading.contracts import Contract, sell
from pricewire.trading.interfaces import Purchase
from pricewire.trading.recovery import decide, recover
from support.contract_maker import make_open

TRADERS = 6
TICK_S = 0.005

LONG_MS = 2000
"""How long one in five contracts lasts, in milliseconds: on a busy machine the others end before they can be sold."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Life:
    """One life of a trading process: ticks, traders, what the desk does with each tick, and an operator who moves money."""

    def __init__(self, database: Database, journal: Journal, account_uuid: str, output: int, seed: int) -> None:
        self.journal = journal
        self.cashier = Cashier(database)
        self.ledger = Ledger(database, journal.sync)
        self.account_uuid = account_uuid
        self.output = output
        self.random = random.Random(seed)
        self.seen: list[Tick] = []
        self.open = dict[str, Contract]()

    def say(self, *answer: object) -> None:
        os.write(self.output, json.dumps(answer, default=str).encode() + b"\n")

    async def run(self, unanswered: list[str]) -> None:
        for each in await recover(self.ledger, self.journal):
            self.open[each.contract.contract_id] = each.contract
        if self.open:
            first_ms = min(contract.buy_time for contract in self.open.values())
            self.seen = await self.journal.between("GOLD", first_ms - 60_000, now_ms())
        for key in unanswered:
            await self.buy(key)
        async with asyncio.TaskGroup() as group:
            group.create_task(self.market())
            group.create_task(self.journal.run())
            group.create_task(self.operate())
            for number in range(TRADERS):
                group.create_task(self.trade(f"{os.getpid()}-{number}"))

    async def buy(self, key: str) -> Contract:
        contract = make_open(self.account_uuid, now_ms(), self.random.choice([10, 50, 100, 150, LONG_MS]))
        self.say("asked", key)
        bought = await self.ledger.buy(Purchase(contract, key, "digest"))
        self.say("bought", key, bought.contract.contract_id)
        if not bought.is_repeated:
            self.open[bought.contract.contract_id] = bought.contract
        return bought.contract

    async def trade(self, name: str) -> None:
        for number in count():
            await self.buy(f"{name}-{number}")
            if self.random.random() < 0.5:
                await asyncio.sleep(self.random.uniform(0, 0.05))
                await self.sell()

    async def sell(self) -> None:
        entered = [contract for contract in self.open.values() if contract.entry_tick_time is not None]
        if not entered:
            return
        contract = self.random.choice(entered)
        contract_id = contract.contract_id
        sold = sell(contract, Decimal(self.random.randint(1, 1900)).scaleb(-2), self.seen[-1], now_ms())
        try:
            closed = await self.ledger.sell(sold)
        except ContractNotSellableError:
            return
        self.open.pop(contract_id, None)
        self.say("sold", contract_id, closed.change)

    async def operate(self) -> None:
        for number in count():
            operator = Operator("bo", f"{os.getpid()}-{number}")
            amount = Decimal(self.random.randint(1, 500)).scaleb(-2)
            await self.random.choice([self.cashier.deposit, self.cashier.withdraw, self.cashier.adjust])("alice", amount, operator)
            self.say("moved", operator.reason)
            await asyncio.sleep(self.random.uniform(0, 0.03))

    async def market(self) -> None:
        while True:
            spot = Decimal(self.random.randint(9_990, 10_010)).scaleb(-2)
            tick = Tick("GOLD", now_ms(), spot, spot, spot)
            pips = int(spot * 100)
            self.journal.add("GOLD", tick.epoch_ms, pips, pips, pips)
            self.seen.append(tick)
            decided = {name: decide(contract, self.seen).contract for name, contract in self.open.items()}
            await self.ledger.enter(
                [contract for name, contract in decided.items() if contract.status == "open" and contract != self.open.get(name)]
            )
            for closed in await self.ledger.settle([contract for contract in decided.values() if contract.status != "open"]):
                self.say(closed.contract.status, closed.contract.contract_id, closed.change)
            for name in decided.keys() & self.open.keys():
                if decided[name].status == "open":
                    self.open[name] = decided[name]
                else:
                    del self.open[name]
            await asyncio.sleep(TICK_S)


async def live(address: str, folder: Path, account_uuid: str, output: int, seed: int, unanswered: list[str]) -> None:
    journal = Journal(folder, [Instrument("GOLD", "Gold", [], 2)])
    await Life(await Database.open(address), journal, account_uuid, output, seed).run(unanswered)


def live_until_killed(
    address: str, folder: Path, account_uuid: str, seed: int, unanswered: list[str], awaited: set[str]
) -> list[list[str]]:
    """Have one life begin and end, not before all kinds of answers came in it that are awaited; return what was answered in it."""
    chance = random.Random(seed)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        asyncio.run(live(address, folder, account_uuid, writing, seed, unanswered))
        os._exit(1)
    os.close(writing)
    with os.fdopen(reading, "rb") as output:
        lines: list[bytes] = []
        least = chance.choice([0, 0, *range(1, 80)])
        missing = set(awaited)
        while len(lines) < least or missing:
            line = output.readline()
            if not line:
                raise RuntimeError("a life has ended by itself")
            lines.append(line)
            missing.discard(json.loads(line)[0])
        time.sleep(chance.uniform(0, 0.02))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        lines += output.readlines()
    return [json.loads(line) for line in lines]


def main() -> None:
    address, folder, account_uuid = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
    kills, seed = int(sys.argv[4]), int(sys.argv[5])
    unanswered: list[str] = []
    happened: set[str] = set()
    for number in range(kills):
        # The last life goes on until everything has happened: on a busy machine the others may have been too short for it.
        awaited = {"sold", "settled"} - happened if number == kills - 1 else set[str]()
        answers = live_until_killed(address, folder, account_uuid, seed + number, unanswered, awaited)
        happened.update(kind for kind, *_ in answers)
        for kind, key, *_ in answers:
            if kind == "asked" and key not in unanswered:
                unanswered.append(key)
            elif kind == "bought":
                unanswered.remove(key)
        for answer in answers:
            sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
