"""The ledger against a model of it: whatever is bought, repeated, entered, sold and settled in whatever order, the books are right."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Coroutine
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from pricewire.errors import (
    AccountSuspendedError,
    ContractNotSellableError,
    IdempotencyConflictError,
    InsufficientBalanceError,
    TradeRefusedError,
)
from pricewire.store.accounts import Accounts
from pricewire.store.database import Database
from pricewire.store.ledger import Ledger
from pricewire.trading.contracts import Contract, enter, refund, sell, settle
from pricewire.trading.interfaces import Purchase
from support.contract_maker import BUY_TIME, make_contract, nothing_to_sync, tick
from support.ledger_rules import balance_of, check_books

Result = TypeVar("Result")

NAMES = st.sampled_from(["alice", "bob"])
CENTS = st.integers(1, 2000).map(lambda cents: Decimal(cents).scaleb(-2))
WHICH = st.integers(0, 9)
ENDS = st.lists(st.tuples(WHICH, st.sampled_from(["won", "lost", "refunded"])), max_size=4, unique_by=lambda end: end[0])


class LedgerAndModel(RuleBasedStateMachine):
    """An SQLite ledger, and dictionaries that say what it should have."""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.directory = tempfile.TemporaryDirectory()
        self.database = self.run(Database.open(Path(self.directory.name) / "pricewire.sqlite"))
        self.ledger = Ledger(self.database, nothing_to_sync)
        self.accounts = Accounts(self.database)
        self.known = {name: self.run(self.accounts.add(name, balance=Decimal("30.00"))) for name in ("alice", "bob")}
        self.balances = {account.uuid: account.balance for account in self.known.values()}
        self.suspended = set[str]()
        self.contracts = dict[str, Contract]()
        self.keys = dict[tuple[str, str], tuple[Decimal, Contract, Decimal]]()

    def run(self, work: Coroutine[Any, Any, Result]) -> Result:
        return self.runner.run(work)

    def teardown(self) -> None:
        self.run(check_books(self.database))
        self.run(self.database.close())
        self.runner.close()
        self.directory.cleanup()

    @rule(name=NAMES, key=st.sampled_from("klm"), stake=CENTS)
    def buy(self, name: str, key: str, stake: Decimal) -> None:
        account = self.known[name]
        contract = make_contract(account, stake=stake)
        refusal = self.refusal(name, key, stake)
        if refusal is not None:
            with pytest.raises(refusal):
                self.run(self.ledger.buy(Purchase(contract, key, str(stake))))
            return
        bought = self.run(self.ledger.buy(Purchase(contract, key, str(stake))))
        assert bought.is_repeated == ((name, key) in self.keys)
        if not bought.is_repeated:
            self.balances[account.uuid] -= stake
            self.contracts[contract.contract_id] = contract
            self.keys[name, key] = (stake, contract, self.balances[account.uuid])
        assert (stake, bought.contract, bought.balance) == self.keys[name, key]

    def refusal(self, name: str, key: str, stake: Decimal) -> type[TradeRefusedError] | None:
        """Return how a purchase should be refused, if it should."""
        if (name, key) in self.keys:
            return None if self.keys[name, key][0] == stake else IdempotencyConflictError
        if name in self.suspended:
            return AccountSuspendedError
        return InsufficientBalanceError if self.balances[self.known[name].uuid] < stake else None

    @rule(which=WHICH)
    def enter(self, which: int) -> None:
        for contract in self.chosen(which):
            entered = enter(contract, tick(1000), 1000)
            self.run(self.ledger.enter([entered]))
            if contract.status == "open":
                self.contracts[contract.contract_id] = entered

    @rule(which=WHICH, price=CENTS)
    def sell(self, which: int, price: Decimal) -> None:
        for contract in self.chosen(which):
            sold = sell(contract, price, tick(3000), BUY_TIME + 3000)
            if self.closes(sold):
                assert self.run(self.ledger.sell(sold)).balance == self.balances[sold.account_uuid]
            else:
                with pytest.raises(ContractNotSellableError):
                    self.run(self.ledger.sell(sold))

    @rule(ends=ENDS)
    def settle(self, ends: list[tuple[int, str]]) -> None:
        ended = [end(contract, how) for which, how in ends for contract in self.chosen(which)]
        expected = [(contract, self.balances[contract.account_uuid]) for contract in ended if self.closes(contract)]
        assert [(each.contract, each.balance) for each in self.run(self.ledger.settle(ended))] == expected

    @rule(name=NAMES, is_suspended=st.booleans())
    def suspend(self, name: str, is_suspended: bool) -> None:
        self.run(self.accounts.set_status(name, "suspended" if is_suspended else "active"))
        (self.suspended.add if is_suspended else self.suspended.discard)(name)

    @invariant()
    def the_ledger_is_as_the_model(self) -> None:
        assert {uuid: self.run(balance_of(self.database, uuid)) for uuid in self.balances} == self.balances
        still_open = {contract.contract_id: contract for contract in self.run(self.ledger.open_contracts())}
        assert still_open == {name: contract for name, contract in self.contracts.items() if contract.status == "open"}
        for account in self.known.values():
            mine = [contract for contract in self.contracts.values() if contract.account_uuid == account.uuid and contract.status != "open"]
            page = self.run(self.ledger.closed_contracts(account.uuid, limit=1000))
            assert page.contracts == sorted(mine, key=lambda contract: (contract.exit_time, contract.contract_id), reverse=True)
            assert page.total_items == len(mine)

    def chosen(self, which: int) -> list[Contract]:
        """Return the contract with a number, if there are so many."""
        return list(self.contracts.values())[which : which + 1]

    def closes(self, ended: Contract) -> bool:
        """Return whether a contract was open, and close it in the model."""
        was_open = self.contracts[ended.contract_id].status == "open"
        if was_open:
            self.contracts[ended.contract_id] = ended
            self.balances[ended.account_uuid] += ended.proceeds or 0
        return was_open


def end(contract: Contract, how: str) -> Contract:
    """Return a contract with one of its possible ends."""
    if how == "refunded":
        return refund(contract)
    return settle(enter(contract, tick(1000), 1000), tick(9000, "101.00" if how == "won" else "99.00"))


TestLedger = LedgerAndModel.TestCase
TestLedger.settings = settings(max_examples=12, stateful_step_count=20, deadline=None)
