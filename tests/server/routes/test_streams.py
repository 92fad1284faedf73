"""The public streams over real HTTP."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from support.feeds import HandFeed
from support.serving import EventReader, Reader, Serving

NOON = 1_800_014_400_000
"""A time at which candles of every span begin but those longer than half a day."""


def next_data(reader: EventReader) -> Any:
    kind, data = reader.next()
    assert kind == "message"
    return data


def test_ticks(server: Serving, feed: HandFeed) -> None:
    with EventReader(server.url, "/v1/market/instruments/ticks/stream?instrument_id=GOLD") as reader:
        assert reader.status == 200
        server.call(feed.give, 1800.111, 1800.5, NOON)
        expected = {"epoch_ms": str(NOON), "price": "1800.31", "ask": "1800.50", "bid": "1800.11", "instrument_id": "GOLD"}
        assert next_data(reader) == {"data": {"ticks": [expected]}}
        server.call(feed.give, 1800.2, 1800.5, NOON + 1)
        assert next_data(reader)["data"]["ticks"][0]["epoch_ms"] == str(NOON + 1)
    with EventReader(server.url, "/v1/market/instruments/ticks/stream?instrument_id=GOLD") as reader:
        assert next_data(reader)["data"]["ticks"][0]["epoch_ms"] == str(NOON + 1), "the current value comes first"


def test_ticks_of_several_instruments(server: Serving) -> None:
    query = "instrument_id=R_100&instrument_id=1HZ10V"
    with EventReader(server.url, f"/v1/market/instruments/ticks/stream?{query}") as reader:
        seen = {next_data(reader)["data"]["ticks"][0]["instrument_id"] for _ in range(30)}
        assert seen == {"R_100", "1HZ10V"}


def test_candles_are_built_while_they_are_watched(server: Serving, feed: HandFeed) -> None:
    with EventReader(server.url, "/sse?topic=ticks:GOLD") as ticks:
        server.call(feed.give, 9, 11, NOON + 1000)
        next_data(ticks)
    path = "/v1/market/instruments/candles/stream?instrument_id=GOLD&granularity=60"
    with EventReader(server.url, path) as reader:
        first = {
            "open_epoch_ms": str(NOON),
            "open": "10.00",
            "high": "10.00",
            "low": "10.00",
            "close": "10.00",
            "close_epoch_ms": str(NOON + 60_000),
            "instrument_id": "GOLD",
            "granularity": 60,
        }
        assert next_data(reader) == {"data": {"candles": [first]}}
        server.call(feed.give, 11, 13, NOON + 59_999)
        assert next_data(reader) == {"data": {"candles": [{**first, "high": "12.00", "close": "12.00"}]}}
        server.call(feed.give, 4, 6, NOON + 60_000)
        assert next_data(reader) == {"data": {"candles": [{**first, "high": "12.00", "close": "12.00"}]}}
        opened = next_data(reader)["data"]["candles"][0]
        assert (opened["open_epoch_ms"], opened["open"], opened["close"]) == (str(NOON + 60_000), "5.00", "5.00")
    with EventReader(server.url, f"{path}&start_epoch_ms={NOON}") as reader:
        history = next_data(reader)["data"]["candles"]
        assert [candle["open_epoch_ms"] for candle in history] == [str(NOON)]
        assert history[0]["close"] == "12.00"
        assert next_data(reader)["data"]["candles"][0]["open_epoch_ms"] == str(NOON + 60_000)


def test_topics_come_in_envelopes(server: Serving, feed: HandFeed) -> None:
    with EventReader(server.url, "/sse?topic=ticks:GOLD&topic=candles:GOLD:60") as reader:
        server.call(feed.give, 9, 11, NOON)
        tick, candle = next_data(reader), next_data(reader)
        assert {**tick, "data": None} == {"event": "tick", "subscription_id": "ticks:GOLD", "seq": 1, "data": None}
        assert tick["data"]["price"] == "10.00"
        assert {**candle, "data": None} == {"event": "candle", "subscription_id": "candles:GOLD:60", "seq": 1, "data": None}
        assert candle["data"]["close"] == "10.00"


def test_the_price_of_an_instrument(server: Serving, feed: HandFeed) -> None:
    with EventReader(server.url, "/sse?action=instrument_price&instrument_id=GOLD") as reader:
        server.call(feed.give, 9, 11.5, NOON + 7)
        expected = {"instrument_id": "GOLD", "bid": 9.0, "ask": 11.5, "timestamp": "2027-01-15T12:00:00.007Z"}
        assert next_data(reader) == expected


def test_a_paced_stream(server: Serving, feed: HandFeed) -> None:
    with EventReader(server.url, "/sse?topic=ticks:GOLD&interval_ms=50") as reader:
        for number in range(300):
            server.call(feed.give, number + 1, number + 1, NOON + number)
        seqs: list[int] = []
        merged: list[int] = []
        while not seqs or seqs[-1] < 300:
            data = next_data(reader)
            seqs.append(data["seq"])
            merged.append(data.get("merged", 0))
        assert sum(merged) + len(seqs) == 300, "what did not come was merged, and is counted"
        assert len(seqs) < 300


def test_a_paced_stream_learns_how_each_candle_closed(server: Serving, feed: HandFeed) -> None:
    with EventReader(server.url, "/sse?topic=candles:GOLD:60&interval_ms=100") as reader:
        for minute in range(20):
            for second in range(60):
                server.call(feed.give, 100 * minute + second + 1, 100 * minute + second + 1, NOON + 60_000 * minute + 1000 * second)
        closes: dict[str, str] = {}
        while closes.get(str(NOON + 19 * 60_000)) != "1960.00":
            candle = next_data(reader)["data"]
            closes[candle["open_epoch_ms"]] = candle["close"]
        assert list(closes.values()) == [f"{100 * minute + 60}.00" for minute in range(20)]


def test_a_feed_that_fails_makes_its_topics_stale_and_its_market_closed(server: Serving, feed: HandFeed) -> None:
    with EventReader(server.url, "/sse?topic=ticks:GOLD") as reader:
        for number in range(5):
            server.call(feed.give, 9, 11, int(time.time() * 1000) + number)
            next_data(reader)
        server.call(feed.fail, ConnectionError("the exchange hung up"))
        kind, data = reader.next()
        assert kind == "stale"
        assert data["topic"] == "ticks:GOLD"
        assert data["since_epoch_ms"].isdigit()


@pytest.mark.parametrize(
    ("path", "status", "code", "message"),
    [
        ("/sse", 400, "INVALID_PARAMETERS", "give topic="),
        ("/sse?topic=x", 400, "INVALID_PARAMETERS", "topic 'x' is none of"),
        ("/sse?topic=ticks:NONE", 404, "NOT_FOUND", "there is no instrument 'NONE'"),
        ("/sse?topic=ticks:GOLD&topic=candles:GOLD:61", 400, "INVALID_PARAMETERS", "granularity '61' is none of 60"),
        ("/sse?topic=ticks:GOLD&interval_ms=-1", 400, "INVALID_PARAMETERS", "interval_ms: '-1' is no whole number"),
        ("/sse?topic=ticks:GOLD&interval_ms=x", 400, "INVALID_PARAMETERS", "interval_ms: 'x' is no whole number"),
        ("/sse?" + "&".join(["topic=ticks:GOLD"] * 251), 400, "INVALID_PARAMETERS", "251 topics exceed the limit of 250"),
        ("/sse?action=instrument_price", 400, "INVALID_PARAMETERS", "needs instrument_id"),
        ("/sse?action=instrument_price&instrument_id=NONE", 404, "NOT_FOUND", "there is no instrument 'NONE'"),
        ("/sse?action=buy", 400, "INVALID_PARAMETERS", "action 'buy' is neither instrument_price"),
        ("/sse?action=instrument_price&topic=ticks:GOLD", 400, "INVALID_PARAMETERS", "exclude each other"),
        ("/v1/market/instruments/ticks/stream", 400, "INVALID_PARAMETERS", "instrument_id"),
        ("/v1/market/instruments/ticks/stream?instrument_id=NONE", 404, "NOT_FOUND", "there is no instrument 'NONE'"),
        ("/v1/market/instruments/candles/stream?instrument_id=GOLD", 400, "INVALID_PARAMETERS", "granularity"),
        ("/v1/market/instruments/candles/stream?instrument_id=GOLD&granularity=61", 400, "INVALID_PARAMETERS", "granularity 61 is none of"),
        ("/v1/market/instruments/candles/stream?instrument_id=NONE&granularity=60", 404, "NOT_FOUND", "there is no instrument"),
        (
            "/v1/market/instruments/candles/stream?instrument_id=GOLD&granularity=60&start_epoch_ms=-5",
            400,
            "INVALID_PARAMETERS",
            "start_epoch_ms",
        ),
    ],
)
def test_what_cannot_be_served_is_refused_before_a_stream_starts(server: Serving, path: str, status: int, code: str, message: str) -> None:
    with Reader(server.url, path, headers={"Connection": "close"}) as reader:
        found, headers = reader.read_head()
        assert found == status
        assert headers["content-type"] == "application/json"
        error = json.loads(reader.read_to_end())["error"]
        assert error["code"] == code
        assert message in error["message"]
