"""A trader's session over real HTTP, on both databases: log in, quote, buy, position, sell; and buy, expiry, settlement."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import httpx2
import pytest

from support.app_server import Events, add_account, log_in, open_app_server, purchase, refused

BUY = "/v1/trading/contracts/buy"
SELL = "/v1/trading/contracts/sell"
PROPOSAL = "/v1/trading/proposal/stream?product_id=rise_fall&instrument_id=1HZ100V&duration=5&duration_unit=minutes&stake=10"


class Session:
    """A trader with 100.00 USD, logged in."""

    def __init__(self, database: str, stack: ExitStack) -> None:
        add_account(database, "alice", "100.00")
        self._server = stack.enter_context(open_app_server(database))
        self._token = log_in(self._server, "alice")
        bearer = {"Authorization": f"Bearer {self._token}"}
        self.client = stack.enter_context(httpx2.Client(base_url=self._server.url, timeout=60, headers=bearer))
        self._stack = stack
        (self.account,) = self.client.get("/v1/accounts").json()["data"]["accounts"]

    def stream(self, path: str) -> Events:
        """Open a stream of the account."""
        return self._stack.enter_context(Events(self._server, path, self._token))

    def post(self, path: str, **request: Any) -> Any:
        """Return the answer to a request that is not refused."""
        answer = self.client.post(path, **request)
        assert answer.status_code == 200, answer.text
        return answer.json()["data"]

    def balance(self) -> Decimal:
        """Return what the account has."""
        return Decimal(self.client.get("/v1/accounting/balance").json()["data"]["balance"])


@pytest.fixture
def session(database_address: str) -> Iterator[Session]:
    with ExitStack() as stack:
        yield Session(database_address, stack)


def test_the_account_is_the_one_that_logged_in(session: Session) -> None:
    assert [session.account[name] for name in ("id", "balance", "currency")] == ["alice", 100.0, "USD"]


def test_a_purchase_is_made_once_at_about_the_price_that_was_shown(session: Session) -> None:
    balance = session.stream("/v1/accounting/balance/stream")
    assert balance.next()[1]["data"]["balance"] == "100.00"
    rise, _ = session.stream(PROPOSAL).next()[1]["data"]["variants"]
    bought = session.post(BUY, json=purchase("one"), params={"account_uuid": session.account["uuid"]})
    assert [bought[name] for name in ("idempotency_key", "buy_price", "product_id")] == ["one", "10.00", "rise_fall"]
    shown = Decimal(rise["contract_details"]["payout"])
    assert Decimal(bought["contract_details"]["potential_payout"]) == pytest.approx(shown, abs=Decimal("0.50"))
    assert session.post(BUY, json=purchase("one")) == bought, "the same key buys once"
    refused(session.client.post(BUY, json=purchase("one", duration=6)), 409, "IDEMPOTENCY_CONFLICT")
    assert balance.next()[1]["data"]["balance"] == "90.00"


def test_a_position_is_sold_once_and_is_closed_then(session: Session) -> None:
    positions = session.stream(f"/v1/trading/contracts/open/stream?account_uuid={session.account['uuid']}")
    closed = session.stream("/v1/trading/contracts/close/stream")
    assert positions.next()[1]["data"] == {"contracts": []}
    assert closed.next()[1]["data"]["pagination"]["total_items"] == 0
    contract = {"contract_id": session.post(BUY, json=purchase("one"))["contract_id"]}
    positions.until(lambda data: any(each["contract_details"]["is_valid_to_sell"] for each in data["data"]["contracts"]))
    sold = session.post(SELL, params=contract)
    assert Decimal(sold["profit"]) == Decimal(sold["sell_price"]) - 10
    assert session.balance() == 90 + Decimal(sold["sell_price"])
    refused(session.client.post(SELL, params=contract), 409, "CONTRACT_NOT_SELLABLE")
    positions.until(lambda data: not data["data"]["contracts"])
    (listed,) = closed.next()[1]["data"]["contracts"]
    assert listed["contract_details"]["is_sold"]


def test_a_contract_that_expires_pays_what_its_last_tick_decides(session: Session) -> None:
    closed = session.stream("/v1/trading/contracts/close/stream")
    session.post(BUY, json=purchase("one", duration_unit="ticks"))
    listed = closed.until(lambda data: bool(data["data"]["contracts"]))["data"]
    details = listed["contracts"][0]["contract_details"]
    assert details["is_expired"]
    assert listed["pagination"] == {"current_page": 1, "limit": 50, "total_items": 1, "total_pages": 1}
    won = Decimal(details["exit_spot"]) > Decimal(details["entry_spot"])
    assert details["bid_price"] == (details["potential_payout"] if won else "0.00")
    assert session.balance() == 90 + Decimal(details["bid_price"])


def test_one_stream_has_all_events_of_the_account_in_order(session: Session) -> None:
    uuid = session.account["uuid"]
    everything = session.stream(f"/protected/sse?topic=contracts:{uuid}&topic=balance:{uuid}")
    contract_id = session.post(BUY, json=purchase("one"))["contract_id"]
    seen: list[str] = []

    def until(is_it: Callable[[Any], bool]) -> None:
        envelope = {"event": ""}
        while not is_it(envelope):
            envelope = everything.next()[1]
            seen.append(envelope["event"])

    until(lambda envelope: envelope["event"] == "contract_updated" and envelope["data"]["contract_details"]["is_valid_to_sell"])
    session.post(SELL, params={"contract_id": contract_id})
    session.post(BUY, json=purchase("two", duration_unit="ticks"))
    until(lambda envelope: envelope["event"] == "contract_settled")
    assert [event for event in seen if event not in ("contract_updated", "balance")] == [
        "contract_opened",
        "contract_sold",
        "contract_opened",
        "contract_settled",
    ]
