"""Databases of earlier versions are brought to this version's form, with what is in them."""

from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from pricewire.store import tables
from pricewire.store.accounts import Accounts
from pricewire.store.address import parse_address
from pricewire.store.audit import AuditTrail, Operator
from pricewire.store.cashier import Cashier
from pricewire.store.connections import prepare_engine
from pricewire.store.database import Database
from pricewire.store.ledger import Ledger
from pricewire.store.migrate import FORM
from pricewire.store.statements import Statements
from pricewire.store.tables import entries
from pricewire.store.upgrade import MIGRATIONS
from pricewire.trading.contracts import refund
from pricewire.trading.interfaces import PageOf
from support.contract_maker import nothing_to_sync
from support.ledger_rules import check_books
from support.postgres import Postgres


def make(address: str, revision: str, *statements: str) -> None:
    """Make a database of an earlier form, with something in it."""
    engine = sa.create_engine(parse_address(address), poolclass=sa.NullPool)
    prepare_engine(engine, writes=True)
    with engine.begin() as connection:
        config = Config(attributes={"connection": connection})
        config.set_main_option("script_location", str(MIGRATIONS))
        command.upgrade(config, revision)
        for statement in statements:
            connection.execute(sa.text(statement))


def test_the_form_is_that_of_the_newest_migration() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == FORM


