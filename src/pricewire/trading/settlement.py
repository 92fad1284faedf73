"""Settlement: what ticks have done to contracts is made durable, in batches, and then told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack

from pricewire.errors import DatabaseError
from pricewire.market.clock import Clock
from pricewire.store.ledger import Closed, Ledger
from pricewire.trading.account_events import CLOSED_LIMIT, AccountEvents
from pricewire.trading.account_state import AccountState, AccountStates, OpenPosition
from pricewire.trading.book import InstrumentBook
from pricewire.trading.contracts import Contract

logger = logging.getLogger(__name__)

BATCH = 1000
"""How many contracts are written in one transaction at most: others wait for it."""

RETRY_S = 1.0
"""After how many seconds what a database did not take is tried again."""


class Settlement:
    """
    Writes entries, touches, settlements and refunds to the ledger, and publishes them when it has them.

    Contracts that are to be written wait here, each as it is now. Nothing gets lost while the database does not answer, and a process that
    dies meanwhile finds it all in the recorded ticks.
    """

    def __init__(
        self, ledger: Ledger, states: AccountStates, positions: dict[str, OpenPosition], account_events: AccountEvents, clock: Clock
    ) -> None:
        """
        Begin with nothing to write.

        Args:
            ledger: the contracts and the money.
            states: whose contracts they are.
            positions: the open contracts that are durable, by their ids; those that are closed are taken out.
            account_events: tells the holders.
            clock: the time to wait by.
        """
        self._ledger = ledger
        self._states = states
        self._positions = positions
        self._account_events = account_events
        self._clock = clock
        self._changed: dict[str, Contract] = {}
        self._ended: dict[str, Contract] = {}
        self._work = asyncio.Event()

    def add(self, changed: Iterable[Contract], ended: Iterable[Contract]) -> None:
        """
        Have contracts written.

        Args:
            changed: those that were entered or touched.
            ended: those that were settled or refunded.
        """
        for contract in changed:
            self._changed[contract.contract_id] = contract
            self._wait(contract)
        for contract in ended:
            self._changed.pop(contract.contract_id, None)
            self._ended[contract.contract_id] = contract
            self._wait(contract)

    def forget(self, book: InstrumentBook, contract_id: str) -> None:
        """Let go of a contract that was sold, or was not bought after all."""
        book.positions.remove(contract_id)
        self._changed.pop(contract_id, None)
        self._ended.pop(contract_id, None)

    async def run(self) -> None:
        """Write and publish, until it is cancelled."""
        is_away = False
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                while self._ended or self._changed:
                    await self._write()
            except DatabaseError as error:
                # Once, not at every try.
                if not is_away:
                    logger.warning("%d contracts wait to be settled: %s", len(self._ended), error)
                is_away = True
                await self._clock.sleep(RETRY_S)
                self._work.set()
            else:
                is_away = False

    async def closed(self, closed: Closed) -> None:
        """Publish the end of a contract; the caller has its account's lock."""
        await self._publish([closed])

    def _wait(self, contract: Contract) -> None:
        position = self._positions.get(contract.contract_id)
        if position is not None:
            position.is_waiting = True
        self._work.set()

    async def _write(self) -> None:
        """Write and publish one batch."""
        batch = {**dict(_first(self._ended, BATCH)), **dict(_first(self._changed, BATCH))}
        async with AsyncExitStack() as stack:
            # In their order: a purchase or a sale has one of them at most, so nobody waits for another who waits.
            for account_uuid in sorted({contract.account_uuid for contract in batch.values()}):
                await stack.enter_async_context(self._states[account_uuid].lock)
            # As they are by now: some may have gone on meanwhile, or were sold.
            ended = [self._ended[contract_id] for contract_id in batch if contract_id in self._ended]
            changed = [self._changed[contract_id] for contract_id in batch if contract_id in self._changed]
            await self._ledger.enter(changed)
            closed = await self._ledger.settle(ended)
            for contract in changed:
                if self._changed.get(contract.contract_id) is contract:
                    del self._changed[contract.contract_id]
                    self._changed_is_durable(contract)
            for contract in ended:
                # Also of those that are not among the closed: they had been closed before.
                del self._ended[contract.contract_id]
                self._release(contract)
            await self._publish(closed)

    def _changed_is_durable(self, contract: Contract) -> None:
        position = self._positions.get(contract.contract_id)
        if position is None or contract.contract_id in self._ended:
            return
        position.is_waiting = False
        if position.account.is_heard:
            self._account_events.updated(position, contract, position.book.newest_point())

    async def _publish(self, closed: Iterable[Closed]) -> None:
        touched: dict[AccountState, None] = {}
        for each in closed:
            contract = each.contract
            account = self._release(contract)
            self._account_events.closed(contract)
            if each.change:
                account.balance, account.change = each.balance, each.change
                self._account_events.balance(account)
            touched[account] = None
        for account in touched:
            if account.is_listed:
                self._account_events.open_list(account)
        for account in touched:
            if account.closed is None:
                continue
            try:
                account.closed = await self._ledger.closed_contracts(account.account_uuid, CLOSED_LIMIT)
            except DatabaseError as error:
                # The contracts are closed and told all the same; the list comes with the next one.
                logger.warning("a list of closed contracts is not up to date: %s", error)
            else:
                self._account_events.closed_list(account, account.closed)

    def _release(self, contract: Contract) -> AccountState:
        """Take a contract out of the open ones; return whose it was."""
        account = self._states[contract.account_uuid]
        self._positions.pop(contract.contract_id, None)
        account.open.pop(contract.contract_id, None)
        return account


def _first(contracts: Mapping[str, Contract], count: int) -> list[tuple[str, Contract]]:
    return [item for item, _ in zip(contracts.items(), range(count), strict=False)]
