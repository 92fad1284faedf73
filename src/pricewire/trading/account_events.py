"""Publishes the events of accounts: their contracts, lists of contracts and balance, and what open contracts are worth at every tick."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Set
from decimal import Decimal

import msgspec

from pricewire.market.clock import Clock
from pricewire.protocol.topics import (
    AccountTopic,
    BalanceTopic,
    ClosedContractsTopic,
    ContractListTopic,
    ContractsTopic,
    OpenContractsTopic,
)
from pricewire.protocol.trading_messages import (
    Amount,
    BalanceBody,
    ClosedContractsBody,
    ContractBody,
    ContractsBody,
    Pagination,
)
from pricewire.trading.account_state import AccountState, AccountStates, OpenPosition
from pricewire.trading.contracts import Contract
from pricewire.trading.instrument_books import InstrumentBook, InstrumentBooks
from pricewire.trading.interfaces import ClosedPage, Ledger, Publish, PublishedEvents
from pricewire.trading.messages import UpdateTemplate, contract_body, first_bid
from pricewire.trading.money import from_units, to_text, to_units
from pricewire.trading.outbox import Outbox

logger = logging.getLogger(__name__)

CLOSED_LIMIT = 50
"""How many closed contracts their list shows."""


class PublishedContract(msgspec.Struct):
    """What has to be known of a contract that was published, of a `ContractBody`."""

    contract_id: str


class PublishedBalance(msgspec.Struct):
    """What has to be known of a balance that was published, of a `BalanceBody`."""

    balance: str


CONTRACT = msgspec.json.Decoder(PublishedContract)
BALANCE = msgspec.json.Decoder(PublishedBalance)


class AccountEvents:
    """
    Publishes the topics of accounts; what open contracts are worth only while somebody listens.

    The caller makes sure that what it has published is durable, and that an account's events come in order.
    """

    def __init__(
        self,
        publish: Publish,
        books: InstrumentBooks,
        states: AccountStates,
        ledger: Ledger,
        clock: Clock,
        outbox: Outbox,
        published: PublishedEvents | None = None,
    ) -> None:
        self._publish = publish
        self._books = books
        self._states = states
        self._ledger = ledger
        self._clock = clock
        self._outbox = outbox
        self._published = published
        # A dict, for its order.
        self._heard: dict[AccountState, None] = {}
        # The lists that are to be published, of open contracts: each of an account, with the id of its only contract or of none.
        self._listed: set[tuple[AccountState, str]] = set()

    async def go_on(self) -> None:
        """
        Publish what an earlier process has not: it was killed before it could, or contracts have ended since.

        Called once, when the open contracts are known, and nothing was published yet.

        Raises:
            DatabaseError: the database does not answer.
        """
        published = dict[str, set[tuple[str, bool]]]()
        untold = set[str]()
        for pending in await self._ledger.pending_events():
            contract = pending.contract
            account_uuid = contract.account_uuid
            if account_uuid not in published:
                published[account_uuid] = self._lasting(account_uuid)
            if (contract.contract_id, contract.status == "open") in published[account_uuid]:
                self._outbox.published(pending.number)
                continue
            # For the instrument's name.
            self._books.restore(contract.instrument_id)
            if contract.status == "open":
                self.opened(contract, pending.number)
            else:
                self.closed(contract, pending.number)
            untold.add(account_uuid)
        for account_uuid in sorted(untold):
            self.go_on_with_balance(await self._states.find(account_uuid))

    def _lasting(self, account_uuid: str) -> set[tuple[str, bool]]:
        """Return the contracts of an account of which something was published lately, each with whether that was the purchase."""
        events = [] if self._published is None else self._published.lasting_events(str(ContractsTopic(account_uuid)))
        return {(CONTRACT.decode(event.json).contract_id, event.name == "contract_opened") for event in events}

    async def prepare(self, topic: AccountTopic) -> AccountTopic:
        """
        Load what a stream of the topic begins with.

        Raises:
            AccountError: there is no such account.
            UnknownContractError: the list is to have a contract that is not the account's.
            DatabaseError: the database does not answer.
        """
        account = await self._states.find(topic.account_uuid)
        if isinstance(topic, ContractListTopic) and topic.contract_id:
            await self._ledger.find(topic.contract_id, topic.account_uuid)
        if isinstance(topic, ClosedContractsTopic) and account.closed is None:
            await self.load_closed(account)
        return topic

    def first_stream(self, topic: AccountTopic) -> None:
        """Publish a topic's current value, and its changes from now on; it was prepared before."""
        account = self._states[topic.account_uuid]
        match topic:
            case ContractsTopic():
                account.is_heard = True
                self._listen(account)
                for position in list(account.open.values()):
                    contract = position.contract
                    if contract is not None and not position.is_waiting:
                        self.updated(position, contract, position.book.newest_point())
            case OpenContractsTopic():
                account.open_lists.add(topic.contract_id)
                self._listen(account)
                self._open_list(account, topic.contract_id)
            case ClosedContractsTopic():
                account.closed_lists.add(topic.contract_id)
                self._closed_list(account, topic.contract_id)
            case BalanceTopic():
                self.go_on_with_balance(account)

    def last_stream(self, topic: AccountTopic) -> None:
        """Stop publishing what nobody listens to; purchases, sales, settlements and balances are still published."""
        account = self._states[topic.account_uuid]
        match topic:
            case ContractsTopic():
                account.is_heard = False
            case OpenContractsTopic():
                account.open_lists.discard(topic.contract_id)
            case ClosedContractsTopic():
                account.closed_lists.discard(topic.contract_id)
                if not account.closed_lists:
                    account.closed = None
            case BalanceTopic():
                pass
        if not (account.is_heard or account.open_lists):
            self._heard.pop(account, None)

    def on_tick(self, book: InstrumentBook) -> None:
        """Publish what the contracts of an instrument are worth, to those who listen."""
        positions = book.positions
        if not self._heard or not len(positions.table):
            return
        newest = book.newest_point()
        bids = book.bids().tolist()
        row, contracts, held = positions.table.row, positions.contracts, self._states.held.get(book, {})
        # One account after the other, as what belongs to one is then close together in the processor's memory: that is a third of the time.
        for account in self._heard:
            shown = set[str]()
            for contract_id, position in held.get(account, {}).items():
                contract = contracts.get(contract_id)
                if contract is None:
                    # It has ended, which is not durable yet.
                    continue
                position.bid = bids[row(contract_id)]
                if position.is_waiting:
                    continue
                if account.is_heard:
                    self.updated(position, contract, newest)
                if account.open_lists:
                    shown.add(contract_id)
            if shown:
                self._list(account, shown)

    def entered(self, position: OpenPosition, contract: Contract) -> None:
        """Publish that a contract has been entered, to those who listen."""
        account = position.account
        if account.is_heard:
            self.updated(position, contract, position.book.newest_point())
        if account.open_lists:
            self._list(account, {contract.contract_id})

    def opened(self, contract: Contract, event_number: int) -> None:
        """Publish a purchase, which has a number in the outbox."""
        bid = to_units(first_bid(contract), contract.currency)
        self._publish(str(ContractsTopic(contract.account_uuid)), self._body(contract, bid), event="contract_opened")
        self._outbox.published(event_number)

    def updated(self, position: OpenPosition, contract: Contract, newest: bytes) -> None:
        """Publish what an open contract is worth; `newest` is the newest tick as JSON, or nothing."""
        self._publish(position.topic, self._message(position, contract, newest), key=contract.contract_id, event="contract_updated")

    def closed(self, contract: Contract, event_number: int) -> None:
        """Publish a sale, a settlement or a refund, which has a number in the outbox."""
        event = "contract_sold" if contract.status == "sold" else "contract_settled"
        self._publish(str(ContractsTopic(contract.account_uuid)), self._body(contract, 0), event=event, ends=contract.contract_id)
        self._outbox.published(event_number)

    def balance(self, account: AccountState) -> None:
        """Publish an account's balance."""
        topic = str(BalanceTopic(account.account_uuid))
        self._publish(topic, self.balance_body(account), key=topic, event="balance")

    def go_on_with_balance(self, account: AccountState) -> None:
        """Publish an account's balance, unless that is what was published last."""
        topic = str(BalanceTopic(account.account_uuid))
        if self._published is not None and self._published.on_its_way(topic):
            # Every change is published at once, so this is it.
            return
        for event in [] if self._published is None else self._published.latest_events(topic):
            before = Decimal(BALANCE.decode(event.json).balance)
            if before == account.balance:
                return
            account.change = account.balance - before
        self.balance(account)

    def open_lists(self, account: AccountState) -> None:
        """Publish the lists of an account's open contracts that somebody listens to."""
        for contract_id in account.open_lists:
            self._open_list(account, contract_id)

    def _open_list(self, account: AccountState, contract_id: str) -> None:
        """Publish a list of open contracts: one with the ticks of its life, or all, each with only its newest tick."""
        topic = str(OpenContractsTopic(account.account_uuid, contract_id))
        if contract_id:
            chosen = account.open.get(contract_id)
            contract = None if chosen is None else chosen.contract
            bodies = [] if chosen is None or contract is None else [self._body(contract, chosen.bid)]
            self._publish(topic, ContractsBody(bodies), key=topic, event="contracts")
            return
        messages = []
        for position in account.open.values():
            contract = position.contract
            if contract is not None:
                newest = b"" if contract.entry_tick_time is None else position.book.newest_point()
                messages.append(bytes(self._message(position, contract, newest)))
        self._publish(topic, msgspec.Raw(b'{"contracts":[%b]}' % b",".join(messages)), key=topic, event="contracts")

    async def load_closed(self, account: AccountState) -> None:
        """
        Read an account's closed contracts again.

        Raises:
            DatabaseError: the database does not answer.
        """
        account.closed = await self._ledger.closed_contracts(account.account_uuid, CLOSED_LIMIT)

    def closed_lists(self, account: AccountState) -> None:
        """Publish the lists of an account's newest closed contracts that somebody listens to, if they are loaded."""
        for contract_id in account.closed_lists:
            self._closed_list(account, contract_id)

    def _closed_list(self, account: AccountState, contract_id: str) -> None:
        """Publish a list of closed contracts, if they are loaded: one with the ticks of its life, or all, without ticks."""
        page = account.closed
        if page is None:
            return
        if contract_id:
            chosen = [contract for contract in page.contracts if contract.contract_id == contract_id]
            page = ClosedPage(chosen, len(chosen))
        pages = -(-page.total_items // CLOSED_LIMIT)
        bodies = [self._body(contract, 0, with_ticks=bool(contract_id)) for contract in page.contracts]
        body = ClosedContractsBody(bodies, Pagination(1, CLOSED_LIMIT, page.total_items, pages))
        topic = str(ClosedContractsTopic(account.account_uuid, contract_id))
        self._publish(topic, body, key=topic, event="contracts")

    def _body(self, contract: Contract, bid: int, *, with_ticks: bool = True) -> ContractBody[Amount]:
        """Return a contract as it is sent; `bid` is what an open one is worth, in the currency's smallest unit."""
        name = self._books.name(contract.instrument_id)
        ticks = self._books.life(contract) if with_ticks else ()
        return contract_body(contract, name, from_units(bid, contract.currency), ticks)

    def balance_body(self, account: AccountState) -> BalanceBody[Amount]:
        """Return an account's balance as it is sent."""
        now_ms = self._clock.now_ns() // 1_000_000
        return BalanceBody(to_text(account.balance), account.currency, now_ms, to_text(account.change))

    def _listen(self, account: AccountState) -> None:
        """Price an account's contracts at the newest ticks; from now on every tick does that."""
        self._heard[account] = None
        for contract_id, position in account.open.items():
            book = position.book
            if book.tick is not None and contract_id in book.positions.table:
                position.bid = int(book.bids(contract_id)[0])

    def _list(self, account: AccountState, contract_ids: Set[str]) -> None:
        """Publish an account's lists that have some contracts at the end of the loop's turn: of what comes at once they have all."""
        listed = [(account, chosen) for chosen in account.open_lists if not chosen or chosen in contract_ids]
        if listed and not self._listed:
            asyncio.get_running_loop().call_soon(self._tell_lists)
        self._listed.update(listed)

    def _tell_lists(self) -> None:
        listed, self._listed = self._listed, set()
        for account, contract_id in listed:
            if contract_id in account.open_lists:
                self._open_list(account, contract_id)

    @staticmethod
    def _message(position: OpenPosition, contract: Contract, newest: bytes) -> msgspec.Raw:
        """Return an open contract as it is sent, encoded, with only its newest tick."""
        template = position.template
        if template is None or template.contract is not contract:
            template = position.template = UpdateTemplate(contract, position.book.instrument.display_name)
        return template.message(position.bid, newest)
