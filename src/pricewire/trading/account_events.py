"""Tells the holders of accounts what has become of their contracts and their balance."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import msgspec

from pricewire.market.clock import Clock
from pricewire.protocol.topics import BalanceTopic, ClosedContractsTopic, ContractsTopic, OpenContractsTopic
from pricewire.protocol.trading_messages import (
    Amount,
    BalanceBody,
    ClosedContractsBody,
    ContractBody,
    ContractsBody,
    Pagination,
)
from pricewire.store.ledger import ClosedPage
from pricewire.trading.account_state import AccountState, OpenPosition
from pricewire.trading.contracts import Contract
from pricewire.trading.instrument_books import InstrumentBooks
from pricewire.trading.messages import UpdateTemplate, contract_body
from pricewire.trading.money import from_units, to_text

CLOSED_LIMIT = 50
"""How many closed contracts their list shows."""


class Publish(Protocol):
    """What carries messages to those who listen."""

    def __call__(self, topic: str, message: Any, *, key: str | None = None, event: str = "message", ends: str | None = None) -> None:
        """
        Send a message to all who listen to a topic.

        Args:
            topic: the topic's text.
            message: what msgspec encodes.
            key: what it supersedes earlier messages by; without one it is never left out.
            event: what it is.
            ends: the key that it ends: a new listener gets nothing of that key any more.
        """


class AccountEvents:
    """Publishes what is durable; the caller sees to that, and to the order."""

    def __init__(self, publish: Publish, books: InstrumentBooks, clock: Clock) -> None:
        """
        Prepare to publish.

        Args:
            publish: what carries messages to those who listen.
            books: where open contracts are.
            clock: the time.
        """
        self._publish = publish
        self._books = books
        self._clock = clock

    def opened(self, position: OpenPosition, contract: Contract) -> None:
        """Tell of a purchase."""
        self._publish(str(ContractsTopic(contract.account_uuid)), self.body(contract, position.bid), event="contract_opened")

    def updated(self, position: OpenPosition, contract: Contract, newest: bytes) -> None:
        """
        Tell what an open contract is worth.

        Args:
            position: the contract's worth, and its account.
            contract: the contract as it is now.
            newest: the newest tick as JSON, or nothing.
        """
        self._publish(position.topic, self._message(position, contract, newest), key=contract.contract_id, event="contract_updated")

    def closed(self, contract: Contract) -> None:
        """Tell of a sale, a settlement or a refund."""
        event = "contract_sold" if contract.status == "sold" else "contract_settled"
        self._publish(str(ContractsTopic(contract.account_uuid)), self.body(contract, 0), event=event, ends=contract.contract_id)

    def balance(self, account: AccountState) -> None:
        """Tell what an account has."""
        topic = str(BalanceTopic(account.account_uuid))
        self._publish(topic, self.balance_body(account), key=topic, event="balance")

    def open_list(self, account: AccountState) -> None:
        """Tell all open contracts of an account at once, each with no more than its newest tick."""
        topic = str(OpenContractsTopic(account.account_uuid))
        messages = []
        for contract_id, position in account.open.items():
            contract = position.book.positions.contracts.get(contract_id)
            # One that has just ended is neither open nor closed until its settlement is durable.
            if contract is not None:
                newest = b"" if contract.entry_tick_time is None else position.book.newest_point()
                messages.append(bytes(self._message(position, contract, newest)))
        self._publish(topic, msgspec.Raw(b'{"contracts":[%b]}' % b",".join(messages)), key=topic, event="contracts")

    def closed_list(self, account: AccountState, page: ClosedPage) -> None:
        """Tell the newest closed contracts of an account at once, without the ticks of their lives."""
        topic = str(ClosedContractsTopic(account.account_uuid))
        self._publish(topic, self.closed_body(page, with_ticks=False), key=topic, event="contracts")

    def body(self, contract: Contract, bid: int, *, with_ticks: bool = True) -> ContractBody[Amount]:
        """
        Return a contract as the wire has it.

        Args:
            contract: open or closed.
            bid: what an open one is worth, in the currency's smallest unit.
            with_ticks: whether it has the ticks of its life.
        """
        name = self._books.name(contract.instrument_id)
        ticks = self._books.life(contract) if with_ticks else ()
        return contract_body(contract, name, from_units(bid, contract.currency), ticks)

    def balance_body(self, account: AccountState) -> BalanceBody[Amount]:
        """Return what an account has, as the wire has it."""
        now_ms = self._clock.now_ns() // 1_000_000
        return BalanceBody(to_text(account.balance), account.currency, now_ms, to_text(account.change))

    def open_body(self, account: AccountState, contract_ids: Iterable[str] | None = None) -> ContractsBody[Amount]:
        """Return open contracts of an account, as the wire has them, with the ticks of their lives; by default all."""
        bodies = []
        for contract_id in list(account.open) if contract_ids is None else contract_ids:
            position = account.open[contract_id]
            contract = position.book.positions.contracts.get(contract_id)
            # One that has just ended is neither open nor closed until its settlement is durable.
            if contract is not None:
                bodies.append(self.body(contract, position.bid))
        return ContractsBody(bodies)

    def closed_body(self, page: ClosedPage, *, with_ticks: bool = True) -> ClosedContractsBody[Amount]:
        """
        Return the newest closed contracts of an account, as the wire has them: the first page of all.

        Args:
            page: they.
            with_ticks: whether they have the ticks of their lives.
        """
        pages = -(-page.total_items // CLOSED_LIMIT)
        bodies = [self.body(contract, 0, with_ticks=with_ticks) for contract in page.contracts]
        return ClosedContractsBody(bodies, Pagination(1, CLOSED_LIMIT, page.total_items, pages))

    @staticmethod
    def _message(position: OpenPosition, contract: Contract, newest: bytes) -> msgspec.Raw:
        """Return an open contract as the wire has it, encoded, with its newest tick alone."""
        template = position.template
        if template is None or template.contract is not contract:
            template = position.template = UpdateTemplate(contract, position.book.instrument.display_name)
        return template.message(position.bid, newest)
