"""Bodies and parameters that say almost what they may: refused, not read as something else."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import httpx2
import msgspec
import pytest

import pricewire.protocol.account_messages
import pricewire.protocol.messages
import pricewire.protocol.trading_messages
from support.app_server import Scene, purchase, refused

HISTORY = "/v1/market/instruments/ticks/history"
BUY = "/v1/trading/contracts/buy"


def post(scene: Scene, path: str, body: Any) -> httpx2.Response:
    return scene.post(path, scene.alice, json=body)


@pytest.mark.parametrize("number", ["5", "1e1", "1e-100000000", "5.0", " 5", "true", True, None, 5.5, 1e300])
def test_a_whole_number_in_a_body_is_a_whole_number(scene: Scene, number: object) -> None:
    assert "duration" in refused(post(scene, BUY, purchase("key", duration=number)), 400, "INVALID_PARAMETERS")
    if number != "5":
        assert "count" in refused(post(scene, HISTORY, {"instrument_id": "R_100", "count": number}), 400, "INVALID_PARAMETERS")


def test_the_times_that_were_sent_can_be_given_back(scene: Scene) -> None:
    ticks = post(scene, HISTORY, {"instrument_id": "R_100", "count": "5"}).json()["data"]["ticks"]
    assert len(ticks) == 5
    since = {"instrument_id": "R_100", "from_epoch_ms": ticks[1]["epoch_ms"], "to_epoch_ms": ticks[3]["epoch_ms"]}
    assert post(scene, HISTORY, since).json()["data"]["ticks"] == ticks[1:4]


def test_a_truth_in_a_body_is_a_truth(scene: Scene) -> None:
    for value in ("true", "1", 1):
        assert "allow_equals" in refused(post(scene, BUY, purchase("key", allow_equals=value)), 400, "INVALID_PARAMETERS")


@pytest.mark.parametrize("end", ["\n", "\r", "\x00", "\u2028"])
def test_no_text_ends_with_a_line_break(scene: Scene, end: str) -> None:
    refused(post(scene, BUY, purchase("key") | {"idempotency_key": f"key{end}"}), 400, "INVALID_PARAMETERS")
    refused(post(scene, BUY, purchase("key", instrument_id=f"1HZ100V{end}")), 400, "INVALID_PARAMETERS")
    refused(post(scene, BUY, purchase("key", stake=f"10{end}")), 400, "INVALID_PARAMETERS")
    refused(post(scene, "/login", {"account_id": f"alice{end}", "password": "x"}), 400, "INVALID_PARAMETERS")
    contract = quote("0" * 32 + end)
    refused(scene.post(f"/v1/trading/contracts/sell?contract_id={contract}", scene.alice), 400, "INVALID_PARAMETERS")
    refused(scene.get(f"/v1/trading/contracts/open/stream?contract_id={contract}", scene.alice), 400, "INVALID_PARAMETERS")


@pytest.mark.parametrize("digits", [20, 400, 5000, 60_000])
def test_a_time_of_any_length_is_no_failure(scene: Scene, digits: int) -> None:
    for name in ("from_epoch_ms", "to_epoch_ms"):
        content = f'{{"instrument_id":"R_100","{name}":{"9" * digits}}}'
        answer = scene.post(HISTORY, content=content, headers={"Content-Type": "application/json"})
        refused(answer, 400, "INVALID_PARAMETERS")


def test_every_pattern_holds_for_the_whole_text() -> None:
    modules = (pricewire.protocol.messages, pricewire.protocol.account_messages, pricewire.protocol.trading_messages)
    names = [
        name
        for module in modules
        for name, value in vars(module).items()
        if any(isinstance(meta, msgspec.Meta) and meta.pattern for meta in getattr(value, "__metadata__", ()))
    ]
    assert {"EpochMs", "InstrumentId", "Amount", "AccountId"} <= set(names)
    good = {"EpochMs": "1", "InstrumentId": "R_100", "Amount": "1.00", "AccountId": "alice"}
    for module in modules:
        for name in {*names} & {*vars(module)}:
            kind = getattr(module, name)
            assert msgspec.convert(good[name], kind) == good[name]
            for text in (good[name] + "\n", "\n" + good[name]):
                with pytest.raises(msgspec.ValidationError):
                    msgspec.convert(text, kind)


def test_a_body_that_is_not_there_is_named(scene: Scene) -> None:
    for content in (b"", b"null", b"{", b"[]"):
        answer = scene.post("/login", content=content, headers={"Content-Type": "application/json"})
        message = refused(answer, 400, "INVALID_PARAMETERS")
        assert "'data'" not in message


def test_a_stranger_is_not_told_what_a_body_needs(scene: Scene) -> None:
    for body in ({}, purchase("key", duration="1e1"), purchase("key")):
        refused(scene.ask_to_buy(None, json=body), 401, "UNAUTHORIZED")
