"""The surface of trading, beside the session: quotes, lists, tokens that end in a stream."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pricewire.server.app import create_app
from pricewire.server.limits import Limits
from support.app_server import TOKENS, Events, Scene, add_account, bearer, log_in, open_app_server, purchase, refused
from support.feeds import HandFeed
from support.full_disk import full_disk
from support.metrics import metric, wait_until
from support.serving import Serving


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with Scene.open(tmp_path_factory, limits=Limits(streams_per_account=8)) as scene:
        yield scene


@contextmanager
def expiring(scene: Scene, path: str) -> Iterator[Events]:
    """Open a stream whose token ends soon: as soon as this machine is quick enough to open it before."""
    for lifetime in (0.5, 2.0, 8.0, 32.0):
        with Events(scene.server, path, TOKENS.issue(scene.alice.uuid, lifetime=lifetime)) as stream:
            if stream.status == 200:
                yield stream
                return
    pytest.fail("no stream was opened within half a minute")


def test_a_stream_ends_with_its_token(scene: Scene) -> None:
    with expiring(scene, f"/protected/sse?topic=balance:{scene.alice.uuid}") as stream:
        assert stream.next()[1]["event"] == "balance"
        assert stream.wait_for("error")["error"]["code"] == "TOKEN_EXPIRED"
        assert stream.read_to_end().endswith(b"0\r\n\r\n")


def test_a_public_stream_with_a_token_ends_with_it_too(scene: Scene) -> None:
    with expiring(scene, "/sse?topic=ticks:R_10") as stream:
        assert stream.wait_for("error")["error"]["code"] == "TOKEN_EXPIRED"


def test_a_stream_is_renewed_by_a_fresh_token(scene: Scene) -> None:
    with Events(scene.server, "/protected/sse?topic=ticks:R_10", TOKENS.issue(scene.alice.uuid, lifetime=2.0)) as stream:
        url = f"{scene.server.url}/v1/streams/{stream.head['pricewire-stream']}"
        shorter = httpx2.patch(url, json={}, headers=bearer(TOKENS.issue(scene.alice.uuid, lifetime=1.0))).json()["data"]
        longer = httpx2.patch(url, json={}, headers=bearer(scene.alice)).json()["data"]
        assert shorter["topics"] == longer["topics"] == ["ticks:R_10"]
        assert shorter["expires_at"] < longer["expires_at"]
        assert stream.wait_for("changed") == shorter
        assert stream.wait_for("changed") == longer
        until = time.time() + 2.5
        assert stream.until(lambda data: int(data["data"]["epoch_ms"]) > until * 1000)


def test_logging_out_ends_the_streams_of_the_token_and_no_others(scene: Scene) -> None:
    token = log_in(scene.server, "alice")
    path = f"/protected/sse?topic=balance:{scene.alice.uuid}"
    with Events(scene.server, path, token) as mine, Events(scene.server, path, scene.alice) as other:
        ticket = httpx2.post(f"{scene.server.url}/v1/tickets", headers=bearer(token)).json()["data"]["ticket"]
        assert httpx2.post(f"{scene.server.url}/v1/logout", headers=bearer(token)).json() == {"data": {}}
        assert mine.wait_for("error")["error"]["code"] == "TOKEN_REVOKED"
        refused(scene.get("/v1/accounts", token), 401, "UNAUTHORIZED")
        refused(scene.get(f"{path}&ticket={ticket}"), 401, "UNAUTHORIZED")
        scene.buy("after-logout")
        assert other.until(lambda data: data["data"]["change"] == "-10.00")


def test_logging_out_at_one_server_ends_the_streams_at_another_with_the_same_database(tmp_path: Path) -> None:
    # One of its own: of two servers with a bus, the one that comes later trades on it.
    database = tmp_path / "pricewire.db"
    alice = add_account(database, "alice")
    token = TOKENS.issue(alice.uuid)
    with (
        open_app_server(database, HandFeed()) as server,
        open_app_server(database, HandFeed(), journal=tmp_path / "other") as other,
        Events(other, f"/protected/sse?topic=balance:{alice.uuid}", token) as stream,
    ):
        assert httpx2.post(f"{server.url}/v1/logout", headers=bearer(token)).status_code == 200
        assert stream.wait_for("error")["error"]["code"] == "TOKEN_REVOKED"
        refused(httpx2.get(f"{other.url}/v1/accounts", headers=bearer(token)), 401, "UNAUTHORIZED")


def test_a_ticket_opens_a_stream_that_lives_as_long_as_its_token(scene: Scene) -> None:
    token = TOKENS.issue(scene.alice.uuid, lifetime=4.0)
    answer = httpx2.post(f"{scene.server.url}/v1/tickets", headers=bearer(token))
    assert answer.headers["cache-control"] == "no-store"
    ticket = answer.json()["data"]["ticket"]
    with Events(scene.server, f"/v1/accounting/balance/stream?ticket={ticket}") as stream:
        assert stream.status == 200
        assert stream.read_to_end().endswith(b"0\r\n\r\n")
    with Events(scene.server, f"/v1/accounting/balance/stream?ticket={ticket}") as again:
        assert again.status == 401


def test_an_account_has_so_many_streams_from_wherever(scene: Scene) -> None:
    streams = [Events(scene.server, "/protected/sse?topic=ticks:R_10", scene.alice) for _ in range(9)]
    assert [stream.status for stream in streams] == [200] * 8 + [429]
    assert "this account has 8 streams" in str(streams[8].received)
    for stream in streams:
        stream.socket.close()


def test_a_product_and_an_instrument_that_are_not_there_have_no_form(scene: Scene) -> None:
    refused(scene.get("/v1/market/products/config?product_id=none"), 400, "INVALID_PARAMETERS")
    refused(scene.get("/v1/market/products/config?product_id=touch&instrument_id=NONE"), 404, "NOT_FOUND")
    refused(scene.get("/v1/market/instruments?product_id=none"), 400, "INVALID_PARAMETERS")


def test_all_who_ask_for_the_same_contract_share_its_topic(scene: Scene) -> None:
    paths = ["proposal:high_low:R_100:5:minutes:10.00:false:+0.50", "proposal:high_low:R_100:5:minutes:10:false:%2B0.5"]
    topics = []
    for path in paths:
        with Events(scene.server, f"/sse?topic={path}") as stream:
            first = stream.until(lambda data: "subscription_id" in data)
            topics.append(first["subscription_id"])
            assert first["event"] == "proposal"
            assert [each["variant"] for each in first["data"]["variants"]] == ["higher", "lower"]
    assert topics[0] == topics[1]


def test_a_quote_comes_with_every_tick_and_is_computed_for_nobody_no_more(scene: Scene) -> None:
    query = "product_id=touch&instrument_id=1HZ100V&duration=10&duration_unit=minutes&stake=20&barrier=%2B5"
    with Events(scene.server, f"/v1/trading/proposal/stream?{query}") as stream:
        spots = [stream.next()[1]["data"]["variants"][0]["contract_details"]["pricing_spot"] for _ in range(5)]
        assert len(set(spots)) > 1


def test_a_payout_above_a_higher_strike_costs_less(scene: Scene) -> None:
    query = "action=contract_price&duration=5m&instrument=R_100&trade_type=CALL&currency=USD&payout=20"
    with Events(scene.server, f"/sse?{query}") as stream:
        price = stream.next()[1]
        assert price["date_expiry"] - price["date_start"] == 300
    with Events(scene.server, f"/protected/sse?{query}&strike=%2B1", scene.alice) as stream:
        assert float(stream.next()[1]["price"]) < float(price["price"])


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("/sse?action=contract_price&duration=5m", "needs instrument=…, trade_type=…, currency=…, payout=…"),
        ("/sse?action=contract_price&duration=5x&instrument=R_100&trade_type=CALL&currency=USD&payout=20", "duration '5x'"),
        ("/sse?action=contract_price&duration=5m&instrument=R_100&trade_type=BUY&currency=USD&payout=20", "none of CALL, PUT"),
        ("/sse?action=contract_price&duration=5m&instrument=R_100&trade_type=CALL&currency=XYZ&payout=20", "none of USD"),
        ("/sse?action=none", "neither instrument_price nor contract_price"),
        ("/sse?topic=proposal:touch:R_100:5:minutes:10:true&fields=price", "'price' is none of variants"),
        ("/sse?topic=proposal:rise_fall:R_100:5:minutes:10:false:%2B1", "has none"),
        ("/v1/trading/proposal/stream?product_id=rise_fall&instrument_id=R_100&duration=11&duration_unit=ticks&stake=10", "1 to 10 ticks"),
        (
            "/v1/trading/proposal/stream?product_id=rise_fall&instrument_id=R_100&duration=5&duration_unit=minutes&stake=0.5",
            "1.00 to 50000.00",
        ),
        (
            "/v1/trading/proposal/stream?product_id=rise_fall&instrument_id=R_100&duration=5&duration_unit=years&stake=10",
            "ticks, seconds, minutes, hours, days",
        ),
        ("/v1/trading/proposal/stream?product_id=rise_fall&instrument_id=R_100&duration=5&duration_unit=minutes", "stake"),
    ],
)
def test_what_is_not_offered_is_refused_before_the_stream(scene: Scene, path: str, message: str) -> None:
    assert message in refused(scene.get(path), 400, "INVALID_PARAMETERS")


def test_the_price_of_a_payout_at_a_touch(scene: Scene) -> None:
    query = "/sse?action=contract_price&duration=5m&instrument=R_100&currency=USD&payout=20&strike=%2B1.5"
    shown = {}
    for trade_type in ("TOUCH", "NOTOUCH"):
        with Events(scene.server, f"{query}&trade_type={trade_type}") as stream:
            name, shown[trade_type] = stream.next()
            assert (name, shown[trade_type]["trade_type"]) == ("message", trade_type)
    assert 0 < float(shown["NOTOUCH"]["price"]) < float(shown["TOUCH"]["price"]) < 20.24


def test_the_balance_is_what_its_stream_begins_with(scene: Scene) -> None:
    scene.buy("for-the-balance")
    path = "/v1/accounting/balance"
    for query in ("", f"?account_uuid={scene.alice.uuid}"):
        answer = scene.get(path + query, scene.alice)
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        with Events(scene.server, f"{path}/stream{query}", scene.alice) as stream:
            streamed = stream.next()[1]["data"]
        shown = answer.json()["data"]
        assert isinstance(shown.pop("timestamp"), int)
        assert isinstance(streamed.pop("timestamp"), int)
        assert shown == streamed
        assert set(shown) == {"balance", "currency", "change"}
    refused(scene.get(path), 401, "UNAUTHORIZED")
    refused(scene.get(f"{path}?account_uuid=another", scene.alice), 403, "FORBIDDEN")
    refused(scene.get(path, TOKENS.issue(scene.alice.uuid, frozenset({"trade"}))), 403, "FORBIDDEN")
    refused(scene.get(path, TOKENS.issue("nobody")), 404, "NOT_FOUND")


def test_one_contract_is_followed_in_the_lists(scene: Scene) -> None:
    first, second = scene.buy("first"), scene.buy("second", duration=2, duration_unit="ticks")
    path = "/v1/trading/contracts/close/stream?contract_id="
    with Events(scene.server, path + first["contract_id"], scene.alice) as stream:
        assert stream.next()[1]["data"]["contracts"] == []
    with Events(scene.server, path + second["contract_id"], scene.alice) as stream:
        closed = stream.until(lambda data: bool(data["data"]["contracts"]))["data"]
        assert [each["contract_id"] for each in closed["contracts"]] == [second["contract_id"]]
        assert closed["pagination"]["total_items"] == 1
    with Events(scene.server, f"/v1/trading/contracts/open/stream?contract_id={first['contract_id']}", scene.alice) as stream:
        assert [each["contract_id"] for each in stream.next()[1]["data"]["contracts"]] == [first["contract_id"]]


def test_no_opening_sale_or_settlement_is_missed_by_a_stream_that_resumes(scene: Scene) -> None:
    path = f"/protected/sse?topic=contracts:{scene.alice.uuid}&topic=balance:{scene.alice.uuid}"
    with Events(scene.server, path, scene.alice) as stream:
        while not stream.last_id:
            stream.next()
        last_id = stream.last_id
    bought = scene.buy("while-away", duration=1, duration_unit="ticks")
    with Events(scene.server, "/v1/trading/contracts/close/stream", scene.alice) as closed:
        closed.until(lambda data: bought["contract_id"] in [each["contract_id"] for each in data["data"]["contracts"]])
    with Events(scene.server, f"{path}&last_event_id={last_id}", scene.alice) as stream:
        assert stream.head["pricewire-start"] == "resumed"
        seen = []
        while "contract_settled" not in seen:
            data = stream.next()[1]
            if data["data"].get("contract_id") == bought["contract_id"] and data["event"] != "contract_updated":
                seen.append(data["event"])
        assert seen == ["contract_opened", "contract_settled"]


def test_no_opening_or_settlement_is_missed_by_a_stream_that_lags(scene: Scene) -> None:
    carol = add_account(scene.database, "carol")
    buyer = Scene(scene.server, scene.database, carol)
    path = f"/protected/sse?topic=contracts:{carol.uuid}"
    with Events(scene.server, path, carol, buffer=4096) as slow, Events(scene.server, path, carol) as quick:
        bought = [buyer.buy(f"long-{number}")["contract_id"] for number in range(30)]
        bought += [buyer.buy(f"short-{number}", duration=1, duration_unit="ticks")["contract_id"] for number in range(3)]
        quick_told, slow_told = list[tuple[str, str]](), list[tuple[str, str]]()

        def hear(stream: Events, told: list[tuple[str, str]]) -> None:
            event = stream.next()[1]
            if event["event"] != "contract_updated":
                told.append((event["event"], event["data"]["contract_id"]))

        # Long enough that updates are left out for the slow one.
        until = time.time() + 2
        while len(quick_told) < 33 + 3 or time.time() < until:
            hear(quick, quick_told)
        while len(slow_told) < len(quick_told):
            hear(slow, slow_told)
    assert slow_told == quick_told
    assert [contract_id for event, contract_id in slow_told if event == "contract_opened"] == bought
    # Of two gateways one has not had that stream.
    wait_until(lambda: "pricewire_streams_lagged_total 0" not in scene.get("/metrics").text)


def test_pages_of_other_origins_may_read_why_they_were_refused(scene: Scene) -> None:
    answer = scene.get("/v1/accounts", headers={"Origin": "https://page.example"})
    exposed = answer.headers["access-control-expose-headers"].lower()
    assert "www-authenticate" in exposed
    assert "retry-after" in exposed
    assert "pricewire-stream" in exposed


def test_an_instrument_without_a_price_has_no_proposals(tmp_path: Path) -> None:
    with open_app_server(tmp_path / "pricewire.db", HandFeed()) as server:
        answer = httpx2.get(f"{server.url}/sse?topic=proposal:rise_fall:GOLD:5:minutes:10:false")
        refused(answer, 409, "MARKET_CLOSED")


def test_a_server_without_trading_has_none() -> None:
    with Serving(create_app([HandFeed()])) as server:
        refused(httpx2.get(f"{server.url}/sse?topic=balance:x"), 400, "INVALID_PARAMETERS")
        refused(httpx2.post(f"{server.url}/login", json={}), 404, "NOT_FOUND")
        assert httpx2.get(f"{server.url}/v1/market/instruments", headers={"Authorization": "Bearer x"}).status_code == 200


def history(server: Serving, *span: str) -> Any:
    """Return the ticks of a span of time."""
    asked = {"instrument_id": "1HZ100V", "from_epoch_ms": int(span[0]), "to_epoch_ms": int(span[1])}
    return httpx2.post(f"{server.url}/v1/market/instruments/ticks/history", json=asked).json()["data"]["ticks"]


def test_a_restarted_server_goes_on_where_it_was(tmp_path: Path) -> None:
    database = tmp_path / "pricewire.db"
    alice = add_account(database, "alice")
    with open_app_server(database) as server:
        token = log_in(server, "alice")
        Scene(server, database, alice).buy("before")
        httpx2.post(f"{server.url}/v1/logout", headers=bearer(token))
        with Events(server, "/sse?topic=ticks:1HZ100V") as stream:
            _, first_tick, *_, last_tick = (stream.next()[1]["data"]["epoch_ms"] for _ in range(12))
        ticks = history(server, first_tick, last_tick)
        assert len(ticks) > 10
    with open_app_server(database) as server:
        assert history(server, first_tick, last_tick) == ticks
        refused(httpx2.get(f"{server.url}/v1/accounts", headers=bearer(token)), 401, "UNAUTHORIZED")
        with Events(server, f"/protected/sse?topic=open_contracts:{alice.uuid}&topic=balance:{alice.uuid}", alice) as stream:
            first = {data["event"]: data["data"] for data in (stream.next()[1] for _ in range(2))}
            assert len(first["contracts"]["contracts"]) == 1
            assert first["balance"]["balance"] == "9990.00"


def test_trading_is_paused_while_the_journal_cannot_be_written_and_prices_go_on(scene: Scene) -> None:
    with Events(scene.server, "/sse?topic=ticks:1HZ100V") as prices:
        with full_disk():
            for _ in range(3):
                prices.next()
            answer = scene.post("/v1/trading/contracts/buy", scene.alice, json=purchase("full"))
            refused(answer, 503, "UNAVAILABLE")
            assert "trading is paused" in answer.text
            assert metric(scene.server.own_url, "pricewire_journal_failing") == 1
        for _ in range(3):
            prices.next()
        scene.buy("full")
        assert metric(scene.server.own_url, "pricewire_journal_failing") == 0


def test_what_is_not_in_the_journal_decides_nothing_before_it_is(scene: Scene) -> None:
    followed = scene.buy("followed")["contract_id"]
    path = f"/protected/sse?topic=contracts:{scene.alice.uuid}"
    with Events(scene.server, path, scene.alice) as contracts, Events(scene.server, "/sse?topic=ticks:1HZ100V") as prices:

        def update_after(epoch_ms: int) -> set[int]:
            """Return the times of the ticks that the contract was told with, until one after a time."""
            told = set[int]()
            while not any(each > epoch_ms for each in told):
                data = contracts.next()[1]
                if data["event"] == "contract_updated" and data["data"]["contract_id"] == followed:
                    told |= {point["epoch_ms"] for point in data["data"]["contract_details"]["tick_stream"]}
            return told

        def price_time() -> int:
            return int(prices.next()[1]["data"]["epoch_ms"])

        entered = update_after(0)
        with full_disk():
            wait_until(lambda: metric(scene.server.own_url, "pricewire_journal_failing") == 1)
            asked_ms = time.time_ns() // 1_000_000
            while price_time() <= asked_ms:
                pass
            unwritten = {price_time() for _ in range(3)}
        told = update_after(max(unwritten) + 1000)
        with Events(scene.server, f"/v1/trading/contracts/open/stream?contract_id={followed}", scene.alice) as whole:
            (contract,) = whole.next()[1]["data"]["contracts"]
    assert min(entered) < min(unwritten) < max(told)
    life = [point["epoch_ms"] for point in contract["contract_details"]["tick_stream"]]
    assert life == sorted(life)
    assert unwritten < set(life), "they have waited, and happened to the contract then"


def test_a_purchase_that_pays_less_than_the_buyer_accepts_is_refused_with_a_code(scene: Scene) -> None:
    def buy(key: str, **details: Any) -> httpx2.Response:
        body = purchase(key, **details)
        return scene.post("/v1/trading/contracts/buy", scene.alice, json=body, timeout=60)

    assert "and you accept 27.00 at least" in refused(buy("less", payout="30", tolerance=0.1), 409, "PRICE_MOVED")
    assert "and you accept 28.50 at least" in refused(buy("less", payout="30"), 409, "PRICE_MOVED")
    refused(buy("less", payout="30", tolerance=1.5), 400, "INVALID_PARAMETERS")
    refused(buy("less", tolerance=0.1), 400, "INVALID_PARAMETERS")
    answer = buy("less", payout="30", tolerance=0.5)
    assert answer.status_code == 200, "what was refused has bought nothing, so its key is free"
    assert float(answer.json()["data"]["contract_details"]["potential_payout"]) > 15


def test_who_buys_too_much_or_too_often_is_refused_with_a_code(tmp_path: Path) -> None:
    database = tmp_path / "pricewire.db"
    dora = add_account(database, "dora")

    def buy(server: Serving, key: str) -> httpx2.Response:
        return Scene(server, database, dora).post("/v1/trading/contracts/buy", dora, json=purchase(key))

    with open_app_server(database, limits=Limits(exposure_per_account={"USD": Decimal(15)})) as server:
        assert buy(server, "first").status_code == 200
        assert "may win 15 USD" in refused(buy(server, "second"), 409, "EXPOSURE_LIMIT")
    with open_app_server(database, limits=Limits(purchases_per_second=0.001)) as server:
        assert buy(server, "third").status_code == 200
        answer = buy(server, "fourth")
        assert "0.001 purchases per second" in refused(answer, 429, "RATE_LIMIT_EXCEEDED")
        assert int(answer.headers["retry-after"]) > 100
        assert buy(server, "third").status_code == 200, "a repetition gets the first answer"


def test_a_purchase_is_answered_and_refused_alike_with_its_account_in_the_query(scene: Scene) -> None:
    """Without a query it takes a shortcut past the framework; the checks are the same, and in the same order."""

    def outcomes(token: str | None, **options: Any) -> list[tuple[int, Any, str, dict[str, str]]]:
        found = []
        for query in ("", f"?account_uuid={scene.alice.uuid}"):
            answer = scene.ask_to_buy(token, query=query, **options)
            headers = {
                name: answer.headers[name] for name in ("content-type", "cache-control", "www-authenticate") if name in answer.headers
            }
            found.append((answer.status_code, answer.json(), answer.headers["content-type"], headers))
        return found

    good, reading = TOKENS.issue(scene.alice.uuid), TOKENS.issue(scene.alice.uuid, scopes=frozenset({"read"}))
    body = purchase("alike")
    other = purchase("alike", stake="11")
    cases: list[tuple[int, str | None, dict[str, Any]]] = [
        (200, good, {"json": body}),
        (409, good, {"json": other}),
        (400, good, {"json": purchase("alike-2", duration="5")}),
        (400, good, {"json": purchase("alike-3", stake="0.001")}),
        (400, good, {"json": {}}),
        (400, good, {"content": b"{"}),
        (400, good, {"content": b""}),
        (400, good, {"content": b"\xff"}),
        (413, good, {"content": b" " * 70_000}),
        (401, None, {"json": body}),
        (401, "nobody", {"json": body}),
        # A stranger is told that a token is missing, not what a body needs; but a body that is no JSON is not looked at further.
        (401, None, {"json": {}}),
        (400, None, {"content": b"{"}),
        (403, reading, {"json": body}),
    ]
    for status, token, options in cases:
        short, long = outcomes(token, **options)
        assert short == long
        assert short[0] == status


def test_the_query_of_a_purchase_is_checked(scene: Scene) -> None:
    token = TOKENS.issue(scene.alice.uuid)
    before = scene.get("/v1/accounting/balance", scene.alice).json()["data"]["balance"]
    own = f"account_uuid={scene.alice.uuid}"
    for query, status, code in (
        ("account_uuid=another", 403, "FORBIDDEN"),
        (f"{own}&{own}", 400, "INVALID_PARAMETERS"),
        (f"token={token}", 400, "INVALID_PARAMETERS"),
    ):
        refused(scene.ask_to_buy(token, query=f"?{query}", json=purchase(query[:20])), status, code)
    assert scene.get("/v1/accounting/balance", scene.alice).json()["data"]["balance"] == before
