"""Settlement: what ticks, or their staying away, have done to contracts is made durable, in batches, and then told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from contextlib import AsyncExitStack
from decimal import Decimal
from itertools import islice

from pricewire.errors import DatabaseError, FencedError, JournalError
from pricewire.market.clock import Clock
from pricewire.trading.account_events import AccountEvents
from pricewire.trading.account_state import AccountState, AccountStates
from pricewire.trading.contracts import PATIENCE_MS, Contract
from pricewire.trading.instrument_books import InstrumentBook, InstrumentBooks
from pricewire.trading.interfaces import Closed, Ledger
from pricewire.trading.limits import Exposure
from pricewire.trading.outbox import Outbox

logger = logging.getLogger(__name__)

BATCH = 1000
"""How many ends of contracts are written in one transaction at most: others wait for it."""

ENTRIES = 100
"""How many entries are: a tick has one for each contract that was bought since the last, and who buys now waits for those being written."""

RETRY_S = 1.0
"""How long after a failed write it is tried again, in seconds."""

WATCH_S = 0.5
"""How often contracts are looked for whose ticks have stayed away, in seconds."""


LONGEST_WATCH_MS = 1000.0
"""How much of a silence is seen from one look to the next at most, in milliseconds: of more than that, the process has slept."""


class Settlement:
    """
    Writes entries, settlements and refunds to the ledger, and publishes them when it has them.

    Contracts that are to be written wait here, each as it is now. Nothing gets lost while the database does not answer, and a process that
    dies meanwhile finds it all in the recorded ticks. A write whose answer is lost may have been done: the account is in doubt, and whoever
    writes for it next learns first what came of it.

    Attributes:
        bought: how many contracts accounts have bought.
        sold: how many they have sold back.
    """

    def __init__(
        self,
        books: InstrumentBooks,
        ledger: Ledger,
        states: AccountStates,
        account_events: AccountEvents,
        outbox: Outbox,
        exposure: Exposure,
        clock: Clock,
    ) -> None:
        """
        Begin with nothing to write.

        Args:
            books: the instruments' prices and open contracts.
            ledger: the contracts and the money.
            states: the accounts.
            account_events: tells the accounts' streams.
            outbox: knows which events were published.
            exposure: how much open contracts may win.
            clock: the time to run by.
        """
        self.bought = self.sold = 0
        self._books = books
        self._ledger = ledger
        self._states = states
        self._account_events = account_events
        self._outbox = outbox
        self._exposure = exposure
        self._clock = clock
        # The accounts in doubt, each with those contracts that it has perhaps bought, and their books.
        self._doubts: dict[str, list[tuple[InstrumentBook, Contract]]] = {}
        self._changed: dict[str, Contract] = {}
        self._ended: dict[str, Contract] = {}
        self._work = asyncio.Event()

    @property
    def waiting(self) -> int:
        """How many contracts have ended and are not written yet."""
        return len(self._ended)

    def add(self, changed: Iterable[Contract], ended: Iterable[Contract]) -> None:
        """Have contracts written: those that were entered, and those that were settled or refunded."""
        for contract in changed:
            self._changed[contract.contract_id] = contract
            self._wait(contract)
        for contract in ended:
            self._changed.pop(contract.contract_id, None)
            self._ended[contract.contract_id] = contract
            self._wait(contract)

    def opened(self, account: AccountState, book: InstrumentBook, contract: Contract, event_number: int) -> None:
        """Publish a purchase, which is durable, and go on with what has happened meanwhile; the caller has the account's lock."""
        self.bought += 1
        position = self._states.hold(account, book, contract)
        self._account_events.opened(contract, event_number)
        if account.is_heard:
            # The current value of its key, for streams that begin before the next tick.
            self._account_events.updated(position, contract, b"")
        changed = self._changed.get(contract.contract_id)
        if changed is not None:
            self._wait(changed)

    def doubt(self, account_uuid: str, bought: tuple[InstrumentBook, Contract] | None = None) -> None:
        """
        Have it learned what came of a write whose answer is lost.

        Args:
            account_uuid: whose it was.
            bought: what that account has bought by it, perhaps; it stays in its book until then.
        """
        purchases = self._doubts.setdefault(account_uuid, [])
        if bought is not None:
            purchases.append(bought)
        self._work.set()

    async def learn(self, accounts: Iterable[AccountState]) -> None:
        """
        Learn what came of the writes of accounts that are in doubt, and publish that; the caller has their locks.

        Raises:
            DatabaseError: the database does not answer.
        """
        doubted = {account.account_uuid: account for account in accounts if account.account_uuid in self._doubts}
        if not doubted:
            return
        # Before the events are read: what is told and removed meanwhile would else be told twice. Nobody tells more of these accounts.
        told = self._outbox.numbers
        pending = await self._ledger.decided_events(doubted)
        moved = [account for account in doubted.values() if await self._states.refresh(account)]
        purchases = {contract.contract_id: (book, contract) for uuid in doubted for book, contract in self._doubts.pop(uuid)}
        for event in pending:
            contract = event.contract
            if event.number in told:
                continue
            if contract.status == "open":
                if (bought := purchases.pop(contract.contract_id, None)) is None:
                    # It was not bought here: it stays in the outbox, for the next process.
                    continue
                account = doubted[contract.account_uuid]
                self.opened(account, bought[0], contract, event.number)
                self._account_events.open_lists(account)
            else:
                position = self._states.positions.get(contract.contract_id)
                if position is not None:
                    self.forget(position.book, contract.contract_id)
                await self.publish([Closed(contract, doubted[contract.account_uuid].balance, Decimal(0), event.number)])
        for book, contract in purchases.values():
            self.forget(book, contract.contract_id)
            self._exposure.remove(contract)
        for account in moved:
            self._account_events.balance(account)

    def forget(self, book: InstrumentBook, contract_id: str) -> None:
        """Remove a contract that was sold, or was not bought after all."""
        book.positions.remove(contract_id)
        self._changed.pop(contract_id, None)
        self._ended.pop(contract_id, None)

    async def run(self) -> None:
        """Settle what has ended, until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._settle(), name="settlement")
            tasks.create_task(self._watch(), name="expiry watch")

    async def publish(self, closed: Iterable[Closed]) -> None:
        """Publish the ends of contracts, which are durable; the caller has their accounts' locks."""
        touched: dict[AccountState, None] = {}
        for each in closed:
            contract = each.contract
            self.sold += contract.status == "sold"
            account = self._states.release(contract)
            self._account_events.closed(contract, each.event_number)
            if each.change:
                account.balance, account.change = each.balance, each.change
                self._account_events.balance(account)
            touched[account] = None
        for account in touched:
            self._account_events.open_lists(account)
        for account in touched:
            if account.closed is None:
                continue
            try:
                await self._account_events.load_closed(account)
            except DatabaseError as error:
                # The contracts are closed and published all the same; the list comes with the next one.
                logger.warning("a list of closed contracts is not up to date: %s", error)
            else:
                self._account_events.closed_lists(account)

    async def _watch(self) -> None:
        """
        Give back contracts whose ticks have stayed away.

        A process that stood still has ticks to read that came meanwhile. So a silence is as long as was looked at, not as a clock says.
        """
        silences: dict[InstrumentBook, tuple[int, float]] = {}
        while True:
            before_ns = self._clock.monotonic_ns()
            await self._clock.sleep(WATCH_S)
            if self._books.is_paused:
                silences.clear()
                continue
            watched_ms = min((self._clock.monotonic_ns() - before_ns) / 1e6, LONGEST_WATCH_MS)
            for book in self._books:
                came_ns, silent_ms = silences.get(book, (book.came_ns, 0.0))
                silent_ms = silent_ms + watched_ms if came_ns == book.came_ns else 0.0
                silences[book] = book.came_ns, silent_ms
                if silent_ms > PATIENCE_MS:
                    self.add([], book.positions.on_silence(self._books.time_ms(book)))

    async def _settle(self) -> None:
        """Write and publish what waits."""
        is_away = False
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                while await self._write():
                    pass
            except (DatabaseError, JournalError, FencedError) as error:
                # Once, not at every try.
                if not is_away:
                    logger.warning("%d contracts wait to be settled: %s", len(self._ended), error)
                is_away = True
                await self._clock.sleep(RETRY_S)
                self._work.set()
            else:
                is_away = False

    def _wait(self, contract: Contract) -> None:
        position = self._states.positions.get(contract.contract_id)
        if position is not None:
            position.is_waiting = True
        self._work.set()

    async def _write(self) -> bool:
        """Write and publish one batch; return False where nothing waits."""
        if self._doubts:
            await self._learn()
        # What happened before a purchase is durable is written after it.
        durable = self._states.positions
        changed = list(islice((contract for contract in self._changed.values() if contract.contract_id in durable), ENTRIES))
        ended = list(islice(self._ended, BATCH))
        if changed:
            await self._enter(changed)
        if ended:
            await self._end(ended)
        return bool(changed or ended)

    async def _learn(self) -> None:
        async with AsyncExitStack() as stack:
            accounts = [self._states[account_uuid] for account_uuid in sorted(self._doubts)]
            for account in accounts:
                await stack.enter_async_context(account.lock)
            await self.learn(accounts)

    async def _enter(self, changed: list[Contract]) -> None:
        """
        Write entries.

        They move no money, so no account is locked: a purchase would wait for those of all other accounts. What is sold or ends meanwhile
        is no longer open in the ledger, or is written after this.
        """
        await self._ledger.enter(changed)
        for contract in changed:
            if self._changed.get(contract.contract_id) is contract:
                del self._changed[contract.contract_id]
                self._changed_is_durable(contract)

    async def _end(self, contract_ids: list[str]) -> None:
        """Write and publish ends."""
        accounts = {self._ended[contract_id].account_uuid for contract_id in contract_ids if contract_id in self._ended}
        async with AsyncExitStack() as stack:
            # Sorted, and a purchase or a sale holds one of them at most: so there is no deadlock.
            for account_uuid in sorted(accounts):
                await stack.enter_async_context(self._states[account_uuid].lock)
            # As they are by now: some were sold, or were not bought after all.
            ended = [self._ended[contract_id] for contract_id in contract_ids if contract_id in self._ended]
            # What came of it is learned before others are written, or with the next try.
            await self.learn([self._states[account_uuid] for account_uuid in accounts])
            ended = [contract for contract in ended if contract.contract_id in self._ended]
            try:
                closed = await self._ledger.settle(ended)
            except DatabaseError:
                for contract in ended:
                    self.doubt(contract.account_uuid)
                raise
            for contract in ended:
                # Also of those that are not among the closed: they had been closed before.
                del self._ended[contract.contract_id]
                self._states.release(contract)
            await self.publish(closed)

    def _changed_is_durable(self, contract: Contract) -> None:
        position = self._states.positions.get(contract.contract_id)
        if position is None or contract.contract_id in self._ended:
            return
        position.is_waiting = False
        self._account_events.entered(position, contract)
