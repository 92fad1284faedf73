"""What a cheap request may cost: everything dear is counted, and refused with 429 before it hurts anybody else."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pricewire.market.feed import Feed
from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.server.limits import Limits
from pricewire.store.accounts import Account
from support.app_server import Events, add_account, bearer, open_app_server, purchase
from support.metrics import metric, wait_until
from support.serving import Reader, Serving

OpenServer = Callable[..., Any]


def proposal(seconds: int) -> str:
    return f"proposal:rise_fall:1HZ100V:{seconds}:seconds:10:false"


def proposals(first: int, count: int) -> list[str]:
    return [proposal(seconds) for seconds in range(first, first + count)]


def stream_of(topics: list[str]) -> str:
    return "/sse?" + "&".join(f"topic={topic}" for topic in topics)


@pytest.fixture
def serving(tmp_path: Path, http: type[asyncio.Protocol]) -> OpenServer:
    @contextmanager
    def opened(*feeds: Feed, **limits: Any) -> Iterator[Serving]:
        with open_app_server(tmp_path / "pricewire.db", *feeds, http=http, limits=Limits(**limits)) as server:
            yield server

    return opened


def limited(answer: httpx2.Response) -> str:
    assert answer.status_code == 429, answer.text
    assert int(answer.headers["retry-after"]) >= 1
    error = answer.json()["error"]
    assert error["code"] == "RATE_LIMIT_EXCEEDED"
    return str(error["message"])


def refused(server: Serving, path: str) -> str:
    return limited(httpx2.get(server.url + path))


def opened(stack: ExitStack, server: Serving, topics: list[str]) -> Events:
    stream = stack.enter_context(Events(server, stream_of(topics)))
    assert stream.status == 200
    return stream


def change(server: Serving, stream: Events, **body: Any) -> httpx2.Response:
    return httpx2.patch(f"{server.url}/v1/streams/{stream.head['pricewire-stream']}", json=body)


def count_of_quotes(server: Serving) -> float:
    return metric(server.url, "pricewire_quotes")


def test_a_stream_has_so_many_quotes(serving: OpenServer) -> None:
    with serving(quotes_per_stream=3) as server, ExitStack() as stack:
        assert "4 quotes exceed the limit of 3 for one stream" in refused(server, stream_of(proposals(20, 4)))
        stream = opened(stack, server, ["ticks:R_100", *proposals(20, 2)])
        assert "the limit of 3" in limited(change(server, stream, add=proposals(30, 4)))
        assert "the limit of 3" in limited(change(server, stream, add=proposals(30, 2)))
        assert change(server, stream, add=proposals(30, 1)).status_code == 200
        assert change(server, stream, add=proposals(40, 3), remove=[proposal(20), proposal(21), proposal(30)]).status_code == 200
        # The same in other words is the same.
        same = [f"proposal:rise_fall:1HZ100V:40:seconds:10.{'0' * zeros}:false" for zeros in range(1, 9)]
        assert change(server, stream, add=same).status_code == 200
        assert count_of_quotes(server) == 3


def test_an_address_and_the_process_have_so_many_quotes(serving: OpenServer) -> None:
    with serving(quotes_per_address=5) as server, ExitStack() as stack:
        stream = opened(stack, server, proposals(20, 3))
        assert "this address has 3 live quotes, and its limit is 5" in refused(server, stream_of(proposals(30, 3)))
        # What is there already costs nothing more.
        opened(stack, server, proposals(20, 3))
        assert "its limit is 5" in limited(change(server, stream, add=proposals(30, 3)))
        price = "/v1/trading/proposal/stream?product_id=rise_fall&instrument_id=R_100&duration_unit=minutes&stake=10&duration="
        for duration in (1, 2):
            reader = stack.enter_context(Reader(server.url, f"{price}{duration}"))
            assert reader.read_head()[0] == 200
        assert "its limit is 5" in refused(server, f"{price}3")
        contract = "/sse?action=contract_price&duration=5m&instrument=R_100&trade_type=CALL&currency=USD&payout=20"
        assert "its limit is 5" in refused(server, contract)
    with serving(quotes=2) as server, ExitStack() as stack:
        opened(stack, server, proposals(20, 2))
        assert "the server has 2 live quotes, and its limit is 2" in refused(server, stream_of([proposal(30)]))


def test_quotes_end_with_their_last_stream(serving: OpenServer) -> None:
    with serving(quotes_per_address=5) as server, ExitStack() as stack:
        ten = [f"ticks:{name}" for volatility in (10, 25, 50, 75, 100) for name in (f"R_{volatility}", f"1HZ{volatility}V")]
        everything = opened(stack, server, ten)
        assert {everything.next()[1]["subscription_id"] for _ in ten} == set(ten)
        topics = metric(server.url, "pricewire_topics")
        first, second = opened(stack, server, proposals(20, 3)), opened(stack, server, proposals(21, 3))
        assert count_of_quotes(server) == 4
        first.socket.close()
        wait_until(lambda: count_of_quotes(server) == 3)
        assert change(server, second, remove=[proposal(21)]).status_code == 200
        assert count_of_quotes(server) == 2
        second.socket.close()
        wait_until(lambda: count_of_quotes(server) == 0)
        assert metric(server.url, "pricewire_topics") == topics, "nothing is computed for nobody"
        # A stream that is refused holds none either.
        assert httpx2.get(server.url + stream_of([*proposals(20, 5), "ticks:NONE"])).status_code == 404
        assert count_of_quotes(server) == 0
        opened(stack, server, proposals(60, 5)).next()


def test_an_address_changes_streams_so_often(serving: OpenServer) -> None:
    with serving(topics_per_second=0.5, address_burst_seconds=420) as server, ExitStack() as stack:
        # 210 at once: the 10 of the stream that waits for open markets, a stream of 2 topics, and changes that cost 20 besides the
        # topics that the stream has.
        stream = opened(stack, server, ["ticks:R_100", "ticks:R_50"])
        answers = [change(server, stream, interval_ms=number) for number in range(20)]
        statuses = [answer.status_code for answer in answers]
        assert statuses == [200] * 9 + [429] * 11
        assert "this address may ask for 0.5 topics per second" in limited(answers[-1])
        assert "topics per second" in refused(server, stream_of([proposal(20)]))
        assert httpx2.get(f"{server.url}/healthz").status_code == 200


def test_changes_of_a_stream_of_patterns_cost_what_looking_at_all_topics_costs(serving: OpenServer) -> None:
    with serving(topics_per_second=0.5, address_burst_seconds=420) as server, ExitStack() as stack:
        # 210 at once, as above: a pattern costs 50, and so does each change of what has it.
        stream = opened(stack, server, ["ticks:*"])
        statuses = [change(server, stream, interval_ms=number).status_code for number in range(4)]
        assert statuses == [200, 200, 429, 429]


def test_forty_changes_of_many_quotes_are_refused(serving: OpenServer) -> None:
    with serving() as server, ExitStack() as stack, httpx2.Client() as client:
        stream = opened(stack, server, ["ticks:1HZ100V"])
        url = f"{server.url}/v1/streams/{stream.head['pricewire-stream']}"
        for number in range(40):
            durations = range(100 + number * 249, 100 + (number + 1) * 249)
            limited(client.patch(url, json={"add": [proposal(seconds) for seconds in durations]}))
        assert count_of_quotes(server) == 0
        # By fifty at a time, each of a new stream, an address has 250 of them and no more.
        statuses = [opened_status(stack, server, proposals(100 + 50 * number, 50)) for number in range(8)]
        assert statuses == [200] * 5 + [429] * 3
        assert count_of_quotes(server) == 250
        stream.until(lambda data: data.get("event") == "tick")


def buy(server: Serving, account: Account, key: str) -> httpx2.Response:
    body = purchase(key, duration_unit="hours")
    return httpx2.post(f"{server.url}/v1/trading/contracts/buy", json=body, headers=bearer(account), timeout=60)


def test_an_account_has_so_many_open_contracts_however_many_are_bought_at_once(serving: OpenServer, tmp_path: Path) -> None:
    alice, bob = [add_account(tmp_path / "pricewire.db", name) for name in ("alice", "bob")]
    with serving(open_contracts_per_account=5) as server, ThreadPoolExecutor(12) as threads:
        answers = list(threads.map(lambda number: buy(server, alice, f"key-{number}"), range(12)))
        assert sorted(answer.status_code for answer in answers) == [200] * 5 + [409] * 7
        message = next(answer for answer in answers if answer.status_code == 409).json()["error"]
        assert message["code"] == "TOO_MANY_CONTRACTS"
        assert "the account has 5 open contracts, its limit" in message["message"]
        bought = next(number for number, answer in enumerate(answers) if answer.status_code == 200)
        assert buy(server, alice, f"key-{bought}").status_code == 200, "a purchase that is repeated gets its answer"
        assert buy(server, bob, "other").status_code == 200
        with Events(server, "/protected/sse?topic=balance:" + alice.uuid, alice) as stream:
            assert stream.next()[1]["data"]["balance"] == "9950.00"
        contract_id = answers[bought].json()["data"]["contract_id"]
        with Events(server, f"/v1/trading/contracts/open/stream?contract_id={contract_id}", alice) as stream:
            stream.until(lambda data: data["data"]["contracts"][0]["contract_details"]["is_valid_to_sell"])
        sale = httpx2.post(f"{server.url}/v1/trading/contracts/sell?contract_id={contract_id}", headers=bearer(alice))
        assert sale.status_code == 200, sale.text
        assert buy(server, alice, "one more").status_code == 400, "a key is printable"
        assert buy(server, alice, "one-more").status_code == 200


def test_a_list_has_no_more_than_the_newest_tick_of_each_contract(serving: OpenServer, tmp_path: Path) -> None:
    alice = add_account(tmp_path / "pricewire.db", "alice")
    with serving() as server:
        contract_ids = [buy(server, alice, f"key-{number}").json()["data"]["contract_id"] for number in range(20)]
        path = "/v1/trading/contracts/open/stream"
        with Events(server, f"{path}?contract_id={contract_ids[7]}", alice) as one, Events(server, path, alice) as all_of_them:
            life = one.until(lambda data: len(data["data"]["contracts"][0]["contract_details"]["tick_stream"]) > 20)["data"]["contracts"]
            assert [each["contract_id"] for each in life] == [contract_ids[7]]
            listed = all_of_them.until(lambda data: all(each["contract_details"]["tick_stream"] for each in data["data"]["contracts"]))
            contracts = listed["data"]["contracts"]
            assert [each["contract_id"] for each in contracts] == contract_ids
            assert {len(each["contract_details"]["tick_stream"]) for each in contracts} == {1}
            assert contracts[0]["contract_details"].keys() == life[0]["contract_details"].keys(), "no member is missing"
            assert len(json.dumps(listed)) < 20 * 1000
        for contract_id in contract_ids[:2]:
            sale = httpx2.post(f"{server.url}/v1/trading/contracts/sell?contract_id={contract_id}", headers=bearer(alice))
            assert sale.status_code == 200, sale.text
        path = "/v1/trading/contracts/close/stream"
        with Events(server, f"{path}?contract_id={contract_ids[0]}", alice) as one, Events(server, path, alice) as all_of_them:
            closed = one.next()[1]["data"]
            assert closed["pagination"] == {"current_page": 1, "limit": 50, "total_items": 1, "total_pages": 1}
            assert len(closed["contracts"][0]["contract_details"]["tick_stream"]) > 20
            listed = all_of_them.next()[1]["data"]["contracts"]
            assert [(each["contract_id"], each["contract_details"]["tick_stream"]) for each in listed] == [
                (contract_ids[1], []),
                (contract_ids[0], []),
            ]


def history(server: Serving, kind: str = "ticks", headers: dict[str, str] | None = None, **body: Any) -> httpx2.Response:
    body = {"instrument_id": "1HZ100V", **body}
    return httpx2.post(f"{server.url}/v1/market/instruments/{kind}/history", json=body, headers=headers, timeout=60)


def test_an_address_gets_so_many_rows_of_history(serving: OpenServer) -> None:
    with serving(history_rows_per_second=1, address_burst_seconds=1000) as server:
        assert history(server, count=500).status_code == 200
        answer = history(server, "candles", count=100)
        assert "this address may ask for 1 rows of history per second" in limited(answer)
        assert int(answer.headers["retry-after"]) >= 100
        candles = "/v1/market/instruments/candles/stream?instrument_id=R_100&granularity=60"
        assert "rows of history" in refused(server, f"{candles}&start_epoch_ms=0")
        with Reader(server.url, candles) as reader:
            assert reader.read_head()[0] == 200
    with serving(history_rows_per_second=1, address_burst_seconds=1000) as server:
        assert "rows of history" in limited([history(server, count=1) for _ in range(5)][-1]), "a request counts by itself, too"


@pytest.mark.parametrize("kind", ["ticks", "candles"])
def test_a_history_is_compressed_where_that_is_taken_and_worth_it(serving: OpenServer, kind: str) -> None:
    with serving() as server:
        url, path = server.url, f"/v1/market/instruments/{kind}/history"
        # Of a time that is over: the newest ticks change.
        newest = history(server, "ticks", count=1).json()["data"]["ticks"][0]["epoch_ms"]
        for count in (1, 50, 3000):
            body = json.dumps({"instrument_id": "1HZ100V", "count": count, "to_epoch_ms": int(newest) - 120_000}).encode()
            answers: dict[str, tuple[str | None, bytes]] = {}
            for coding in ("gzip", "identity", "gzip;q=0", "br"):
                with httpx2.Client() as client:
                    headers = {"Content-Type": "application/json", "Accept-Encoding": coding}
                    with client.stream("POST", url + path, content=body, headers=headers) as response:
                        assert response.status_code == 200
                        answers[coding] = response.headers.get("content-encoding"), b"".join(response.iter_raw())
                        assert response.headers["content-type"] == "application/json"
                        assert "accept-encoding" in response.headers["vary"].lower()
            plain = answers["identity"][1]
            assert answers["gzip;q=0"] == answers["br"] == (None, plain)
            rows = json.loads(plain)["data"][kind]
            assert len(rows) == count if kind == "ticks" else 1 <= len(rows) <= count
            given, data = answers["gzip"]
            if len(plain) < 1024:
                assert (given, data) == (None, plain)
            else:
                assert given == "gzip"
                assert gzip.decompress(data) == plain
                assert len(data) < len(plain) / 4


def test_histories_and_streams_of_candles_meet(serving: OpenServer) -> None:
    # With a day of history.
    with serving(SimulatedFeed(seed=1, rate=20)) as server:
        closed = history(server, "candles", count=3).json()["data"]["candles"]
        start = closed[0]["open_epoch_ms"]
        with Events(server, f"/v1/market/instruments/candles/stream?instrument_id=1HZ100V&granularity=60&start_epoch_ms={start}") as stream:
            first, then = stream.next()[1]["data"]["candles"], stream.next()[1]["data"]["candles"]
            opens = [int(candle["open_epoch_ms"]) for candle in [*first, *then]]
            assert opens == list(range(int(start), opens[-1] + 1, 60_000))
        week = "/v1/market/instruments/candles/stream?instrument_id=1HZ100V&granularity=60&start_epoch_ms=0"
        with Events(server, week) as stream:
            candles = [*stream.next()[1]["data"]["candles"], *stream.next()[1]["data"]["candles"]]
            opens = [int(candle["open_epoch_ms"]) for candle in candles]
            assert len(opens) > 1000
            assert opens == list(range(opens[0], opens[-1] + 1, 60_000))


def test_all_quotes_of_an_instrument_go_on_where_a_tick_has_more_than_a_slice(serving: OpenServer) -> None:
    with serving() as server, ExitStack() as stack:
        streams = [opened(stack, server, proposals(100 + 50 * number, 50)) for number in range(4)]
        for number, stream in enumerate(streams):
            waited_for = set(proposals(100 + 50 * number, 50))
            while waited_for:
                data = stream.next()[1]
                if data["seq"] >= 3:
                    waited_for.discard(data["subscription_id"])


def opened_status(stack: ExitStack, server: Serving, topics: list[str]) -> int:
    return stack.enter_context(Events(server, stream_of(topics))).status


def test_an_address_may_make_so_many_requests(serving: OpenServer) -> None:
    # One is for the stream that waits for open markets.
    with serving(requests_per_second=0.001, address_burst_seconds=11_000, streams_per_address=1) as server:
        answers = [httpx2.get(f"{server.url}{path}") for path in ("/healthz", "/schema", "/v1/market/instruments", "/nothing", "/") * 2]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 404, 200] * 2
        answer = httpx2.get(f"{server.url}/healthz")
        assert "requests per second" in limited(answer)
        assert answer.headers["connection"] == "close"


def test_what_waits_behind_a_request_too_many_is_not_read(serving: OpenServer) -> None:
    with serving(requests_per_second=0.001, address_burst_seconds=6000, streams_per_address=1) as server:
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as connection:
            connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)
            received = b""
            with suppress(ConnectionError):
                while data := connection.recv(65536):
                    received += data
        assert received.count(b"HTTP/1.1 200") == 5
        assert received.count(b"HTTP/1.1 429") == 1
