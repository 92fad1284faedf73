"""`connect` without `await`: a wire and its subscriptions for threads, scripts and notebooks."""

from __future__ import annotations

import contextlib
import functools
from asyncio import CancelledError
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError as FutureCancelledError
from datetime import date
from decimal import Decimal
from types import TracebackType
from typing import Any, Generic, ParamSpec, Self, TypeVar, Unpack, overload

from pricewire.client.api.login import Login
from pricewire.client.api.login import log_in as log_in_asynchronously
from pricewire.client.api.market import OnProgress
from pricewire.client.api.trades import TRADE_TIMEOUT
from pricewire.client.blocking.portal import ForkedError, Portal, PortalClosedError
from pricewire.client.stream.reconnect import ConnectionState
from pricewire.client.topics.message_queue import Start
from pricewire.client.topics.subscription import Subscription as AsyncSubscription
from pricewire.client.wire import Options, PageOptions
from pricewire.client.wire import Wire as AsyncWire
from pricewire.client.wire import connect as connect_asynchronously
from pricewire.protocol.accounting_messages import ClosedContractsPage, ProfitAndLossBody, StatementBody, TransactionKind
from pricewire.protocol.messages import Candle, Envelope, Instrument, Tick
from pricewire.protocol.topics import ProposalTopic
from pricewire.protocol.trading_messages import BalanceBody, ContractBody, ContractsBody, ProposalBody, Purchased, Sold, Variant

P = ParamSpec("P")
M = TypeVar("M")
T = TypeVar("T")


async def next_or(iterator: Callable[[], Awaitable[M]], end: T) -> M | T:
    """Return what an `__anext__` does; `end` where it has come to its end."""
    try:
        return await iterator()
    except StopAsyncIteration:
        return end


class Subscription(Generic[M]):
    """
    The messages of some topics, as an iterator: `pricewire.Subscription` for other threads than the event loop's.

    Any thread can read it, and any other close it: then the iteration ends.
    """

    def __init__(self, portal: Portal, subscription: AsyncSubscription[M]) -> None:
        self._portal = portal
        self._subscription = subscription

    @property
    def topics(self) -> tuple[str, ...]:
        """What was subscribed to."""
        return self._subscription.topics

    @property
    def merged(self) -> int:
        """How many updates were left out so far because newer ones had overtaken them, on the server or here."""
        return self._subscription.merged

    @property
    def state(self) -> ConnectionState:
        """Where the connection stands, and why it waits."""
        return self._subscription.state

    @property
    def stale_topics(self) -> frozenset[str]:
        """The topics whose feed has fallen silent, as the server says."""
        return self._subscription.stale_topics

    @property
    def is_stale(self) -> bool:
        """Whether what was received may be old: nothing is connected, the server is silent, or a topic's feed is."""
        return self._subscription.is_stale

    @property
    def age(self) -> float | None:
        """How long ago the newest message came, in seconds; None before the first."""
        return self._subscription.age

    @property
    def start(self) -> Start | None:
        """How its newest connection began: `snapshot`, `resumed` or `reset`; None before the first one."""
        return self._subscription.start

    def __repr__(self) -> str:
        return repr(self._subscription)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> M:
        """
        Return the next message, and wait for one where there is none.

        Raises:
            ClientError: as `pricewire.Subscription` does.
        """
        try:
            message = self._portal.call(next_or, self._subscription.__anext__, None)
        except (PortalClosedError, CancelledError, FutureCancelledError):
            # The wire was closed before, or in the middle of this.
            message = None
        if message is None:
            raise StopIteration
        return message

    def collect(self, count: int) -> list[M]:
        """
        Return the next messages, `count` of them; fewer where the subscription ends before.

        Raises:
            ClientError: as iterating does.
        """
        return self._portal.call(self._subscription.collect, count)

    def snapshot(self, topic: str | None = None) -> M:
        """
        Return the newest message there is, of a topic or of all, and wait for one where none has come; the iteration still gets it.

        Raises:
            ValueError: the topic is none of the subscription's.
            RuntimeError: the subscription has ended.
            ClientError: as iterating does.
        """
        return self._portal.call(self._subscription.snapshot, topic)

    def close(self) -> None:
        """End it at once, and free the connection, if it was the last."""
        if self._portal.is_inside:
            self._subscription.close()
            return
        with contextlib.suppress(PortalClosedError, ForkedError):
            self._portal.call(self._subscription.aclose)


