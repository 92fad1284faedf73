"""The public streams of the market: ticks, candles, and `/sse` for any topics; `/protected/sse` for those of an account."""

from __future__ import annotations

import time
from functools import partial
from typing import Annotated

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromQuery, QueryParameter

from pricewire.market.instrument_state import SelectedCandles
from pricewire.protocol.admin_messages import AdminBody
from pricewire.protocol.encoder import encode_event
from pricewire.protocol.messages import (
    Candle,
    CandleBody,
    CandlesBody,
    CandlesHistoryRequest,
    Data,
    Envelope,
    InstrumentPrice,
    TickBody,
    TicksBody,
)
from pricewire.protocol.topics import GRANULARITIES, CandlesTopic, TicksTopic
from pricewire.protocol.trading_messages import (
    Amount,
    BalanceBody,
    ClosedContractsBody,
    ContractBody,
    ContractPrice,
    ContractsBody,
    ProposalBody,
)
from pricewire.server.auth.dependencies import FORBIDDEN, SECURITY, UNAUTHORIZED, AnyRequest, Caller, Principal
from pricewire.server.formats import candles_format, ticks_format
from pricewire.server.http_errors import CONFLICT, INVALID, REFUSED, UNAVAILABLE, UNKNOWN, InvalidParametersError
from pricewire.server.limits import Admission
from pricewire.server.publisher import Publisher
from pricewire.server.routes.large_answers import make
from pricewire.server.services import Services
from pricewire.server.stream_opener import StreamOpener
from pricewire.server.stream_query import Fields, IntervalMs, StreamQuery, narrowed
from pricewire.server.transport.event_stream import MEDIA_TYPE, EventStream

MOST_CANDLES = 5000
"""How many closed candles a stream of candles may begin with, as many as a request for their history gets."""

InstrumentIds = Annotated[list[str], QueryParameter(description="Whose prices; may be repeated.")]


def events_of(body: object, description: str) -> dict[int, ResponseSpec]:
    """Describe a stream for the schema by the data of its events."""
    spec = ResponseSpec(body, description=description, media_type=MEDIA_TYPE, generate_examples=False)  # type: ignore[arg-type]
    return {200: spec, **INVALID, **UNAUTHORIZED, **UNKNOWN, **REFUSED, **UNAVAILABLE}


ANY_EVENTS = events_of(
    InstrumentPrice
    | ContractPrice[Amount]
    | Envelope[TickBody]
    | Envelope[CandleBody]
    | Envelope[ProposalBody[Amount]]
    | Envelope[ContractBody[Amount]]
    | Envelope[ContractsBody[Amount]]
    | Envelope[ClosedContractsBody[Amount]]
    | Envelope[BalanceBody[Amount]]
    | Envelope[AdminBody[Amount]],
    "A stream of events; the data of each is this JSON: the price with `action`, an envelope with `topic`. "
    "With `topic` there are named events too: `reset` where the stream could not resume, `stale` where a feed has fallen silent, "
    "`changed` where the stream was changed, `error` before the server ends the stream.",
)


@get(
    "/v1/market/instruments/ticks/stream",
    responses=events_of(Data[TicksBody], "A stream of events; the data of each is this JSON: the newest tick, then every one."),
)
async def stream_ticks(
    request: AnyRequest,
    stream_opener: NamedDependency[StreamOpener],
    listener: NamedDependency[Caller],
    instrument_id: InstrumentIds,
    interval_ms: IntervalMs = 0,
    fields: Fields = None,
) -> EventStream:
    """Stream the ticks of instruments."""
    topics = [TicksTopic(each) for each in instrument_id]
    return await stream_opener.open("ticks", request, listener, topics, narrowed(ticks_format, fields, topics), interval_ms=interval_ms)


