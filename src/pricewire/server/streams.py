"""The public streams: ticks, candles, and `/sse` for any topics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.di import NamedDependency
from litestar.openapi import ResponseSpec
from litestar.params import FromQuery, QueryParameter

from pricewire.hub.event import Form, envelope
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
from pricewire.server.forms import candles_form, instrument_price_form, narrow_form, ticks_form
from pricewire.server.limits import Admission
from pricewire.server.logs import logged
from pricewire.server.prices import Prices
from pricewire.server.problems import INVALID, REFUSED, UNKNOWN, InvalidParametersError

MAX_INTERVAL_MS = 60_000

AnyRequest = Request[Any, Any, Any]

InstrumentIds = Annotated[list[str], QueryParameter(description="Whose prices; may be repeated.")]
IntervalMs = Annotated[int, QueryParameter(ge=0, le=MAX_INTERVAL_MS, description="At most one update per topic in so many milliseconds.")]

Fields = Annotated[
    str | None,
    QueryParameter(description="Only these members of the data, separated by commas (`fields=price,epoch_ms`): fewer bytes for a phone."),
]


def events_of(body: object, description: str) -> dict[int, ResponseSpec]:
    """Describe a stream for the schema by the data of its events."""
    spec = ResponseSpec(body, description=description, media_type=MEDIA_TYPE, generate_examples=False)  # type: ignore[arg-type]
    return {200: spec, **INVALID, **UNKNOWN, **REFUSED}


@get(
    "/v1/market/instruments/ticks/stream",
    responses=events_of(Data[TicksBody], "A stream of events; the data of each is this JSON: the newest tick, then every one."),
)
async def stream_ticks(
    request: AnyRequest,
    prices: NamedDependency[Prices],
    admission: NamedDependency[Admission],
    instrument_id: InstrumentIds,
    interval_ms: IntervalMs = 0,
    fields: Fields = None,
) -> EventStream:
    """Stream the ticks of instruments."""
    topics = checked(prices, admission, [TicksTopic(each) for each in instrument_id])
    form = narrowed(ticks_form, fields, {TickBody})
    with admission.admit("ticks", admission.client(request.scope)) as place:
        stream = EventStream(prices.hub, topics, form=form, interval=interval_ms / 1000, control=False, on_close=place.give_back)
        return logged(stream, endpoint="ticks", topics=len(topics))


@get(
    "/v1/market/instruments/candles/stream",
    responses=events_of(Data[CandlesBody], "A stream of events; the data of each is this JSON: the candle being built, at every change."),
)
async def stream_candles(
    request: AnyRequest,
    prices: NamedDependency[Prices],
    admission: NamedDependency[Admission],
    instrument_id: FromQuery[str],
    granularity: Annotated[int, QueryParameter(description="The span of a candle, in seconds.")],
    start_epoch_ms: Annotated[int | None, QueryParameter(ge=0, description="Send the candles since then first.")] = None,
    fields: Fields = None,
) -> EventStream:
    """Stream the candles of an instrument."""
    if granularity not in GRANULARITIES:
        raise InvalidParametersError(f"granularity {granularity} is none of {', '.join(map(str, GRANULARITIES))} seconds")
    topics = checked(prices, admission, [CandlesTopic(instrument_id, granularity)])
    form = narrowed(candles_form, fields, {CandleBody})
    with admission.admit("candles", admission.client(request.scope)) as place:
        prelude = b"" if start_epoch_ms is None else closed_candles(prices, instrument_id, granularity, start_epoch_ms)
        stream = EventStream(prices.hub, topics, form=form, control=False, prelude=prelude, on_close=place.give_back)
        return logged(stream, endpoint="candles", topics=len(topics))


def closed_candles(prices: Prices, instrument_id: str, granularity: int, start_epoch_ms: int) -> bytes:
    """Return the event with the candles that are closed since a time; nothing where there are none."""
    request = CandlesHistoryRequest(instrument_id=instrument_id, granularity=granularity, from_epoch_ms=start_epoch_ms, count=5000)
    current = prices.market.candle(instrument_id, granularity)
    # The candle that is being built follows as the stream's first value, with an id to resume from.
    closed = [CandleBody.of(candle) for candle in prices.market.candles(request) if candle != current]
    return encode_event(msgspec.json.encode(Data(CandlesBody(closed)))) if closed else b""


@get(
    "/sse",
    responses=events_of(
        InstrumentPrice | Envelope[TickBody] | Envelope[CandleBody],
        "A stream of events; the data of each is this JSON: the price with `action=instrument_price`, an envelope with `topic`. "
        "With `topic` there are named events too: `reset` where the stream could not resume, `stale` where a feed has fallen silent, "
        "`changed` where the stream was changed, `error` before the server ends the stream.",
    ),
)
async def stream_topics(
    request: AnyRequest,
    prices: NamedDependency[Prices],
    admission: NamedDependency[Admission],
    action: Annotated[str | None, QueryParameter(description="`instrument_price`; or give topics.")] = None,
    topic: Annotated[
        list[str] | None, QueryParameter(description="`ticks:<instrument>` or `candles:<instrument>:<seconds>`; may be repeated.")
    ] = None,
    instrument_id: Annotated[list[str] | None, QueryParameter(description="Whose price; may be repeated.")] = None,
    interval_ms: IntervalMs = 0,
    fields: Fields = None,
) -> EventStream:
    """Stream any topics, or the price of an instrument."""
    if action is None:
        if not topic:
            raise InvalidParametersError("give topic=… (may be repeated), or action=instrument_price and instrument_id=…")
        parsed = [parse_topic(each) for each in topic]
        topics = checked(prices, admission, parsed)
        form = narrowed(envelope, fields, {TickBody if isinstance(each, TicksTopic) else CandleBody for each in parsed})
    elif action != "instrument_price":
        raise InvalidParametersError(f"action {action!r} is not instrument_price")
    elif topic:
        raise InvalidParametersError("action and topic exclude each other")
    elif not instrument_id:
        raise InvalidParametersError("action=instrument_price needs instrument_id=…")
    else:
        if fields is not None:
            raise InvalidParametersError("fields goes with topic, not with action")
        topics = checked(prices, admission, [TicksTopic(each) for each in instrument_id])
        form = instrument_price_form
    with admission.admit("sse", admission.client(request.scope)) as place:
        interval = interval_ms / 1000
        stream = EventStream(prices.hub, topics, form=form, interval=interval, control=action is None, on_close=place.give_back)
        return logged(stream, endpoint="sse", topics=len(topics))


def checked(prices: Prices, admission: Admission, topics: Sequence[TicksTopic | CandlesTopic]) -> list[str]:
    """Return the topics' names, or refuse the request before its stream starts."""
    if len(topics) > admission.limits.topics_per_stream:
        raise InvalidParametersError(
            f"{len(topics)} topics exceed the limit of {admission.limits.topics_per_stream} for one stream; open another for the rest"
        )
    return [prices.check(topic) for topic in topics]


def narrowed(form: Form, fields: str | None, bodies: set[type[TickBody] | type[CandleBody]]) -> Form:
    """
    Return the form that shows only some members of the data.

    Args:
        form: what the events look like otherwise.
        fields: the members' names, separated by commas; None for all.
        bodies: what the data can be.

    Raises:
        InvalidParametersError: a name is none of these' members.
    """
    if fields is None:
        return form
    known = {name for body in bodies for name in body.__struct_fields__}
    chosen = frozenset(fields.split(","))
    strangers = sorted(chosen - known)
    if strangers:
        raise InvalidParametersError(f"fields: {', '.join(map(repr, strangers))} is none of {', '.join(sorted(known))}")
    return narrow_form(form, chosen)
