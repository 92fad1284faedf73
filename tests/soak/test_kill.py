"""A short form of the kill test, and what its own computation of outcomes sees. Nothing here depends on how fast the machine is."""

from __future__ import annotations

import sys
from decimal import Decimal
from typing import Any

import pytest

if sys.platform != "linux":
    pytest.skip("the kill test stops processes and counts on Linux's pipes", allow_module_level=True)

from bench.servers import postgres
from soak.kill.audit import wrong_ticks
from soak.kill.books import Books, wrong_books
from soak.kill.exchange import LISTINGS, Made
from soak.kill.outcomes import JournalTick, Outcome, Recorded, outcome, wrong_ends
from soak.kill.run import Settings, run
from soak.kill.traders import SIMULATED, Heard

END_MS = 15_000
"""When contracts in time end here, in milliseconds; they are bought at 0."""

LATE = 120_001


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
async def test_a_short_kill_test_finds_nothing_wrong(database: str) -> None:
    if database == "postgresql" and (reason := postgres.missing()):
        pytest.skip(reason)
    result = await run(Settings(contracts=10, database=database, pause_s=0.5, trader_pause_s=0.5, longest_s=2.0))
    assert result.wrong == [], result.lines()
    assert result.ends["settled"] >= 10
    assert result.checks >= 2, "the books were read after kills"


def bought(product_id: str = "rise_fall", variant: str = "rise", *, barrier: str | None = None, **fields: Any) -> dict[str, Any]:
    """Return the row of a contract in time that was bought at 0, or of one in ticks."""
    row: dict[str, Any] = {"contract_id": "c", "product_id": product_id, "variant": variant, "barrier": barrier, "buy_time": 0}
    row |= {"buy_tick_time": -9, "buy_spot": "11"}
    row |= {"duration": 15, "duration_unit": "seconds", "allow_equals": False, "instrument_id": "GOLD", "stake": 1000, "payout": 1900}
    return row | fields


def made(*ticks: tuple[int, int]) -> Recorded:
    """Return recorded ticks of whole prices at times in milliseconds."""
    return Recorded(0, [JournalTick(epoch_ms, price, price, price) for epoch_ms, price in ticks])


TICKS: dict[str, Any] = {"duration": 2, "duration_unit": "ticks"}


@pytest.mark.parametrize(
    ("contract", "ticks", "status", "wins"),
    [
        (bought(), [(0, 9), (1, 10), (2, 11), (END_MS, 12), (END_MS + 1, 1)], "settled", True),
        (bought(), [(1, 10), (2, 11), (END_MS, 10), (END_MS + 1, 99)], "settled", False),
        (bought(allow_equals=True), [(1, 10), (2, 11), (END_MS, 10), (END_MS + 1, 99)], "settled", True),
        (bought(variant="fall"), [(1, 10), (2, 9), (END_MS + 1, 99)], "settled", True),
        (bought(), [(1, 10), (2, 11), (END_MS, 12)], "open", False),
        (bought(), [(1, 10), (END_MS + 1, 12)], "refunded", False),
        (bought(), [(END_MS + 1, 12)], "refunded", False),
        (bought(), [(1, 10), (2, 11), (2 + LATE, 12)], "refunded", False),
        (bought(**TICKS), [(0, 1), (1, 10), (1, 11), (2, 12), (3, 1)], "settled", True),
        (bought(**TICKS), [(1, 10), (2, 11)], "open", False),
        (bought(**TICKS), [(LATE, 10)], "refunded", False),
        (bought(**TICKS), [(1, 10), (2, 11), (2 + LATE, 12)], "refunded", False),
        (bought("high_low", "lower", barrier="+2", **TICKS), [(1, 10), (2, 13), (3, 11)], "settled", True),
        (bought("high_low", "higher", barrier="12", **TICKS), [(1, 10), (2, 13), (3, 12)], "settled", False),
        (bought("touch", "touch", barrier="+2"), [(1, 10), (2, 12)], "settled", True),
        (bought("touch", "no_touch", barrier="-2"), [(1, 10), (2, 7)], "settled", False),
        (bought("touch", "no_touch", barrier="-2"), [(1, 10), (2, 9), (END_MS + 1, 5)], "settled", True),
        (bought("touch", "touch", barrier="12"), [(-9, 11), (1, 13)], "settled", True),
        (bought("touch", "touch", barrier="12", buy_spot="13"), [(-9, 13), (1, 14), (2, 12)], "settled", True),
        (bought("touch", "touch", barrier="12", buy_spot="13"), [(1, 13), (2, 14)], "open", False),
        (bought("touch", "no_touch", barrier="12"), [(-2, 13), (1, 14)], "settled", False),
        (bought("high_low", "higher", barrier="12", **TICKS), [(-2, 13), (1, 13), (2, 13), (3, 12)], "settled", True),
        (bought("high_low", "higher", barrier="+1", **TICKS), [(-2, 10), (1, 11), (2, 13), (3, 12)], "settled", False),
    ],
)
def test_outcomes_are_those_of_the_documentation(contract: dict[str, Any], ticks: list[tuple[int, int]], status: str, wins: bool) -> None:
    found = outcome(contract, made(*ticks))
    assert (found.status, found.wins) == (status, wins)


