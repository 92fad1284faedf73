"""The services are opened and closed as one, and tell what goes wrong in them."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import httpx2
import pytest

from pricewire.errors import DatabaseError
from pricewire.server.auth.jwks import IssuerKeys
from pricewire.server.auth.service import AuthService
from pricewire.server.publisher import Publisher
from pricewire.server.services import DEMO_BALANCE, Services, TradingSetup, running
from pricewire.store.database import Database
from support.app_server import KEY, RULES, Events, add_account, bearer, open_app_server, purchase, refused
from support.feeds import HandFeed


async def test_it_is_opened_and_closed_without_leftovers(tmp_path: Path) -> None:
    services = Services(
        Publisher([HandFeed()]), TradingSetup(tmp_path / "pricewire.db", tmp_path / "journal", KEY, RULES, demo_account=True)
    )
    before = asyncio.all_tasks()
    for _ in range(2):
        async with services.open():
            assert services.auth is not None
            (account,) = await services.auth.accounts.list()
            assert (account.id, account.balance) == ("demo", DEMO_BALANCE)
    assert asyncio.all_tasks() == before


async def test_a_database_that_cannot_be_opened_is_said_without_its_password(tmp_path: Path) -> None:
    setup = TradingSetup("postgresql://me:secret@127.0.0.1:1/x", tmp_path / "journal", KEY)
    assert "secret" not in repr(setup)
    with pytest.raises(DatabaseError) as raised:
        async with Services(Publisher([HandFeed()]), setup).open():
            pass
    assert "secret" not in str(raised.value)


async def test_what_fails_beside_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def settle() -> None:
        raise ValueError("no")

    async with running(settle()):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    (record,) = caplog.records
    assert record.levelno == logging.CRITICAL
    assert "settle" in record.getMessage()


async def test_the_demo_account_opens_nothing_where_it_is_not_to_be(tmp_path: Path) -> None:
    path = tmp_path / "pricewire.db"
    async with Services(Publisher([HandFeed()]), TradingSetup(path, tmp_path / "journal", KEY, demo_account=True)).open():
        pass
    database = await Database.open(path)
    for is_there in (True, False):
        auth = AuthService(database, KEY, RULES, Publisher([HandFeed()]).hub, demo_account=is_there)
        assert (await auth.log_in("demo", "demo", None) is not None) == is_there
        await auth.aclose()
    await database.close()


def test_who_has_another_issuer_logs_in_there(tmp_path: Path) -> None:
    alice = add_account(tmp_path / "pricewire.db", "alice")
    with open_app_server(tmp_path / "pricewire.db", HandFeed(), keys=IssuerKeys("https://127.0.0.1:1/keys")) as server:
        answer = httpx2.post(f"{server.url}/login", json={"account_id": "alice", "password": "correct horse"})
        assert "another issuer" in refused(answer, 403, "FORBIDDEN")
        refused(httpx2.get(f"{server.url}/v1/accounts", headers=bearer(alice)), 401, "UNAUTHORIZED")


def test_a_stream_of_a_contract_gets_nothing_of_one_that_has_ended(tmp_path: Path) -> None:
    database = tmp_path / "pricewire.db"
    alice = add_account(database, "alice")
    topics = f"/protected/sse?topic=contracts:{alice.uuid}&topic=balance:{alice.uuid}"
    with open_app_server(database) as server:
        with Events(server, topics, alice) as stream:
            body = purchase("one", duration=1, duration_unit="ticks")
            answer = httpx2.post(f"{server.url}/v1/trading/contracts/buy", json=body, headers=bearer(alice), timeout=60)
            assert answer.status_code == 200
            stream.until(lambda data: data["event"] == "contract_settled")
        with Events(server, topics, alice) as stream:
            assert stream.next()[1]["event"] == "balance"
