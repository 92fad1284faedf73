"""Bad numbers, in every place that takes one: only documented errors come out, short ones, and nothing is traded."""

from __future__ import annotations

import json
import secrets
from typing import Any
from urllib.parse import quote

import httpx2
import pytest

from pricewire.protocol.messages import MAX_MESSAGE
from support.app_server import Scene, bearer
from support.serving import Reader

BUY = "/v1/trading/contracts/buy"

JSON = {"Content-Type": "application/json"}

TEXTS = ["", "abc", "--1", "+-1", "+", "-", ".", "1.", "1.5.5", "Infinity", "-Infinity", "NaN", "sNaN", "1e999999", "1e-100000000", "1e5"]
TEXTS += ["1_250", "1250 ", "1250\n", "١٢٥٠", "１２５０", "²", "٫5", "1,250", "0x10", "true", "9" * 300, "9" * 5000, "1.0000000000001"]
"""None of them is a number in plain decimal notation of bounded length."""

LOOSE = ["1e3", "6e1", "60.0", "1000.0", "-0", "+60", " 60", "60 ", "6_0", "٦٠", "060", "0x3c", "1" + "0" * 16]
"""None of them is a whole number: digits alone, and none that says nothing."""

VALUES: list[Any] = [*TEXTS, " 1250", 10**17, 2**63, -(2**63) - 1, 10**400, 1e308, 1e-308, -1, -1.5, True, [], {}]

STREAMS = [
    "/sse?topic=ticks:R_100&interval_ms={}",
    "/sse?topic=candles:R_100:{}",
    "/sse?topic=proposal:high_low:R_100:{}:minutes:10:false",
    "/sse?topic=proposal:high_low:R_100:5:minutes:{}:false",
    "/sse?topic=proposal:high_low:R_100:5:minutes:10:false:{}",
    "/sse?topic=contract_price:CALL:R_100:5:minutes:USD:{}",
    "/sse?topic=contract_price:CALL:R_100:5:minutes:USD:20:{}",
    "/sse?action=contract_price&duration={}m&instrument=R_100&trade_type=CALL&currency=USD&payout=20",
    "/sse?action=contract_price&duration=5m&instrument=R_100&trade_type=CALL&currency=USD&payout={}",
    "/sse?action=contract_price&duration=5m&instrument=R_100&trade_type=CALL&currency=USD&payout=20&strike={}",
    "/v1/trading/proposal/stream?product_id=high_low&instrument_id=R_100&duration={}&duration_unit=minutes&stake=10",
    "/v1/trading/proposal/stream?product_id=high_low&instrument_id=R_100&duration=5&duration_unit=minutes&stake={}",
    "/v1/trading/proposal/stream?product_id=high_low&instrument_id=R_100&duration=5&duration_unit=minutes&stake=10&barrier={}",
    "/v1/market/instruments/candles/stream?instrument_id=R_100&granularity={}",
    "/v1/market/instruments/candles/stream?instrument_id=R_100&granularity=60&start_epoch_ms={}",
]

WHOLE = [path for path in STREAMS if any(name in path for name in ("interval_ms={", "&duration={}&", "granularity={", "start_epoch_ms={"))]
"""Where the framework itself would read a whole number from the query."""


def checked(status: int, body: bytes, *allowed: int) -> None:
    assert status in allowed, (status, body[:300])
    error = json.loads(body)["error"]
    assert error["code"] == {400: "INVALID_PARAMETERS", 404: "NOT_FOUND"}[status]
    assert 0 < len(error["message"]) <= MAX_MESSAGE


def refusal(scene: Scene, path: str) -> str:
    """Return why a request for a stream is refused, which would not end if it were not."""
    with Reader(scene.server.url, path, headers={**bearer(scene.alice), "Connection": "close"}) as reader:
        status, _ = reader.read_head()
        assert status == 400
        message: str = json.loads(reader.read_to_end())["error"]["message"]
        return message


@pytest.mark.parametrize("path", STREAMS)
def test_a_bad_number_opens_no_stream(scene: Scene, path: str) -> None:
    for text in TEXTS + (LOOSE if path in WHOLE else []):
        with Reader(scene.server.url, path.format(quote(text)), headers={"Connection": "close"}) as reader:
            status, _ = reader.read_head()
            assert status == 400, text
            checked(status, reader.read_to_end(), 400)


