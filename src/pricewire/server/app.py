"""The ASGI application."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from functools import partial
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

from pricewire.extras import missing_extra

try:
    from litestar import Litestar
except ImportError as error:
    raise missing_extra(error, "the server") from error
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.enums import ScopeType
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.types import ASGIApp, LifeSpanReceive, LifeSpanScope, LifeSpanSend, Receive, Scope, Send

from pricewire.hub.flush_pace import FLUSH_POLICY, FlushPolicy
from pricewire.market.feed import Feed
from pricewire.market.hours import TradingHours
from pricewire.server.admin_address import AdminAddress, is_at
from pricewire.server.admin_report import AdminReport
from pricewire.server.auth.dependencies import CALLERS, AnyRequest
from pricewire.server.auth.passwords import DEMO
from pricewire.server.auth.service import AuthService
from pricewire.server.beside import ApplicationBeside
from pricewire.server.client_address import Network
from pricewire.server.host_names import HostNames, accepted_names
from pricewire.server.http_errors import EXCEPTION_HANDLERS, is_refusal
from pricewire.server.leading import BusSetup, Leader
from pricewire.server.limits import Admission, Limits
from pricewire.server.logs import Report
from pricewire.server.metrics import Metrics, show_metrics
from pricewire.server.publish_shortcut import PublishShortcut
from pricewire.server.publisher import Publisher
from pricewire.server.publishing import Publishing
from pricewire.server.request_rate import RequestRate
from pricewire.server.request_shortcut import RequestShortcut
from pricewire.server.routes.accounting import NEXT_CURSOR, list_closed_contracts, show_profit_and_loss, show_statement
from pricewire.server.routes.accounts import give_ticket, list_accounts, log_in, log_out
from pricewire.server.routes.admin import admin_routes
from pricewire.server.routes.health import liveness, readiness
from pricewire.server.routes.market import candles_history, list_instruments, ticks_history
from pricewire.server.routes.page import page_routes
from pricewire.server.routes.publish import publish
from pricewire.server.routes.schema import RENDERER, schema_router
from pricewire.server.routes.stream_changes import change_stream
from pricewire.server.routes.streams import stream_candles, stream_protected_topics, stream_ticks, stream_topics
from pricewire.server.routes.topics import list_topics, show_log
from pricewire.server.routes.trading import buy, list_products, sell, show_balance, show_product
from pricewire.server.routes.trading_streams import stream_balance, stream_closed_contracts, stream_open_contracts, stream_proposal
from pricewire.server.services import JournalSetup, Services, TradingSetup
from pricewire.server.single_headers import SingleHeaders
from pricewire.server.stream_opener import StreamOpener
from pricewire.server.stream_query import provide_stream_query
from pricewire.server.stream_shortcut import StreamShortcut
from pricewire.server.strict_request import StrictRequest
from pricewire.server.telemetry.signals import Telemetry
from pricewire.server.topic_keeper import TopicKeeper
from pricewire.server.topic_rules import TopicRules
from pricewire.server.transport.event_stream import EXPOSED_HEADERS
from pricewire.server.transport.remote import REMOTE, RemoteOffer

CLIENT_HEADERS = ["Authorization", "Last-Event-ID", "Cache-Control", "Content-Type"]
"""What the browser client sends, and a preflight has to allow."""


TRADING_ROUTES = (
    log_in,
    log_out,
    list_accounts,
    give_ticket,
    list_products,
    show_product,
    show_balance,
    show_statement,
    show_profit_and_loss,
    list_closed_contracts,
    buy,
    sell,
    publish,
    list_topics,
    show_log,
    stream_protected_topics,
    stream_proposal,
    stream_open_contracts,
    stream_closed_contracts,
    stream_balance,
)
"""The routes of a server with trading."""


class Application(Litestar):
    """
    The application, which checks a request's host, its client's rate and its headers before it routes: these checks hold for every path.

    Attributes:
        leader: says whether this process serves, where several may; None where it is alone.
        mercure: answers the paths of the Mercure protocol; None where it is off.
        metrics: what it has counted.

    Args:
        admission: how often one address may ask.
        names: the names that the server is reached by; None for any.
        admin_port: the port that is for operators alone; None where there is none.
        metrics: what is counted.
        telemetry: exports traces; None where nothing is exported.
        shortcut: wraps the application, and answers what need not go through the framework.
        options: what `Litestar` takes.
    """

    def __init__(
        self,
        admission: Admission,
        names: Iterable[str] | None,
        admin_port: int | None,
        metrics: Metrics,
        telemetry: Telemetry | None,
        shortcut: Callable[[ASGIApp], ASGIApp],
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.leader: Leader | None = None
        self.mercure: ApplicationBeside | None = None
        self.metrics = metrics
        self._admission = admission
        inner = SingleHeaders(self._route)
        limited = shortcut(RequestRate(inner, admission))
        named = HostNames(limited if admin_port is None else AdminAddress(limited, inner, admin_port), names)
        self._entry: ASGIApp = self._serve if telemetry is None else telemetry.traced(self._serve)
        self._checked = named

    async def __call__(self, scope: Scope | LifeSpanScope, receive: Receive | LifeSpanReceive, send: Send | LifeSpanSend) -> None:
        """Answer a request, or begin and end with the process."""
        await self._entry(cast("Scope", scope), cast("Receive", receive), cast("Send", send))

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.leader is not None and scope["type"] == ScopeType.HTTP and await self.leader.refuses(cast("Any", scope), cast("Any", send)):
            return
        await self._checked(scope, receive, send)

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        if self.leader is None or not await self.leader.passes_on(cast("Any", scope), cast("Any", receive), cast("Any", send)):
            if self.mercure is not None and scope["type"] == ScopeType.HTTP and self.mercure.answers(scope["path"]):
                await self.mercure(cast("Any", scope), cast("Any", receive), cast("Any", send))
            else:
                await super().__call__(scope, receive, send)

    def change_limits(self, limits: Limits) -> None:
        """Let in more or less from now on; what is open stays. Those of trading and of a request's body stay as they were."""
        self._admission.change(limits)