def test_a_database_of_this_form_is_opened_without_the_tool_for_migrations(tmp_path: Path) -> None:
    make(str(tmp_path / "new.sqlite"), "head")
    code = "import sys; from pricewire.store.address import parse_address; from pricewire.store.migrate import migrate; "
    code += "migrate(parse_address(sys.argv[1])); print('alembic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "new.sqlite")], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n", "it takes a tenth of what a server needs to start"


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_accounts_of_before_have_tokens_that_are_good_unless_they_are_suspended(
    kind: str, tmp_path: Path, postgres: Postgres
) -> None:
    address = str(tmp_path / "old.sqlite") if kind == "sqlite" else postgres.make("template1")
    columns = """INSERT INTO accounts (uuid, id, type, "group", status, currency, balance)"""
    make(
        address,
        "0001",
        f"{columns} VALUES ('1', 'alice', 'real', 'default', 'active', 'USD', 1250), ('2', 'bob', 'real', 'x', 'suspended', 'USD', 0)",
        "INSERT INTO transactions (account_uuid, kind, amount, balance, epoch_ms) VALUES ('1', 'deposit', 1250, 1250, 1)",
    )
    for _ in range(2):
        database = await Database.open(address)
        accounts = Accounts(database)
        assert [(each.id, str(each.balance), each.generation) for each in await accounts.list()] == [
            ("alice", "12.50", 0),
            ("bob", "0.00", 0),
        ]
        assert [(each.account_uuid, each.is_suspended) for each in await accounts.standings()] == [("2", True)]
        await database.close()
    database = await Database.open(address)
    await Accounts(database).set_password_hash("alice", "x")
    assert [each.generation for each in await Accounts(database).standings()] == [0, 1]
    await database.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_money_of_before_gets_its_other_side(kind: str, tmp_path: Path, postgres: Postgres) -> None:
    address = str(tmp_path / "old.sqlite") if kind == "sqlite" else postgres.make("template1")
    people = "INSERT INTO accounts (uuid, id, type, \"group\", status, currency, balance) VALUES ('{0}', '{0}', 'real', 'x', 'active', {1})"
    terms = "'rise_fall', 'rise', 'GOLD', 10, 'seconds', {false}, {{stake}}, 1953, 0.012, 0.5, 1, 10001".format(
        false="0" if kind == "sqlite" else "false"
    )
    contract = (
        "INSERT INTO contracts (contract_id, reference_id, account_uuid, currency, product_id, variant, instrument_id, duration,"
        " duration_unit, allow_equals, stake, payout, commission, volatility, buy_time, expiry_time, exit_time, proceeds, status)"
        f" VALUES ('{{0}}', '1', '{{1}}', '{{2}}', {terms}, {{end}})"
    )
    booked = (
        "INSERT INTO transactions (account_uuid, contract_id, kind, amount, balance, epoch_ms) VALUES ('{0}', {1}, '{2}', {3}, {4}, {5})"
    )
    make(
        address,
        "0002",
        people.format("alice", "'USD', 10953"),
        people.format("kenji", "'JPY', 4000"),
        people.format("nobody", "'BTC', 0"),
        contract.format("won", "alice", "USD", stake=1000, end="10001, 1953, 'settled'"),
        contract.format("open", "kenji", "JPY", stake=1000, end="NULL, NULL, 'open'"),
        booked.format("alice", "NULL", "deposit", 10000, 10000, 1),
        booked.format("kenji", "NULL", "deposit", 5000, 5000, 2),
        booked.format("alice", "'won'", "purchase", -1000, 9000, 3),
        booked.format("kenji", "'open'", "purchase", -1000, 4000, 4),
        booked.format("alice", "'won'", "payout", 1953, 10953, 5),
    )
    for _ in range(2):
        database = await Database.open(address)
        await check_books(database)
        rows = await database.rows(sa.select(entries).where(entries.c.account.like("house:%")).order_by(entries.c.number))
        assert [(row.account, row.kind, row.amount, row.epoch_ms) for row in rows] == [
            ("house:USD", "deposit", -10000, 1),
            ("house:JPY", "deposit", -5000, 2),
            ("house:USD", "purchase", 1000, 3),
            ("house:JPY", "purchase", 1000, 4),
            ("house:USD", "payout", -1953, 5),
        ]
        acts = await AuditTrail(database).acts(newest=10)
        assert [(act.account_id, act.act, act.author) for act in acts] == [
            ("kenji", "deposit", "pricewire"),
            ("alice", "deposit", "pricewire"),
        ]
        await database.close()
    database = await Database.open(address)
    await Cashier(database).withdraw("alice", Decimal("9.53"), Operator("bo", "paid out"))
    ledger = Ledger(database, nothing_to_sync)
    (opened,) = await ledger.open_contracts()
    await ledger.settle([refund(opened)])
    await check_books(database)
    assert [str(each.balance) for each in await Accounts(database).list()] == ["100.00", "5000", "0E-8"]
    await database.close()


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
async def test_money_of_before_that_was_moved_by_a_clock_that_was_set_back_is_in_order(
    kind: str, tmp_path: Path, postgres: Postgres
) -> None:
    address = str(tmp_path / "old.sqlite") if kind == "sqlite" else postgres.make("template1")
    people = (
        'INSERT INTO accounts (uuid, id, type, "group", status, currency, balance)'
        " VALUES ('{0}', '{0}', 'real', 'x', 'active', 'USD', {1})"
    )
    # An account's times, in the order of its transactions, and what becomes of them.
    times = {"alice": ([10, 60, 20, 60, 59, 70, 5], [10, 60, 60, 60, 60, 70, 70]), "bob": ([20, 30], [20, 30]), "nobody": ([], [])}
    booked = (
        "INSERT INTO transactions (account_uuid, house_account, kind, amount, balance, epoch_ms)"
        " VALUES ('{0}', 'house:USD', 'deposit', 100, {1}, {2})"
    )
    make(
        address,
        "0006_buy_tick",
        *(people.format(uuid, 100 * len(before)) for uuid, (before, _) in times.items()),
        *(booked.format(uuid, 100 * (place + 1), ms) for uuid, (before, _) in times.items() for place, ms in enumerate(before)),
    )
    database = await Database.open(address)
    for uuid, (before, after) in times.items():
        page = await Statements(database).entries(PageOf(uuid, 100, 0, 10**15), frozenset())
        assert [entry.epoch_ms for entry in reversed(page.entries)] == after
        assert [entry.balance for entry in reversed(page.entries)] == [Decimal(place + 1) for place in range(len(before))]
    newest = await database.rows(sa.select(tables.accounts.c.moved_ms).order_by(tables.accounts.c.id))
    assert [row.moved_ms for row in newest] == [70, 30, 0]
    await database.close()
