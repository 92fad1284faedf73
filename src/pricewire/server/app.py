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
from litestar.types import Scope

from pricewire.market.feed import Feed
from pricewire.server.addresses import Network
from pricewire.server.changes import change_stream
from pricewire.server.health import liveness, readiness
from pricewire.server.limits import Admission, Limits
from pricewire.server.logs import Report
from pricewire.server.metrics import Metrics, show_metrics
from pricewire.server.page import page_routes
from pricewire.server.prices import Prices
from pricewire.server.problems import EXCEPTION_HANDLERS, is_refusal
from pricewire.server.requests import candles_history, list_instruments, ticks_history
from pricewire.server.streams import stream_candles, stream_ticks, stream_topics

CLIENT_HEADERS = ["Authorization", "Last-Event-ID", "Cache-Control", "Content-Type"]
"""What the browser client sends, and a preflight has to allow."""


def create_app(
    feeds: Sequence[Feed],
    *,
    origins: Sequence[str] = ("*",),
    heartbeat: float = 15.0,
    limits: Limits | None = None,
    trusted_proxies: Sequence[Network] = (),
) -> Litestar:
    """
    Build the application that serves the prices of feeds.

    Args:
        feeds: where prices come from; they run as long as the application.
        origins: the origins whose pages may use it; `*` for any.
        heartbeat: after so many seconds of silence a stream gets a comment.
        limits: how much is let in; the defaults of `Limits` where none are given.
        trusted_proxies: the networks of the proxies that are believed about who their client is; uvicorn's `proxy_headers` has to be off.

    Raises:
        FeedError: two feeds bring the same instrument.
    """
    prices = Prices(feeds, heartbeat=heartbeat)
    admission = Admission(limits, trusted_proxies)
    metrics = Metrics(prices.hub, admission)

    def losses() -> dict[str, int]:
        refused = {f"refused_{reason}": count for reason, count in admission.refusals.items() if reason != "parameters"}
        return {**refused, "dropped_slow": prices.hub.counters.streams_dropped}

    report = Report(losses)

    @contextlib.asynccontextmanager
    async def run_market(app: Litestar) -> AsyncIterator[None]:
        task = asyncio.create_task(prices.market.run())
        metrics.loop_delay.start()
        report.start()
        try:
            yield
        finally:
            metrics.loop_delay.stop()
            report.stop()
            prices.hub.close()
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def provide_prices() -> Prices:
        return prices

    async def provide_admission() -> Admission:
        return admission

    async def provide_metrics() -> Metrics:
        return metrics

    async def count_refusal(error: Exception, scope: Scope) -> None:
        if is_refusal(error):
            admission.refusals["parameters"] += 1

    return Litestar(
        route_handlers=[
            stream_ticks,
            stream_candles,
            stream_topics,
            change_stream,
            list_instruments,
            ticks_history,
            candles_history,
            liveness,
            readiness,
            show_metrics,
            *page_routes(),
        ],
        dependencies={"prices": Provide(provide_prices), "admission": Provide(provide_admission), "metrics": Provide(provide_metrics)},
        lifespan=[run_market],
        # Whoever runs the application decides about logging.
        logging_config=None,
        exception_handlers=EXCEPTION_HANDLERS,
        after_exception=[count_refusal],
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
