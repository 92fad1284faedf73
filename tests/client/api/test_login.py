from __future__ import annotations

import asyncio
from collections.abc import Iterator

import httpx2
import pytest

from pricewire import sync
from pricewire.client.api.login import log_in
from pricewire.client.wire import connect
from pricewire.errors import ConnectError, HTTPStatusError
from support.app_server import PASSWORD, add_account, open_app_server
from support.raw_server import PATIENCE, RawServer, status
from support.serving import Serving


@pytest.fixture(scope="module")
def app_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serving]:
    database = tmp_path_factory.mktemp("login") / "pricewire.db"
    add_account(database, "alice")
    with open_app_server(database) as server:
        yield server


async def test_a_login_brings_tokens_and_knows_its_account(app_server: Serving) -> None:
    login = await log_in(app_server.url, "alice", PASSWORD)
    async with asyncio.timeout(PATIENCE), connect(app_server.url, token=login) as wire:
        assert (await wire.balance().snapshot()).currency == "USD"
        first, second = await login(), await login()
    assert first != second
    assert repr(login) == "<Login of alice>"
    (account,) = httpx2.get(f"{app_server.url}/v1/accounts", headers={"Authorization": f"Bearer {second}"}).json()["data"]["accounts"]
    assert login.account_uuid == account["uuid"]


def test_without_await(app_server: Serving) -> None:
    login = sync.log_in(app_server.url, "alice", PASSWORD)
    with sync.connect(app_server.url, token=login) as wire:
        assert wire.balance().snapshot().currency == "USD"
    with pytest.raises(HTTPStatusError):
        sync.log_in(app_server.url, "alice", "wrong")


async def test_who_is_refused_hears_why_and_no_text_has_the_password(app_server: Serving) -> None:
    for account_id in ("alice", "nobody"):
        with pytest.raises(HTTPStatusError, match="no account with this name and password") as raised:
            await log_in(app_server.url, account_id, "hunter2 hunter2")
        assert "hunter2" not in str(raised.value)
    with pytest.raises(ConnectError) as failed:
        await log_in("http://127.0.0.1:1", "alice", "hunter2 hunter2")
    assert "hunter2" not in str(failed.value)
    with pytest.raises(ValueError, match="http://"):
        await log_in("ftp://example.com", "alice", PASSWORD)


async def test_a_client_of_ones_own_and_a_path_before_it() -> None:
    async with RawServer(status("200 OK", body=b'{"token":"abc"}')) as server, httpx2.AsyncClient() as client:
        login = await log_in(f"{server.url}/under/", "alice", PASSWORD, http_client=client)
        assert login.account_uuid is None
        assert [await login(), await login()] == ["abc", "abc"]
        assert not client.is_closed
        with pytest.raises(ValueError, match="give account_uuid"):
            async with connect(server.url, token=login) as wire:
                wire.balance()
    assert {connection.target for connection in server.connections} == {"/under/login"}
