"""Trades: purchases and sales at the price of now, each durable before it is answered and published."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable, Coroutine
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from pricewire.errors import (
    ContractNotSellableError,
    DatabaseError,
    IdempotencyConflictError,
    InvalidProposalError,
    PriceMovedError,
    PricewireError,
    TooManyContractsError,
    quoted,
)
from pricewire.market.clock import Clock
from pricewire.protocol.numbers import read_number, shortest
from pricewire.protocol.trading_messages import Amount, Purchased, PurchaseDetails, PurchaseRequest, Sold
from pricewire.trading.account_events import AccountEvents
from pricewire.trading.account_state import AccountState, AccountStates
from pricewire.trading.contracts import Contract, sell
from pricewire.trading.due_ticks import DueTicks
from pricewire.trading.instrument_books import InstrumentBook, InstrumentBooks
from pricewire.trading.interfaces import Bought, Ledger, Purchase
from pricewire.trading.limits import Exposure, PurchaseRates
from pricewire.trading.messages import purchased, sold
from pricewire.trading.money import from_units, to_amount_above
from pricewire.trading.names import Names
from pricewire.trading.offers import make_contract, make_stake_offer, requested
from pricewire.trading.products import Products
from pricewire.trading.refusals import Refusals
from pricewire.trading.settlement import Settlement

Answer = TypeVar("Answer")

TOLERANCE = 0.05
"""By how much the payout may have fallen since the buyer saw it, as a part of it, where the buyer does not say."""

LATEST_S = 1.0
"""How long a trade waits for a tick that is due, in seconds."""

MOMENT_S = 0.1
"""The same of a tick that fell due while it waited for its account's other trades, whose settlements wait meanwhile."""

LEAST_TICKS_LEFT = 4
"""
How many ticks are to be expected before the end of a contract that is bought back, where they are irregular. More where they come in
bursts: so many times as long as a tick is away from any moment.
"""


