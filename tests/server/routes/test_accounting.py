"""The books over HTTP: statements, profit and loss and closed contracts, for their account alone, in JSON and CSV, bounded."""

from __future__ import annotations

import asyncio
import csv
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest

from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.server.limits import Limits
from pricewire.store.audit import Operator
from pricewire.store.cashier import Cashier
from pricewire.store.database import Database
from support.app_server import TOKENS, Events, Scene, add_account, open_app_server, refused
from support.feeds import HandFeed

STATEMENT = "/v1/accounting/statement"
PROFIT = "/v1/accounting/profit_and_loss"
CLOSED = "/v1/trading/contracts/close"


class Books(Scene):
    """What alice reads of her account."""

    def read(self, path: str, **headers: str) -> httpx2.Response:
        return self.get(path, self.alice, headers=headers)

    def data(self, path: str) -> Any:
        answer = self.read(path)
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        return answer.json()["data"]


def move(database: Path, amount: str, reason: str) -> None:
    """Adjust alice's balance, as an operator's command does in a process of its own."""

    async def work() -> None:
        opened = await Database.open(database)
        await Cashier(opened).adjust("alice", Decimal(amount), Operator("bo", reason))
        await opened.close()

    asyncio.run(work())


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    """A server, and alice, who has bought three contracts of one tick, which have ended, and one that has not."""
    with Books.open(tmp_path_factory, SimulatedFeed(seed=1)) as scene:
        for number in range(3):
            scene.buy(f"{number}", duration=1, duration_unit="ticks")
        scene.buy("3")
        with Events(scene.server, "/v1/trading/contracts/close/stream", scene.alice) as stream:
            stream.until(lambda data: data["data"]["pagination"]["total_items"] == 3)
        yield scene


def test_a_statement_is_what_became_of_the_money(scene: Books) -> None:
    body = scene.data(STATEMENT)
    assert (body["currency"], body["next_cursor"]) == ("USD", None)
    oldest = body["entries"][-1]
    assert oldest.pop("transaction_id").isdecimal()
    assert isinstance(oldest.pop("timestamp"), int)
    nothing = dict.fromkeys(["contract_id", "reference_id", "product_id", "instrument_id"])
    assert oldest == {"kind": "deposit", "amount": "10000.00", "balance": "10000.00", "reason": "opening balance", **nothing}
    purchase = next(entry for entry in body["entries"] if entry["kind"] == "purchase")
    assert (purchase["amount"], purchase["product_id"], purchase["instrument_id"]) == ("-10.00", "rise_fall", "1HZ100V")
    balance = scene.data("/v1/accounting/balance")["balance"]
    assert sum(Decimal(entry["amount"]) for entry in body["entries"]) == Decimal(balance)
    assert Decimal(body["entries"][0]["balance"]) == Decimal(balance)


def test_pages_have_everything_once(scene: Books) -> None:
    for path, name, limit in ((STATEMENT, "entries", 2), (CLOSED, "contracts", 1)):
        whole = scene.data(path)[name]
        found, cursor = [], ""
        while True:
            body = scene.data(f"{path}?limit={limit}{cursor}")
            found += body[name]
            if body["next_cursor"] is None:
                break
            cursor = f"&cursor={body['next_cursor']}"
        assert found == whole
        assert len(whole) >= 3


def test_a_statement_of_kinds_and_of_a_time(scene: Books) -> None:
    whole = scene.data(STATEMENT)["entries"]
    for kinds in (["purchase"], ["deposit", "adjustment"], ["sale", "refund"]):
        query = "&".join(f"kind={kind}" for kind in kinds)
        assert scene.data(f"{STATEMENT}?{query}")["entries"] == [entry for entry in whole if entry["kind"] in kinds]
    middle = whole[2]["timestamp"]
    assert scene.data(f"{STATEMENT}?from_epoch_ms={middle}")["entries"] == [each for each in whole if each["timestamp"] >= middle]
    assert scene.data(f"{STATEMENT}?to_epoch_ms={middle - 1}")["entries"] == [each for each in whole if each["timestamp"] < middle]
    assert scene.data(f"{STATEMENT}?from_epoch_ms=5&to_epoch_ms=4")["entries"] == []


