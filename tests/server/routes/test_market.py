"""The public requests over real HTTP, and what operators ask for."""

from __future__ import annotations

import json
import shutil
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from pricewire.market.feed import PastTicks
from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.market.journal import Journal
from pricewire.server.app import create_app
from support.app_server import open_app_server
from support.feeds import HandFeed
from support.metrics import wait_until
from support.serving import Reader, Serving

NOON = 1_800_014_400_000


def post(server: Serving, path: str, body: Any) -> httpx2.Response:
    return httpx2.post(server.url + path, json=body)


def give(server: Serving, feed: HandFeed, *ticks: tuple[float, int]) -> None:
    """Give ticks, and wait until they have been published."""
    with Reader(server.url, "/sse?topic=ticks:GOLD") as reader:
        reader.read_head()
        for price, epoch_ms in ticks:
            server.call(feed.give, price - 1, price + 1, epoch_ms)
            reader.read_until(f'"epoch_ms":"{epoch_ms}"'.encode())


def test_instruments(server: Serving) -> None:
    def listed() -> dict[str, Any]:
        return {each["id"]: each for each in httpx2.get(server.url + "/v1/market/instruments").json()["data"]["instruments"]}

    # After the start, for a second or two, until its first tick has come.
    wait_until(lambda: listed()["R_100"]["is_market_open"])
    instruments = listed()
    assert set(instruments) >= {"GOLD", "R_10", "R_25", "R_50", "R_75", "R_100", "1HZ10V", "1HZ25V", "1HZ50V", "1HZ75V", "1HZ100V"}
    assert instruments["GOLD"] == {
        "id": "GOLD",
        "display_name": "Gold",
        "categories": ["Commodities", "Metals"],
        "pip_size": 2,
        "is_market_open": instruments["GOLD"]["is_market_open"],
        "opens_at": None,
        "closes_at": None,
        "is_predictable": False,
    }
    assert instruments["R_100"]["is_predictable"] is True, "it has a seed here"


def test_ticks_history(server: Serving, feed: HandFeed) -> None:
    give(server, feed, (10, NOON), (20, NOON + 1000), (30, NOON + 2000))
    path = "/v1/market/instruments/ticks/history"
    ticks = post(server, path, {"instrument_id": "GOLD"}).json()["data"]["ticks"]
    assert [tick["price"] for tick in ticks] == ["10.00", "20.00", "30.00"]
    assert ticks[0] == {"epoch_ms": str(NOON), "price": "10.00", "ask": "11.00", "bid": "9.00", "instrument_id": "GOLD"}
    some = post(server, path, {"instrument_id": "GOLD", "from_epoch_ms": str(NOON + 1), "to_epoch_ms": NOON + 2000, "count": "1"})
    assert [tick["price"] for tick in some.json()["data"]["ticks"]] == ["30.00"]


def test_candles_history(server: Serving, feed: HandFeed) -> None:
    give(server, feed, (10, NOON), (20, NOON + 59_999), (30, NOON + 60_000))
    path = "/v1/market/instruments/candles/history"
    candles = post(server, path, {"instrument_id": "GOLD", "granularity": 60}).json()["data"]["candles"]
    assert [(candle["open"], candle["close"]) for candle in candles] == [("10.00", "20.00"), ("30.00", "30.00")]
    day = post(server, path, {"instrument_id": "GOLD", "granularity": 86400}).json()["data"]["candles"]
    assert [(candle["open"], candle["high"]) for candle in day] == [("10.00", "30.00")]


def test_simulated_instruments_have_a_day_of_history() -> None:
    with Serving(create_app([SimulatedFeed()])) as server:
        candles = post(server, "/v1/market/instruments/candles/history", {"instrument_id": "R_100", "granularity": 60, "count": 5000})
    found = [int(candle["open_epoch_ms"]) for candle in candles.json()["data"]["candles"]]
    assert len(found) >= 1440
    assert {later - earlier for earlier, later in pairwise(found)} == {60_000}


def test_what_is_older_than_memory_comes_from_the_journal(tmp_path: Path, sqlite_template: Path) -> None:
    hour_ms = 3_600_000
    now_ms = time.time_ns() // 1_000_000
    feed = HandFeed()
    journal = Journal(tmp_path / "journal", feed.instruments)
    for ago in range(72, 0, -1):
        journal.add("GOLD", now_ms - ago * hour_ms, 1000 + ago, 1002 + ago, 999 + ago)
    journal.close()
    with open_app_server(shutil.copy(sqlite_template, tmp_path), feed, journal=tmp_path / "journal") as server:
        path = "/v1/market/instruments/ticks/history"
        newest = post(server, path, {"instrument_id": "GOLD", "count": 3}).json()["data"]["ticks"]
        assert [tick["price"] for tick in newest] == ["10.03", "10.02", "10.01"]
        ticks = post(server, path, {"instrument_id": "GOLD", "from_epoch_ms": now_ms - 100 * hour_ms}).json()["data"]["ticks"]
        assert [int(tick["epoch_ms"]) for tick in ticks] == [now_ms - ago * hour_ms for ago in range(72, 0, -1)]
        old = {"from_epoch_ms": now_ms - 70 * hour_ms, "to_epoch_ms": now_ms - 60 * hour_ms}
        some = post(server, path, {"instrument_id": "GOLD", "count": 2, **old}).json()["data"]["ticks"]
        assert [tick["price"] for tick in some] == ["10.61", "10.60"]
        candles = post(server, path.replace("ticks", "candles"), {"instrument_id": "GOLD", "granularity": 3600}).json()["data"]["candles"]
        assert [candle["close"] for candle in candles] == [f"{1000 + ago}"[:-2] + "." + f"{1000 + ago}"[-2:] for ago in range(72, 0, -1)]