@get(
    "/v1/market/instruments/candles/stream",
    responses=events_of(Data[CandlesBody], "A stream of events; the data of each is this JSON: the candle being built, at every change."),
)
async def stream_candles(
    request: AnyRequest,
    services: NamedDependency[Services],
    admission: NamedDependency[Admission],
    stream_opener: NamedDependency[StreamOpener],
    listener: NamedDependency[Caller],
    instrument_id: FromQuery[str],
    granularity: Annotated[int, QueryParameter(description="The span of a candle, in seconds.")],
    start_epoch_ms: Annotated[int | None, QueryParameter(ge=0, le=2**53 - 1, description="Send the candles since then first.")] = None,
    fields: Fields = None,
) -> EventStream:
    """Stream the candles of an instrument."""
    if granularity not in GRANULARITIES:
        raise InvalidParametersError(f"granularity {granularity} is none of {', '.join(map(str, GRANULARITIES))} seconds")
    topics = [CandlesTopic(instrument_id, granularity)]
    form = narrowed(candles_format, fields, topics)
    prelude = b""
    if start_epoch_ms is not None:
        rows = min(MOST_CANDLES, max(0, time.time_ns() // 1_000_000 - start_epoch_ms) // (granularity * 1000))
        admission.ask_for_history(admission.client(request.scope), rows)
        prelude = await closed_candles(services.publisher, instrument_id, granularity, start_epoch_ms)
    return await stream_opener.open("candles", request, listener, topics, form, prelude=prelude)


async def closed_candles(publisher: Publisher, instrument_id: str, granularity: int, start_epoch_ms: int) -> bytes:
    """Return the event with the candles that are closed since a time; nothing where there are none."""
    request = CandlesHistoryRequest(instrument_id=instrument_id, granularity=granularity, from_epoch_ms=start_epoch_ms, count=MOST_CANDLES)
    while True:
        current = publisher.market.candle(instrument_id, granularity)
        selected = publisher.market.select_candles(request)
        encoded = await make(partial(encode_closed, selected, current), len(selected.rows))
        # The candle that is being built follows as the stream's first value, with an id to resume from. Meanwhile another may have begun.
        newest = publisher.market.candle(instrument_id, granularity)
        if newest is None or current is None or newest.open_epoch_ms == current.open_epoch_ms:
            return encoded


def encode_closed(selected: SelectedCandles, current: Candle | None) -> bytes:
    """Return the event with some candles without the one that is being built; nothing where there are none."""
    closed = [CandleBody.of(candle) for candle in selected.candles() if candle != current]
    return encode_event(msgspec.json.encode(Data(CandlesBody(closed)))) if closed else b""


@get("/sse", responses={**ANY_EVENTS, **FORBIDDEN, **CONFLICT})
async def stream_topics(
    request: AnyRequest,
    stream_opener: NamedDependency[StreamOpener],
    listener: NamedDependency[Caller],
    stream_query: NamedDependency[StreamQuery],
) -> EventStream:
    """Stream any topics, the price of an instrument, or the price of a contract."""
    return await opened("sse", request, stream_opener, listener, stream_query)


@get("/protected/sse", responses={**ANY_EVENTS, **FORBIDDEN, **CONFLICT}, security=SECURITY)
async def stream_protected_topics(
    request: AnyRequest,
    stream_opener: NamedDependency[StreamOpener],
    protected_listener: NamedDependency[Principal],
    stream_query: NamedDependency[StreamQuery],
) -> EventStream:
    """
    Stream any topics as `/sse` does, those of the token's account among them, for as long as the token is valid.

    The topic `admin` requires the scope `admin`, and no other.
    """
    return await opened("protected_sse", request, stream_opener, protected_listener, stream_query)


async def opened(endpoint: str, request: AnyRequest, stream_opener: StreamOpener, caller: Caller, stream_query: StreamQuery) -> EventStream:
    """Return the stream that a query asks for."""
    return await stream_opener.open(
        endpoint,
        request,
        caller,
        stream_query.topics,
        stream_query.form,
        interval_ms=stream_query.interval_ms,
        names=stream_query.names,
    )
