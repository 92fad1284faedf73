"""A shortcut to purchases: who buys all day is not to pay for what the framework makes of a request's parameters each time."""

from __future__ import annotations

from litestar.exceptions import SerializationException

from pricewire.protocol.messages import Data
from pricewire.protocol.trading_messages import Amount, Purchased, PurchaseRequest
from pricewire.server.auth.dependencies import AnyRequest, provide_trader
from pricewire.server.routes.trading import BUY, buy
from pricewire.server.services import Services
from pricewire.server.strict_query import StrictQuery


class PurchaseShortcut:
    """
    Comes before each request's handler. It checks queries, and makes the purchases that are as usual: without a query, and with a body that
    can be read. All others go the framework's way, which says what is wrong with them.

    The framework resolves its dependencies and checks its parameters anew for each request, which is a third of its part of a purchase.
    What is checked is the same, and in the same order: the body's form, the caller, the purchase.
    """

    def __init__(self, services: Services) -> None:
        self._services = services
        self._strict_query = StrictQuery()

    async def __call__(self, request: AnyRequest) -> Data[Purchased[Amount]] | None:
        """
        Return the answer to a purchase; None has the handler answer.

        Raises:
            PricewireError: the purchase is refused, as `buy` says.
            HTTPException: the query is wrong, or the caller may not buy.
        """
        scope = request.scope
        if scope["path"] != BUY or scope["method"] != "POST" or scope["query_string"]:
            await self._strict_query(request)
            return None
        try:
            # An empty body is none, which the framework says.
            data = await request.json() if await request.body() else None
        except SerializationException:
            return None
        if not isinstance(data, PurchaseRequest):
            return None
        answer: Data[Purchased[Amount]] = await buy.fn(self._services, await provide_trader(request, self._services), data)
        return answer
