"""The services: the market, the hub that carries it, and the trading behind them, opened and closed together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from pricewire.bus.memory import MemoryBus
from pricewire.errors import AccountError, PricewireError
from pricewire.market.archived_days import TickArchive
from pricewire.market.clock import SystemClock
from pricewire.market.feed import LATEST_MS
from pricewire.market.journal import KEEP_S, Journal
from pricewire.market.market import Market
from pricewire.server.auth.keys import KeySource
from pricewire.server.auth.passwords import DEMO, hash_password, matches
from pricewire.server.auth.service import AuthService
from pricewire.server.auth.tokens import TokenRules
from pricewire.server.money_watch import MoneyWatch
from pricewire.server.publisher import Publisher
from pricewire.server.topic_keeper import TopicKeeper
from pricewire.store.accounts import Accounts
from pricewire.store.audit import AuditTrail
from pricewire.store.database import Database
from pricewire.store.ledger import Ledger
from pricewire.store.old_ticks import take_over
from pricewire.store.statements import Statements
from pricewire.store.terms import begin_term
from pricewire.trading.accounting import Accounting
from pricewire.trading.desk import Desk
from pricewire.trading.interfaces import Publish
from pricewire.trading.limits import TradingLimits
from pricewire.trading.partitions import OwnAccounts, Share
from pricewire.trading.products import Products
from pricewire.trading.recovery import recover
from pricewire.trading.refusals import Refusals

logger = logging.getLogger(__name__)

DEMO_BALANCE = Decimal("10000.00")
"""What the demo account begins with, in USD."""


@dataclass(frozen=True, slots=True)
class JournalSetup:
    """
    The journal of a process with the market and without trading.

    Attributes:
        folder: where it is.
        keep_ticks_s: how long it keeps ticks, in seconds.
        archive: where the days go that are closed; None for nowhere.
    """

    folder: Path
    keep_ticks_s: float = KEEP_S
    archive: TickArchive | None = None


@dataclass(frozen=True, slots=True)
class TradingSetup:
    """
    What trading needs.

    Attributes:
        database: the path of an SQLite file, or `postgresql://user:password@host/database`.
        journal: the folder of the journal; ticks are written to it before anything is decided on them.
        keys: what tokens are signed with.
        rules: what tokens must claim.
        demo_account: whether there is to be an account `demo` whose password is `demo`: for a server that nobody else reaches.
        products: what is offered, at which commissions.
        keep_ticks_s: how long the journal keeps ticks, in seconds; after a restart, contracts are settled with them.
        trades_replays: whether to trade on recordings: others may know what comes next.
        ring: the folder in which what was published last is kept, so that streams resume after a restart; None for nowhere.
        archive: where the journal's days go that are closed; None for nowhere.
    """

    database: str | Path = field(repr=False)
    journal: Path
    keys: KeySource
    rules: TokenRules = field(default_factory=TokenRules)
    demo_account: bool = False
    products: Products = field(default_factory=Products)
    keep_ticks_s: float = KEEP_S
    trades_replays: bool = False
    ring: Path | None = None
    archive: TickArchive | None = None


class Services:
    """
    The market, and trading where it is set up.

    Attributes:
        publisher: the market and the hub.
        auth: checks accounts and tokens; None without trading, and before `open`.
        refusals: what trading has refused lately.
        journal: the journal; None without one, and before `open`.

    Args:
        setup: what trading needs; None for a server without.
        keeper: knows the topics that others publish to; None where nobody does.
        limits: how much trading lets in; by default anything.
        journal: the journal of a server without trading; None for none.

    Attributes:
        is_shared: whether several processes may share trading: then `trading` is to be called while the services are open.
    """

    def __init__(
        self,
        publisher: Publisher,
        setup: TradingSetup | None,
        *,
        keeper: TopicKeeper | None = None,
        limits: TradingLimits | None = None,
        journal: JournalSetup | None = None,
    ) -> None:
        self.is_shared = False
        self._database: Database | None = None
        # That of now, from before it reads anything.
        self._desk: Desk | None = None
        self.publisher = publisher
        self.refusals = Refusals(SystemClock())
        self.auth: AuthService | None = None
        self._accounting: Accounting | None = None
        self.journal: Journal | None = None
        self._setup = setup
        self._keeper = keeper
        self._limits = limits
        self._journal_setup = JournalSetup(setup.journal, setup.keep_ticks_s, setup.archive) if setup is not None else journal

    @property
    def keep_ticks_s(self) -> float:
        """How long the journal keeps ticks, in seconds."""
        return KEEP_S if self._journal_setup is None else self._journal_setup.keep_ticks_s

    def open_journal(self) -> Journal | None:
        """
        Return the journal of this process, for the time before `open`; None without one.

        Raises:
            JournalError: it cannot be used.
        """
        setup = self._journal_setup
        if setup is None:
            return None
        return Journal(setup.folder, self.publisher.market.instruments(), keep_s=setup.keep_ticks_s, archive=setup.archive)

    @property
    def desk(self) -> Desk:
        """
        The desk.

        Raises:
            PricewireError: this is a server without trading.
        """
        if self.publisher.desk is None:
            raise PricewireError("there is no desk: set up trading")
        return self.publisher.desk

    @property
    def accounting(self) -> Accounting:
        """
        Reads the books.

        Raises:
            PricewireError: this is a server without trading.
        """
        if self._accounting is None:
            raise PricewireError("there are no books: set up trading")
        return self._accounting

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """
        Run the market, and trading.

        Raises:
            DatabaseError: the database cannot be used.
            JournalError: the journal cannot be used.
        """
        async with contextlib.AsyncExitStack() as stack:
            if self._setup is not None:
                await stack.enter_async_context(self._trade(self._setup))
            elif self._journal_setup is not None:
                await stack.enter_async_context(self._keep(self._journal_setup))
            await stack.enter_async_context(running(self.publisher.market.run()))
            try:
                yield
            finally:
                self.publisher.hub.close()

    @contextlib.asynccontextmanager
    async def _keep(self, setup: JournalSetup) -> AsyncIterator[None]:
        """Have every tick in a journal within the block."""
        async with contextlib.AsyncExitStack() as stack:
            journal = self._open_journal(stack)
            await self._begin_journal(journal, time.time_ns() // 1_000_000 - round(setup.keep_ticks_s * 1000))
            await stack.enter_async_context(running(journal.run()))
            yield

    def _open_journal(self, stack: contextlib.AsyncExitStack) -> Journal:
        self.journal = journal = self.open_journal()
        assert journal is not None, "there is a setup"  # noqa: S101
        stack.callback(journal.close)
        return journal

    async def _begin_journal(self, journal: Journal, kept_ms: int, needed_ms: Sequence[int] = ()) -> None:
        """Fill up a journal, show what it has kept, and write every tick to it from now on; times are in milliseconds since 1970."""
        market = self.publisher.market
        await fill_up(market, journal, min([kept_ms, *needed_ms]))
        past = await asyncio.to_thread(journal.read, kept_ms)
        market.write_to(journal, past)
        self.publisher.go_on(past)

    @contextlib.asynccontextmanager
    async def _trade(self, setup: TradingSetup) -> AsyncIterator[None]:
        database = await Database.open(setup.database)
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(database.close)
            if setup.demo_account:
                await add_demo_account(Accounts(database))
            else:
                await close_demo_account(Accounts(database))
            self.auth = AuthService(database, setup.keys, setup.rules, self.publisher.hub, demo_account=setup.demo_account)
            stack.push_async_callback(self.auth.aclose)
            await self.auth.load()
            await stack.enter_async_context(running(self.auth.run()))
            market = self.publisher.market
            journal = self._open_journal(stack)
            if isinstance(self.publisher.bus, MemoryBus):
                # The journal's lock is the ring's as well. Another bus is open before the services.
                await stack.enter_async_context(self.publisher.bus.open())
            await take_over(database, journal, market.instruments())
            self._database = database
            self._accounting = Accounting(Statements(database), self._instrument_name)
            now_ms = time.time_ns() // 1_000_000
            kept_ms = now_ms - round(setup.keep_ticks_s * 1000)
            open_contracts = await Ledger(database, journal.sync).open_contracts()
            await self._begin_journal(journal, kept_ms, [contract.buy_time for contract in open_contracts])
            if not self.is_shared:
                await stack.enter_async_context(self.trading())
            await stack.enter_async_context(running(journal.run()))
            yield

    @contextlib.asynccontextmanager
    async def trading(
        self,
        share: Share | None = None,
        *,
        publish: Publish | None = None,
        flush: Callable[[], Awaitable[None]] | None = None,
        on_fenced: Callable[[], None] | None = None,
    ) -> AsyncIterator[Desk]:
        """
        Trade within the block; no tick may come before it has begun.

        Args:
            share: of several processes, the share of this one; None for all accounts.
            publish: sends messages to the streams of a topic; None for the bus.
            flush: returns when everything that was published so far is safe; None for the bus.
            on_fenced: called when the database refuses something as another term has begun.

        Raises:
            DatabaseError: the database does not answer.
            FencedError: another term has begun.
        """
        setup, journal, auth, database = self._setup, self.journal, self.auth, self._database
        if setup is None or journal is None or auth is None or database is None:
            raise PricewireError("there is nothing to trade with: set up trading, and open the services")
        bus = self.publisher.bus
        ledger = Ledger(database, journal.sync, share=share, on_fenced=on_fenced)
        if share is None and not isinstance(bus, MemoryBus):
            # Of several processes with the bus, one that was stopped for a while may still be about to write.
            await ledger.begin_term()
        limits = self._limits or TradingLimits()
        desk = self._desk = Desk(
            self.publisher.market,
            ledger,
            auth.accounts if share is None else OwnAccounts(auth.accounts, share),
            publish or bus.publish,
            products=setup.products,
            limits=limits if share is None else limits.of(share.part),
            trades_replays=setup.trades_replays,
            published=self.publisher.hub,
            flush=flush or bus.flush,
            catch_up=self.publisher.catch_up,
            refusals=self.refusals,
        )
        money_watch = MoneyWatch(AuditTrail(database), desk.money_moved)
        # Before the desk reads the first balance: what moves after that is heard of.
        await money_watch.start()
        async with contextlib.AsyncExitStack() as stack:
            await desk.restore(await recover(ledger, journal), journal)
            stack.push_async_callback(desk.close)
            await stack.enter_async_context(running(desk.run()))
            await stack.enter_async_context(running(money_watch.run()))
            self.publisher.begin_trading(desk)
            if self._keeper is not None and (share is None or share.place == 0):
                # That process publishes what is no account's.
                await stack.enter_async_context(running(self._keeper.run()))
            yield desk

    async def begin_term(self) -> int:
        """
        Have all that others would still write of trading be refused, and return the number of the new term.

        Raises:
            DatabaseError: the database does not answer.
        """
        assert self._database is not None, "the services are open"  # noqa: S101
        return await self._database.write(begin_term)

    async def find_contract(self, contract_id: str, account_uuid: str) -> None:
        """
        Check that an account has a contract.

        Raises:
            UnknownContractError: it has not.
            DatabaseError: the database does not answer.
        """
        assert self._database is not None, "the services are open"  # noqa: S101
        assert self.journal is not None, "the services are open"  # noqa: S101
        await Ledger(self._database, self.journal.sync).find(contract_id, account_uuid)

    def _instrument_name(self, instrument_id: str) -> str:
        return instrument_id if self._desk is None else self._desk.instrument_name(instrument_id)


async def fill_up(market: Market, journal: Journal, from_ms: int) -> None:
    """
    Write the ticks of the time when the server was down to the journal, as far as the feeds know them: contracts are settled with them.

    Args:
        market: whose feeds are asked.
        journal: gets the ticks.
        from_ms: the first time of interest, in milliseconds since 1970.

    Raises:
        JournalError: it cannot be written.
    """
    found = [tick for each in market.instruments() for tick in await journal.between(each.id, 0, LATEST_MS, newest=1)]
    # An import may have ended years ago: no feed is asked for all that came since.
    newest = [tick for tick in found if journal.has_seen(tick)]
    filled = 0
    backfill = market.backfill(newest)
    # In a thread: a feed may ask over the network, and others must not wait for that.
    while (past := await asyncio.to_thread(next, backfill, None)) is not None:
        if past.epoch_ms[-1] >= from_ms:
            journal.extend(past)
            filled += len(past.epoch_ms)
    if filled:
        logger.info("the journal has %d ticks more, which came while the server was down", filled)


async def add_demo_account(accounts: Accounts) -> None:
    """Open the demo account, where it is not there."""
    if await accounts.find(DEMO) is None:
        # Two processes may start at once.
        with contextlib.suppress(AccountError):
            await accounts.add(DEMO, password_hash=hash_password(DEMO), balance=DEMO_BALANCE)


async def close_demo_account(accounts: Accounts) -> None:
    """
    End the demo account's tokens from a time when only this machine reached the server; its usual password is refused as well.

    An account whose password was changed is left alone.
    """
    account = await accounts.find(DEMO)
    if account is not None and account.password_hash is not None and await asyncio.to_thread(matches, DEMO, account.password_hash):
        await accounts.end_tokens(DEMO)


@contextlib.asynccontextmanager
async def running(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run a task beside the block, and end it with the block."""
    task = asyncio.create_task(work)
    task.add_done_callback(report)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def report(task: asyncio.Task[None]) -> None:
    """Log the failure of a task that the server needs."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.critical("%s has failed; start the server again", task.get_coro(), exc_info=error)
