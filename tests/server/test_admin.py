"""What operators see and do: the topic `admin`, its scope, its address, and the drain."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.server.app import create_app
from pricewire.server.auth.tokens import ADMIN, READ, TRADE
from pricewire.server.limits import Limits
from pricewire.server.services import TradingSetup
from pricewire.store.accounts import Account
from support.app_server import KEY, RULES, TOKENS, Events, Scene, add_account, bearer, log_in, refused, with_accounts
from support.serving import Reader, Serving

STREAM = "/protected/sse?topic=admin"

stopped = threading.Event()


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A server with trading, and a limit of exposure, which calls `stopped` instead of stopping."""
    limits = Limits(exposure_per_instrument={"USD": Decimal(5000)})
    with Scene.open(tmp_path_factory, stop=stopped.set, limits=limits) as scene:
        yield scene


def token(account: Account, *scopes: str, lifetime: float = 60.0) -> str:
    return TOKENS.issue(account.uuid, frozenset(scopes), lifetime=lifetime)


def report(stream: Events) -> Any:
    """Return the data of the next report."""
    return stream.until(lambda data: data.get("event") == "admin")["data"]


def test_an_operator_sees_the_server(scene: Scene) -> None:
    scene.buy("seen-by-operators", stake="10")
    with (
        Events(scene.server, "/sse?topic=ticks:R_100&topic=ticks:R_50"),
        Events(scene.server, "/sse?topic=ticks:R_100"),
        Events(scene.server, STREAM, token(scene.alice, ADMIN)) as stream,
    ):
        assert stream.status == 200
        body = report(stream)
        # Streams of other tests may not have been missed yet.
        while not body["trading"]["accounts"] or body["streams"]["open"] != {"sse": 2, "protected_sse": 1}:
            body = report(stream)
        later = report(stream)
    assert {"topic": "ticks:R_100", "streams": 2} in body["busiest_topics"][:1]
    assert body["streams"]["lagging"] == body["streams"]["dropped"] == body["streams"]["gateways"] == 0
    assert later["traffic"]["published"] > body["traffic"]["published"] > 0
    assert later["epoch_ms"] > body["epoch_ms"] > body["started_epoch_ms"]
    assert 0 <= body["loop_delay"]["mean_ms"] <= body["loop_delay"]["longest_ms"]
    assert [(feed["name"], feed["instruments"], feed["open"], feed["silent"]) for feed in body["feeds"]] == [
        ("SimulatedFeed (R_10, R_25, R_50, …)", 10, 10, [])
    ]
    assert abs(body["feeds"][0]["newest_epoch_ms"] - body["epoch_ms"]) < 60_000
    assert body["trading"]["open_contracts"] == body["trading"]["purchases"] == 1
    (exposure,) = body["trading"]["exposure"]
    assert (exposure["instrument_id"], exposure["currency"], exposure["limit"]) == ("1HZ100V", "USD", "5000")
    assert 5 < float(exposure["may_win"]) < 20
    (accounts,) = body["trading"]["accounts"]
    assert (accounts["accounts"], accounts["suspended"], accounts["balance"]) == (1, 0, "9990.00")
    assert (body["can_drain"], body["is_draining"], body["problems"]) == (True, False, [])


def test_refusals_are_told(scene: Scene) -> None:
    scene.get("/sse?topic=ticks:")
    with Events(scene.server, STREAM, token(scene.alice, ADMIN)) as stream:
        assert report(stream)["refusals"]["parameters"] >= 1


@pytest.mark.parametrize("path", ["/sse?topic=admin", STREAM, "/protected/sse?topic=ticks:R_100&topic=admin"])
def test_nobody_else_sees_it(scene: Scene, path: str) -> None:
    refused(scene.get(path), 401, "UNAUTHORIZED")
    # A login gives what traders need, and no more.
    refused(scene.get(path, log_in(scene.server, "alice")), 403, "FORBIDDEN")
    answer = scene.get(path, token(scene.alice, READ, TRADE))
    assert "'admin'" in refused(answer, 403, "FORBIDDEN")
    assert 'error="insufficient_scope", scope="admin"' in answer.headers["www-authenticate"]


def test_no_open_stream_is_given_it_without_the_scope(scene: Scene) -> None:
    reads = token(scene.alice, READ)
    with Events(scene.server, "/protected/sse?topic=ticks:R_100", reads) as stream:
        refused(scene.change(stream, reads, add=["admin"]), 403, "FORBIDDEN")
        # The stream would get it by a token that may, and lives by that token then.
        assert scene.change(stream, token(scene.alice, READ, ADMIN), add=["admin"]).status_code == 200
        assert report(stream)["version"]
        refused(scene.change(stream, reads), 403, "FORBIDDEN")
    with Events(scene.server, "/sse?topic=ticks:R_100") as public:
        refused(scene.change(public, token(scene.alice, ADMIN), add=["admin"]), 401, "UNAUTHORIZED")


