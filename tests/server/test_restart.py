"""A server that is started again: the simulated prices go on, and contracts are settled by what came while it was down."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
import sqlite3
import time
from contextlib import AbstractContextManager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.market.feeds.simulated.instruments import SIMULATED
from pricewire.market.feeds.simulated.path import SimulatedPath
from pricewire.market.journal import Journal
from pricewire.protocol.messages import Tick
from pricewire.store.accounts import Account
from pricewire.store.audit import Operator
from pricewire.store.cashier import Cashier
from pricewire.store.database import Database
from pricewire.store.ledger import Ledger
from pricewire.trading.contracts import Contract, enter
from support.app_server import Events, add_account, bearer, open_app_server, purchase
from support.contract_maker import make_purchase
from support.serving import Serving

SECRET = bytes(range(32))
FAST_100 = next(each for each in SIMULATED if each.instrument.id == "1HZ100V")
PATH = SimulatedPath(FAST_100, SECRET, 1_000_000_000)

CENT = Decimal("0.01")


def path_of(first_ms: int, last_ms: int) -> list[Tick]:
    """Return what the function says of a span of time."""
    past = PATH.ticks(-(-first_ms // 1000), last_ms // 1000)
    columns = (column.tolist() for column in (past.epoch_ms, past.price, past.ask, past.bid))
    return [Tick("1HZ100V", epoch_ms, price * CENT, ask * CENT, bid * CENT) for epoch_ms, price, ask, bid in zip(*columns, strict=True)]


def prices(ticks: list[Tick]) -> dict[int, Decimal]:
    return {tick.epoch_ms: tick.price for tick in ticks}


def history_of(server: Serving) -> dict[int, Decimal]:
    body = {"instrument_id": "1HZ100V", "count": 5000}
    ticks = httpx2.post(f"{server.url}/v1/market/instruments/ticks/history", json=body, timeout=60).json()["data"]["ticks"]
    return {int(tick["epoch_ms"]): Decimal(tick["price"]) for tick in ticks}


def serve(database: Path, secret: bytes = SECRET) -> AbstractContextManager[Serving]:
    return open_app_server(database, SimulatedFeed(secret=secret, instruments=[FAST_100]))


def live_tick(server: Serving) -> tuple[int, Decimal]:
    """Return the first tick that comes after the snapshot."""
    with Events(server, "/sse?topic=ticks:1HZ100V") as stream:
        stream.next()
        data = stream.next()[1]["data"]
        return int(data["epoch_ms"]), Decimal(data["price"])


def was_down(database: Path, recorded: list[Tick], *contracts: dict[str, Any]) -> list[Contract]:
    """Have a journal with ticks, and a database with open contracts, as a server leaves it that was killed; return the contracts."""

    async def work() -> list[Contract]:
        opened = await Database.open(database)
        journal = Journal(database.with_name("journal"), [FAST_100.instrument])
        for tick in recorded:
            journal.add("1HZ100V", tick.epoch_ms, *(int(price.scaleb(2)) for price in (tick.price, tick.ask, tick.bid)))
        ledger = Ledger(opened, journal.sync)
        made = []
        for fields in contracts:
            bought = await ledger.buy(make_purchase(alice, instrument_id="1HZ100V", **fields))
            made.append(bought.contract)
            entry = next((tick for tick in recorded if tick.epoch_ms > bought.contract.buy_time), None)
            if entry is not None:
                await ledger.enter([enter(bought.contract, entry, 1000)])
        await opened.close()
        journal.close()
        return made

    alice = add_account(database, "alice")
    return asyncio.run(work())


async def nothing() -> None:
    """Bring no ticks to the disk: nothing is written."""


def found(database: Path, contract: Contract) -> Contract:
    async def work() -> Contract:
        opened = await Database.open(database)
        kept = await Ledger(opened, nothing).find(contract.contract_id, contract.account_uuid)
        await opened.close()
        return kept

    return asyncio.run(work())


def test_prices_before_and_after_a_restart_are_one_path_and_never_repeat(tmp_path: Path) -> None:
    database = tmp_path / "pricewire.db"
    with serve(database) as server:
        last_before, price = live_tick(server)
        before = history_of(server) | {last_before: price}
    time.sleep(2)  # so that there is a tick between the two
    with serve(database) as server:
        first_after, price = live_tick(server)
        after = history_of(server)
    assert first_after > last_before
    assert after[first_after] == price
    times = sorted(before | after)
    assert times == list(range(times[0], times[-1] + 1000, 1000)), "there is no gap, and nothing comes twice"
    path = prices(path_of(times[0], times[-1]))
    assert before == {epoch_ms: path[epoch_ms] for epoch_ms in before}
    assert after == {epoch_ms: path[epoch_ms] for epoch_ms in after}


def test_contracts_that_expired_in_the_down_time_are_settled_by_what_came_then(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    database, now_ms = tmp_path / "pricewire.db", time.time_ns() // 1_000_000
    died = now_ms - 600_000
    contracts = was_down(
        database,
        path_of(died - 60_000, died),
        # Entered before, ended meanwhile; bought just before the end, so entered meanwhile; counted in ticks; touched meanwhile.
        {"buy_time": died - 10_500, "expiry_time": died + 200_500},
        {"buy_time": died, "expiry_time": died + 15_000},
        {"buy_time": died - 2500, "expiry_time": died + 7500, "duration_unit": "ticks"},
        {"buy_time": died - 2500, "expiry_time": now_ms + 3_600_000, "product_id": "touch", "variant": "touch", "barrier": "+0.01"},
    )
    with caplog.at_level(logging.INFO), serve(database) as server:
        shown = history_of(server)
    assert "which came while the server was down" in caplog.text
    timed, late, counted, touched = (found(database, contract) for contract in contracts)
    for contract in (timed, late):
        exit_ms = contract.expiry_time // 1000 * 1000
        assert (contract.status, contract.exit_tick_time) == ("settled", exit_ms)
        assert contract.exit_spot == prices(path_of(exit_ms, exit_ms))[exit_ms] == shown[exit_ms]
    first_ms = died // 1000 * 1000 + 1000
    assert (late.entry_tick_time, late.entry_spot) == (first_ms, shown[first_ms])
    assert counted.entry_tick_time is not None
    assert (counted.status, counted.exit_tick_time) == ("settled", counted.entry_tick_time + 10_000)
    life = prices(path_of((touched.entry_tick_time or 0) + 1, now_ms))
    assert touched.touch_time == next((time for time, price in life.items() if price >= (touched.barrier_price or 0)), None)
    # The history shows what they were settled by, and all of it.
    assert prices(path_of(died - 60_000, now_ms - 1000)).items() <= shown.items()


def test_the_down_time_stays_a_gap_where_the_journal_is_of_another_path(tmp_path: Path) -> None:
    database, now_ms = tmp_path / "pricewire.db", time.time_ns() // 1_000_000
    died = now_ms - 600_000
    recorded = path_of(died - 60_000, died)
    (contract,) = was_down(database, recorded, {"buy_time": died - 10_500, "expiry_time": died + 200_500})
    with serve(database, secret=bytes(32)) as server:
        shown = history_of(server)
    settled = found(database, contract)
    assert settled.status == "refunded", "its ticks stayed away for more than two minutes"
    # Nothing is shown of the time that the settlement could not look at.
    assert not [epoch_ms for epoch_ms in shown if recorded[-1].epoch_ms < epoch_ms < now_ms]


def test_a_second_start_fills_up_nothing_twice(tmp_path: Path) -> None:
    database, now_ms = tmp_path / "pricewire.db", time.time_ns() // 1_000_000
    was_down(database, path_of(now_ms - 400_000, now_ms - 300_000))
    with serve(database):
        pass
    with serve(database) as server:
        shown = history_of(server)
    times = sorted(shown)
    assert times == list(range(times[0], times[-1] + 1000, 1000))
    assert shown == prices(path_of(times[0], times[-1]))


def buy(server: Serving, account: Account, key: str, **details: Any) -> str:
    """Buy a contract, and return its id."""
    answer = httpx2.post(f"{server.url}/v1/trading/contracts/buy", json=purchase(key, **details), headers=bearer(account), timeout=60)
    assert answer.status_code == 200, answer.text
    contract_id: str = answer.json()["data"]["contract_id"]
    return contract_id


def test_streams_are_told_what_has_become_of_contracts_and_the_balance_meanwhile(tmp_path: Path) -> None:
    database = tmp_path / "pricewire.db"
    alice = add_account(database, "alice")
    path = f"/protected/sse?topic=contracts:{alice.uuid}&topic=balance:{alice.uuid}&topic=ticks:1HZ100V"
    with serve(database) as server, Events(server, path, alice) as stream:
        live_tick(server)
        ends = buy(server, alice, "ends", duration=5, duration_unit="ticks")
        stream.until(lambda data: data.get("event") == "contract_opened" and data["data"]["contract_id"] == ends)
        balance = stream.until(lambda data: data.get("event") == "balance")["data"]["balance"]
        last_id = stream.last_id
        # What comes after that is lost, as by a SIGKILL between the database and the bus.
        shutil.copytree(tmp_path / "bus", tmp_path / "copy")
        untold = buy(server, alice, "untold", duration=1, duration_unit="hours")
        stream.until(lambda data: data.get("event") == "contract_opened" and data["data"]["contract_id"] == untold)
    shutil.rmtree(tmp_path / "bus")
    shutil.move(tmp_path / "copy", tmp_path / "bus")
    with contextlib.closing(sqlite3.connect(database)) as connection, connection:
        # Which had been removed, as the bus had it then.
        of_it = "SELECT contract_id, expiry_time FROM contracts WHERE contract_id = ?"
        connection.execute(f"INSERT INTO outbox (contract_id, expiry_time) {of_it}", [untold])
    time.sleep(7)  # so that the first one ends while the server is down
    with serve(database) as server, Events(server, f"{path}&last_event_id={last_id}", alice) as stream:
        assert stream.head["pricewire-start"] == "resumed"
        events = list[tuple[str, Any]]()
        while not events or events[-1][0] != "balance":
            data = stream.next()[1]
            events.append((data["event"], data["data"]))
    ticks = [int(data["epoch_ms"]) for event, data in events if event == "tick"]
    assert ticks == list(range(ticks[0], ticks[-1] + 1000, 1000))
    assert len(ticks) > 6, "the ticks of the time when the server was down"
    told = [(event, data["contract_id"]) for event, data in events if event not in ("tick", "balance", "contract_updated")]
    assert told == [("contract_opened", untold), ("contract_settled", ends)], "in the order of their transactions"
    assert Decimal(events[-1][1]["balance"]) == Decimal(balance) + Decimal(events[-1][1]["change"])


def deposit(database: Path, account_id: str, amount: str) -> None:
    """Give an account money, as `pricewire account` does."""

    async def work() -> None:
        opened = await Database.open(database)
        await Cashier(opened).deposit(account_id, Decimal(amount), Operator("bo", "asked for"))
        await opened.close()

    asyncio.run(work())


def test_a_deposit_reaches_streams_that_name_no_account_also_in_the_down_time(tmp_path: Path) -> None:
    database = tmp_path / "pricewire.db"
    alice = add_account(database, "alice", balance="0")
    with serve(database) as server, Events(server, "/protected/sse?topic=balance:*", alice) as stream:
        deposit(database, "alice", "5.00")
        assert stream.next()[1]["data"]["balance"] == "5.00"
        deposit(database, "alice", "2.50")
        second = stream.next()[1]["data"]
        assert (second["balance"], second["change"]) == ("7.50", "2.50")
        last_id = stream.last_id
    deposit(database, "alice", "1.25")
    with serve(database) as server, Events(server, f"/protected/sse?topic=balance:*&last_event_id={last_id}", alice) as stream:
        assert stream.head["pricewire-start"] == "resumed"
        third = stream.next()[1]["data"]
        assert (third["balance"], third["change"]) == ("8.75", "1.25")


def test_a_quote_goes_on_although_it_ends_with_its_last_stream(tmp_path: Path) -> None:
    database = tmp_path / "pricewire.db"
    add_account(database, "alice")
    path = "/sse?topic=proposal:rise_fall:1HZ100V:5:minutes:10:false"
    with serve(database) as server:
        live_tick(server)
        stream = Events(server, path)
        seqs = [stream.next()[1]["seq"] for _ in range(2)]
    with stream, contextlib.suppress(EOFError):
        while True:
            event, data = stream.next()
            seqs += [data["seq"]] if event == "message" else []
    with serve(database) as server, Events(server, f"{path}&last_event_id={stream.last_id}") as stream:
        assert stream.head["pricewire-start"] == "resumed"
        seqs += [stream.next()[1]["seq"] for _ in range(2)]
    assert seqs == list(range(1, len(seqs) + 1))


def test_candles_go_on_where_streams_were(tmp_path: Path) -> None:
    database = tmp_path / "pricewire.db"
    add_account(database, "alice")
    path = "/sse?topic=candles:1HZ100V:60"
    with serve(database) as server, Events(server, path) as stream:
        before = [stream.next()[1] for _ in range(3)]
        last_id = stream.last_id
    with serve(database) as server, Events(server, f"{path}&last_event_id={last_id}") as stream:
        assert stream.head["pricewire-start"] == "resumed"
        after = [stream.next()[1] for _ in range(5)]
    events = [*before, *after]
    seqs = [event["seq"] for event in events]
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    opened: dict[str, Any] = {}
    for number, event in enumerate(events):
        candle = event["data"]
        newest = opened.setdefault(candle["open_epoch_ms"], candle)
        assert newest["open"] == candle["open"]
        assert Decimal(newest["high"]) <= Decimal(candle["high"])
        assert Decimal(newest["low"]) >= Decimal(candle["low"])
        opened[candle["open_epoch_ms"]] = candle
        if number and candle["open_epoch_ms"] != events[number - 1]["data"]["open_epoch_ms"]:
            # Its last event says how it closed, without a key.
            assert events[number - 1]["data"] == events[number - 2]["data"]
    assert list(opened) == sorted(opened)
