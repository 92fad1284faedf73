"""What is read of the books over both databases: every entry and every closed contract on one page each, however they are asked for."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from pricewire.errors import AccountError
from pricewire.store import statements
from pricewire.store.accounts import Account, Accounts
from pricewire.store.audit import Operator
from pricewire.store.cashier import Cashier
from pricewire.store.database import Database
from pricewire.store.ledger import Ledger
from pricewire.store.statements import Statements, house_totals
from pricewire.store.tables import transactions
from pricewire.trading.contracts import enter, refund, sell, settle
from pricewire.trading.interfaces import EntriesPage, PageOf
from support.contract_maker import BUY_TIME, make_purchase, nothing_to_sync, tick
from support.ledger_rules import check_books

LAST_MS = 10**15
DAY_MS = 86_400_000


@pytest.fixture
async def alice(database: Database) -> AsyncIterator[Account]:
    yield await Accounts(database).add("alice", balance=Decimal("1000.00"))
    await check_books(database)


async def trade(database: Database, account: Account, *ends: str, day: int = 0, **fields: Any) -> list[str]:
    """Buy contracts and end them, each a second later than the one before; return their ids."""
    ledger, ids = Ledger(database, nothing_to_sync), []
    for second, end in enumerate(ends):
        later = day * DAY_MS + second * 1000
        bought = (
            await ledger.buy(make_purchase(account, buy_time=BUY_TIME + later, expiry_time=BUY_TIME + later + 10_000, **fields))
        ).contract
        ids.append(bought.contract_id)
        entered = enter(bought, tick(later + 100), 1000)
        if end == "sold":
            await ledger.sell(sell(entered, Decimal("7.00"), tick(later + 200), BUY_TIME + later + 300))
        elif end != "open":
            settled = refund(bought) if end == "refunded" else settle(entered, tick(later + 9000, "101.00" if end == "won" else "99.00"))
            await ledger.settle([settled])
    return ids


async def all_pages(database: Database, account: Account, limit: int, kinds: frozenset[str] = frozenset()) -> list[EntriesPage]:
    pages: list[EntriesPage] = []
    before = None
    while not pages or before is not None:
        pages.append(await Statements(database).entries(PageOf(account.uuid, limit, 0, LAST_MS, before), kinds))
        before = pages[-1].end
    return pages


async def test_a_statement_has_every_entry_once_newest_first(database: Database, alice: Account) -> None:
    bob = await Accounts(database).add("bob", balance=Decimal("50.00"))
    ids = await trade(database, alice, "won", "lost", "sold", "refunded", "open")
    await trade(database, bob, "won")
    await Cashier(database).withdraw("alice", Decimal("5.00"), Operator("bo", "paid out"))
    (whole,) = await all_pages(database, alice, 100)
    assert whole.currency == "USD"
    assert [(entry.kind, str(entry.amount), str(entry.balance), entry.contract_id, entry.reason) for entry in whole.entries] == [
        ("withdrawal", "-5.00", "981.53", None, "paid out"),
        ("purchase", "-10.00", "986.53", ids[4], None),
        ("refund", "10.00", "996.53", ids[3], None),
        ("purchase", "-10.00", "986.53", ids[3], None),
        ("sale", "7.00", "996.53", ids[2], None),
        ("purchase", "-10.00", "989.53", ids[2], None),
        ("purchase", "-10.00", "999.53", ids[1], None),
        ("payout", "19.53", "1009.53", ids[0], None),
        ("purchase", "-10.00", "990.00", ids[0], None),
        ("deposit", "1000.00", "1000.00", None, "opening balance"),
    ]
    bought = whole.entries[1]
    assert (bought.reference_id, bought.product_id, bought.instrument_id) == (ids[4][:8].upper(), "rise_fall", "GOLD")
    for limit in (1, 3, 5, 9):
        pages = await all_pages(database, alice, limit)
        assert [entry for page in pages for entry in page.entries] == whole.entries
        assert {len(page.entries) for page in pages[:-1]} <= {limit}
        assert pages[-1].entries, "no page is empty"


async def test_a_statement_of_kinds_and_of_a_time(database: Database, alice: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    await trade(database, alice, "won", "lost", "won", "sold", "lost")
    (whole,) = await all_pages(database, alice, 100)
    for scanned in (10_000, 3):
        monkeypatch.setattr(statements, "MOST_SCANNED", scanned)
        for kinds in (frozenset({"payout"}), frozenset({"sale", "deposit"}), frozenset({"deposit", "withdrawal"}), frozenset({"refund"})):
            for limit in (1, 2, 100):
                pages = await all_pages(database, alice, limit, kinds)
                found = [entry for page in pages for entry in page.entries]
                assert found == [entry for entry in whole.entries if entry.kind in kinds], (scanned, kinds, limit)
                assert all(len(page.entries) <= limit for page in pages)

    # Entries that came within a millisecond are told apart on pages, too.
    def same_time(connection: Any) -> None:
        connection.execute(sa.update(transactions).where(transactions.c.kind != "deposit").values(epoch_ms=5000))
        connection.execute(sa.update(transactions).where(transactions.c.kind == "deposit").values(epoch_ms=4000))

    await database.write(same_time)
    pages = await all_pages(database, alice, 2)
    assert [entry.number for page in pages for entry in page.entries] == [entry.number for entry in whole.entries]
    for from_ms, to_ms, count in ((0, 4999, 1), (4000, 4000, 1), (5000, LAST_MS, len(whole.entries) - 1), (5001, LAST_MS, 0)):
        page = await Statements(database).entries(PageOf(alice.uuid, 100, from_ms, to_ms), frozenset())
        assert len(page.entries) == count


async def test_a_statement_stays_in_order_where_the_clock_is_set_back(
    database: Database, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time_ns()
    for hours_ahead, reason in ((0, "before"), (-1, "set back"), (-2, "and again"), (1, "set right")):
        wall = now + hours_ahead * 3_600_000_000_000
        monkeypatch.setattr("time.time_ns", partial(int, wall))
        (known,) = await all_pages(database, alice, 100)
        operator = Operator("bo", reason)
        await Cashier(database).deposit("alice", Decimal("3.00"), operator)
        ids = await trade(database, alice, "won", "lost", "sold", "refunded", "open")
        await Cashier(database).withdraw("alice", Decimal("5.00"), operator)

        (whole,) = await all_pages(database, alice, 100)
        assert (whole.entries[0].reason, whole.entries[1].contract_id, whole.entries[-1].kind) == (reason, ids[-1], "deposit")
        for entry, older in pairwise(whole.entries):
            assert entry.number > older.number
            assert entry.balance == older.balance + entry.amount
            assert entry.epoch_ms >= older.epoch_ms
        pages = await all_pages(database, alice, 4)
        assert [entry for page in pages for entry in page.entries] == whole.entries
        # Who asks from the newest entry on that they know misses none.
        page = await Statements(database).entries(PageOf(alice.uuid, 100, known.entries[0].epoch_ms, LAST_MS), frozenset())
        assert set(page.entries) >= set(whole.entries) - set(known.entries)
    (whole,) = await all_pages(database, alice, 100)
    assert whole.entries[0].epoch_ms == (now + 3_600_000_000_000) // 1_000_000, "it goes by the clock again"


async def test_what_comes_at_once_stays_in_order_whatever_the_clocks_say(
    database: Database, alice: Account, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Processes on several machines have several clocks, and one that waits for the account's row has read its own before."""
    ledger, cashier, chance, now = Ledger(database, nothing_to_sync), Cashier(database), random.Random(1), time.time_ns()
    monkeypatch.setattr("time.time_ns", lambda: now + chance.randrange(3_600_000_000_000))
    for _ in range(3):
        bought = await asyncio.gather(*(ledger.buy(make_purchase(alice)) for _ in range(8)))
        await asyncio.gather(
            *(ledger.settle([refund(each.contract)]) for each in bought),
            *(cashier.deposit("alice", Decimal("1.00"), Operator("bo", "wire")) for _ in range(4)),
        )
    (whole,) = await all_pages(database, alice, 100)
    assert len(whole.entries) == 1 + 3 * (8 + 8 + 4)
    for entry, older in pairwise(whole.entries):
        assert (entry.epoch_ms, entry.number) > (older.epoch_ms, older.number)
        assert entry.balance == older.balance + entry.amount


