"""`connect`: prices, contracts and balances as typed objects, over one connection."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from types import TracebackType
from typing import Any, Self, TypedDict, TypeVar, Unpack, get_args, overload

import httpx2

from pricewire.client.api.http import Api, with_query
from pricewire.client.api.login import Login
from pricewire.client.api.market import MarketReader, OnProgress, Span
from pricewire.client.api.tokens import Token, account_of
from pricewire.client.api.trades import TRADE_TIMEOUT, Trader
from pricewire.client.arguments import check_type
from pricewire.client.report import OnError, OnState
from pricewire.client.stream.options import StreamOptions, credentials_of
from pricewire.client.stream.reconnect import ConnectionState, ReconnectPolicy
from pricewire.client.stream.request import build_headers
from pricewire.client.stream.watchdog import IDLE_TIMEOUT
from pricewire.client.topics.message_queue import MessageQueue, Overflow
from pricewire.client.topics.multiplexer import Multiplexer
from pricewire.client.topics.subscription import M, Subscription
from pricewire.client.urls import check_url, public_url
from pricewire.protocol.accounting_messages import ClosedContractsPage, ProfitAndLossBody, StatementBody, TransactionKind
from pricewire.protocol.messages import Candle, Data, Envelope, Instrument, Tick
from pricewire.protocol.topics import BalanceTopic, ContractsTopic, OpenContractsTopic, ProposalTopic, parse_topic
from pricewire.protocol.trading_messages import BalanceBody, ContractBody, ContractsBody, ProposalBody, Purchased, Sold, Variant

A = TypeVar("A")

FOREVER = ReconnectPolicy(attempts=None)
"""Tries again until it is told to stop."""

BUFFER = 1024
"""How many messages of a subscription may wait by default: more than one read of the socket brings."""


def connect(
    url: str,
    *,
    token: Token | None = None,
    headers: Mapping[str, str] | None = None,
    reconnect: ReconnectPolicy = FOREVER,
    idle_timeout: float | None = IDLE_TIMEOUT,
    http_client: httpx2.AsyncClient | None = None,
    on_error: OnError | None = None,
    on_state: OnState | None = None,
) -> Wire:
    """
    Return a wire to a Pricewire server, for an `async with` block; the connection comes with the first subscription.

        async with pricewire.connect("http://127.0.0.1:8080") as wire:
            async for tick in wire.ticks("R_100", "EURUSD"):
                print(tick.instrument_id, tick.price)

    Args:
        url: the server's address, with or without a path in front of its own ones.
        token: a bearer token, or an async function that returns one, such as `log_in` makes; with a token the protected stream is
            used. It is sent to this server only, and is in no log or error.
        headers: more headers for every request.
        reconnect: when to try again; by default for ever.
        idle_timeout: how much silence, in seconds, makes a connection dead where the server announces no heartbeat; None: any.
        http_client: sends the requests, and stays open afterwards; by default one of the wire's own.
        on_error: called with each error after which the messages go on; by default these are logged, ordinary reconnections at INFO. The
            one that ends a subscription is raised by its iteration, and is not reported as well.
        on_state: called with each change of the connection's state.

    Raises:
        ValueError: the address is none of `http` or `https`, or a header or the token cannot be sent.
        TypeError: an argument has another type than the one named here, or a callback is a coroutine function.
    """
    check_url(url)
    options = StreamOptions(
        headers=headers,
        credentials=credentials_of(token),
        reconnect=reconnect,
        idle_timeout=idle_timeout,
        retry_statuses=True,
        http_client=http_client,
    )
    api = Api(url, build_headers(headers), options.credentials)
    multiplexer = Multiplexer(stream_url(url, protected=token is not None), api, options, on_error=on_error, on_state=on_state)
    return Wire(url, multiplexer, api, account_of_token(token))


class Options(TypedDict, total=False):
    """
    How a subscription's messages are wanted.

    Attributes:
        interval: at most one message of a topic in so many seconds, the newest. Where all subscriptions of the wire have one, the server
            keeps the quickest of them.
        debounce: a message only once its topic has been silent for so many seconds.
        buffer: how many messages may wait to be read, 1024 by default.
        overflow: what happens beyond that. `latest`, the default, leaves out what newer messages supersede, unread; those that nothing
            supersedes, such as a contract's end, are never left out, and too many of them are an error. `error` ends the subscription with
            a `BufferOverflowError`. To get every event however slowly you read, use `EventSource`: its connection waits.
    """

    interval: float
    debounce: float
    buffer: int
    overflow: Overflow


class PageOptions(TypedDict, total=False):
    """
    Which page of an account's books is wanted.

    Attributes:
        cursor: the `next_cursor` of the page before; None for the newest page. It is None on the last page.
        limit: how many entries or contracts at most: of a statement 1000 at most and 100 by default, of closed contracts 500 and 50.
        from_epoch_ms: the first time of interest, in milliseconds since 1970.
        to_epoch_ms: the last time of interest.
        account_uuid: whose; by default that of the account that the token is for.
    """

    cursor: str | None
    limit: int | None
    from_epoch_ms: int | None
    to_epoch_ms: int | None
    account_uuid: str | None


class Wire:
    """
    A server's prices and trades, for one identity. Made by `connect`; all its subscriptions share one connection, which lasts as long as
    there is one.

    Leaving the block ends all of them.

    Every method raises `RuntimeError` when the wire is closed. One that subscribes also raises it where no event loop is running, and
    `ValueError` where an option is out of bounds (see `Options`), or no account is named and the token does not say which it is for.

    Args:
        url: the server's address.
        multiplexer: the connection.
        api: sends the requests beside it.
        account_uuid: the account whose contracts and balance are meant where none is named; None where it is not known.
    """

    def __init__(self, url: str, multiplexer: Multiplexer, api: Api, account_uuid: str | None) -> None:
        self._url = url
        self._multiplexer = multiplexer
        self._api = api
        self._trader = Trader(api, multiplexer.client)
        self._market = MarketReader(api, multiplexer.client)
        self._account_uuid = account_uuid

    def __repr__(self) -> str:
        return f"<Wire {public_url(self._url)} with {self._multiplexer.subscriptions} subscriptions>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        await self.aclose()

    @property
    def state(self) -> ConnectionState:
        """Where the connection stands, and why it waits."""
        return self._multiplexer.state

    def ticks(self, *instrument_ids: str, **options: Unpack[Options]) -> Subscription[Tick]:
        """
        Return the ticks of some instruments, beginning with the newest of each.

        Args:
            instrument_ids: the instruments.

        Raises:
            ValueError: no instrument is named.
            InvalidTopicError: an id cannot be one of an instrument.
        """
        return self._subscribe([f"ticks:{instrument_id}" for instrument_id in instrument_ids], Tick, options)

    def candles(self, instrument_id: str, granularity: int = 60, **options: Unpack[Options]) -> Subscription[Candle]:
        """
        Return the candles of an instrument, beginning with the one that is being built; every update of it comes.

        Args:
            instrument_id: whose candles.
            granularity: their span, in seconds.

        Raises:
            InvalidTopicError: the id cannot be one of an instrument, or there are no candles of this granularity.
        """
        return self._subscribe([f"candles:{instrument_id}:{granularity}"], Candle, options)

    def proposal(self, contract: ProposalTopic, **options: Unpack[Options]) -> Subscription[ProposalBody[Decimal]]:
        """
        Return what a contract would cost and pay if it were bought now, for each variant of its product.

        Raises:
            InvalidTopicError: a part of the contract is out of bounds.
        """
        return self._subscribe([str(contract)], ProposalBody[Decimal], options)

    def contracts(self, account_uuid: str | None = None, **options: Unpack[Options]) -> Subscription[Envelope[ContractBody[Decimal]]]:
        """
        Return the contracts of an account as they are bought, change, and end, beginning with those that are open.

        The `event` of each envelope says what happened: `contract_opened`, `contract_updated`, `contract_sold` or `contract_settled`. An
        update may be left out for a newer one of the same contract; the others never are. There is no `snapshot()`, since each contract
        has a value of its own: `open_contracts().snapshot()` has them all.

        Args:
            account_uuid: whose; by default those of the account that the token is for.

        Raises:
            InvalidTopicError: the account's name cannot be one.
        """
        topic = str(ContractsTopic(self._account(account_uuid)))
        return self._subscribe([topic], Envelope[ContractBody[Decimal]], options)

    def open_contracts(self, account_uuid: str | None = None, **options: Unpack[Options]) -> Subscription[ContractsBody[Decimal]]:
        """
        Return all open contracts of an account in one list, oldest first, at every change of one; the list may be empty.

        Args:
            account_uuid: whose; by default those of the account that the token is for.

        Raises:
            InvalidTopicError: the account's name cannot be one.
        """
        return self._subscribe([str(OpenContractsTopic(self._account(account_uuid)))], ContractsBody[Decimal], options)

    def balance(self, account_uuid: str | None = None, **options: Unpack[Options]) -> Subscription[BalanceBody[Decimal]]:
        """
        Return the balance of an account, beginning with what it is now.

        Args:
            account_uuid: whose; by default that of the account that the token is for.

        Raises:
            InvalidTopicError: the account's name cannot be one.
        """
        return self._subscribe([str(BalanceTopic(self._account(account_uuid)))], BalanceBody[Decimal], options)

    def topic(self, name: str, *, type: type[M], **options: Unpack[Options]) -> Subscription[M]:
        """
        Return the messages of any topic.

        Args:
            name: the topic's name on the server; or a pattern, as `ticks:1HZ*`: all topics of that beginning, those that there are and
                those that come. It begins with the current value of each, and the options hold for each; `buffer` has room for a message
                of all of them. Which topic a message is of, an `Envelope[…]` says.
            type: what the data of its messages is, as msgspec knows types: a struct, a dataclass, `dict`; or `Envelope[…]` of that, for the
                name and the number of each event.

        Raises:
            ValueError: the name is empty.
        """
        return self._open([name], type, **options)

    async def publish(self, topic: str, data: Any, *, key: str | None = None, event: str = "message", ends: str | None = None) -> str:
        """
        Publish a message to a topic, where the server lets this wire: with a token of the scope `publish` whose `topics` match it, or by
        `may_publish` of `pricewire.streams`. Sent once.

        Args:
            topic: the topic.
            data: the message: a struct, a dataclass, a dict, a model of pydantic, ….
            key: what it supersedes the topic's earlier messages by.
            event: what it is, as the envelope says it.
            ends: a key that ends with it.

        Returns:
            the event's id.

        Raises:
            TypeError: the message cannot be encoded as JSON.
            HTTPStatusError: the server refused: status 404 where nobody may publish, 401 or 403 where this wire may not.
            ConnectError: there was no answer; whether it was published is not known.
            TokenError: the token's provider failed.
            RuntimeError: the wire is closed.
        """
        return await self._market.publish(topic, data, key, event, ends)

    async def instruments(self) -> list[Instrument]:
        """
        Return all instruments of the server.

        Raises:
            ClientError: as `statement`.
            RuntimeError: the wire is closed.
        """
        return await self._market.instruments()

    @overload
    async def history(
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
    async def history(
        self,
        instrument_id: str,
        *,
        granularity: int,
        from_epoch_ms: int | None = None,
        to_epoch_ms: int | None = None,
        count: int | None = None,
        on_progress: OnProgress | None = None,
    ) -> list[Candle]: ...

    async def history(
        self,
        instrument_id: str,
        *,
        granularity: int | None = None,
        from_epoch_ms: int | None = None,
        to_epoch_ms: int | None = None,
        count: int | None = None,
        on_progress: OnProgress | None = None,
    ) -> list[Tick] | list[Candle]:
        """
        Return the past ticks of an instrument, or its candles, oldest first, however many: it asks for them page by page, and waits where
        the server's limits ask for that. `pricewire.table.to_table` makes a table of them.

        Args:
            instrument_id: of which instrument.
            granularity: the span of a candle, in seconds; None for ticks.
            from_epoch_ms: the first time of interest, in milliseconds since 1970; None: as far back as the server goes.
            to_epoch_ms: the last time of interest; None: now.
            count: at most so many, the newest; None: all.
            on_progress: called after each page with how many rows there are, and the share of what was asked for, from 0 to 1: None where
                neither `from_epoch_ms` nor `count` says how much that is.

        Raises:
            ValueError: nothing would be in that span.
            HTTPStatusError: the server refused: status 404 where there is no such instrument.
            ClientError: as `statement`.
            RuntimeError: the wire is closed.
        """
        span = Span.of(from_epoch_ms, to_epoch_ms, count)
        if granularity is None:
            return await self._market.ticks(instrument_id, span, on_progress)
        return await self._market.candles(instrument_id, granularity, span, on_progress)

    async def buy(
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
        """
        Buy a contract at the price of now, once, however often the request has to be sent until its answer arrives.

        Args:
            contract: which one, as for `proposal`.
            variant: which side of its product: `rise`, for instance.
            payout: what the buyer was shown; the purchase is refused where it pays less by more than the tolerance. None: any price.
            tolerance: by how much the payout may have fallen since, as a part of it; 0 for not at all. None: the server's, 0.05.
            idempotency_key: names the purchase: the same with the same key is bought once, also by another wire. None: a new one.
            account_uuid: for whom; by default for the account that the token is for.
            within: how long it may take with all repetitions, in seconds.

        Raises:
            HTTPStatusError: the server refused; the `code` says why: `INSUFFICIENT_BALANCE`, `PRICE_MOVED`, `MARKET_CLOSED`, ….
            TradeUncertainError: a request may have arrived, and no answer came in time; a status without a code, a proxy's, is none.
            ConnectError: the server was not reached in time.
            TokenError: the token's provider failed.
        """
        return await self._trader.buy(
            contract,
            variant,
            payout=payout,
            tolerance=tolerance,
            idempotency_key=idempotency_key,
            account_uuid=account_uuid,
            within=within,
        )

    async def sell(self, contract_id: str, *, account_uuid: str | None = None, within: float = TRADE_TIMEOUT) -> Sold[Decimal]:
        """
        Sell an open contract at what it is worth now.

        Args:
            contract_id: which one.
            account_uuid: whose; by default that of the account that the token is for.
            within: how long it may take with all repetitions, in seconds.

        Raises:
            HTTPStatusError: the server refused; the `code` says why: `CONTRACT_NOT_SELLABLE`, `NOT_FOUND`, ….
            TradeUncertainError: a request may have arrived, and no answer came in time, or one that the contract cannot be sold any more; a
                status without a code is none.
            ConnectError: the server was not reached in time.
            TokenError: the token's provider failed.
        """
        return await self._trader.sell(contract_id, account_uuid=account_uuid, within=within)

    async def statement(self, *kinds: TransactionKind, **page: Unpack[PageOptions]) -> StatementBody[Decimal]:
        """
        Return a page of an account's statement, newest first: every movement of its money, with the balance after it.

        Args:
            kinds: these entries alone: `deposit`, `purchase`, for instance; all where none is given. Pages may have fewer entries then, or
                none, before the last one.
            page: see `PageOptions`.

        Raises:
            HTTPStatusError: the server refused; the `code` says why.
            ConnectError: there was no answer.
            TokenError: the token's provider failed.
        """
        return await self._page("/v1/accounting/statement", Data[StatementBody[Decimal]], kinds, **page)

    async def closed_contracts(self, **page: Unpack[PageOptions]) -> ClosedContractsPage[Decimal]:
        """
        Return a page of an account's closed contracts, newest first, by when they were sold or expired.

        Args:
            page: see `PageOptions`.

        Raises:
            ClientError: as `statement`.
        """
        return await self._page("/v1/trading/contracts/close", Data[ClosedContractsPage[Decimal]], **page)

    async def profit_and_loss(
        self, *, from_day: date | None = None, to_day: date | None = None, account_uuid: str | None = None
    ) -> ProfitAndLossBody[Decimal]:
        """
        Return what came of an account's contracts, by the day that they ended on and by product.

        Args:
            from_day: the first day in UTC; by default 30 days before the last. 92 days are the most.
            to_day: the last day in UTC; by default today.
            account_uuid: whose; by default that of the account that the token is for.

        Raises:
            ClientError: as `statement`.
        """
        path = with_query("/v1/accounting/profit_and_loss", from_day=from_day, to_day=to_day, account_uuid=account_uuid)
        return await self._read(path, Data[ProfitAndLossBody[Decimal]])

    def close(self) -> None:
        """End all subscriptions at once, and the connection soon after. Can be called from a callback."""
        self._multiplexer.close()

    async def aclose(self) -> None:
        """End all subscriptions, and return when the connection is freed."""
        await self._multiplexer.aclose()

    async def _page(
        self,
        path: str,
        answer: type[Data[A]],
        kinds: Sequence[TransactionKind] = (),
        *,
        cursor: str | None = None,
        limit: int | None = None,
        from_epoch_ms: int | None = None,
        to_epoch_ms: int | None = None,
        account_uuid: str | None = None,
    ) -> A:
        span = {"from_epoch_ms": from_epoch_ms, "to_epoch_ms": to_epoch_ms}
        return await self._read(with_query(path, kind=list(kinds), cursor=cursor, limit=limit, **span, account_uuid=account_uuid), answer)

    async def _read(self, path: str, answer: type[Data[A]]) -> A:
        return (await self._api.send(await self._multiplexer.client(), "GET", path, answer)).data

    def _account(self, account_uuid: str | None) -> str:
        found = account_uuid or self._account_uuid
        if found is None:
            raise ValueError("no account is named, and the token does not say which it is for; give account_uuid")
        return found

    def _subscribe(self, topics: Sequence[str], message_type: type[M], options: Options) -> Subscription[M]:
        # Each is read here, so that a mistake shows before any request, and in the one form that the server has for it.
        return self._open([str(parse_topic(topic)) for topic in topics], message_type, **options)

    def _open(
        self,
        topics: Sequence[str],
        message_type: type[M],
        *,
        interval: float = 0.0,
        debounce: float = 0.0,
        buffer: int = BUFFER,
        overflow: Overflow = "latest",
    ) -> Subscription[M]:
        for name in topics:
            check_type("the name of a topic", name, str, "a string")
        # A topic is subscribed to once, however often it is named.
        names = list(dict.fromkeys(topics))
        if not names or not all(names):
            raise ValueError("no instrument or topic is named")
        check_type("buffer", buffer, int, "a whole number of messages")
        check_type("interval", interval, (int, float), "a number of seconds")
        check_type("debounce", debounce, (int, float), "a number of seconds")
        if buffer < len(names):
            raise ValueError(f"buffer is {buffer}; it has room for a message of each of the {len(names)} topics at least")
        if not (0 <= interval < math.inf and 0 <= debounce < math.inf):
            raise ValueError(f"interval is {interval} s and debounce {debounce} s; they are finite and 0 or more")
        if overflow not in get_args(Overflow):
            raise ValueError(f"overflow is {overflow!r}; it is one of {', '.join(get_args(Overflow))}")
        if (interval or debounce) and overflow != "latest":
            raise ValueError(f"interval and debounce leave messages out, so overflow is 'latest' with them, not {overflow!r}")
        queue = MessageQueue(names, limit=buffer, overflow=overflow, interval=interval, debounce=debounce)
        return Subscription(queue, message_type, self._multiplexer)


def account_of_token(token: Token | None) -> str | None:
    """Return the `uuid` of the account that a token is for; None where that is not known before it is asked for."""
    if isinstance(token, Login):
        return token.account_uuid
    return account_of(token) if isinstance(token, str) else None


def stream_url(base_url: str, *, protected: bool) -> str:
    """Return the address of a server's stream: the protected one for clients with a token."""
    return base_url.rstrip("/") + ("/protected/sse" if protected else "/sse")
