"""Databases of earlier versions are brought to this version's form, with what is in them."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from pricewire.store.accounts import Accounts
from pricewire.store.address import parse_address
from pricewire.store.connections import prepare_engine
from pricewire.store.database import Database
from pricewire.store.migrate import MIGRATIONS
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