def test_closed_contracts_are_those_of_the_stream(scene: Books) -> None:
    with Events(scene.server, "/v1/trading/contracts/close/stream", scene.alice) as stream:
        streamed = stream.next()[1]["data"]["contracts"]
    body = scene.data(CLOSED)
    assert (body["contracts"], body["next_cursor"]) == (streamed, None)
    assert body["contracts"][0]["contract_details"]["instrument_name"] == "Volatility 100 (1s) Index"


def test_one_closed_contract_is_found_by_its_id(scene: Books) -> None:
    contracts = scene.data(CLOSED)["contracts"]
    for contract in contracts:
        assert scene.data(f"{CLOSED}?contract_id={contract['contract_id']}")["contracts"] == [contract]
    assert scene.data(f"{CLOSED}?contract_id=none")["contracts"] == []
    bob = add_account(scene.database, "bob-who-asks", "0")
    assert scene.get(f"{CLOSED}?contract_id={contracts[0]['contract_id']}", bob).json()["data"]["contracts"] == []
    refused(scene.read(f"{CLOSED}?contract_id=%00"), 400, "INVALID_PARAMETERS")


def test_profit_and_loss_is_that_of_the_entries(scene: Books) -> None:
    body = scene.data(PROFIT)
    closed = scene.data(CLOSED)["contracts"]
    days = [datetime.fromtimestamp(each["contract_details"]["exit_time"] / 1000, UTC).date().isoformat() for each in closed]
    assert [each["day"] for each in body["results"]] == sorted(set(days), reverse=True)
    assert sum(each["contracts"] for each in body["results"]) == 3
    profit = sum(Decimal(each["contract_details"]["profit_loss"]) for each in closed)
    assert sum(Decimal(each["profit_loss"]) for each in body["results"]) == profit
    assert all(each["profit_loss"][0] in "+-" for each in body["results"])
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).date()
    assert scene.data(f"{PROFIT}?from_day={tomorrow}&to_day={tomorrow}")["results"] == []


def test_csv_has_the_same_lines(scene: Books) -> None:
    move(scene.database, "0.01", '=HYPERLINK("https://example.com","click"), "quoted"')
    answer = scene.read(f"{STATEMENT}?format=csv&limit=3")
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    entries = scene.data(f"{STATEMENT}?limit=3")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    reason = rows[0].pop("reason")
    assert reason == "'" + entries["entries"][0].pop("reason"), "no spreadsheet computes it"
    assert rows[0] == {name: "" if value is None else str(value) for name, value in entries["entries"][0].items()}
    assert answer.headers["pricewire-next-cursor"] == entries["next_cursor"]
    exposed = scene.read(f"{STATEMENT}?format=csv&limit=3", origin="https://example.com").headers["access-control-expose-headers"]
    assert "Pricewire-Next-Cursor" in exposed
    rest = scene.read(f"{STATEMENT}?format=csv&cursor={entries['next_cursor']}")
    assert "pricewire-next-cursor" not in rest.headers
    profit = list(csv.DictReader(io.StringIO(scene.read(f"{PROFIT}?format=csv").text)))
    assert [{**row, "contracts": int(row["contracts"])} for row in profit] == scene.data(PROFIT)["results"]


def test_large_answers_are_compressed(scene: Books) -> None:
    for path in (STATEMENT, f"{STATEMENT}?format=csv", CLOSED):
        plain = scene.read(path, **{"accept-encoding": "identity"})
        packed = scene.read(path, **{"accept-encoding": "gzip"})
        assert "content-encoding" not in plain.headers
        assert len(plain.content) < 1024 or packed.headers["content-encoding"] == "gzip"
        assert packed.content == plain.content


