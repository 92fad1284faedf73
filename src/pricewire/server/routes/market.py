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
from pricewire.server.routes.large_answers import LARGE, answer
from pricewire.server.services import Services

RECORDS_A_ROW = 400
"""How many ticks of the journal take as long to look through as one row takes to be sent."""


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
    """Return ticks, oldest first: those of the last day from memory, older ones from the journal, as far back as it reaches."""
    client, market = admission.client(request.scope), services.publisher.market
    admission.ask_for_history(client, data.count)
    selected = market.select_ticks(data)
    older = market.older_ticks(data, selected)
    if older is None:
        return await answer(request, lambda: Data(TicksBody(list(map(TickBody.of, selected.ticks())))), len(selected.epoch_ms))
    admission.ask_for_history(client, older.ticks_read(data.granularity, data.count) // RECORDS_A_ROW)

    def read() -> Data[TicksBody]:
        return Data(TicksBody(list(map(TickBody.of, older.ticks(selected, data.granularity, data.count).ticks()))))

    return await answer(request, read, LARGE)


@post("/v1/market/instruments/candles/history", status_code=200, responses={**INVALID, **UNAUTHORIZED, **UNKNOWN, **REFUSED})
async def candles_history(
    request: AnyRequest,
    services: NamedDependency[Services],
    admission: NamedDependency[Admission],
    caller: NamedDependency[Caller],
    data: JSONBody[CandlesHistoryRequest],
) -> Response[Data[CandlesBody]]:
    """Return candles, oldest first, as far back as there are ticks; the last is the one that is being built."""
    if data.granularity not in GRANULARITIES:
        raise InvalidParametersError(f"granularity {data.granularity} is none of {', '.join(map(str, GRANULARITIES))} seconds")
    client, market = admission.client(request.scope), services.publisher.market
    admission.ask_for_history(client, data.count)
    selected = market.select_candles(data)
    older = market.older_candles(data, selected)
    if older is None:
        return await answer(request, lambda: Data(CandlesBody(list(map(CandleBody.of, selected.candles())))), len(selected.rows))
    admission.ask_for_history(client, older.minutes_read(data.granularity, data.count) // RECORDS_A_ROW)
    minutes = market.minutes(data)

    def read() -> Data[CandlesBody]:
        rows = older.candles(minutes, data.granularity, data.to_epoch_ms, data.count)
        return Data(CandlesBody(list(map(CandleBody.of, selected._replace(rows=rows).candles()))))

    return await answer(request, read, LARGE)