class Trades:
    """
    Sells contracts to accounts and buys them back.

    A trade holds its account's lock from before its transaction until it is published. It goes on to its end even if its caller is
    cancelled: what is durable has to be published.
    """

    def __init__(
        self,
        books: InstrumentBooks,
        products: Products,
        ledger: Ledger,
        states: AccountStates,
        account_events: AccountEvents,
        settlement: Settlement,
        clock: Clock,
        *,
        due_ticks: DueTicks,
        exposure: Exposure,
        rates: PurchaseRates,
        refusals: Refusals,
        max_open_contracts: int | None,
        catch_up: Callable[[], Awaitable[None]],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """
        Prepare to trade.

        Args:
            books: the instruments' prices and open contracts.
            products: the products that can be bought.
            ledger: the contracts and the money.
            states: the accounts.
            account_events: tells the accounts' streams.
            settlement: ends contracts that are not sold before.
            clock: the time.
            due_ticks: has trades wait for ticks.
            exposure: how much open contracts may win.
            rates: how often an account may buy.
            refusals: what was refused lately, also by the desk before.
            max_open_contracts: how many an account may have at once; None for any number.
            catch_up: returns when the books have had every tick that a trader may have seen.
            monotonic: returns the time in seconds, of a clock that nobody sets.
        """
        self._books = books
        self._products = products
        self._ledger = ledger
        self._states = states
        self._account_events = account_events
        self._settlement = settlement
        self._clock = clock
        self._due_ticks = due_ticks
        self._exposure = exposure
        self._rates = rates
        self._max_open_contracts = max_open_contracts
        self._catch_up = catch_up
        self._monotonic = monotonic
        self._names = Names()
        self._refusals = refusals
        self._tasks: set[asyncio.Task[Any]] = set()
        # The newest purchase of each account's key that is not finished.
        self._buying: dict[tuple[str, str], asyncio.Task[Purchased[Amount]]] = {}

    async def buy(self, account_uuid: str, request: PurchaseRequest) -> Purchased[Amount]:
        """
        Sell a contract to an account at the price of now; a request that is repeated gets the first answer.

        Raises:
            InvalidProposalError: it is not offered.
            PriceMovedError: it pays less than the buyer saw, by more than the buyer accepts.
            UnknownInstrumentError: no feed has the instrument.
            MarketClosedError: there is no price to trade at.
            InsufficientBalanceError: the account has less than the stake.
            TooManyContractsError: the account has as many open contracts as it may have.
            ExposureLimitError: open contracts could win more than they may.
            TooManyPurchasesError: the account buys too often.
            AccountSuspendedError: the account may not buy.
            AccountError: there is no such account.
            IdempotencyConflictError: the request's key was used for another purchase.
            DatabaseError: the database does not answer; repeat the request to learn whether it was bought.
        """
        key = account_uuid, request.idempotency_key
        task = self._buying[key] = self._start(self._buy_after(self._buying.get(key), account_uuid, request))

        def finished(_: asyncio.Task[Purchased[Amount]]) -> None:
            if self._buying[key] is task:
                del self._buying[key]

        task.add_done_callback(finished)
        return await _result(task)

    async def sell(self, account_uuid: str, contract_id: str) -> Sold[Amount]:
        """
        Buy a contract back at what it was worth at the newest tick.

        Raises:
            UnknownContractError: the account has no such contract.
            ContractNotSellableError: it has ended, has not begun, or is worth nothing.
            MarketClosedError: there is no price to trade at.
            AccountError: there is no such account.
            DatabaseError: the database does not answer.
        """
        return await _result(self._start(self._sell(account_uuid, contract_id)))

    async def _buy_after(
        self, earlier: asyncio.Task[Purchased[Amount]] | None, account_uuid: str, request: PurchaseRequest
    ) -> Purchased[Amount]:
        """Buy, or return the first answer; `earlier` is the same request, sent before, that may not be finished yet."""
        if earlier is not None:
            # Else this one could be refused while that one buys.
            await asyncio.wait([earlier])
        key, hashed = request.idempotency_key, digest(request)
        try:
            self._refusals.check((account_uuid, key), hashed)
            return await self._buy(account_uuid, request, hashed)
        except (DatabaseError, IdempotencyConflictError):
            raise
        except PricewireError as error:
            # What is refused now may have been bought before, also by another process that did not know of a refusal.
            first = await self._ledger.bought(account_uuid, key, hashed)
            if first is None:
                await self._refusals.add((account_uuid, key), hashed, error)
                raise
            return purchased(key, first.contract, self._books.name(first.contract.instrument_id))

    async def _buy(self, account_uuid: str, request: PurchaseRequest, hashed: str) -> Purchased[Amount]:
        """Buy at the price of now; the ledger returns the first answer where it has one."""
        key = request.idempotency_key
        self._rates.take(account_uuid, self._monotonic())
        account = await self._states.find(account_uuid)
        topic, variant = requested(request, self._products, account.currency)
        book = self._books.find(topic.instrument_id)
        await self._catch_up()
        await self._due_ticks.wait(book, LATEST_S)
        async with account.lock:
            await self._settlement.learn([account])
            if self._max_open_contracts is not None and len(account.open) >= self._max_open_contracts:
                raise TooManyContractsError(self._max_open_contracts)
            is_overdue = await self._due_ticks.wait(book, MOMENT_S)
            # By the clock, or by the ticks where it was set back: who knows a tick before it comes here is not to buy before it.
            now_ms = max(self._now_ms(), self._books.time_ms(book))
            offer = make_stake_offer(topic, self._products, book.instrument, self._books.newest(book).price)
            tick, moves = self._books.tradable(book, is_overdue=is_overdue)
            contract = make_contract(
                offer,
                variant,
                book.price(offer, moves, now_ms - tick.epoch_ms),
                tick,
                names=self._names.next(),
                account_uuid=account_uuid,
                moves=moves,
                quantum=book.quantum,
                now_ms=now_ms,
            )
            self._books.check_end(book, contract, moves)
            check_payout(contract, request.proposal_details)
            self._exposure.check(contract)
            # Ticks that come while it is being written belong to its life. Settlement waits for the lock.
            book.positions.add(contract)
            self._exposure.add(contract)
            is_bought = is_in_doubt = False
            try:
                bought = await self._ledger.buy(Purchase(contract, key, hashed))
                is_bought = not bought.is_repeated
            except DatabaseError:
                is_in_doubt = True
                self._settlement.doubt(account_uuid, (book, contract))
                raise
            finally:
                if not (is_bought or is_in_doubt):
                    self._settlement.forget(book, contract.contract_id)
                    self._exposure.remove(contract)
            if is_bought:
                self._opened(account, book, bought)
            return purchased(key, bought.contract, book.instrument.display_name)

    def _opened(self, account: AccountState, book: InstrumentBook, bought: Bought) -> None:
        """Publish a purchase."""
        contract = bought.contract
        self._settlement.opened(account, book, contract, bought.event_number)
        # An operator may have moved money meanwhile, which is another change.
        account.change, account.balance = -contract.stake, bought.balance
        self._account_events.balance(account)
        self._account_events.open_lists(account)

    async def _sell(self, account_uuid: str, contract_id: str) -> Sold[Amount]:
        account = await self._states.find(account_uuid)
        await self._catch_up()
        if (position := account.open.get(contract_id)) is not None:
            await self._due_ticks.wait(position.book, LATEST_S)
        async with account.lock:
            await self._settlement.learn([account])
            is_overdue = False
            if (position := account.open.get(contract_id)) is not None:
                is_overdue = await self._due_ticks.wait(position.book, MOMENT_S)
            # From here on nothing is waited for until its end is written: a tick might end it.
            position = account.open.get(contract_id)
            contract = None if position is None else position.contract
            if position is None or contract is None:
                known = await self._ledger.find(contract_id, account_uuid)
                raise ContractNotSellableError(contract_id, "it has expired" if known.status == "open" else f"it is {known.status}")
            book = position.book
            now_ms = max(self._now_ms(), self._books.time_ms(book))
            if contract.duration_unit != "ticks" and now_ms >= contract.expiry_time:
                raise ContractNotSellableError(contract_id, "it has reached its end, and is settled with the next tick")
            tick, moves = self._books.tradable(book, is_overdue=is_overdue)
            if contract.entry_tick_time is None:
                raise ContractNotSellableError(contract_id, "its first tick has not come; try again in a moment")
            elapsed_ms = now_ms - tick.epoch_ms
            least = 0.0 if moves.is_regular else LEAST_TICKS_LEFT * max(1.0, moves.wait)
            if book.positions.ticks_left(tick, moves, elapsed_ms, contract_id) < least:
                raise ContractNotSellableError(contract_id, "it is too close to its end")
            bid = int(book.bids(contract_id, elapsed_ms)[0])
            if bid == 0:
                raise ContractNotSellableError(contract_id, "it is worth nothing now")
            try:
                closed = await self._ledger.sell(sell(contract, from_units(bid, contract.currency), tick, now_ms))
            except DatabaseError:
                self._settlement.doubt(account_uuid)
                raise
            self._settlement.forget(book, contract_id)
            await self._settlement.publish([closed])
            return sold(closed.contract, book.instrument.display_name, self._books.life(closed.contract))

    def _start(self, work: Coroutine[Any, Any, Answer]) -> asyncio.Task[Answer]:
        """Begin work that goes on to its end even if nobody waits for it any more."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        # Whoever waited may have gone: then nobody asks for the error, which would be logged as one that was forgotten.
        if not task.cancelled():
            task.exception()

    def _now_ms(self) -> int:
        return self._clock.now_ns() // 1_000_000


async def _result(task: asyncio.Task[Answer]) -> Answer:
    """Return what a task results in; it goes on even if the caller is cancelled."""
    # Not `asyncio.shield`: from Python 3.14 on, it logs an error that comes when the caller has gone.
    await asyncio.wait([task])
    return task.result()


def digest(request: PurchaseRequest) -> str:
    """Return a hash of a request's content: the same whether an amount is a text or a number."""
    details = request.proposal_details
    details = msgspec.structs.replace(details, stake=_same(details.stake), payout=None if details.payout is None else _same(details.payout))
    return hashlib.sha256(msgspec.json.encode(msgspec.structs.replace(request, proposal_details=details))).hexdigest()


def _same(amount: str | float) -> str:
    number = read_number(amount)
    return str(amount) if number is None else shortest(number)


def check_payout(contract: Contract, wanted: PurchaseDetails) -> None:
    """
    Check that a contract pays about what its buyer saw, or more.

    Args:
        contract: the contract at the price of now.
        wanted: what the buyer asks for, with the payout that was shown, and the tolerance.

    Raises:
        PriceMovedError: it pays too little.
        InvalidProposalError: what the buyer saw is no amount, or there is a tolerance of nothing.
    """
    seen = wanted.payout
    if seen is None:
        if wanted.tolerance is not None:
            raise InvalidProposalError(f"tolerance {wanted.tolerance:g} needs the payout that was shown; give it, or leave both out")
        return
    number = read_number(seen)
    if number is None:
        raise InvalidProposalError(f"payout {quoted(seen)} is not an amount of money in decimal notation of at most 12 digits")
    tolerance = Decimal(str(TOLERANCE if wanted.tolerance is None else wanted.tolerance))
    least = number * (1 - tolerance)
    if contract.payout < least:
        raise PriceMovedError(contract.payout, to_amount_above(least, contract.currency), contract.currency)
