"""The desk: sells contracts, lets every tick happen to them, buys them back, settles them, and tells their holders."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

from pricewire.errors import ContractNotSellableError, InvalidProposalError, TooManyContractsError
from pricewire.market.clock import Clock, SystemClock
from pricewire.market.market import Market
from pricewire.protocol.messages import Tick
from pricewire.protocol.topics import (
    AccountTopic,
    BalanceTopic,
    ClosedContractsTopic,
    ContractsTopic,
    OpenContractsTopic,
    ProposalTopic,
    QuoteTopic,
)
from pricewire.protocol.trading_messages import (
    Amount,
    BalanceBody,
    ClosedContractsBody,
    ContractsBody,
    Purchased,
    PurchaseRequest,
    Sold,
)
from pricewire.store.accounts import Accounts
from pricewire.store.ledger import ClosedPage, Ledger, Purchase
from pricewire.store.ticks import RecordedTicks
from pricewire.trading.account_events import CLOSED_LIMIT, AccountEvents, Publish
from pricewire.trading.account_state import AccountState, AccountStates, OpenPosition
from pricewire.trading.book import InstrumentBook
from pricewire.trading.contract_price import PayoutOffer, make_payout_offer
from pricewire.trading.contracts import Contract, sell
from pricewire.trading.instrument_books import PAST_TICKS, InstrumentBooks
from pricewire.trading.messages import first_bid, purchased, sold
from pricewire.trading.money import DEFAULT_CURRENCY, from_units, to_units
from pricewire.trading.offers import Offer, make_offer, requested
from pricewire.trading.products import Products
from pricewire.trading.purchase import check_slippage, digest, make_contract
from pricewire.trading.quoting import Quoting
from pricewire.trading.recovery import Recovered
from pricewire.trading.settlement import Settlement

Answer = TypeVar("Answer")

GRACE_MS = 2000
"""How late a tick may come and still be the last of a contract's life, in milliseconds, where no later one has come."""

WATCH_S = 0.5
"""How often contracts are looked for whose life is over without a tick that says so, in seconds."""