def test_an_outcome_has_its_ticks() -> None:
    ticks = made((0, 9), (1, 10), (2, 11), (END_MS, 12), (END_MS + 1, 1))
    assert outcome(bought("high_low", "higher", barrier="+1"), ticks) == Outcome(
        "settled", (1, Decimal(10)), Decimal(11), (END_MS, Decimal(12)), wins=True
    )


ENDED: dict[str, Any] = {"entry_tick_time": 1, "entry_spot": "10", "barrier_price": "10", "exit_tick_time": 3, "exit_spot": "12"}
SETTLED = bought(**TICKS) | ENDED | {"status": "settled", "proceeds": 1900}
SOLD = SETTLED | {"status": "sold", "proceeds": 1200, "exit_tick_time": 2, "exit_spot": "11"}


def test_right_ends_are_accepted() -> None:
    assert list(wrong_ends([SETTLED, SOLD], {"GOLD": made((1, 10), (2, 11), (3, 12))})) == []


@pytest.mark.parametrize(
    "wrong",
    [
        SETTLED | {"proceeds": 0},
        SETTLED | {"exit_tick_time": 2, "exit_spot": "11"},
        SETTLED | {"entry_spot": "11"},
        SETTLED | {"status": "refunded", "proceeds": 1000},
        SETTLED | {"status": "open", "proceeds": None, "exit_tick_time": None},
        SOLD | {"exit_tick_time": 3, "exit_spot": "12"},
        SOLD | {"exit_spot": "12"},
        SOLD | {"instrument_id": "SILVER"},
    ],
)
def test_wrong_ends_are_seen(wrong: dict[str, Any]) -> None:
    assert len(list(wrong_ends([wrong], {"GOLD": made((1, 10), (2, 11), (3, 12))}))) == 1


def rows(**changes: Any) -> Books:
    """Return the books of an account that got 50.00 and bought a contract for 10.00, with changes to the rows."""
    contract = {"contract_id": "c", "stake": 1000, "status": "open", "proceeds": None} | changes.get("contract", {})
    paid: dict[str, Any] = {"number": 2, "account_uuid": "a", "contract_id": "c", "kind": "purchase", "amount": -1000, "balance": 4000}
    paid |= changes.get("paid", {})
    given: dict[str, Any] = {"number": 1, "account_uuid": "a", "contract_id": None, "kind": "deposit", "amount": 5000, "balance": 5000}
    sides = [{"currency": "USD", "amount": sign * row["amount"]} for row in (given, paid) for sign in (1, -1)]
    return Books(
        [{"id": "alice", "uuid": "a", "balance": changes.get("balance", 4000)}],
        [contract],
        [given, paid],
        sides[: changes.get("sides", 4)],
        [{"contract_id": "c"}] * changes.get("keys", 1),
    )


def test_the_books_are_accepted_or_not() -> None:
    assert list(wrong_books(rows())) == []
    for changes in ({"balance": 5000}, {"sides": 3}, {"keys": 2}, {"paid": {"balance": 4001}}, {"contract": {"stake": 2000}}):
        assert len(list(wrong_books(rows(**changes)))) == 1
    assert len(list(wrong_books(rows(contract={"status": "settled", "proceeds": 1900})))) == 1


def test_of_what_was_published_only_the_past_of_a_simulated_market_is_not_in_the_journal() -> None:
    journal = {name: Recorded(2, [JournalTick(1000 + number * 250, 100, 101, 99) for number in range(2)]) for name in SIMULATED}
    journal |= {listing.name: Recorded(2, [JournalTick(1000, 100, 101, 99)]) for listing in LISTINGS}
    made = {listing.name: [Made(1000, 100, 101, 99)] for listing in LISTINGS}

    def found(*ticks: tuple[str, str]) -> int:
        heard = Heard(ticks={(name, epoch_ms, "1.00", "1.01", "0.99") for name, epoch_ms in ticks})
        return len(list(wrong_ticks(journal, heard, made, dict.fromkeys(SIMULATED, 250))))

    simulated, listed = SIMULATED[0], LISTINGS[0].name
    # Who comes before a server's very first tick has the newest of the past.
    assert found((simulated, "750"), (simulated, "1000"), (SIMULATED[1], "750"), (listed, "1000")) == 0
    assert found((simulated, "1100")) == 1
    assert found((simulated, "1500")) == 1
    assert found((simulated, "500"), (simulated, "750")) == 1
    assert found((listed, "750")) == 1
