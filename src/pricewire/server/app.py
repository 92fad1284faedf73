"""The ASGI application."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from importlib.metadata import version

from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin

from pricewire.market.feed import Feed
from pricewire.server.health import liveness, metrics, readiness
from pricewire.server.page import page_routes
from pricewire.server.prices import Prices
from pricewire.server.problems import EXCEPTION_HANDLERS
from pricewire.server.requests import candles_history, list_instruments, ticks_history
from pricewire.server.streams import stream_candles, stream_ticks, stream_topics

CLIENT_HEADERS = ["Authorization", "Last-Event-ID", "Cache-Control", "Content-Type"]
"""What the browser client sends, and a preflight has to allow."""


def create_app(feeds: Sequence[Feed], *, origins: Sequence[str] = ("*",), heartbeat: float = 15.0) -> Litestar:
    """
    Build the application that serves the prices of feeds.

    Args:
        feeds: where prices come from; they run as long as the application.
        origins: the origins whose pages may use it; `*` for any.
        heartbeat: after so many seconds of silence a stream gets a comment.

    Raises:
        FeedError: two feeds bring the same instrument.
    """
    prices = Prices(feeds, heartbeat=heartbeat)

    @contextlib.asynccontextmanager
    async def run_market(app: Litestar) -> AsyncIterator[None]:
        task = asyncio.create_task(prices.market.run())
        try:
            yield
        finally:
            prices.hub.close()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def provide_prices() -> Prices:
        return prices

    return Litestar(
        route_handlers=[
            stream_ticks,
            stream_candles,
            stream_topics,
            list_instruments,
            ticks_history,
            candles_history,
            liveness,
            readiness,
            metrics,
            *page_routes(),
        ],
        dependencies={"prices": Provide(provide_prices)},
        lifespan=[run_market],
        # Whoever runs the application decides about logging.
        logging_config=None,
        exception_handlers=EXCEPTION_HANDLERS,
        cors_config=CORSConfig(
            allow_origins=list(origins),
            allow_methods=["GET", "POST", "PATCH"],
            allow_headers=CLIENT_HEADERS,
        ),
        openapi_config=OpenAPIConfig(
            title="Pricewire",
            version=version("pricewire"),
            description="Live trading data over Server-Sent Events.",
            path="/schema",
            render_plugins=[JsonRenderPlugin(path="/")],
        ),
    )
