"""A shortcut to requests that are made all day: purchases, and changes of open streams."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from litestar.exceptions import SerializationException

from pricewire.protocol.messages import Data, StreamChange
from pricewire.protocol.trading_messages import PurchaseRequest
from pricewire.server.auth.dependencies import AnyRequest, provide_caller, provide_trader
from pricewire.server.routes.stream_changes import STREAMS, change_stream
from pricewire.server.routes.trading import BUY, buy
from pricewire.server.services import Services
from pricewire.server.stream_opener import StreamOpener
from pricewire.server.strict_query import StrictQuery


class RequestShortcut:
    """
    Comes before each request's handler. It checks queries, and answers the purchases and the changes of streams that are as usual: without
    a query, and with a body that can be read. All others go the framework's way, which says what is wrong with them.

    The framework resolves its dependencies and checks its parameters anew for each request, which is a third of its part of a purchase.
    What is checked is the same, and in the same order: the body's form, the caller, the purchase or the change.

    Args:
        services: have the tokens, the trades and the streams.
        make_opener: returns what checks the topics of a request.
    """

    def __init__(self, services: Services, make_opener: Callable[[AnyRequest], Awaitable[StreamOpener]]) -> None:
        self._services = services
        self._make_opener = make_opener
        self._strict_query = StrictQuery()

    async def __call__(self, request: AnyRequest) -> Data[Any] | None:
        """
        Return the answer to a request; None has the handler answer.

        Raises:
            PricewireError: it is refused, as `buy` and `change_stream` say.
            HTTPException: the query is wrong, or the caller may not do that.
        """
        scope = request.scope
        method, path = scope["method"], scope["path"]
        is_purchase = method == "POST" and path == BUY
        is_change = method == "PATCH" and path.startswith(STREAMS)
        if scope["query_string"] or not (is_purchase or is_change):
            await self._strict_query(request)
            return None
        try:
            # An empty body is none, which the framework says.
            data = await request.json() if await request.body() else None
        except SerializationException:
            return None
        if isinstance(data, PurchaseRequest):
            return await self._buy(request, data)
        if isinstance(data, StreamChange):
            return await self._change(request, data)
        return None

    async def _buy(self, request: AnyRequest, purchase: PurchaseRequest) -> Data[Any]:
        answer: Data[Any] = await buy.fn(self._services, await provide_trader(request, self._services), purchase)
        return answer

    async def _change(self, request: AnyRequest, change: StreamChange) -> Data[Any]:
        opener, caller = await self._make_opener(request), await provide_caller(request, self._services)
        answer: Data[Any] = await change_stream.fn(request, self._services, opener, caller, request.path_params["stream_id"], change)
        return answer