@pytest.mark.parametrize("path", WHOLE)
def test_a_whole_number_that_is_none_is_named(scene: Scene, path: str) -> None:
    name = path.partition("={}")[0].rpartition("&")[2].rpartition("?")[2]
    for text in LOOSE:
        message = refusal(scene, path.format(quote(text)))
        assert message == f"{name}: {text!r} is no whole number; give digits alone, such as 10"


@pytest.mark.parametrize(
    "path",
    [
        "/sse?topic=ticks:R_100&interval_ms=250&interval_ms=0",
        "/v1/market/instruments/candles/stream?instrument_id=R_100&instrument_id=R_50&granularity=60",
        "/v1/trading/contracts/open/stream?account_uuid={0}&account_uuid=another",
        "/v1/accounting/balance?account_uuid=another&account_uuid={0}",
        "/protected/sse?topic=ticks:R_100&ticket=a&ticket=b",
    ],
)
def test_of_two_values_for_one_parameter_none_counts(scene: Scene, path: str) -> None:
    assert "there are 2 of it; give one" in refusal(scene, path.format(scene.alice.uuid))


@pytest.mark.parametrize("member", ["stake", "payout", "barrier", "duration"])
def test_a_bad_number_buys_nothing(scene: Scene, member: str) -> None:
    for value in VALUES:
        details = {"instrument_id": "1HZ100V", "duration": 5, "duration_unit": "minutes", "stake": "10", "variant": "higher", member: value}
        body = {"idempotency_key": secrets.token_hex(8), "product_id": "high_low", "proposal_details": details}
        answer = scene.ask_to_buy(scene.alice, content=json.dumps(body), headers=JSON)
        checked(answer.status_code, answer.content, 400)


@pytest.mark.parametrize("kind", ["ticks", "candles"])
@pytest.mark.parametrize("member", ["from_epoch_ms", "to_epoch_ms", "granularity", "count"])
def test_a_bad_number_has_no_history(scene: Scene, kind: str, member: str) -> None:
    for value in VALUES:
        body = json.dumps({"instrument_id": "R_100", member: value})
        answer = httpx2.post(f"{scene.server.url}/v1/market/instruments/{kind}/history", content=body, headers=JSON)
        checked(answer.status_code, answer.content, 400)


@pytest.mark.parametrize("stake", [10, 10.0, "10", "10.00"])
def test_a_good_number_buys_however_it_is_written(scene: Scene, stake: Any) -> None:
    details = {"instrument_id": "1HZ100V", "duration": 5, "duration_unit": "minutes", "stake": stake, "payout": 1.5, "variant": "rise"}
    body = {"idempotency_key": "the-same", "product_id": "rise_fall", "proposal_details": details}
    answer = scene.ask_to_buy(scene.alice, json=body)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["buy_price"] == "10.00"


@pytest.mark.parametrize("name", ["x" * 300, "x" * 5000, "\x00", "é" * 300, "R_100\n"])
def test_a_bad_name_finds_no_instrument(scene: Scene, name: str) -> None:
    url, path = scene.server.url, quote(name)
    for answer in (
        httpx2.get(f"{url}/sse?topic=ticks:{path}"),
        httpx2.get(f"{url}/v1/market/instruments/ticks/stream?instrument_id={path}"),
        httpx2.get(f"{url}/v1/market/products/config?product_id=touch&instrument_id={path}"),
        httpx2.post(f"{url}/v1/market/instruments/ticks/history", json={"instrument_id": name}),
        httpx2.post(f"{url}/v1/market/instruments/candles/history", json={"instrument_id": name}),
        httpx2.patch(f"{url}/v1/streams/{path}", json={}),
    ):
        checked(answer.status_code, answer.content, 400, 404)


def test_the_message_of_an_error_is_short(scene: Scene) -> None:
    url = scene.server.url
    topics = [f"ticks:R_{number}" for number in range(2000)]
    with Reader(url, "/sse?topic=ticks:R_100") as reader:
        stream = f"{url}/v1/streams/{reader.read_head()[1]['pricewire-stream']}"
        for answer in (
            httpx2.patch(stream, json={"remove": topics}),
            httpx2.patch(stream, json={"add": ["x" * 50_000]}),
            httpx2.patch(stream, json={"interval_ms": "9" * 4000}),
            httpx2.get(f"{url}/{'x' * 5000}"),
            httpx2.get(f"{url}/sse?topic=ticks:R_100&fields={','.join(map(str, range(1000)))}"),
            httpx2.post(
                url + BUY, json={"idempotency_key": "x", "product_id": "x" * 5000, "proposal_details": {}}, headers=bearer(scene.alice)
            ),
        ):
            checked(answer.status_code, answer.content, 400, 404)