def test_money_that_an_operator_moves_is_told_at_once(scene: Books) -> None:
    with Events(scene.server, "/v1/accounting/balance/stream", scene.alice) as stream:
        # From the books: what a test before has moved may not have been told yet, and is then told together with this.
        before = Decimal(scene.data(f"{STATEMENT}?limit=1")["entries"][0]["balance"])
        move(scene.database, "-0.07", "fee")
        told = stream.until(lambda data: Decimal(data["data"]["balance"]) == before - Decimal("0.07"))["data"]
    assert scene.data("/v1/accounting/balance")["balance"] == told["balance"]
    newest = scene.data(f"{STATEMENT}?kind=adjustment&limit=1")["entries"][0]
    assert (newest["amount"], newest["reason"], newest["balance"]) == ("-0.07", "fee", told["balance"])
    assert "bo" not in newest.values(), "the author is the operators' own affair"


@pytest.mark.parametrize("path", [STATEMENT, PROFIT, CLOSED])
def test_the_books_are_for_their_account_alone(scene: Books, path: str) -> None:
    refused(scene.get(path), 401, "UNAUTHORIZED")
    refused(scene.read(f"{path}?account_uuid=another"), 403, "FORBIDDEN")
    refused(scene.get(path, TOKENS.issue(scene.alice.uuid, frozenset({"trade"}))), 403, "FORBIDDEN")
    refused(scene.get(path, TOKENS.issue("nobody")), 404, "NOT_FOUND")
    bob = add_account(scene.database, f"bob{path.count('/')}{len(path)}", "0")
    own = scene.get(path, bob).json()["data"]
    assert [] in own.values()


@pytest.mark.parametrize(
    "query",
    [
        f"{STATEMENT}?limit=0",
        f"{STATEMENT}?limit=1001",
        f"{STATEMENT}?kind=none",
        f"{STATEMENT}?format=xml",
        f"{STATEMENT}?from_epoch_ms=-1",
        f"{STATEMENT}?to_epoch_ms=9999999999999999",
        f"{STATEMENT}?cursor=1",
        f"{STATEMENT}?cursor=1.x",
        f"{STATEMENT}?cursor=1.9999999999999999999",
        f"{STATEMENT}?cursor=1.1%0A",
        f"{CLOSED}?limit=501",
        f"{CLOSED}?cursor=1.",
        f"{CLOSED}?cursor=1.';--",
        f"{PROFIT}?from_day=2026-11-32",
        f"{PROFIT}?from_day=2026-01-01&to_day=2026-04-03",
        f"{PROFIT}?from_day=2026-01-02&to_day=2026-01-01",
        f"{PROFIT}?from_day=0001-01-01&to_day=9999-12-31",
    ],
)
def test_what_cannot_be_asked_for_is_refused(scene: Books, query: str) -> None:
    refused(scene.read(query), 400, "INVALID_PARAMETERS")


def test_a_kind_that_is_none_is_told_with_those_there_are(scene: Books) -> None:
    assert "give one of deposit, withdrawal, adjustment" in refused(scene.read(f"{STATEMENT}?kind=none"), 400, "INVALID_PARAMETERS")
    assert "give one of json, csv" in refused(scene.read(f"{PROFIT}?format=xml"), 400, "INVALID_PARAMETERS")


@pytest.mark.parametrize("query", ["from_day=0001-01-01&to_day=0001-01-02", "to_day=0001-01-01", "to_day=9999-12-31"])
def test_the_ends_of_the_calendar_have_no_results(scene: Books, query: str) -> None:
    assert scene.data(f"{PROFIT}?{query}")["results"] == []


def test_the_rows_that_an_address_asks_for_are_limited(tmp_path: Path) -> None:
    database = tmp_path / "pricewire.db"
    alice = add_account(database, "alice")
    with open_app_server(database, HandFeed(), limits=Limits(history_rows_per_second=1.0, address_burst_seconds=1500.0)) as server:
        scene = Books(server, database, alice)
        for path in (f"{STATEMENT}?limit=400", f"{CLOSED}?limit=200", PROFIT):
            answers = [scene.read(path) for _ in range(3)]
            refused(answers[-1], 429, "RATE_LIMIT_EXCEEDED")
            assert int(answers[-1].headers["retry-after"]) >= 1