def test_reading_the_journal_is_charged_by_what_is_read(tmp_path: Path, sqlite_template: Path) -> None:
    now_ms = time.time_ns() // 1_000_000
    feed = HandFeed()
    journal = Journal(tmp_path / "journal", feed.instruments)
    column = np.full(1_000_000, 1000, np.int64)
    journal.extend(PastTicks("GOLD", now_ms - 259_200_000 + np.arange(1_000_000) * 200, column, column, column))
    journal.close()
    with open_app_server(shutil.copy(sqlite_template, tmp_path), feed, journal=tmp_path / "journal") as server:
        wanted = {"instrument_id": "GOLD", "to_epoch_ms": now_ms - 250_000_000, "count": 1}
        answered = 0
        while (response := post(server, "/v1/market/instruments/ticks/history", wanted)).status_code == 200:
            answered += 1
        # Each counts as 3,001 rows, of which an address has 100,000 at once and then 10,000 per second.
        assert answered >= 33
        assert response.status_code == 429
        assert int(response.headers["retry-after"]) >= 1


@pytest.mark.parametrize("what", ["ticks", "candles"])
@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"instrument_id": "NONE"}, 404, "there is no instrument 'NONE'"),
        ({}, 400, "instrument_id"),
        ({"instrument_id": "GOLD", "count": 0}, 400, "count"),
        ({"instrument_id": "GOLD", "count": 5001}, 400, "count"),
        ({"instrument_id": "GOLD", "granularity": -60}, 400, "granularity"),
        ([1], 400, ""),
    ],
)
def test_a_history_that_cannot_be_served(server: Serving, what: str, body: Any, status: int, message: str) -> None:
    response = post(server, f"/v1/market/instruments/{what}/history", body)
    assert response.status_code == status
    assert message in response.json()["error"]["message"]


def test_what_is_not_there(server: Serving) -> None:
    response = httpx2.get(server.url + "/v1/nothing")
    assert response.status_code == 404
    assert response.json() == {"error": {"code": "NOT_FOUND", "message": "there is no /v1/nothing; GET /schema lists what there is"}}
    response = httpx2.put(server.url + "/sse")
    assert response.status_code == 405
    assert response.json()["error"]["code"] == "METHOD_NOT_ALLOWED"


def test_liveness_and_readiness(server: Serving) -> None:
    assert httpx2.get(server.url + "/healthz").text == "ok\n"
    assert httpx2.get(server.url + "/readyz").status_code == 200


def test_without_a_feed_the_server_lives_but_is_not_ready() -> None:
    with Serving(create_app([])) as serving:
        assert httpx2.get(serving.url + "/healthz").status_code == 200
        response = httpx2.get(serving.url + "/readyz")
        assert response.status_code == 503
        assert response.json()["error"]["code"] == "NOT_READY"


def test_the_schema_describes_every_streams_event(server: Serving) -> None:
    schema = httpx2.get(server.url + "/schema").json()
    assert schema["openapi"].startswith("3.1")
    text = json.dumps(schema)
    for path in ("/v1/market/instruments/ticks/stream", "/v1/market/instruments/candles/stream", "/sse"):
        stream = schema["paths"][path]["get"]["responses"]
        assert set(stream) >= {"200", "400", "401", "404", "429", "503"}
        assert "text/event-stream" in stream["200"]["content"]
        assert stream["200"]["content"]["text/event-stream"]["schema"]
        assert "application/json" in stream["400"]["content"]
    for name in ("TickBody", "CandleBody", "InstrumentPrice", "ErrorBody", "TicksHistoryRequest", "subscription_id"):
        assert name in text, name


def test_pages_of_other_origins_may_read_a_stream_and_how_it_starts(server: Serving) -> None:
    with Reader(server.url, "/sse?topic=ticks:GOLD", headers={"Origin": "https://page.example"}) as reader:
        found = reader.read_head()[1]
        assert found["access-control-allow-origin"] == "*"
        assert "Pricewire-Start" in found["access-control-expose-headers"]


def test_only_configured_origins_may_where_some_are() -> None:
    with Serving(create_app([], origins=["https://page.example"])) as serving:
        for origin, allowed in (("https://page.example", True), ("https://other.example", False)):
            response = httpx2.get(serving.url + "/healthz", headers={"Origin": origin})
            assert (response.headers.get("access-control-allow-origin") == origin) is allowed
