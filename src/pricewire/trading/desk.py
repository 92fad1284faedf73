"""The desk: all of trading in one object, for the server. It applies every tick and delegates the rest."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from pricewire.errors import FencedError
from pricewire.market.clock import Clock, SystemClock
from pricewire.market.feed import LATEST_MS
from pricewire.market.market import Market
from pricewire.protocol.messages import Tick
from pricewire.protocol.topics import AccountTopic, QuoteTopic
from pricewire.protocol.trading_messages import (
    Amount,
    BalanceBody,
    Purchased,
    PurchaseRequest,
    Sold,
)
from pricewire.trading.account_events import AccountEvents
from pricewire.trading.account_state import AccountStates
from pricewire.trading.due_ticks import DueTicks
from pricewire.trading.instrument_books import PAST_TICKS, InstrumentBooks
from pricewire.trading.interfaces import Accounts, Ledger, Publish, PublishedEvents, TickHistory
from pricewire.trading.limits import Exposure, PurchaseRates, TradingLimits
from pricewire.trading.outbox import Outbox
from pricewire.trading.products import Products
from pricewire.trading.quoting import Quoting
from pricewire.trading.recovery import Recovered
from pricewire.trading.refusals import Refusals
from pricewire.trading.settlement import Settlement
from pricewire.trading.trades import Trades


class Desk:
    """
    Trading, for the server: quotes, purchases, sales, positions and balances.

    `run` has to run in a task, `on_tick` has to be called with every tick after it was recorded, and `first_stream` and `last_stream` when
    a topic of trading gets its first stream and loses its last. Before a stream is opened, `prepare` checks its topics. What is published:

        topic                      event                                    key
        proposal:…                 proposal                                 the topic
        contract_price:…           contract_price                           the topic
        contracts:<account>        contract_updated                         the contract's id
                                   contract_opened                          none
                                   contract_sold, contract_settled          none; they end the contract's id
        open_contracts:<account>   contracts                                the topic
        closed_contracts:<account> contracts                                the topic
        …:<account>:<contract>     contracts: of these two, with one alone  the topic
        balance:<account>          balance                                  the topic

    Nothing of a contract or a balance is published before it is durable, and an account's events come in the order of its transactions.
    Whatever has to be awaited raises a `DatabaseError` where the database does not answer; only `run` tries again.

    Attributes:
        products: what is offered.
        exposure: what open contracts may win.
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
        limits: TradingLimits | None = None,
        trades_replays: bool = False,
        published: PublishedEvents | None = None,
        flush: Callable[[], Awaitable[None]] | None = None,
        catch_up: Callable[[], Awaitable[None]] | None = None,
        refusals: Refusals | None = None,
    ) -> None:
        """
        Prepare to trade.

        Args:
            market: the instruments and their ticks.
            ledger: the contracts and the money.
            accounts: who trades.
            publish: sends messages to the streams of a topic.
            products: what is offered; by default all products at the usual commission.
            clock: the time to run by; by default the system's.
            limits: how much is let in; by default anything.
            trades_replays: whether to trade on recordings, whose future others may know.
            published: what an earlier process has published, to go on with; None for nothing.
            flush: returns when everything that was published so far is safe; None where that is at once.
            catch_up: returns when the desk has had every tick that somebody else may have; None where it gets them first.
            refusals: what the desk before has refused, to go on with; None for nothing.
        """
        self.products = products or Products()
        limits = limits or TradingLimits()
        self.exposure = Exposure(limits)
        self._ledger = ledger
        self._clock = clock or SystemClock()
        self._books = InstrumentBooks(market, self._clock, trades_replays=trades_replays)
        self._states = AccountStates(accounts, self.exposure)
        self._quoting = Quoting(self._books, self.products, publish)
        self._outbox = Outbox(ledger, flush or at_once, self._clock)
        self._account_events = AccountEvents(publish, self._books, self._states, ledger, self._clock, self._outbox, published)
        self._settlement = Settlement(self._books, ledger, self._states, self._account_events, self._outbox, self.exposure, self._clock)
        self._due_ticks = DueTicks(self._books)
        self._trades = Trades(
            self._books,
            self.products,
            ledger,
            self._states,
            self._account_events,
            self._settlement,
            self._clock,
            due_ticks=self._due_ticks,
            exposure=self.exposure,
            rates=PurchaseRates(limits.purchases_per_second),
            refusals=Refusals(self._clock) if refusals is None else refusals,
            max_open_contracts=limits.open_contracts,
            catch_up=catch_up or at_once,
        )

    @property
    def purchases(self) -> int:
        """How many contracts accounts have bought."""
        return self._settlement.bought

    @property
    def sales(self) -> int:
        """How many contracts accounts have sold back."""
        return self._settlement.sold

    @property
    def open_contracts(self) -> int:
        """How many contracts are open."""
        return sum(len(book.positions.table) for book in self._books)

    @property
    def unsettled_contracts(self) -> int:
        """How many contracts have ended and are not written to the ledger yet."""
        return self._settlement.waiting

    async def restore(self, recovered: Iterable[Recovered], ticks: TickHistory) -> None:
        """
        Take over the open contracts from before a restart, and publish what an earlier process has not; called once, before the first tick.

        Args:
            recovered: what the recorded ticks say of them.
            ticks: those recorded ticks.
        """
        for each in recovered:
            contract = each.contract
            book = self._books.restore(contract.instrument_id)
            if book.positions.newest is None:
                # Ticks that come again are late ones.
                book.load(await ticks.between(contract.instrument_id, 0, LATEST_MS, newest=PAST_TICKS))
            account = await self._states.find(contract.account_uuid)
            book.positions.add(contract, each.ticks_seen)
            self.exposure.add(contract)
            self._states.hold(account, book, contract)
        await self._account_events.go_on()

    async def run(self) -> None:
        """Settle what has ended, until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._settlement.run(), name="settlement")
            tasks.create_task(self._outbox.run(), name="outbox")

    async def close(self) -> None:
        """Leave nothing to the next process that is known to be published; called when `run` was cancelled."""
        await self._outbox.close()

    def on_tick(self, tick: Tick) -> None:
        """Apply a tick: price and publish quotes; enter, end, price and publish contracts."""
        book = self._books.find(tick.instrument_id, tick)
        happened = book.on_tick(tick, self._clock.monotonic_ns())
        if happened is None:
            return
        self._due_ticks.came(book)
        self._quoting.on_tick(book)
        self._settlement.add(happened.changed, happened.ended)
        self._account_events.on_tick(book)

    async def prepare(self, topic: QuoteTopic | AccountTopic) -> QuoteTopic | AccountTopic:
        """
        Return a topic in canonical form, ready for a stream to be opened on it.

        Args:
            topic: what somebody wants to listen to, and may.

        Raises:
            InvalidProposalError: what it asks for is not offered.
            UnknownInstrumentError: no feed has its instrument.
            MarketClosedError: its instrument has no price yet.
            AccountError: there is no such account.
        """
        return self._quoting.prepare(topic) if isinstance(topic, QuoteTopic) else await self._account_events.prepare(topic)

    def first_stream(self, topic: QuoteTopic | AccountTopic) -> None:
        """Publish a topic's current value, and its changes from now on; it was prepared before."""
        if isinstance(topic, QuoteTopic):
            self._quoting.first_stream(topic)
        else:
            self._account_events.first_stream(topic)

    def last_stream(self, topic: QuoteTopic | AccountTopic) -> None:
        """Stop publishing what nobody listens to; purchases, sales, settlements and balances are still published."""
        if isinstance(topic, QuoteTopic):
            self._quoting.last_stream(topic)
        else:
            self._account_events.last_stream(topic)

    async def buy(self, account_uuid: str, request: PurchaseRequest) -> Purchased[Amount]:
        """Sell a contract to an account at the price of now, as `Trades.buy` says."""
        return await self._trades.buy(account_uuid, request)

    async def sell(self, account_uuid: str, contract_id: str) -> Sold[Amount]:
        """Buy a contract back at what it was worth at the newest tick, as `Trades.sell` says."""
        return await self._trades.sell(account_uuid, contract_id)

    async def balance(self, account_uuid: str) -> BalanceBody[Amount]:
        """
        Return an account's balance.

        Raises:
            AccountError: there is no such account.
        """
        return self._account_events.balance_body(await self._states.find(account_uuid))

    async def money_moved(self, account_uuid: str) -> None:
        """
        Publish an account's balance, as somebody else has moved its money, unless it was published already.

        The balance of an account that another process has, that one publishes.

        Raises:
            AccountError: there is no such account.
            DatabaseError: the database does not answer.
        """
        try:
            account = await self._states.find(account_uuid)
        except FencedError:
            return
        async with account.lock:
            if await self._states.refresh(account):
                self._account_events.balance(account)
            else:
                self._account_events.go_on_with_balance(account)

    def instrument_name(self, instrument_id: str) -> str:
        """Return an instrument's name for people; its id where no feed brings it."""
        return self._books.name(instrument_id)


async def at_once() -> None:
    """Wait for nothing: there is no other process."""