async def test_closed_contracts_are_paged_as_far_back_as_there_are(database: Database, alice: Account) -> None:
    bob = await Accounts(database).add("bob", balance=Decimal("50.00"))
    await trade(database, bob, "won")
    ids = await trade(database, alice, "won", "open", "lost", "sold", "refunded", "won", "lost")
    ledger_page = await Ledger(database, nothing_to_sync).closed_contracts(alice.uuid, 100)
    assert {contract.contract_id for contract in ledger_page.contracts} == {*ids} - {ids[1]}
    for limit in (1, 2, 4, 100):
        found, before = [], None
        while True:
            page = await Statements(database).closed_contracts(PageOf(alice.uuid, limit, 0, LAST_MS, before))
            found += page.contracts
            assert len(page.contracts) <= limit
            before = page.end
            if before is None:
                break
        assert found == ledger_page.contracts
    middle = ledger_page.contracts[2].exit_time
    assert middle is not None
    page = await Statements(database).closed_contracts(PageOf(alice.uuid, 100, middle, middle))
    assert page.contracts == [contract for contract in ledger_page.contracts if contract.exit_time == middle]


async def test_profit_and_loss_by_day_and_product(database: Database, alice: Account) -> None:
    await trade(database, alice, "won", "lost", "open")
    await trade(database, alice, "won", "sold", "refunded", day=1)
    await trade(database, alice, "won", day=1, product_id="touch", variant="touch", barrier="+0.50", barrier_price=Decimal("100.50"))
    currency, results = await Statements(database).results(alice.uuid, 0, LAST_MS)
    day = BUY_TIME // DAY_MS
    assert currency == "USD"
    assert [(each.day_ms // DAY_MS - day, each.product_id, each.contracts, str(each.stake)) for each in results] == [
        (1, "rise_fall", 3, "30.00"),
        (1, "touch", 1, "10.00"),
        (0, "rise_fall", 2, "20.00"),
    ]
    assert [str(each.proceeds) for each in results][::2] == ["36.53", "19.53"]
    (whole,) = await all_pages(database, alice, 100)
    of_contracts = [entry.amount for entry in whole.entries if entry.contract_id is not None]
    assert sum(each.proceeds - each.stake for each in results) == sum(of_contracts) + 10, "as the entries say, but for the open contract"
    _, first_day = await Statements(database).results(alice.uuid, day * DAY_MS, (day + 1) * DAY_MS - 1)
    assert first_day == results[2:]


async def test_nobody_has_no_statement(database: Database) -> None:
    for reading in (
        Statements(database).entries(PageOf("nobody", 1, 0, LAST_MS), frozenset()),
        Statements(database).closed_contracts(PageOf("nobody", 1, 0, LAST_MS)),
        Statements(database).results("nobody", 0, LAST_MS),
    ):
        with pytest.raises(AccountError, match="no account 'nobody'"):
            await reading


async def test_the_house_has_what_the_accounts_have_not(database: Database, alice: Account) -> None:
    await Accounts(database).add("kenji", currency="JPY", balance=Decimal(5000))
    await trade(database, alice, "lost", "won", "open")
    totals = await house_totals(database)
    assert [(each.currency, str(each.house), str(each.accounts)) for each in totals] == [
        ("JPY", "-5000", "5000"),
        ("USD", "-989.53", "989.53"),
    ]


async def test_every_page_begins_in_an_index_and_reads_no_more_than_it_needs(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "pricewire.db")
    account = await Accounts(database).add("alice")
    books, page = Statements(database), PageOf(account.uuid, 10, 0, LAST_MS, (5, "6"))
    with reads(database) as seen:
        await books.entries(page, frozenset())
        await books.entries(page, frozenset({"sale"}))
        await books.entries(page, frozenset({"deposit"}))
        await books.closed_contracts(page)
        await books.results(account.uuid, 0, LAST_MS)
        await Ledger(database, nothing_to_sync).closed_contracts(account.uuid, 50)

    def plan(connection: Any) -> list[str]:
        return [row[3] for each in seen for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {each[0]}", each[1]).all()]

    plans = await database.read(plan)
    assert not [step for step in plans if step.startswith("SCAN") and "anon_1" not in step]
    assert {
        "SEARCH transactions USING INDEX account_transactions (account_uuid=? AND epoch_ms>? AND epoch_ms<?)",
        "SEARCH transactions USING INDEX account_money (account_uuid=? AND epoch_ms>? AND epoch_ms<?)",
        "SEARCH contracts USING INDEX closed_contracts (account_uuid=? AND exit_time>? AND exit_time<?)",
        "SEARCH contracts USING COVERING INDEX closed_contracts (account_uuid=? AND exit_time>? AND exit_time<?)",
    } <= {*plans}
    await database.close()


@contextmanager
def reads(database: Database) -> Iterator[list[tuple[str, Any]]]:
    """Note the queries of a database and their values."""
    seen: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, values: Any, context: Any, is_many: bool) -> None:
        if statement.startswith("SELECT"):
            seen.append((statement, values))

    engine = database._reading
    sa.event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        sa.event.remove(engine, "before_cursor_execute", note)
