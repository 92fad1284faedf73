"""Every row of the HTTP surface against the real server: each member that it names is there, and of the type that it names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import jwt
import pytest

from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.store.accounts import Account
from support.app_server import PASSWORD, TOKENS, Events, add_account, bearer, open_app_server, purchase, refused
from support.feeds import HandFeed
from support.serving import Serving

Check = Callable[[Any], bool]
Shape = Any
"""A check, a dict of shapes by their members, a list with the shape of each item, or a set of the values that are allowed."""


def text(value: Any) -> bool:
    return isinstance(value, str)


def decimal(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value) is not None


def signed(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[+-][0-9]+(\.[0-9]+)?", value) is not None


def digits(value: Any) -> bool:
    return isinstance(value, str) and value.isascii() and value.isdecimal()


def number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def integer(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def boolean(value: Any) -> bool:
    return isinstance(value, bool)


def iso_time(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", value) is not None


def maybe(check: Check) -> Check:
    """Allow null for what is not known yet."""
    return lambda value: value is None or check(value)


def mismatches(value: Any, shape: Shape, path: str = "$") -> list[str]:
    """Return where a value is not of a shape; what it has beside is allowed."""
    if isinstance(shape, dict):
        if not isinstance(value, dict):
            return [f"{path} is {value!r}"]
        missing = [f"{path}.{name} is missing" for name in shape if name not in value]
        return missing + [fault for name in shape if name in value for fault in mismatches(value[name], shape[name], f"{path}.{name}")]
    if isinstance(shape, list):
        if not isinstance(value, list):
            return [f"{path} is {value!r}"]
        return [fault for place, item in enumerate(value) for fault in mismatches(item, shape[0], f"{path}[{place}]")]
    is_right = value in shape if isinstance(shape, set) else shape(value)
    return [] if is_right else [f"{path} is {value!r}"]


def fits(value: Any, shape: Shape) -> Any:
    """Return a value that is of a shape."""
    assert mismatches(value, shape) == []
    return value


UNITS = {"ticks", "seconds", "minutes", "hours", "days"}
VARIANTS = {"rise_fall": ["rise", "fall"], "high_low": ["higher", "lower"], "touch": ["touch", "no_touch"]}
ALL_VARIANTS = {variant for variants in VARIANTS.values() for variant in variants}
MARKETS = {"Synthetic Index", "Basket Index", "Forex", "Indices", "Stocks", "Cryptocurrency", "Commodities"}

TICK = {"epoch_ms": digits, "price": decimal, "ask": decimal, "bid": decimal}
TICKS = {"ticks": [TICK]}
CANDLE = {name: digits if "epoch" in name else decimal for name in ("open_epoch_ms", "open", "high", "low", "close", "close_epoch_ms")}
CANDLES = {"candles": [CANDLE]}
PROPOSAL = {
    "variants": [
        {
            "variant": ALL_VARIANTS,
            "contract_details": {
                "payout": decimal,
                "stake": decimal,
                "probability": number,
                "pricing_spot": decimal,
                "barrier": decimal,
                "allow_equals": boolean,
                "contract_expiry_time": integer,
            },
        }
    ]
}
BOUGHT_DETAILS = {
    "contract_start_time": integer,
    "contract_expiry_time": integer,
    "entry_tick_time": maybe(integer),
    "entry_spot": maybe(decimal),
    "duration": integer,
    "duration_unit": UNITS,
    "allow_equals": boolean,
    "stake": decimal,
    "bid_price": decimal,
    "bid_price_currency": text,
    "variant": ALL_VARIANTS,
    "barrier": maybe(decimal),
    "is_expired": boolean,
    "is_refunded": boolean,
    "is_valid_to_sell": boolean,
    "is_sold": boolean,
    "potential_payout": decimal,
}
DETAILS = {
    **BOUGHT_DETAILS,
    "exit_spot": maybe(decimal),
    "exit_tick_time": maybe(integer),
    "exit_time": maybe(integer),
    "instrument_id": text,
    "instrument_name": text,
    "profit_loss": signed,
    "reference_id": text,
}
TICK_STREAM = [{"ask": decimal, "bid": decimal, "epoch_ms": integer, "price": decimal}]
CONTRACTS = {"contracts": [{"contract_id": text, "product_id": set(VARIANTS), "contract_details": DETAILS}]}
PAGINATION = {"current_page": integer, "limit": integer, "total_items": integer, "total_pages": integer}
BALANCE = {"balance": decimal, "currency": text, "timestamp": integer, "change": decimal}
INSTRUMENT_PRICE = {"instrument_id": text, "bid": number, "ask": number, "timestamp": iso_time}
CONTRACT_PRICE = {
    "date_start": integer,
    "date_expiry": integer,
    "spot": decimal,
    "strike": decimal,
    "price": decimal,
    "trade_type": {"CALL", "PUT", "TOUCH", "NOTOUCH"},
    "instrument": text,
    "currency": text,
    "payout": decimal,
    "pricing_parameters": {
        "commission_percent": number,
        "commission_amount": decimal,
        "volatility": number,
        "spot_price": decimal,
        "duration_in_years": number,
    },
}
BOUNDS = {"min": integer, "max": integer}
CONFIG = {
    "defaults": {
        "product_id": set(VARIANTS),
        "duration": number,
        "duration_unit": UNITS,
        "allow_equals": boolean,
        "stake": number,
        "variants": [ALL_VARIANTS],
    },
    "validations": {
        "durations": {"supported_units": [UNITS], "ticks": BOUNDS, "seconds": BOUNDS, "days": BOUNDS},
        "stake": {"min": decimal, "max": decimal},
        "payout": {"min": decimal, "max": decimal},
    },
}


@dataclass
class Scene:
    server: Serving
    alice: Account
    client: httpx2.Client
    """Without a token."""

    def data(self, path: str, body: Any = None, *, is_protected: bool = False, **parameters: str) -> Any:
        """Ask for something, and return what the answer wraps in `data`."""
        method = "GET" if body is None else "POST"
        headers = bearer(self.alice) if is_protected else {}
        answer = self.client.request(method, path, json=body, params=parameters, headers=headers)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        assert list(answer.json()) == ["data"]
        return answer.json()["data"]

    def event(self, path: str, *, is_protected: bool = False, is_enough: Callable[[Any], bool] = bool) -> Any:
        """Return the data of the first event of a stream of which something holds."""
        with Events(self.server, path, self.alice if is_protected else None) as stream:
            assert (stream.status, stream.head["content-type"]) == (200, "text/event-stream")
            while True:
                name, data = stream.next()
                assert name == "message"
                if is_enough(data):
                    return data

    def buy(self, key: str, product_id: str = "rise_fall", **details: Any) -> Any:
        """Buy a contract, as the platform asks for it."""
        body = purchase(key, product_id, **{"allow_equals": False, "payout": "10.00", **details})
        return self.data("/v1/trading/contracts/buy", body, is_protected=True, account_uuid=self.alice.uuid)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    database = tmp_path_factory.mktemp("surface") / "pricewire.db"
    alice = add_account(database, "alice")
    with (
        open_app_server(database, SimulatedFeed(seed=1, rate=1), HandFeed()) as server,
        httpx2.Client(base_url=server.url, timeout=60) as client,
    ):
        yield Scene(server, alice, client)


def test_shapes_are_told_apart() -> None:
    assert mismatches({"a": "1", "b": [{"c": 1}, {}], "d": True}, {"a": decimal, "b": [{"c": integer}], "d": boolean, "e": text}) == [
        "$.e is missing",
        "$.b[1].c is missing",
    ]
    assert mismatches([1, "1", "x", True], [decimal]) == ["$[0] is 1", "$[2] is 'x'", "$[3] is True"]


def test_prices_are_streamed(scene: Scene) -> None:
    path = "/v1/market/instruments/ticks/stream?instrument_id=R_100&instrument_id=1HZ100V&interval_ms=10"
    assert len(fits(scene.event(path), {"data": TICKS})["data"]["ticks"]) == 1
    path = "/v1/market/instruments/candles/stream?instrument_id=R_100&granularity=60"
    assert len(fits(scene.event(path), {"data": CANDLES})["data"]["candles"]) == 1
    assert len(fits(scene.event(f"{path}&start_epoch_ms=0"), {"data": CANDLES})["data"]["candles"]) > 100
    fits(scene.event("/sse?action=instrument_price&instrument_id=R_100"), INSTRUMENT_PRICE)


@pytest.mark.parametrize("path", ["/sse?topic=ticks:R_100&topic=candles:R_100:60", "/protected/sse?topic=ticks:R_100"])
def test_topics_are_streamed_in_envelopes(scene: Scene, path: str) -> None:
    envelope = scene.event(path, is_protected=path.startswith("/protected"), is_enough=lambda data: data["event"] == "tick")
    fits(envelope, {"event": text, "subscription_id": {"ticks:R_100"}, "seq": integer, "data": TICK})


@pytest.mark.parametrize("unit", sorted(UNITS))
@pytest.mark.parametrize(
    ("product_id", "end"), [("rise_fall", ""), ("high_low", "&barrier=%2B1.5"), ("touch", ""), ("touch", "&barrier=1")]
)
def test_proposals_are_streamed(scene: Scene, product_id: str, end: str, unit: str) -> None:
    query = f"product_id={product_id}&instrument_id=R_100&duration=1{5 * (unit == 'seconds') or ''}&duration_unit={unit}"
    data = scene.event(f"/v1/trading/proposal/stream?{query}&allow_equals=true&stake=10.00{end}")
    shown = fits(data, {"data": PROPOSAL})["data"]["variants"]
    assert [each["variant"] for each in shown] == VARIANTS[product_id]


@pytest.mark.parametrize("trade_type", ["CALL", "PUT", "TOUCH", "NOTOUCH"])
@pytest.mark.parametrize("duration", ["1d", "2h", "5m", "15s", "5t"])
def test_the_price_of_a_payout_is_streamed(scene: Scene, trade_type: str, duration: str) -> None:
    query = f"action=contract_price&duration={duration}&instrument=R_100&trade_type={trade_type}&currency=USD&payout=20"
    assert fits(scene.event(f"/sse?{query}"), CONTRACT_PRICE)["trade_type"] == trade_type
    assert fits(scene.event(f"/sse?{query}&strike=1300.50"), CONTRACT_PRICE)["strike"] == "1300.50"


def test_who_logs_in_gets_a_token_of_an_account(scene: Scene) -> None:
    answer = scene.client.post("/login", json={"account_id": "alice", "password": PASSWORD})
    assert answer.status_code == 200
    token = fits(answer.json(), {"token": text})["token"]
    assert jwt.decode(token, options={"verify_signature": False})["account"] == scene.alice.uuid
    headers = bearer(token)
    account = {"id": text, "uuid": text, "type": text, "group": text, "status": text, "currency": text, "balance": number}
    fits(scene.client.get("/v1/accounts", headers=headers).json(), {"data": {"accounts": [account]}})
    ticket = scene.client.post("/v1/tickets", headers=headers).json()
    fits(ticket, {"data": {"ticket": text, "expires_at": iso_time}})
    path = f"/v1/accounting/balance/stream?account_uuid={scene.alice.uuid}"
    fits(scene.event(f"{path}&ticket={ticket['data']['ticket']}"), {"data": BALANCE})
    with Events(scene.server, path, token) as stream:
        stream.next()
        assert scene.client.post("/v1/logout", headers=headers).status_code == 200
        stream.read_to_end()
    refused(scene.client.get("/v1/accounts", headers=headers), 401, "UNAUTHORIZED")


def test_the_market_is_described(scene: Scene) -> None:
    products = fits(scene.data("/v1/market/products"), {"products": [{"id": set(VARIANTS), "display_name": text}]})["products"]
    assert [each["id"] for each in products] == list(VARIANTS)
    for product_id, variants in VARIANTS.items():
        config = fits(scene.data("/v1/market/products/config", product_id=product_id, instrument_id="R_100"), CONFIG)
        assert config["defaults"]["variants"] == variants
        instruments = scene.data("/v1/market/instruments", product_id=product_id)["instruments"]
        shape = {"id": text, "display_name": text, "categories": [text], "pip_size": integer, "is_market_open": boolean}
        fits(instruments, [{**shape, "opens_at": maybe(iso_time), "closes_at": maybe(iso_time)}])
        assert {each["categories"][0] for each in instruments} <= MARKETS


@pytest.mark.parametrize("as_text", [False, True])
def test_the_past_is_told_oldest_first(scene: Scene, as_text: bool) -> None:
    ticks = fits(scene.data("/v1/market/instruments/ticks/history", {"instrument_id": "R_100", "count": 50}), TICKS)["ticks"]
    times = [int(each["epoch_ms"]) for each in ticks]
    assert len(times) == 50
    assert times == sorted(times)
    span = {"from_epoch_ms": times[10], "to_epoch_ms": times[20]}
    if as_text:
        span = {name: str(value) for name, value in span.items()}  # type: ignore[misc]
    body = {"instrument_id": "R_100", "granularity": 1, "count": 100, **span}
    some = fits(scene.data("/v1/market/instruments/ticks/history", body), TICKS)["ticks"]
    assert {int(each["epoch_ms"]) for each in some} <= set(times[10:21])
    body = {"instrument_id": "R_100", "granularity": 60, "count": 30, "to_epoch_ms": span["to_epoch_ms"]}
    candles = fits(scene.data("/v1/market/instruments/candles/history", body), CANDLES)["candles"]
    opened = [int(each["open_epoch_ms"]) for each in candles]
    assert len(opened) == 30
    assert opened == sorted(opened)


def test_a_contract_from_its_purchase_to_its_sale(scene: Scene) -> None:
    bought = scene.buy("surface-1", stake=10, payout=19.5)
    shape = {"idempotency_key": text, "contract_id": text, "product_id": set(VARIANTS), "buy_price": decimal, "buy_time": integer}
    fits(bought, {**shape, "contract_details": BOUGHT_DETAILS})
    chosen = f"contract_id={bought['contract_id']}&account_uuid={scene.alice.uuid}"
    path = f"/v1/trading/contracts/open/stream?{chosen}"
    data = scene.event(path, is_protected=True, is_enough=lambda data: data["data"]["contracts"][0]["contract_details"]["is_valid_to_sell"])
    (shown,) = fits(data, {"data": CONTRACTS})["data"]["contracts"]
    assert len(fits(shown["contract_details"]["tick_stream"], TICK_STREAM)) >= 1
    listed = fits(scene.event("/v1/trading/contracts/open/stream", is_protected=True), {"data": CONTRACTS})["data"]["contracts"]
    assert bought["contract_id"] in [each["contract_id"] for each in listed]
    names = {"contract_id": bought["contract_id"], "account_uuid": scene.alice.uuid}
    sold = scene.data("/v1/trading/contracts/sell", {}, is_protected=True, **names)
    shape = {"contract_id": text, "product_id": set(VARIANTS), "buy_price": decimal, "buy_time": integer, "sell_price": decimal}
    fits(sold, {**shape, "sell_time": integer, "profit": decimal, "contract_details": DETAILS})
    all_closed, one_closed = [
        fits(
            scene.event(f"/v1/trading/contracts/close/stream{query}", is_protected=True), {"data": {**CONTRACTS, "pagination": PAGINATION}}
        )
        for query in ("", f"?{chosen}")
    ]
    assert bought["contract_id"] in [each["contract_id"] for each in all_closed["data"]["contracts"]]
    (closed,) = one_closed["data"]["contracts"]
    assert closed["contract_details"]["is_sold"]
    fits(closed["contract_details"]["tick_stream"], TICK_STREAM)
    fits(scene.data("/v1/accounting/balance", is_protected=True, account_uuid=scene.alice.uuid), BALANCE)
    answer = scene.client.post(f"/v1/trading/contracts/sell?{chosen}", headers=bearer(scene.alice))
    refused(answer, 409, "CONTRACT_NOT_SELLABLE")


@pytest.mark.parametrize("product_id", list(VARIANTS))
@pytest.mark.parametrize("side", [0, 1])
def test_every_variant_is_bought(scene: Scene, product_id: str, side: int) -> None:
    variant = VARIANTS[product_id][side]
    bought = scene.buy(f"surface-{variant}", product_id, variant=variant, duration=1, duration_unit="ticks")
    assert bought["contract_details"]["variant"] == variant
    path = f"/v1/trading/contracts/close/stream?contract_id={bought['contract_id']}"
    data = scene.event(path, is_protected=True, is_enough=lambda data: data["data"]["contracts"])
    (closed,) = fits(data, {"data": {**CONTRACTS, "pagination": PAGINATION}})["data"]["contracts"]
    details = closed["contract_details"]
    assert details["is_expired"]
    assert (details["profit_loss"][0] == "+") == (details["bid_price"] == details["potential_payout"])


def test_a_stream_is_changed(scene: Scene) -> None:
    with Events(scene.server, "/sse?topic=ticks:R_100") as stream:
        path = f"/v1/streams/{stream.head['pricewire-stream']}"
        shape = {"topics": [text], "interval_ms": integer, "expires_at": maybe(iso_time), "names": {}}
        states = [
            fits(scene.client.patch(path, json=body).json(), {"data": shape})["data"]
            for body in ({}, {"add": ["ticks:R_10"]}, {"remove": ["ticks:R_100"]}, {"interval_ms": 250})
        ]
        assert states[-1] == {"topics": ["ticks:R_10"], "interval_ms": 250, "expires_at": None, "names": {}}


def test_a_stream_says_what_topics_are_called_that_were_asked_for_otherwise(scene: Scene) -> None:
    first, second = "proposal:rise_fall:R_100:5:minutes:10:false", "proposal:rise_fall:R_100:7:minutes:10:false"
    others = [f"{topic.replace(':10:', ':10.00:')}" for topic in (first, second)]
    with Events(scene.server, f"/sse?topic=ticks:R_100&topic={others[0]}&interval_ms=50") as stream:
        names = {others[0]: first}
        state = {"topics": [first, "ticks:R_100"], "interval_ms": 50, "expires_at": None, "names": names}
        assert stream.next() == ("changed", state)
        assert stream.last_id == "", "nothing has come that could be resumed"
        assert {stream.next()[1]["subscription_id"] for _ in range(2)} == {first, "ticks:R_100"}
        path = f"/v1/streams/{stream.head['pricewire-stream']}"
        changed = scene.client.patch(path, json={"add": [*others, "ticks:R_100"]}).json()["data"]
        assert changed == {**state, "topics": [first, second, "ticks:R_100"], "names": {others[0]: first, others[1]: second}}
        assert stream.wait_for("changed") == changed
        last_id = stream.last_id
    again = f"/sse?topic=ticks:R_100&topic={first}&topic={second}"
    with Events(scene.server, f"{again}&last_event_id={last_id}") as stream:
        assert stream.next()[0] != "changed"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/schema"])
def test_operation(scene: Scene, path: str) -> None:
    assert scene.client.get(path).status_code == 200


def test_every_refusal_has_its_code(scene: Scene) -> None:
    def buy(**details: Any) -> httpx2.Response:
        body = purchase("surface-refused", **details)
        return scene.client.post("/v1/trading/contracts/buy", json=body, headers=bearer(scene.alice))

    refused(buy(duration=0), 400, "INVALID_PARAMETERS")
    refused(buy(instrument_id="NONE"), 404, "NOT_FOUND")
    refused(buy(stake="20000"), 409, "INSUFFICIENT_BALANCE")
    refused(buy(instrument_id="GOLD"), 409, "MARKET_CLOSED")
    for path in ("/v1/trading/contracts/buy", "/v1/trading/contracts/sell?contract_id=x", "/v1/logout", "/v1/tickets"):
        refused(scene.client.post(path, json={}), 401, "UNAUTHORIZED")
    refused(scene.client.post("/v1/trading/contracts/sell?contract_id=x", headers=bearer(scene.alice)), 404, "NOT_FOUND")
    refused(scene.client.post("/v1/trading/contracts/sell?contract_id=x&account_uuid=y", headers=bearer(scene.alice)), 403, "FORBIDDEN")


def test_pages_of_any_origin_may_use_it_without_credentials(scene: Scene) -> None:
    wanted = "authorization,last-event-id,cache-control,content-type"
    headers = {"Origin": "https://page.example", "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": wanted}
    answer = scene.client.options("/v1/trading/contracts/buy", headers=headers)
    assert answer.status_code in (200, 204)
    assert answer.headers["access-control-allow-origin"] == "*"
    assert set(wanted.split(",")) <= {name.strip().lower() for name in answer.headers["access-control-allow-headers"].split(",")}
    assert "access-control-allow-credentials" not in answer.headers


def test_a_good_token_is_taken_where_none_is_needed(scene: Scene) -> None:
    for path in ("/v1/market/instruments", "/v1/market/products"):
        assert scene.client.get(path, headers=bearer(TOKENS.issue(scene.alice.uuid))).status_code == 200