class Wire:
    """
    A server's prices and trades, for one identity: `pricewire.Wire` for scripts, threads and notebooks. Made by `connect`.

    It has a thread with an event loop; callbacks are called there. Leaving the block ends all subscriptions and the thread; they also end
    when nobody holds the wire or any of its subscriptions any more.
    """

    def __init__(self, wire: AsyncWire) -> None:
        self._wire = wire
        self._portal = Portal(wire.aclose)

    def __repr__(self) -> str:
        return repr(self._wire)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        self.close()

    @property
    def state(self) -> ConnectionState:
        """Where the connection stands, and why it waits."""
        return self._wire.state

    def ticks(self, *instrument_ids: str, **options: Unpack[Options]) -> Subscription[Tick]:
        """Return the ticks of some instruments, as `pricewire.Wire.ticks` does."""
        return self._subscribe(lambda: self._wire.ticks(*instrument_ids, **options))

    def candles(self, instrument_id: str, granularity: int = 60, **options: Unpack[Options]) -> Subscription[Candle]:
        """Return the candles of an instrument, as `pricewire.Wire.candles` does."""
        return self._subscribe(lambda: self._wire.candles(instrument_id, granularity, **options))

    def proposal(self, contract: ProposalTopic, **options: Unpack[Options]) -> Subscription[ProposalBody[Decimal]]:
        """Return what a contract would cost and pay, as `pricewire.Wire.proposal` does."""
        return self._subscribe(lambda: self._wire.proposal(contract, **options))

    def contracts(self, account_uuid: str | None = None, **options: Unpack[Options]) -> Subscription[Envelope[ContractBody[Decimal]]]:
        """Return the contracts of an account, as `pricewire.Wire.contracts` does."""
        return self._subscribe(lambda: self._wire.contracts(account_uuid, **options))

    def open_contracts(self, account_uuid: str | None = None, **options: Unpack[Options]) -> Subscription[ContractsBody[Decimal]]:
        """Return all open contracts of an account in one list, as `pricewire.Wire.open_contracts` does."""
        return self._subscribe(lambda: self._wire.open_contracts(account_uuid, **options))

    def balance(self, account_uuid: str | None = None, **options: Unpack[Options]) -> Subscription[BalanceBody[Decimal]]:
        """Return the balance of an account, as `pricewire.Wire.balance` does."""
        return self._subscribe(lambda: self._wire.balance(account_uuid, **options))

    def topic(self, name: str, *, type: type[M], **options: Unpack[Options]) -> Subscription[M]:
        """Return the messages of any topic, as `pricewire.Wire.topic` does."""
        return self._subscribe(lambda: self._wire.topic(name, type=type, **options))

    def publish(self, topic: str, data: Any, *, key: str | None = None, event: str = "message", ends: str | None = None) -> str:
        """Publish a message and return its event's id, as `pricewire.Wire.publish` does."""
        return self._portal.call(self._wire.publish, topic, data, key=key, event=event, ends=ends)

    def instruments(self) -> list[Instrument]:
        """Return all instruments of the server, as `pricewire.Wire.instruments` does."""
        return self._portal.call(self._wire.instruments)

    @overload
    def history(
        self,
        instrument_id: str,
        *,
        granularity: None = None,
        from_epoch_ms: int | None = None,
        to_epoch_ms: int | None = None,
        count: int | None = None,
        on_progress: OnProgress | None = None,
    ) -> list[Tick]: ...

    @overload
    def history(
        self,
        instrument_id: str,
        *,
        granularity: int,
        from_epoch_ms: int | None = None,
        to_epoch_ms: int | None = None,
        count: int | None = None,
        on_progress: OnProgress | None = None,
    ) -> list[Candle]: ...

    def history(
        self,
        instrument_id: str,
        *,
        granularity: int | None = None,
        from_epoch_ms: int | None = None,
        to_epoch_ms: int | None = None,
        count: int | None = None,
        on_progress: OnProgress | None = None,
    ) -> list[Tick] | list[Candle]:
        """Return past ticks or candles, however many, as `pricewire.Wire.history` does; `on_progress` is called in the wire's thread."""

        async def read() -> list[Tick] | list[Candle]:
            if granularity is None:
                return await self._wire.history(
                    instrument_id, from_epoch_ms=from_epoch_ms, to_epoch_ms=to_epoch_ms, count=count, on_progress=on_progress
                )
            return await self._wire.history(
                instrument_id,
                granularity=granularity,
                from_epoch_ms=from_epoch_ms,
                to_epoch_ms=to_epoch_ms,
                count=count,
                on_progress=on_progress,
            )

        return self._portal.call(read)

    def buy(
        self,
        contract: ProposalTopic,
        variant: Variant,
        *,
        payout: Decimal | None = None,
        tolerance: float | None = None,
        idempotency_key: str | None = None,
        account_uuid: str | None = None,
        within: float = TRADE_TIMEOUT,
    ) -> Purchased[Decimal]:
        """Buy a contract at the price of now, as `pricewire.Wire.buy` does."""
        return self._portal.call(
            self._wire.buy,
            contract,
            variant,
            payout=payout,
            tolerance=tolerance,
            idempotency_key=idempotency_key,
            account_uuid=account_uuid,
            within=within,
        )

    def sell(self, contract_id: str, *, account_uuid: str | None = None, within: float = TRADE_TIMEOUT) -> Sold[Decimal]:
        """Sell an open contract at what it is worth now, as `pricewire.Wire.sell` does."""
        return self._portal.call(self._wire.sell, contract_id, account_uuid=account_uuid, within=within)

    def statement(self, *kinds: TransactionKind, **page: Unpack[PageOptions]) -> StatementBody[Decimal]:
        """Return a page of an account's statement, as `pricewire.Wire.statement` does."""
        return self._portal.call(self._wire.statement, *kinds, **page)

    def closed_contracts(self, **page: Unpack[PageOptions]) -> ClosedContractsPage[Decimal]:
        """Return a page of an account's closed contracts, as `pricewire.Wire.closed_contracts` does."""
        return self._portal.call(self._wire.closed_contracts, **page)

    def profit_and_loss(
        self, *, from_day: date | None = None, to_day: date | None = None, account_uuid: str | None = None
    ) -> ProfitAndLossBody[Decimal]:
        """Return what came of an account's contracts by day and product, as `pricewire.Wire.profit_and_loss` does."""
        return self._portal.call(self._wire.profit_and_loss, from_day=from_day, to_day=to_day, account_uuid=account_uuid)

    def close(self) -> None:
        """End all subscriptions and the thread. Any thread can do that, a callback too."""
        if self._portal.is_inside:
            # Nothing is given out after this, though the rest takes another turn of the loop.
            self._wire.close()
        self._portal.close()

    def _subscribe(self, subscribe: Callable[[], AsyncSubscription[M]]) -> Subscription[M]:
        return Subscription(self._portal, self._portal.run(subscribe))


def _blocking(connect: Callable[P, AsyncWire]) -> Callable[P, Wire]:
    @functools.wraps(connect, assigned=("__name__", "__qualname__"), updated=())
    def blocking(*args: P.args, **kwargs: P.kwargs) -> Wire:
        return Wire(connect(*args, **kwargs))

    blocking.__doc__ = """
    Return a wire to a Pricewire server, for a `with` block; the connection comes with the first subscription.

        with pricewire.sync.connect("http://127.0.0.1:8080") as wire:
            for tick in wire.ticks("R_100", "EURUSD"):
                print(tick.instrument_id, tick.price)

    Arguments and errors are those of `pricewire.connect`.
    """
    return blocking


connect = _blocking(connect_asynchronously)


def log_in(url: str, account_id: str, password: str) -> Login:
    """Log in, and return a token provider for `connect` and the others, as `pricewire.log_in` does."""
    portal = Portal(_nothing)
    try:
        return portal.call(log_in_asynchronously, url, account_id, password)
    finally:
        portal.close()


async def _nothing() -> None:
    """End nothing."""
