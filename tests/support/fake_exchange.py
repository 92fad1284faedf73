"""An exchange that speaks Binance's public protocol for spot markets: its REST answers, and its streams over a WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from support.raw_server import PATIENCE


def market(base: str, quote: str, tick_size: str) -> dict[str, Any]:
    """An entry of `exchangeInfo`. Source: Binance's documentation of its spot API, "Exchange information"."""
    return {
        "symbol": f"{base}{quote}",
        "status": "TRADING",
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "orderTypes": ["LIMIT", "MARKET"],
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", "minPrice": tick_size, "maxPrice": "1000000.00", "tickSize": tick_size},
            {"filterType": "LOT_SIZE", "minQty": "0.00001", "maxQty": "9000.0", "stepSize": "0.00001"},
        ],
        "permissions": ["SPOT"],
    }


class FakeExchange:
    """
    The exchange.

    Attributes:
        markets: what it tells of.
        depth: the order book that it answers with.
        status: of its answers.
        settings: with which ccxt's `binance` finds it, as a table of TOML.
    """

    def __init__(self) -> None:
        self.markets: Any = [market("BTC", "USDT", "0.01000000"), market("ETH", "USDT", "0.00100000")]
        self.depth: dict[str, Any] = {"lastUpdateId": 10, "bids": [["100.00", "1"]], "asks": [["101.00", "1"]]}
        self.status = 200
        self.settings = ""
        self.connections: list[ServerConnection] = []
        self._subscriptions = asyncio.Queue[list[str]]()

    def options(self, more: str = "") -> str:
        """The text of a feed's file, with more before the table."""
        return f"{more}\n[ccxt]\n{self.settings}"

    async def subscribed(self) -> list[str]:
        """Wait until a client has subscribed; return to what."""
        async with asyncio.timeout(PATIENCE):
            return await self._subscriptions.get()

    async def send(self, *messages: object) -> None:
        """Send events to the newest client, those that are not text yet as JSON."""
        for message in messages:
            await self.connections[-1].send(message if isinstance(message, str | bytes) else json.dumps(message))

    def answer(self, connection: ServerConnection, request: Request) -> Response | None:
        """Answer a request; None for one of a WebSocket."""
        path = urlsplit(request.path).path
        if path.startswith("/ws"):
            return None
        documents = {"/api/v3/exchangeInfo": {"symbols": self.markets}, "/api/v3/depth": self.depth}
        body = json.dumps(documents[path]).encode()
        headers = Headers({"Content-Type": "application/json", "Content-Length": str(len(body)), "Connection": "close"})
        return Response(self.status, "Answer", headers, body)

    async def stream(self, connection: ServerConnection) -> None:
        """Confirm subscriptions until the client goes."""
        self.connections.append(connection)
        with contextlib.suppress(ConnectionClosed):
            async for text in connection:
                request = json.loads(text)
                assert request["method"] == "SUBSCRIBE"
                await connection.send(json.dumps({"result": None, "id": request["id"]}))
                self._subscriptions.put_nowait(request["params"])


@contextlib.asynccontextmanager
async def fake_exchange() -> AsyncIterator[FakeExchange]:
    """Run an exchange for the block."""
    exchange = FakeExchange()
    async with serve(exchange.stream, "127.0.0.1", 0, process_request=exchange.answer, close_timeout=0.2) as server:
        host = f"127.0.0.1:{next(iter(server.sockets)).getsockname()[1]}"
        exchange.settings = (
            f"urls = {{ api = {{ public = 'http://{host}/api/v3', ws = {{ spot = 'ws://{host}/ws' }} }} }}\n"
            "options = { fetchMarkets = { types = ['spot'] } }\n"
        )
        yield exchange