def test_an_operators_token_is_for_nothing_else(scene: Scene) -> None:
    operator = token(scene.alice, ADMIN)
    for path in (f"/protected/sse?topic=balance:{scene.alice.uuid}", "/v1/accounts", "/v1/accounting/balance/stream"):
        refused(scene.get(path, operator), 403, "FORBIDDEN")
    refused(scene.post("/v1/tickets", operator), 403, "FORBIDDEN")


def test_a_stream_ends_with_its_token(scene: Scene) -> None:
    operator = token(scene.alice, ADMIN)
    with Events(scene.server, STREAM, operator) as stream:
        report(stream)
        assert scene.post("/v1/logout", operator).status_code == 200
        assert stream.wait_for("error")["error"]["code"] == "TOKEN_REVOKED"
    refused(scene.get(STREAM, operator), 401, "UNAUTHORIZED")


def test_a_suspended_operator_sees_nothing_more(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Scene.open(tmp_path_factory) as other, Events(other.server, STREAM, token(other.alice, ADMIN)) as stream:
        report(stream)
        with_accounts(other.database, lambda accounts: accounts.set_status("alice", "suspended"))
        assert stream.wait_for("error")["error"]["code"] == "TOKEN_REVOKED"


def test_nothing_is_reported_where_nobody_listens(tmp_path_factory: pytest.TempPathFactory) -> None:
    database = tmp_path_factory.mktemp("quiet") / "pricewire.db"
    alice = add_account(database, "alice")
    app = create_app([SimulatedFeed(seed=1, rate=20)], trading=TradingSetup(database, database.with_name("journal"), KEY, RULES))
    with Serving(app) as server:
        for _ in range(2):
            with Events(server, STREAM, token(alice, ADMIN)) as stream:
                report(stream)
                assert reporting(server) == 2
            with Events(server, "/sse?topic=ticks:1HZ100V") as other:
                while reporting(server):
                    other.next()


def reporting(server: Serving) -> int:
    """Return how many tasks are at work on reports."""
    return server.call(lambda: sum(task.get_name() == "admin report" for task in asyncio.all_tasks()))


def test_a_server_is_drained_by_operators_alone(scene: Scene) -> None:
    drain = "/v1/admin/drain"
    refused(scene.post(drain), 401, "UNAUTHORIZED")
    refused(scene.post(drain, token(scene.alice, READ, TRADE)), 403, "FORBIDDEN")
    assert not stopped.is_set()
    with Events(scene.server, "/sse?topic=ticks:R_100"):
        answer = scene.post(drain, token(scene.alice, ADMIN))
    assert answer.status_code == 202
    assert answer.json()["data"]["streams"] >= 1
    assert stopped.is_set()


def test_a_server_that_nothing_can_stop_says_so(tmp_path_factory: pytest.TempPathFactory) -> None:
    with Scene.open(tmp_path_factory) as scene:
        operator = token(scene.alice, ADMIN)
        assert scene.post("/v1/admin/drain", operator).status_code == 404
        with Events(scene.server, STREAM, operator) as stream:
            assert report(stream)["can_drain"] is False


def test_where_operators_have_an_address_it_is_nowhere_else(tmp_path_factory: pytest.TempPathFactory) -> None:
    """No listener is at the port here: what is asked for at another one is what counts."""
    with Scene.open(tmp_path_factory, admin_port=1, stop=stopped.set) as scene:
        operator = token(scene.alice, ADMIN)
        stopped.clear()
        for path in ("/admin", "/metrics", "/readyz", "/v1/admin/drain"):
            for spelled in (path, f"{path}/", f"{path}//", f"/{path}", path.replace("/", "//")):
                for method in ("GET", "POST"):
                    with Reader(scene.server.url, spelled, method=method, headers={"Content-Length": "0", **bearer(operator)}) as reader:
                        assert reader.read_head()[0] == 404, (method, spelled)
        assert not stopped.is_set()
        assert "an address of their own" in refused(scene.get(STREAM, operator), 400, "INVALID_PARAMETERS")
        with Events(scene.server, "/protected/sse?topic=ticks:R_100", operator) as stream:
            refused(scene.change(stream, operator, add=["admin"]), 400, "INVALID_PARAMETERS")


def test_a_server_without_tokens_has_nothing_for_operators(server: Any) -> None:
    assert httpx2.get(f"{server.url}/admin").status_code == 404
    refused(httpx2.get(f"{server.url}/sse?topic=admin"), 400, "INVALID_PARAMETERS")
