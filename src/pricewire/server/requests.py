"""The public requests: instruments, and the history of ticks and candles."""

from __future__ import annotations

from typing import Annotated

from litestar import get, post
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
from pricewire.server.auth.guard import UNAUTHORIZED, Visitor
from pricewire.server.prices import Prices
from pricewire.server.problems import INVALID, UNKNOWN, InvalidParametersError


@get("/v1/market/instruments", responses={**INVALID, **UNAUTHORIZED})
async def list_instruments(
    prices: NamedDependency[Prices],
    visitor: NamedDependency[Visitor],
    product_id: Annotated[ProductId | None, QueryParameter(description="Those that this kind of contract is on: all.")] = None,
) -> Data[InstrumentsBody]:
    """List the instruments, and whether prices are coming."""
    return Data(InstrumentsBody(prices.market.instruments()))


@post("/v1/market/instruments/ticks/history", status_code=200, responses={**INVALID, **UNAUTHORIZED, **UNKNOWN})
async def ticks_history(
    prices: NamedDependency[Prices], visitor: NamedDependency[Visitor], data: JSONBody[TicksHistoryRequest]
) -> Data[TicksBody]:
    """Return recent ticks, oldest first."""
    return Data(TicksBody([TickBody.of(tick) for tick in prices.market.ticks(data)]))


@post("/v1/market/instruments/candles/history", status_code=200, responses={**INVALID, **UNAUTHORIZED, **UNKNOWN})
async def candles_history(
    prices: NamedDependency[Prices], visitor: NamedDependency[Visitor], data: JSONBody[CandlesHistoryRequest]
) -> Data[CandlesBody]:
    """Return candles, oldest first; the last is the one that is being built."""
    if data.granularity not in GRANULARITIES:
        raise InvalidParametersError(f"granularity {data.granularity} is none of {', '.join(map(str, GRANULARITIES))} seconds")
    return Data(CandlesBody([CandleBody.of(candle) for candle in prices.market.candles(data)]))
