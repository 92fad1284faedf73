"""The streams of trading: proposals for anybody; contracts and balance for the holder of an account."""

from __future__ import annotations

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from pricewire.protocol.messages import Data
from pricewire.protocol.topics import DEFAULT_CURRENCY, BalanceTopic, ClosedContractsTopic, OpenContractsTopic, parse_topic
from pricewire.protocol.trading_messages import (
    Amount,
    BalanceBody,
    ClosedContractsBody,
    ContractsBody,
    DurationUnit,
    ProductId,
    ProposalBody,
)
from pricewire.server.auth.dependencies import FORBIDDEN, SECURITY, AnyRequest, Caller, Principal
from pricewire.server.formats import data_format
from pricewire.server.http_errors import CONFLICT, UNKNOWN
from pricewire.server.routes.streams import events_of
from pricewire.server.routes.trading import AccountUuid
from pricewire.server.stream_opener import StreamOpener
from pricewire.server.stream_query import IntervalMs, with_sign
from pricewire.server.transport.event_stream import EventStream

CurrencyCode = Annotated[str, QueryParameter(pattern=r"^[A-Z]{3,5}$(?!\n)", description="The currency of the stake.")]

ChosenContract = Annotated[
    str | None, QueryParameter(pattern=r"^[A-Za-z0-9\-]{1,64}$(?!\n)", description="Only this contract; all where it is left out.")
]


@get(
    "/v1/trading/proposal/stream",
    responses={
        **events_of(Data[ProposalBody[Amount]], "A stream of events; the data of each is this JSON: the price now, then with every tick."),
        **CONFLICT,
    },
)
async def stream_proposal(
    request: AnyRequest,
    stream_opener: NamedDependency[StreamOpener],
    listener: NamedDependency[Caller],
    product_id: Annotated[ProductId, QueryParameter(description="What kind of contract.")],
    instrument_id: Annotated[str, QueryParameter(description="On whose price.")],
    duration: Annotated[int, QueryParameter(ge=1, description="How long it would last, in units.")],
    duration_unit: Annotated[DurationUnit, QueryParameter(description="The unit.")],
    stake: Annotated[str, QueryParameter(description="What it would cost.")],
    allow_equals: Annotated[bool, QueryParameter(description="Whether an exit spot equal to the barrier would win.")] = False,
    barrier: Annotated[str | None, QueryParameter(description="A price, or an offset with its sign.")] = None,
    currency: CurrencyCode = DEFAULT_CURRENCY,
    interval_ms: IntervalMs = 0,
) -> EventStream:
    """Stream the price of a contract that could be bought."""
    text = f"proposal:{product_id}:{instrument_id}:{duration}:{duration_unit}:{currency}:{stake}:{'true' if allow_equals else 'false'}"
    topic = parse_topic(text if barrier is None else f"{text}:{with_sign(barrier)}")
    return await stream_opener.open("proposal", request, listener, [topic], data_format, interval_ms=interval_ms)


@get(
    "/v1/trading/contracts/open/stream",
    responses={
        **events_of(Data[ContractsBody[Amount]], "A stream of events; the data of each is this JSON: all open contracts."),
        **FORBIDDEN,
        **UNKNOWN,
    },
    security=SECURITY,
)
async def stream_open_contracts(
    request: AnyRequest,
    stream_opener: NamedDependency[StreamOpener],
    account_listener: NamedDependency[Principal],
    account_uuid: AccountUuid = None,
    contract_id: ChosenContract = None,
    interval_ms: IntervalMs = 0,
) -> EventStream:
    """Stream an account's open contracts, all at every change of one."""
    topic = OpenContractsTopic(account_listener.own(account_uuid), contract_id or "")
    return await stream_opener.open("open_contracts", request, account_listener, [topic], data_format, interval_ms=interval_ms)


@get(
    "/v1/trading/contracts/close/stream",
    responses={
        **events_of(Data[ClosedContractsBody[Amount]], "A stream of events; the data of each is this JSON: the newest closed contracts."),
        **FORBIDDEN,
        **UNKNOWN,
    },
    security=SECURITY,
)
async def stream_closed_contracts(
    request: AnyRequest,
    stream_opener: NamedDependency[StreamOpener],
    account_listener: NamedDependency[Principal],
    account_uuid: AccountUuid = None,
    contract_id: ChosenContract = None,
) -> EventStream:
    """Stream an account's closed contracts, the newest first."""
    topic = ClosedContractsTopic(account_listener.own(account_uuid), contract_id or "")
    return await stream_opener.open("closed_contracts", request, account_listener, [topic], data_format)


@get(
    "/v1/accounting/balance/stream",
    responses={
        **events_of(Data[BalanceBody[Amount]], "A stream of events; the data of each is this JSON: the balance, at every change."),
        **FORBIDDEN,
    },
    security=SECURITY,
)
async def stream_balance(
    request: AnyRequest,
    stream_opener: NamedDependency[StreamOpener],
    account_listener: NamedDependency[Principal],
    account_uuid: AccountUuid = None,
) -> EventStream:
    """Stream an account's balance."""
    topic = BalanceTopic(account_listener.own(account_uuid))
    return await stream_opener.open("balance", request, account_listener, [topic], data_format)
