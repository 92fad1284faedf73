"""Killed at any moment, again and again: nothing answered is lost or doubled, contracts end as the ticks say, the books balance."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from decimal import Decimal
from pathlib import Path

from sqlalchemy import func, select

from pricewire.market.journal import Journal
from pricewire.protocol.messages import Instrument, Tick
from pricewire.store.accounts import Accounts
from pricewire.store.audit import AuditTrail
from pricewire.store.database import Database
from pricewire.store.ledger import Ledger
from pricewire.store.tables import idempotency_keys
from pricewire.trading.contracts import Contract
from pricewire.trading.recovery import recover
from support.contract_maker import BUY_TIME, tick, write
from support.ledger_rules import check_books

SOURCES = Path(__file__).parents[2]
SCRIPT = SOURCES / "tests/support/trade_until_killed.py"
KILLS = {True: 25, False: 8}
"""How often, of an SQLite file and of a PostgreSQL server's client."""


def check_outcome(contract: Contract, life: list[Tick]) -> None:
    """Assert that a contract ended as the ticks of its life in the journal say."""
    if contract.status == "refunded":
        assert len(life) <= 1
    elif contract.entry_tick_time is not None:
        assert (contract.entry_tick_time, contract.entry_spot) == (life[0].epoch_ms, life[0].price)
    if contract.status == "settled":
        assert (contract.exit_tick_time, contract.exit_spot) == (life[-1].epoch_ms, life[-1].price)
        assert contract.proceeds == (contract.payout if life[-1].price > life[0].price else 0)


async def test_killed_at_any_moment_it_goes_on_where_it_was(database_address: str, tmp_path: Path) -> None:
    database = await Database.open(database_address)
    account = await Accounts(database).add("alice", balance=Decimal("1000000.00"))
    kills = KILLS["://" not in database_address]
    await database.close()  # so that an SQLite file is recovered from its log by those that come after a kill

    command = [str(SCRIPT), database_address, str(tmp_path / "journal"), account.uuid, str(kills), "1"]
    program = await asyncio.create_subprocess_exec(
        sys.executable, *command, stdout=asyncio.subprocess.PIPE, env={"PYTHONPATH": f"{SOURCES / 'src'}:{SOURCES / 'tests'}"}
    )
    output, _ = await program.communicate()
    assert program.returncode == 0
    answers = [json.loads(line) for line in output.splitlines()]

    database = await Database.open(database_address)
    journal = Journal(tmp_path / "journal", [Instrument("GOLD", "Gold", [], 2)])
    ledger = Ledger(database, journal.sync)
    in_a_minute = time.time_ns() // 1_000_000 + 60_000
    write(journal, tick(in_a_minute - BUY_TIME))
    assert await recover(ledger, journal) == []
    await check_books(database)
    page = await ledger.closed_contracts(account.uuid, limit=100_000)
    contracts = {contract.contract_id: contract for contract in page.contracts}
    moved = [reason for kind, reason, *_ in answers if kind == "moved"]
    acts = Counter(act.reason for act in await AuditTrail(database).acts(newest=100_000))
    assert moved
    assert {acts[reason] for reason in moved} == {1}, "no movement of money that was answered is lost or doubled"
    bought = {key: contract_id for kind, key, *rest in answers if kind == "bought" for contract_id in rest}
    assert len(bought) > kills
    assert set(bought.values()) <= contracts.keys(), "no purchase that was answered is lost"
    assert len(set(bought.values())) == len(bought), "each key has its contract"
    ((keys,),) = await database.rows(select(func.count()).select_from(idempotency_keys))
    assert keys == len(contracts), "and no contract is without a key"

    ends = {name: (kind, Decimal(change)) for kind, name, *rest in answers if kind in ("sold", "settled", "refunded") for change in rest}
    assert ends.items() <= {name: (contract.status, contract.proceeds) for name, contract in contracts.items()}.items(), "no end is lost"
    recorded = await journal.between("GOLD", 0, in_a_minute)
    for contract in contracts.values():
        check_outcome(contract, [tick for tick in recorded if contract.buy_time < tick.epoch_ms <= contract.expiry_time])
    assert {"sold", "settled"} <= Counter(contract.status for contract in contracts.values()).keys()
    journal.close()
    await database.close()
