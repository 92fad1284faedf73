"""The events of accounts, of a process that is killed at any moment: each is published once, in order, whatever was under way."""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from decimal import Decimal
from pathlib import Path

import msgspec
from sqlalchemy import func, select

from pricewire.bus.frames import Published
from pricewire.bus.ring import read
from pricewire.store.accounts import Accounts
from pricewire.store.database import Database
from pricewire.store.tables import contracts, outbox
from pricewire.trading.interfaces import PendingEvent
from pricewire.trading.outbox import REMOVE_S
from support.serving import PATIENCE
from support.trading_env import TradingEnv, open_account, order

SOURCES = Path(__file__).parents[2]
SCRIPT = SOURCES / "tests/support/publish_until_killed.py"
PATHS = f"{SOURCES / 'src'}:{SOURCES / 'tests'}:{SOURCES}"
KILLS = {True: 8, False: 4}
"""How often, of an SQLite file and of a PostgreSQL server's client."""


def published(folder: Path) -> list[Published]:
    """Return all events that the ring has, oldest first."""
    past = read(folder)
    assert past is not None, "nothing has damaged the ring"
    return [record for _, frame in past.frames() for record in frame.records if isinstance(record, Published)]


async def test_each_event_of_an_account_is_published_once_whenever_the_process_is_killed(database_address: str, tmp_path: Path) -> None:
    database = await Database.open(database_address)
    accounts = [(await Accounts(database).add(name, balance=Decimal("100000.00"))).uuid for name in ("alice", "bob", "carol", "dave")]
    kills = KILLS["://" not in database_address]
    await database.close()

    command = [str(SCRIPT), database_address, str(tmp_path), ",".join(accounts), str(kills), "1"]
    program = await asyncio.create_subprocess_exec(sys.executable, *command, env={"PYTHONPATH": PATHS})
    assert await program.wait() == 0

    told = defaultdict[str, list[str]](list)
    balances = dict[str, str]()
    for event in published(tmp_path / "bus"):
        if event.topic.startswith("contracts:") and event.key is None:
            told[msgspec.json.decode(event.json)["contract_id"]].append(event.event)
        elif event.topic.startswith("balance:"):
            balances[event.topic.removeprefix("balance:")] = msgspec.json.decode(event.json)["balance"]

    database = await Database.open(database_address)
    ends = {"sold": "contract_sold", "settled": "contract_settled", "refunded": "contract_settled"}
    rows = await database.rows(select(contracts.c.contract_id, contracts.c.status))
    assert len(rows) > 5 * kills
    assert dict(told) == {contract_id: ["contract_opened", ends[status]] for contract_id, status in rows}
    assert balances == {each.uuid: str(each.balance) for each in await Accounts(database).list()}
    ((left,),) = await database.rows(select(func.count()).select_from(outbox))
    assert left == 0, "who ends in an orderly way leaves nothing to the next one"
    await database.close()


class Bus:
    """A bus that has what was published when the test says so."""

    def __init__(self) -> None:
        self.asked, self.has_all = asyncio.Event(), asyncio.Event()

    async def flush(self) -> None:
        self.asked.set()
        await self.has_all.wait()


def told(pending: list[PendingEvent]) -> list[str]:
    return [each.contract.status for each in pending]


async def test_an_event_stays_in_the_database_until_the_bus_has_it(database: Database, tmp_path: Path) -> None:
    bus = Bus()
    trading_env = TradingEnv(database, tmp_path / "journal", flush=bus.flush)
    account = await open_account(trading_env)
    async with trading_env.open():
        await trading_env.desk.buy(account.uuid, order())
        pending = await trading_env.ledger.pending_events()
        assert told(pending) == ["open"]
        assert pending[0].contract.entry_tick_time is None, "as it was bought, whatever becomes of it"
        await trading_env.clock.advance(REMOVE_S)
        await asyncio.wait_for(bus.asked.wait(), PATIENCE)
        assert told(await trading_env.ledger.pending_events()) == ["open"], "the bus may still lose it"
        bus.has_all.set()
        await trading_env.desk.close()
        assert await trading_env.ledger.pending_events() == []


async def test_an_end_is_in_the_database_with_the_money_that_it_moves(database: Database, tmp_path: Path) -> None:
    bus = Bus()
    trading_env = TradingEnv(database, tmp_path / "journal", flush=bus.flush)
    account = await open_account(trading_env)
    async with trading_env.open():
        await trading_env.desk.buy(account.uuid, order(duration=15))
        for seconds in (1, 6, 11, 16):
            await trading_env.give("101", seconds)
        await trading_env.event("contract_settled")
        assert told(await trading_env.ledger.pending_events()) == ["open", "settled"]
        bus.has_all.set()
        await trading_env.desk.close()
        assert await trading_env.ledger.pending_events() == []