class Desk:
    """
    Trading, for the server: quotes, purchases, sales, positions and balances.

    `run` has to run beside, `on_tick` has to be called with every tick after it was recorded, and `first_stream` and `last_stream` when a
    topic of trading begins and ceases to have listeners. Before a stream is opened, `prepare` checks its topics. What is published:

        topic                      event                                    key
        proposal:…                 proposal                                 the topic
        contract_price:…           contract_price                           the topic
        contracts:<account>        contract_updated                         the contract's id
                                   contract_opened                          none
                                   contract_sold, contract_settled          none; they end the contract's id
        open_contracts:<account>   contracts                                the topic
        closed_contracts:<account> contracts                                the topic
        balance:<account>          balance                                  the topic

    Nothing of a contract or a balance is published before it is durable, and an account's events come in the order of its transactions.

    Attributes:
        products: what is offered.
    """

    def __init__(
        self,
        market: Market,
        ledger: Ledger,
        accounts: Accounts,
        publish: Publish,
        *,
        products: Products | None = None,
        clock: Clock | None = None,
        open_contracts: int | None = None,
    ) -> None:
        """
        Prepare to trade.

        Args:
            market: the instruments and their ticks.
            ledger: the contracts and the money.
            accounts: who trades.
            publish: what carries messages to those who listen.
            products: what is offered; by default all products at the usual commission.
            clock: the time to run by; by default the system's.
            open_contracts: how many an account may have at once; by default any number.
        """
        self.products = products or Products()
        self._ledger = ledger
        self._open_contracts = open_contracts
        self._clock = clock or SystemClock()
        self._books = InstrumentBooks(market, self._clock)
        self._states = AccountStates(accounts)
        self._account_events = AccountEvents(publish, self._books, self._clock)
        self._quoting = Quoting(publish)
        self._positions: dict[str, OpenPosition] = {}
        self._heard: set[AccountState] = set()
        self._listed: set[AccountState] = set()
        self._settlement = Settlement(ledger, self._states, self._positions, self._account_events, self._clock)
        self._tasks: set[asyncio.Task[Any]] = set()

    async def restore(self, recovered: Iterable[Recovered], ticks: RecordedTicks) -> None:
        """
        Take up the open contracts of before a restart; called once, before the first tick.

        Args:
            recovered: what the recorded ticks say of them.
            ticks: those recorded ticks.

        Raises:
            DatabaseError: the database does not answer.
        """
        for each in recovered:
            contract = each.contract
            book = self._books.restore(contract.instrument_id)
            if book.positions.newest is None:
                for tick in await ticks.between(contract.instrument_id, 0, self._now_ms(), newest=PAST_TICKS):
                    # Ticks that come again are late ones.
                    book.remember(tick)
                    book.positions.newest = tick
            account = await self._states.find(contract.account_uuid)
            book.positions.add(contract, each.ticks_seen)
            self._hold(account, book, contract)

    async def run(self) -> None:
        """Settle what has ended, until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._settlement.run(), name="settlement")
            tasks.create_task(self._watch(), name="expiry watch")

    def on_tick(self, tick: Tick) -> None:
        """Let a tick happen: quotes are priced and published, contracts entered, touched, ended, priced and published."""
        book = self._books.find(tick.instrument_id)
        happened = book.on_tick(tick)
        if happened is None:
            return
        self._quoting.on_tick(book)
        self._settlement.add(happened.changed, happened.ended)
        if self._heard and len(book.positions.table):
            self._update(book, tick)

    async def prepare(self, topic: QuoteTopic | AccountTopic) -> QuoteTopic | AccountTopic:
        """
        Return a topic in canonical form, ready for a stream to be opened on it.

        Args:
            topic: what somebody wants to listen to, and may.

        Raises:
            InvalidProposalError: what it asks for is not offered.
            UnknownInstrumentError: no feed brings its instrument.
            MarketClosedError: its instrument has no price yet.
            AccountError: there is no such account.
            DatabaseError: the database does not answer.
        """
        if isinstance(topic, QuoteTopic):
            return self._offer(topic)[1].topic
        account = await self._states.find(topic.account_uuid)
        if isinstance(topic, ClosedContractsTopic) and account.closed is None:
            account.closed = await self._ledger.closed_contracts(topic.account_uuid, CLOSED_LIMIT)
        return topic

    def first_stream(self, topic: QuoteTopic | AccountTopic) -> None:
        """Publish a topic's current value, and its changes from now on; it was prepared before."""
        if isinstance(topic, QuoteTopic):
            self._quote(topic)
            return
        account = self._states[topic.account_uuid]
        match topic:
            case ContractsTopic():
                account.is_heard = True
                self._listen(account)
                for contract_id, position in list(account.open.items()):
                    contract = position.book.positions.contracts.get(contract_id)
                    if contract is not None and not position.is_waiting:
                        self._account_events.updated(position, contract, position.book.newest_point())
            case OpenContractsTopic():
                account.is_listed = True
                self._listen(account)
                self._account_events.open_list(account)
            case ClosedContractsTopic():
                if account.closed is not None:
                    self._account_events.closed_list(account, account.closed)
            case BalanceTopic():
                self._account_events.balance(account)

    def last_stream(self, topic: QuoteTopic | AccountTopic) -> None:
        """Stop publishing what nobody listens to; purchases, sales, settlements and balances are published all the same."""
        if isinstance(topic, QuoteTopic):
            self._books.find(topic.instrument_id).remove_quote(str(topic))
            return
        account = self._states[topic.account_uuid]
        match topic:
            case ContractsTopic():
                account.is_heard = False
            case OpenContractsTopic():
                account.is_listed = False
            case ClosedContractsTopic():
                account.closed = None
            case BalanceTopic():
                pass
        if not (account.is_heard or account.is_listed):
            self._heard.discard(account)

    async def buy(self, account_uuid: str, request: PurchaseRequest) -> Purchased[Amount]:
        """
        Sell a contract to an account at the price of now; a request that is repeated gets the first answer.

        It is carried to its end even if the caller is cancelled.

        Args:
            account_uuid: the buyer's account.
            request: what is to be bought.

        Raises:
            InvalidProposalError: it is not offered, or the payout has fallen too far below the one that the buyer saw.
            UnknownInstrumentError: no feed brings the instrument.
            MarketClosedError: there is no price to trade at.
            InsufficientBalanceError: the account has less than the stake.
            TooManyContractsError: the account has as many open contracts as it may have.
            AccountSuspendedError: the account may not buy.
            AccountError: there is no such account.
            IdempotencyConflictError: the request's key was used for another purchase.
            DatabaseError: the database does not answer; whether it was bought, a repetition shows.
        """
        return await self._finish(self._buy(account_uuid, request))

    async def sell(self, account_uuid: str, contract_id: str) -> Sold[Amount]:
        """
        Buy a contract back at what it was worth at the newest tick.

        It is carried to its end even if the caller is cancelled.

        Args:
            account_uuid: the holder's account.
            contract_id: which contract.

        Raises:
            UnknownContractError: the account has no such contract.
            ContractNotSellableError: it has ended, has not begun, or is worth nothing.
            MarketClosedError: there is no price to trade at.
            AccountError: there is no such account.
            DatabaseError: the database does not answer.
        """
        return await self._finish(self._sell(account_uuid, contract_id))

    async def balance(self, account_uuid: str) -> BalanceBody[Amount]:
        """
        Return what an account has.

        Raises:
            AccountError: there is no such account.
            DatabaseError: the database does not answer.
        """
        return self._account_events.balance_body(await self._states.find(account_uuid))

    def chosen_contract(
        self, topic: OpenContractsTopic | ClosedContractsTopic, contract_id: str
    ) -> ContractsBody[Amount] | ClosedContractsBody[Amount]:
        """
        Return the list of a topic that somebody listens to with one contract alone, which has the ticks of its life.

        Args:
            topic: of an account that has been prepared.
            contract_id: which contract; the list is empty where it has none.
        """
        account = self._states[topic.account_uuid]
        if isinstance(topic, OpenContractsTopic):
            return self._account_events.open_body(account, [contract_id] if contract_id in account.open else [])
        known = account.closed.contracts if account.closed is not None else []
        contracts = [contract for contract in known if contract.contract_id == contract_id]
        return self._account_events.closed_body(ClosedPage(contracts, len(contracts)))

    async def check_contract(self, account_uuid: str, contract_id: str) -> None:
        """
        Check that a contract is the account's.

        Raises:
            UnknownContractError: it is not.
            DatabaseError: the database does not answer.
        """
        await self._ledger.find(contract_id, account_uuid)

    async def _buy(self, account_uuid: str, request: PurchaseRequest) -> Purchased[Amount]:
        key, hashed = request.idempotency_key, digest(request)
        first = await self._ledger.bought(account_uuid, key, hashed)
        if first is not None:
            return purchased(key, first.contract, self._books.name(first.contract.instrument_id))
        topic, variant = requested(request, self.products)
        account = await self._states.find(account_uuid)
        async with account.lock:
            if self._open_contracts is not None and len(account.open) >= self._open_contracts:
                raise TooManyContractsError(self._open_contracts)
            book, offer = self._offer(topic, account.currency)
            tick, volatility = self._books.tradable(book)
            priced = book.price(offer)
            if priced is None or not isinstance(offer, Offer):
                raise InvalidProposalError(f"{topic} cannot be bought")
            contract = make_contract(
                offer,
                variant,
                priced,
                tick,
                names=(str(uuid.uuid4()), f"{secrets.randbelow(10**12):012d}"),
                account_uuid=account_uuid,
                volatility=volatility,
                quantum=book.quantum,
                now_ms=self._now_ms(),
            )
            check_slippage(request.proposal_details.payout, contract.payout, contract.currency)
            # Ticks that come while it is being written belong to its life. Who settles it waits for the lock.
            book.positions.add(contract)
            try:
                bought = await self._ledger.buy(Purchase(contract, key, hashed))
            except BaseException:
                self._settlement.forget(book, contract.contract_id)
                raise
            if bought.is_repeated:
                self._settlement.forget(book, contract.contract_id)
            else:
                self._opened(account, book, contract, bought.balance)
            return purchased(key, bought.contract, book.instrument.display_name)

    def _opened(self, account: AccountState, book: InstrumentBook, contract: Contract, balance: Any) -> None:
        """Publish a purchase."""
        position = self._hold(account, book, contract)
        self._account_events.opened(position, contract)
        if account.is_heard:
            # The value of its key, for who begins to listen before the next tick.
            self._account_events.updated(position, contract, b"")
        account.change, account.balance = balance - account.balance, balance
        self._account_events.balance(account)
        if account.is_listed:
            self._account_events.open_list(account)

    async def _sell(self, account_uuid: str, contract_id: str) -> Sold[Amount]:
        account = await self._states.find(account_uuid)
        async with account.lock:
            position = account.open.get(contract_id)
            contract = None if position is None else position.book.positions.contracts.get(contract_id)
            if position is None or contract is None:
                known = await self._ledger.find(contract_id, account_uuid)
                raise ContractNotSellableError(contract_id, "it has expired" if known.status == "open" else f"it is {known.status}")
            book = position.book
            tick, _ = self._books.tradable(book)
            if contract.entry_tick_time is None:
                raise ContractNotSellableError(contract_id, "its first tick has not come; try again in a moment")
            bid = int(book.positions.bids(tick, book.interval_ms, contract_id)[0])
            if bid == 0:
                raise ContractNotSellableError(contract_id, "it is worth nothing now")
            closed = await self._ledger.sell(sell(contract, from_units(bid, contract.currency), tick, self._now_ms()))
            self._settlement.forget(book, contract_id)
            await self._settlement.closed(closed)
            return sold(closed.contract, book.instrument.display_name, self._books.life(closed.contract))

    def _hold(self, account: AccountState, book: InstrumentBook, contract: Contract) -> OpenPosition:
        position = OpenPosition(account, book, to_units(first_bid(contract), contract.currency))
        self._positions[contract.contract_id] = account.open[contract.contract_id] = position
        return position

    def _offer(self, topic: QuoteTopic, currency: str = DEFAULT_CURRENCY) -> tuple[InstrumentBook, Offer | PayoutOffer]:
        """Return what a topic asks for, checked, and the book that it belongs to."""
        book = self._books.find(topic.instrument_id)
        tick = self._books.newest(book)
        if isinstance(topic, ProposalTopic):
            return book, make_offer(topic, self.products, book.instrument, tick.price, currency)
        return book, make_payout_offer(topic, self.products, book.instrument, tick.price)

    def _quote(self, topic: QuoteTopic) -> None:
        """Publish a quote now and with every tick."""
        try:
            book, offer = self._offer(topic)
        except InvalidProposalError:
            # An offset that was above zero when the stream was prepared, and no longer is.
            return
        name = str(topic)
        book.add_quote(name, offer)
        body = book.quote(offer)
        if body is not None:
            self._quoting.publish(name, body)

    def _listen(self, account: AccountState) -> None:
        self._heard.add(account)
        self._price(account)

    def _price(self, account: AccountState) -> None:
        """Bring the worth of an account's contracts up to the newest ticks; while somebody listens every tick does that."""
        for contract_id, position in account.open.items():
            book = position.book
            if book.tick is not None and contract_id in book.positions.table:
                position.bid = int(book.positions.bids(book.tick, book.interval_ms, contract_id)[0])

    def _update(self, book: InstrumentBook, tick: Tick) -> None:
        """Publish what the contracts of an instrument are worth, to those who listen."""
        positions, account_events = book.positions, self._account_events
        newest = book.newest_point()
        listed = set()
        for contract_id, bid in zip(positions.table.items, positions.bids(tick, book.interval_ms).tolist(), strict=True):
            position = self._positions.get(contract_id)
            if position is None:
                # Its purchase is not durable yet.
                continue
            position.bid = bid
            if position.is_waiting:
                continue
            account = position.account
            if account.is_heard:
                account_events.updated(position, positions.contracts[contract_id], newest)
            if account.is_listed:
                listed.add(account)
        if listed and not self._listed:
            # The ticks of several instruments that come at once make one list.
            asyncio.get_running_loop().call_soon(self._tell_lists)
        self._listed |= listed

    def _tell_lists(self) -> None:
        listed, self._listed = self._listed, set()
        for account in listed:
            if account.is_listed:
                self._account_events.open_list(account)

    async def _watch(self) -> None:
        """End contracts whose life is over without a tick that says so."""
        while True:
            await self._clock.sleep(WATCH_S)
            for book in self._books:
                self._settlement.add([], book.positions.on_time(self._now_ms() - GRACE_MS))

    async def _finish(self, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Await work that goes on to its end even if the waiting is cancelled: what is durable has to be published."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return await asyncio.shield(task)

    def _now_ms(self) -> int:
        return self._clock.now_ns() // 1_000_000
