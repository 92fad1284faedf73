"""Changing open streams over real HTTP: `PATCH /v1/streams/{stream_id}`, and `fields`."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable

import httpx2
import pytest

from support.feeds import HandFeed
from support.serving import EventReader, Reader, Serving

NOON = 1_800_014_400_000


def opened(server: Serving) -> EventReader:
    return EventReader(server.url, "/sse?topic=ticks:GOLD")


@pytest.fixture
def change(server: Serving) -> Callable[..., httpx2.Response]:
    def patch(stream_id: str, **body: object) -> httpx2.Response:
        return httpx2.patch(f"{server.url}/v1/streams/{stream_id}", json=body)

    return patch


def test_topics_are_added_and_removed(server: Serving, feed: HandFeed, change: Callable[..., httpx2.Response]) -> None:
    stream = opened(server)
    server.call(feed.give, 9, 11, NOON)
    assert stream.next()[1]["data"]["price"] == "10.00"
    before = stream.last_id
    answer = change(stream.head["pricewire-stream"], add=["candles:GOLD:60", "ticks:GOLD"])
    assert answer.status_code == 200
    state = {"topics": ["candles:GOLD:60", "ticks:GOLD"], "interval_ms": 0, "expires_at": None, "names": {}}
    assert answer.json() == {"data": state}
    kind, candle = stream.next()
    assert (kind, candle["subscription_id"]) == ("message", "candles:GOLD:60"), "the current value of what is added"
    assert stream.last_id == before, "nothing to resume from before the change is confirmed"
    assert stream.next() == ("changed", state)
    server.call(feed.give, 19, 21, NOON + 1000)
    assert [stream.next()[1]["event"] for _ in range(2)] == ["tick", "candle"]
    state = {"topics": ["candles:GOLD:60"], "interval_ms": 50, "expires_at": None, "names": {}}
    for _ in range(2):
        # A proxy may send it twice.
        answer = change(stream.head["pricewire-stream"], remove=["ticks:GOLD"], interval_ms=50)
        assert answer.json() == {"data": state}
        assert stream.next() == ("changed", state)
    server.call(feed.give, 29, 31, NOON + 2000)
    kind, candle = stream.next()
    assert (kind, candle["event"], candle["data"]["close"]) == ("message", "candle", "30.00")
    stream.socket.close()


def test_a_changed_stream_resumes_with_all_its_topics(server: Serving, feed: HandFeed, change: Callable[..., httpx2.Response]) -> None:
    stream = opened(server)
    server.call(feed.give, 9, 11, NOON)
    stream.next()
    change(stream.head["pricewire-stream"], add=["candles:GOLD:60"])
    while stream.next()[0] != "changed":
        pass
    stream.socket.close()
    again = Reader(server.url, "/sse?topic=ticks:GOLD&topic=candles:GOLD:60", headers={"Last-Event-ID": stream.last_id})
    assert again.read_head()[1]["pricewire-start"] == "resumed"
    again.socket.close()


def test_a_compressed_stream_is_changed_too(server: Serving, feed: HandFeed, change: Callable[..., httpx2.Response]) -> None:
    reader = Reader(server.url, "/sse?topic=ticks:GOLD", headers={"Accept-Encoding": "gzip", "Connection": "close"}, version="1.0")
    head = reader.read_head()[1]
    assert head["content-encoding"] == "gzip"
    for number in range(5):
        server.call(feed.give, 9, 11, NOON + number)
        change(head["pricewire-stream"], add=["candles:GOLD:60"] if number % 2 else [], remove=["candles:GOLD:60"] if number == 2 else [])
    server.begin_to_stop()
    text = gzip.decompress(reader.read_to_end()).decode()
    assert text.count("event: changed") == 5
    assert text.count('"event":"tick"') == 5
    assert "SERVER_DRAINING" in text
    reader.socket.close()


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({"add": ["ticks:NONE"]}, 404, "there is no instrument 'NONE'"),
        ({"add": ["x"]}, 400, "topic 'x' is none of"),
        ({"remove": ["ticks:GOLD"]}, 400, "at least one topic"),
        ({"interval_ms": -1}, 400, "interval_ms"),
        ({"interval_ms": "x"}, 400, "interval_ms"),
        ({"add": ["ticks:R_10"] * 251}, 400, "exceed the limit of 250"),
        ({"add": "ticks:R_10"}, 400, "add"),
    ],
)
def test_a_change_that_cannot_be_is_refused(
    server: Serving, change: Callable[..., httpx2.Response], body: dict[str, object], status: int, message: str
) -> None:
    stream = opened(server)
    answer = change(stream.head["pricewire-stream"], **body)
    assert answer.status_code == status
    assert message in answer.json()["error"]["message"]
    stream.socket.close()


def test_only_open_streams_of_topics_are_changed(server: Serving, change: Callable[..., httpx2.Response]) -> None:
    assert change("0123456789abcdef", add=["ticks:GOLD"]).status_code == 404
    with Reader(server.url, "/v1/market/instruments/ticks/stream?instrument_id=GOLD") as reader:
        answer = change(reader.read_head()[1]["pricewire-stream"], add=["ticks:R_10"])
        assert answer.status_code == 400
        assert "cannot be changed" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/sse?topic=ticks:GOLD&fields=price,epoch_ms", {"epoch_ms": str(NOON), "price": "10.00"}),
        ("/v1/market/instruments/ticks/stream?instrument_id=GOLD&fields=bid", {"bid": "9.00"}),
        ("/v1/market/instruments/candles/stream?instrument_id=GOLD&granularity=60&fields=close,open", {"open": "10.00", "close": "10.00"}),
    ],
)
def test_fields_choose_members_of_the_data(server: Serving, feed: HandFeed, path: str, expected: dict[str, str]) -> None:
    with Reader(server.url, path) as reader:
        reader.read_head()
        server.call(feed.give, 9, 11, NOON)
        data = json.loads(reader.read_until(b"\n\n").partition(b"data: ")[2])["data"]
        assert data.get("ticks", data.get("candles", [data]))[0] == expected


@pytest.mark.skipif("config.getoption('--gateways')", reason="streams on two gateways share nothing")
def test_streams_with_the_same_fields_share_their_bytes(server: Serving, feed: HandFeed) -> None:
    readers = [Reader(server.url, f"/sse?topic=ticks:GOLD&fields={fields}") for fields in ("price,bid", "bid,price", "bid")]
    for reader in readers:
        reader.read_head()
    before = httpx2.get(f"{server.url}/metrics").text.partition("\npricewire_flushes_total ")[2].split("\n")[0]
    server.call(feed.give, 9, 11, NOON)
    for reader in readers:
        reader.read_until(b"\n\n")
    after = httpx2.get(f"{server.url}/metrics").text.partition("\npricewire_flushes_total ")[2].split("\n")[0]
    assert float(after) - float(before) == 2
    for reader in readers:
        reader.socket.close()


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("topic=ticks:GOLD&fields=open", "'open' is none of ask, bid"),
        ("topic=ticks:GOLD&fields=", "'' is none of"),
        ("action=instrument_price&instrument_id=GOLD&fields=bid", "fields goes with topic"),
    ],
)
def test_fields_that_are_not_there_are_refused(server: Serving, query: str, message: str) -> None:
    answer = httpx2.get(f"{server.url}/sse?{query}")
    assert answer.status_code == 400
    assert message in answer.json()["error"]["message"]
