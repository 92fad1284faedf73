"""A trader's session over real HTTP, on both databases: log in, quote, buy, position, sell; and buy, expiry, settlement."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import httpx2
import pytest

from support.app_server import Events, add_account, log_in, open_app_server

BUY = "/v1/trading/contracts/buy"
SELL = "/v1/trading/contracts/sell"
PROPOSAL = "/v1/trading/proposal/stream?product_id=rise_fall&instrument_id=1HZ100V&duration={}&duration_unit={}&stake=10"


def purchase(key: str, duration: int, unit: str, variant: str = "rise") -> dict[str, Any]:
    details = {"instrument_id": "1HZ100V", "duration": duration, "duration_unit": unit, "allow_equals": False, "stake": "10.00"}
    return {"idempotency_key": key, "product_id": "rise_fall", "proposal_details": {**details, "variant": variant}}


def test_a_session(database_address: str) -> None:
    add_account(database_address, "alice", "100.00")
    with open_app_server(database_address) as server, httpx2.Client(base_url=server.url, timeout=60) as client:
        token = log_in(server, "alice")
        client.headers["Authorization"] = f"Bearer {token}"
        account = client.get("/v1/accounts").json()["data"]["accounts"][0]
        assert (account["id"], account["balance"], account["currency"]) == ("alice", 100.0, "USD")

        with Events(server, PROPOSAL.format(5, "minutes")) as quote:
            variants = quote.next()[1]["data"]["variants"]
            assert [each["variant"] for each in variants] == ["rise", "fall"]
            assert set(variants[0]["contract_details"]) >= {"payout", "stake", "probability", "pricing_spot", "barrier", "allow_equals"}
            payout = variants[0]["contract_details"]["payout"]

        streams = {
            "balance": Events(server, "/v1/accounting/balance/stream", token),
            "open": Events(server, f"/v1/trading/contracts/open/stream?account_uuid={account['uuid']}", token),
            "closed": Events(server, "/v1/trading/contracts/close/stream", token),
            "all": Events(server, f"/protected/sse?topic=contracts:{account['uuid']}&topic=balance:{account['uuid']}", token),
        }
        assert streams["balance"].next()[1]["data"]["balance"] == "100.00"
        assert streams["open"].next()[1]["data"] == {"contracts": []}
        closed = streams["closed"].next()[1]["data"]
        assert closed["contracts"] == []
        assert closed["pagination"]["total_items"] == 0

        answer = client.post(BUY, json=purchase("one", 5, "minutes"), params={"account_uuid": account["uuid"]})
        assert answer.status_code == 200, answer.text
        bought = answer.json()["data"]
        assert (bought["idempotency_key"], bought["buy_price"], bought["product_id"]) == ("one", "10.00", "rise_fall")
        assert Decimal(bought["contract_details"]["potential_payout"]) == pytest.approx(Decimal(payout), abs=Decimal("0.50"))
        again = client.post(BUY, json=purchase("one", 5, "minutes"))
        assert again.json()["data"]["contract_id"] == bought["contract_id"], "the same key buys once"
        other = client.post(BUY, json=purchase("one", 6, "minutes"))
        assert (other.status_code, other.json()["error"]["code"]) == (409, "IDEMPOTENCY_CONFLICT")
        assert streams["balance"].next()[1]["data"]["balance"] == "90.00"

        position = streams["open"].until(
            lambda data: data["data"]["contracts"] and data["data"]["contracts"][0]["contract_details"]["entry_spot"]
        )
        details = position["data"]["contracts"][0]["contract_details"]
        assert details["is_valid_to_sell"]
        assert details["tick_stream"]
        answer = client.post(SELL, params={"contract_id": bought["contract_id"]})
        assert answer.status_code == 200, answer.text
        sold = answer.json()["data"]
        assert Decimal(sold["profit"]) == Decimal(sold["sell_price"]) - 10
        balance = Decimal("90.00") + Decimal(sold["sell_price"])
        assert streams["balance"].next()[1]["data"]["balance"] == str(balance)
        assert client.post(SELL, params={"contract_id": bought["contract_id"]}).json()["error"]["code"] == "CONTRACT_NOT_SELLABLE"
        streams["open"].until(lambda data: not data["data"]["contracts"])
        assert streams["closed"].next()[1]["data"]["contracts"][0]["contract_details"]["is_sold"]

        bought = client.post(BUY, json=purchase("two", 5, "ticks")).json()["data"]
        balance -= 10
        closed = streams["closed"].until(lambda data: data["data"]["contracts"][0]["contract_id"] == bought["contract_id"])["data"]
        details = closed["contracts"][0]["contract_details"]
        assert details["is_expired"]
        assert closed["pagination"] == {"current_page": 1, "limit": 50, "total_items": 2, "total_pages": 1}
        won = Decimal(details["exit_spot"]) > Decimal(details["entry_spot"])
        assert details["bid_price"] == (details["potential_payout"] if won else "0.00")
        balance += Decimal(details["bid_price"])
        assert streams["balance"].until(lambda data: data["data"]["balance"] == str(balance))
        assert client.get("/v1/accounts").json()["data"]["accounts"][0]["balance"] == float(balance)

        seen: list[str] = []
        streams_balance = ""
        while seen.count("contract_settled") < 1 or streams_balance != str(balance):
            envelope = streams["all"].next()[1]
            seen.append(envelope["event"])
            if envelope["event"] == "balance":
                streams_balance = envelope["data"]["balance"]
        assert [event for event in seen if event not in ("contract_updated", "balance")] == [
            "contract_opened",
            "contract_sold",
            "contract_opened",
            "contract_settled",
        ]
        for stream in streams.values():
            stream.socket.close()
