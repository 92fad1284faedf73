"""The public streams: ticks, candles, and `/sse` for any topics."""

from __future__ import annotations

from typing import Annotated

import msgspec
from litestar import get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromQuery, QueryParameter

from pricewire.protocol.encoder import encode_event
from pricewire.protocol.messages import (
    CandleBody,
    CandlesBody,
    CandlesHistoryRequest,
    Data,
    Envelope,
    InstrumentPrice,
    TickBody,
    TicksBody,
)
from pricewire.protocol.topics import GRANULARITIES, CandlesTopic, TicksTopic, parse_topic
from pricewire.server.event_stream import MEDIA_TYPE, EventStream
from pricewire.server.forms import candles_form, instrument_price_form, ticks_form
from pricewire.server.prices import Prices
from pricewire.server.problems import INVALID, UNKNOWN, InvalidParametersError

MAX_INTERVAL_MS = 60_000
MAX_TOPICS = 100
"""How many topics a stream may have: more than a page shows, and a request line that servers still accept."""

InstrumentIds = Annotated[list[str], QueryParameter(description="Whose prices; may be repeated.")]
IntervalMs = Annotated[int, QueryParameter(ge=0, le=MAX_INTERVAL_MS, description="At most one update per topic in so many milliseconds.")]


def events_of(body: object, description: str) -> dict[int, ResponseSpec]:
    """Describe a stream for the schema by the data of its events."""
    spec = ResponseSpec(body, description=description, media_type=MEDIA_TYPE, generate_examples=False)  # type: ignore[arg-type]
    return {200: spec, **INVALID, **UNKNOWN}


@get(
    "/v1/market/instruments/ticks/stream",
    responses=events_of(Data[TicksBody], "A stream of events; the data of each is this JSON: the newest tick, then every one."),
)
async def stream_ticks(prices: NamedDependency[Prices], instrument_id: InstrumentIds, interval_ms: IntervalMs = 0) -> EventStream:
    """Stream the ticks of instruments."""
    topics = checked(prices, [TicksTopic(each) for each in instrument_id])
    return EventStream(prices.hub, topics, form=ticks_form, interval=interval_ms / 1000, control=False)


@get(
    "/v1/market/instruments/candles/stream",
    responses=events_of(Data[CandlesBody], "A stream of events; the data of each is this JSON: the candle being built, at every change."),
)
async def stream_candles(
    prices: NamedDependency[Prices],
    instrument_id: FromQuery[str],
    granularity: Annotated[int, QueryParameter(description="The span of a candle, in seconds.")],
    start_epoch_ms: Annotated[int | None, QueryParameter(ge=0, description="Send the candles since then first.")] = None,
) -> EventStream:
    """Stream the candles of an instrument."""
    if granularity not in GRANULARITIES:
        raise InvalidParametersError(f"granularity {granularity} is none of {', '.join(map(str, GRANULARITIES))} seconds")
    topics = checked(prices, [CandlesTopic(instrument_id, granularity)])
    prelude = b""
    if start_epoch_ms is not None:
        request = CandlesHistoryRequest(instrument_id=instrument_id, granularity=granularity, from_epoch_ms=start_epoch_ms, count=5000)
        current = prices.market.candle(instrument_id, granularity)
        # The candle that is being built follows as the stream's first value, with an id to resume from.
        closed = [CandleBody.of(candle) for candle in prices.market.candles(request) if candle != current]
        if closed:
            prelude = encode_event(msgspec.json.encode(Data(CandlesBody(closed))))
    return EventStream(prices.hub, topics, form=candles_form, control=False, prelude=prelude)


@get(
    "/sse",
    responses=events_of(
        InstrumentPrice | Envelope[TickBody] | Envelope[CandleBody],
        "A stream of events; the data of each is this JSON: the price with `action=instrument_price`, an envelope with `topic`. "
        "With `topic` there are named events too: `reset` where the stream could not resume, `stale` where a feed has fallen silent, "
        "`error` before the server ends the stream.",
    ),
)
async def stream_topics(
    prices: NamedDependency[Prices],
    action: Annotated[str | None, QueryParameter(description="`instrument_price`; or give topics.")] = None,
    topic: Annotated[
        list[str] | None, QueryParameter(description="`ticks:<instrument>` or `candles:<instrument>:<seconds>`; may be repeated.")
    ] = None,
    instrument_id: Annotated[list[str] | None, QueryParameter(description="Whose price; may be repeated.")] = None,
    interval_ms: IntervalMs = 0,
) -> EventStream:
    """Stream any topics, or the price of an instrument."""
    interval = interval_ms / 1000
    if action is None:
        if not topic:
            raise InvalidParametersError("give topic=… (may be repeated), or action=instrument_price and instrument_id=…")
        return EventStream(prices.hub, checked(prices, [parse_topic(each) for each in topic]), interval=interval)
    if action != "instrument_price":
        raise InvalidParametersError(f"action {action!r} is not instrument_price")
    if topic:
        raise InvalidParametersError("action and topic exclude each other")
    if not instrument_id:
        raise InvalidParametersError("action=instrument_price needs instrument_id=…")
    topics = checked(prices, [TicksTopic(each) for each in instrument_id])
    return EventStream(prices.hub, topics, form=instrument_price_form, interval=interval, control=False)


def checked(prices: Prices, topics: list[TicksTopic] | list[CandlesTopic] | list[TicksTopic | CandlesTopic]) -> list[str]:
    """Return the topics' names, or refuse the request before its stream starts."""
    if len(topics) > MAX_TOPICS:
        raise InvalidParametersError(f"{len(topics)} topics exceed the limit of {MAX_TOPICS} for one stream")
    return [prices.check(topic) for topic in topics]