def create_app(
    feeds: Sequence[Feed],
    *,
    origins: Sequence[str] = ("*",),
    heartbeat: float = 15.0,
    limits: Limits | None = None,
    flush: FlushPolicy = FLUSH_POLICY,
    trusted_proxies: Sequence[Network] = (),
    trading: TradingSetup | None = None,
    host_names: Sequence[str] | None = None,
    admin_port: int | None = None,
    hours: Mapping[str, TradingHours] | None = None,
    bus: BusSetup | None = None,
    journal: JournalSetup | None = None,
    stop: Callable[[], None] | None = None,
    telemetry: Telemetry | None = None,
    topic_rules: TopicRules | None = None,
    mercure: Path | None = None,
) -> Application:
    """
    Build the application that serves the prices of feeds.

    Args:
        feeds: where prices come from; they run as long as the application.
        origins: the origins whose pages may use it; `*` for any.
        heartbeat: after so many seconds of silence a stream gets a comment.
        limits: how much is let in; the defaults of `Limits` where none are given.
        flush: how long events may wait for others to be written with, when the thread has much to do.
        trusted_proxies: the networks of the proxies that are trusted to say who their client is; uvicorn's `proxy_headers` has to be off.
        trading: what accounts, tokens and trading need; None for a server of prices alone.
        host_names: the names that the server is reached by, beside addresses, `localhost` and the origins' hosts; requests for another host
            are refused. `*` for any. None for any where `origins` is any, too.
        admin_port: the port where what is for operators is, and nothing else; it is nowhere else then. None: it is everywhere.
        hours: when the markets of some instruments are open, instead of what their feeds say.
        bus: the bus by which gateways get what is published; None where this process is alone.
        journal: the journal of a server without trading, where trading is in another process; None for none.
        stop: has the server begin to stop in an orderly way, for operators who ask for that; None where they cannot.
        telemetry: exports traces and metrics; None where nothing is exported.
        mercure: the file of TOML that describes the hub of the Mercure protocol; None where there is none.
        topic_rules: what holds for free topics; where there are none, only who has a token for one may read it.

    Raises:
        PricewireError: an origin or a host name cannot be one.
        FeedError: two feeds bring the same instrument, or there are hours of an instrument that none brings.
    """
    names = accepted_names(host_names, origins)
    ring = None if trading is None or bus is not None else trading.ring
    make_publisher = Publisher if bus is None else bus.make_publisher
    publisher = make_publisher(feeds, hours=hours, heartbeat=heartbeat, ring=ring, flush=flush, topic_rules=topic_rules)
    admission = Admission(limits, trusted_proxies)
    keeper = TopicKeeper(publisher, admission.limits)
    publishing = Publishing(publisher, keeper)
    services = Services(publisher, trading, keeper=keeper, limits=admission.limits.trading(), journal=journal)
    metrics = Metrics(publisher.market, publisher.hub, publisher.bus, admission, lambda: publisher.desk)
    admin_report = AdminReport(publisher, admission, metrics, lambda: services.auth, can_drain=stop is not None)
    publisher.on_admin = admin_report.want
    leader: Leader | None = None

    def losses() -> dict[str, int]:
        refused = {f"refused_{reason}": count for reason, count in admission.refusals.items() if reason != "parameters"}
        return {**refused, "dropped_slow": publisher.hub.counters.streams_dropped}

    report = Report(losses)

    @contextlib.asynccontextmanager
    async def run_services(app: Litestar) -> AsyncIterator[None]:
        exporting = contextlib.nullcontext() if telemetry is None else telemetry.exporting(metrics.registry)
        protocols = contextlib.nullcontext() if application.mercure is None else application.mercure.open()
        async with services.open() if leader is None else leader.running(), exporting, protocols:
            metrics.loop_delay.start()
            report.start()
            try:
                yield
            finally:
                admin_report.want(False)
                metrics.loop_delay.stop()
                report.stop()

    async def provide_services() -> Services:
        return services

    async def provide_auth() -> AuthService | None:
        return services.auth

    async def provide_stream_opener(request: AnyRequest) -> StreamOpener:
        offer = cast("RemoteOffer | None", (request.scope.get("extensions") or {}).get(REMOTE))
        is_here = admin_port is None or is_at(request.scope, admin_port)
        is_for_operators = is_here if offer is None else offer.for_operators
        return StreamOpener(publisher, admission, services.auth, is_for_operators=is_for_operators)

    def before_streams(app: ASGIApp) -> ASGIApp:
        return StreamShortcut(app, services, provide_stream_opener)

    async def provide_publishing() -> Publishing:
        return publishing

    async def provide_admission() -> Admission:
        return admission

    async def provide_metrics() -> Metrics:
        return metrics

    async def count_refusal(error: Exception, scope: Scope) -> None:
        if is_refusal(error):
            admission.refusals["parameters"] += 1

    async def provide_leader() -> Leader | None:
        return leader

    application = Application(
        admission,
        names,
        admin_port,
        metrics,
        telemetry,
        partial(PublishShortcut, services=services, publishing=publishing),
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
            *((*TRADING_ROUTES, *admin_routes(stop)) if trading is not None else ()),
            *page_routes(
                demo_account=f"{DEMO}/{DEMO}" if trading is not None and trading.demo_account else "", has_admin=trading is not None
            ),
        ],
        dependencies={
            "services": Provide(provide_services),
            "publishing": Provide(provide_publishing),
            "admission": Provide(provide_admission),
            "metrics": Provide(provide_metrics),
            "leader": Provide(provide_leader),
            "auth": Provide(provide_auth),
            "stream_opener": Provide(provide_stream_opener),
            "stream_query": Provide(provide_stream_query),
            **{name: Provide(provider) for name, provider in CALLERS.items()},
        },
        middleware=[before_streams],
        before_request=RequestShortcut(services, provide_stream_opener),
        lifespan=[run_services],
        request_class=StrictRequest,
        request_max_body_size=admission.limits.request_body,
        # Whoever runs the application decides about logging.
        logging_config=None,
        exception_handlers=EXCEPTION_HANDLERS,
        after_exception=[count_refusal],
        cors_config=CORSConfig(
            allow_origins=list(origins),
            allow_methods=["GET", "POST", "PATCH"],
            allow_headers=CLIENT_HEADERS,
            expose_headers=[*EXPOSED_HEADERS, NEXT_CURSOR, "Retry-After", "WWW-Authenticate"],
        ),
        openapi_config=OpenAPIConfig(
            title="Pricewire",
            version=version("pricewire"),
            description="Live trading data over Server-Sent Events.",
            components=Components(security_schemes={"token": SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")}),
            openapi_router=schema_router(),
            render_plugins=[RENDERER],
        ),
    )
    if mercure is not None:
        try:
            read_hub = import_module("pricewire.server.mercure.application").read_hub
        except ImportError as error:
            raise missing_extra(error, "the hub of the Mercure protocol") from error

        def make_mercure_opener() -> StreamOpener:
            return StreamOpener(publisher, admission, services.auth, is_for_operators=admin_port is None)

        application.mercure = read_hub(mercure, publisher, admission, lambda: services.auth, make_mercure_opener, origins)
    if bus is not None:

        def make_opener() -> StreamOpener:
            return StreamOpener(publisher, admission, services.auth)

        leader = application.leader = metrics.leader = bus.lead(application, publisher, services, admission, make_opener)
    return application
