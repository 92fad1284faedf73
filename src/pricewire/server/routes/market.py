"""The public requests: instruments, and the history of ticks and candles."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import JSONBody, QueryParameter

from pricewire.protocol.messages import (
    CandleBody,
    CandlesBody,
    CandlesHistoryRequest,
    Data,
    InstrumentsBody,
    TickBody,
    TicksBody,
    TicksHistoryRequest,
)
from pricewire.protocol.topics import GRANULARITIES
from pricewire.protocol.trading_messages import ProductId
from pricewire.server.auth.dependencies import UNAUTHORIZED, AnyRequest, Caller
from pricewire.server.http_errors import INVALID, REFUSED, UNKNOWN, InvalidParametersError
from pricewire.server.limits import Admission
from pricewire.server.routes.large_answers import answer
from pricewire.server.services import Services


@get("/v1/market/instruments", responses={**INVALID, **UNAUTHORIZED})
async def list_instruments(
    request: AnyRequest,
    services: NamedDependency[Services],
    caller: NamedDependency[Caller],
    product_id: Annotated[ProductId | None, QueryParameter(description="Those that this kind of contract is on: all.")] = None,
) -> Response[Data[InstrumentsBody]]:
    """List the instruments, and whether prices are coming."""
    instruments = services.publisher.market.instruments()
    return await answer(request, lambda: Data(InstrumentsBody(instruments)), len(instruments))


@post("/v1/market/instruments/ticks/history", status_code=200, responses={**INVALID, **UNAUTHORIZED, **UNKNOWN, **REFUSED})
async def ticks_history(
    request: AnyRequest,
    services: NamedDependency[Services],
    admission: NamedDependency[Admission],
    caller: NamedDependency[Caller],
    data: JSONBody[TicksHistoryRequest],
) -> Response[Data[TicksBody]]:
    """Return recent ticks, oldest first."""
    admission.ask_for_history(admission.client(request.scope), data.count)
    selected = services.publisher.market.select_ticks(data)
    return await answer(request, lambda: Data(TicksBody(list(map(TickBody.of, selected.ticks())))), len(selected.epoch_ms))


@post("/v1/market/instruments/candles/history", status_code=200, responses={**INVALID, **UNAUTHORIZED, **UNKNOWN, **REFUSED})
async def candles_history(
    request: AnyRequest,
    services: NamedDependency[Services],
    admission: NamedDependency[Admission],
    caller: NamedDependency[Caller],
    data: JSONBody[CandlesHistoryRequest],
) -> Response[Data[CandlesBody]]:
    """Return candles, oldest first; the last is the one that is being built."""
    if data.granularity not in GRANULARITIES:
        raise InvalidParametersError(f"granularity {data.granularity} is none of {', '.join(map(str, GRANULARITIES))} seconds")
    admission.ask_for_history(admission.client(request.scope), data.count)
    selected = services.publisher.market.select_candles(data)
    return await answer(request, lambda: Data(CandlesBody(list(map(CandleBody.of, selected.candles())))), len(selected.rows))
