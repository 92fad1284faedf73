"""The server behind gateways: it stands by until no other one writes to the bus, then runs the market and trading, and answers gateways."""

from __future__ import annotations

import contextlib
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from typing import Any, cast

from pricewire.bus.nats import SILENCE_S, NatsBus, NatsPlan, Role
from pricewire.bus.nats_connection import NatsAddress, connected
from pricewire.market.feed import Feed
from pricewire.market.journal import Journal
from pricewire.server.gateways.background import Background, end_process
from pricewire.server.gateways.bus_feed import BusFeed
from pricewire.server.gateways.calls import Calls
from pricewire.server.gateways.market_publisher import MarketPublisher
from pricewire.server.gateways.market_service import MarketService
from pricewire.server.gateways.market_source import Interest, fill_up, is_there
from pricewire.server.gateways.remote_streams import HubOfGateways
from pricewire.server.gateways.sharing import RESTORED_S, Answering, Sharing
from pricewire.server.gateways.standby_journal import StandbyJournal
from pricewire.server.gateways.subjects import calls, desk_calls
from pricewire.server.gateways.trading_publisher import TradingPublisher
from pricewire.server.http_errors import send_problem
from pricewire.server.limits import Admission
from pricewire.server.publisher import Publisher
from pricewire.server.services import Services
from pricewire.server.stream_opener import StreamOpener
from pricewire.server.transport.asgi_types import Receive, Scope, Send
from pricewire.server.transport.remote import REMOTE

PARTS: dict[Role, str] = {"all": "the market and trading", "market": "the market", "trading": "trading"}
"""What a process of a role has, for people."""

ALWAYS = frozenset({"/healthz", "/readyz", "/metrics"})
"""What a process answers that stands by."""


class NatsSetup:
    """
    The bus over NATS, for a server with gateways; see `BusSetup`.

    Args:
        address: where NATS is.
        plan: the stream of JetStream with the frames.
        role: what this process does of a server.
    """

    def __init__(self, address: NatsAddress, plan: NatsPlan | None = None, role: Role = "all") -> None:
        self._address = address
        self._plan = plan or NatsPlan()
        self._role = role

    def make_publisher(self, feeds: Sequence[Feed], **options: Any) -> Publisher:
        """Return what publishes to the bus; the options are those of `Publisher`."""
        if self._role == "trading":
            played = [feed for feed in feeds if isinstance(feed, BusFeed)]
            return TradingPublisher(played, Interest(secrets.token_hex(8), self._plan.stream), make_hub=HubOfGateways, **options)
        return (MarketPublisher if self._role == "market" else Publisher)(feeds, make_hub=HubOfGateways, **options)

    def lead(
        self, application: Any, publisher: Publisher, services: Services, admission: Admission, opener: Callable[[], StreamOpener]
    ) -> Leader:
        """Have an application answer gateways, and its publisher publish to the bus, as `BusSetup.lead` says."""
        hub, stream = publisher.hub, self._plan.stream
        if not isinstance(hub, HubOfGateways):
            raise TypeError("the hub was not made by make_publisher")
        bus = publisher.bus = NatsBus(hub, self._address, writes=self._role, plan=self._plan, on_fenced=end_process)
        answering: list[Answering] = []
        if isinstance(publisher, TradingPublisher):
            answering.append(publisher.interest.telling)
            for feed in publisher.feeds:
                feed.is_away = lambda: bus.prices_silent_s >= SILENCE_S
        if self._role != "trading":
            answering.append(MarketService(publisher.market, lambda: services.journal, bus, stream, hub).answering)
        make_calls = partial(Calls, application, bus, stream, hub=hub, admission=admission, auth=lambda: services.auth)
        if self._role != "market":
            # Streams, limits and tokens are known where trading is, and so are the ticks of all years.
            first_values = publisher.first_values if isinstance(publisher, TradingPublisher) else None
            answering.append(make_calls([calls(stream)], opener=opener, first_values=first_values).answering)
        sharing = None
        if isinstance(publisher, TradingPublisher):
            services.is_shared = True
            publisher.check_contract = services.find_contract
            following = make_calls([desk_calls(stream, bus.name)], opener=None)
            sharing = Sharing(
                bus,
                stream,
                services,
                publisher,
                hub,
                leading=answering,
                following=[following.answering],
                largest=admission.limits.request_body,
            )
        return Leader(self._role, services, bus, hub, answering, partial(self._fill_up, services), sharing)

    async def _fill_up(self, services: Services, journal: Journal) -> None:
        """Have what the journal of the market has in that of another process; there need not be one yet for who could be the market."""
        async with connected(self._address, f"pricewire {self._role}") as client:
            if self._role == "trading" or await is_there(client, self._plan.stream):
                await fill_up(client, self._plan.stream, journal, services.publisher.market.instruments(), services.keep_ticks_s)


class Leader:
    """
    Runs the services while this process writes to the bus.

    Args:
        role: what it writes.
        services: the market, and trading.
        bus: the bus.
        hub: the hub.
        answering: what is to be opened with the connection while this process serves: it answers others.
        fill_up: writes to the journal what this process has missed, before it stands by.
        sharing: trades, where several processes may share that; None where one does all.
    """

    def __init__(
        self,
        role: Role,
        services: Services,
        bus: NatsBus,
        hub: HubOfGateways,
        answering: Sequence[Answering],
        fill_up: Callable[[Journal], Awaitable[None]],
        sharing: Sharing | None = None,
    ) -> None:
        self._sharing = sharing
        self._role = role
        self._services = services
        self._bus = bus
        self._hub = hub
        self._answering = answering
        self._fill_up = fill_up
        self._background: Background | None = None

    @property
    def failure(self) -> str:
        """Why this process does not serve now; empty while it does."""
        if not self._serves:
            return f"this server stands by: another one has {PARTS[self._role]}, or the bus is away"
        return self._bus.failure

    @property
    def _serves(self) -> bool:
        is_open = self._background is not None and self._background.is_open
        return is_open and (self._sharing is None or self._sharing.share is not None)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Stand by, then serve, within the block."""
        self._background = Background(self._serving)
        self._background.start()
        try:
            yield
        finally:
            await self._background.stop()

    async def refuses(self, scope: Scope, send: Send) -> bool:
        """Refuse a request while this process stands by, or has a share alone and it is for all; return whether it was refused."""
        if scope["path"] in ALWAYS:
            return False
        if not self._serves:
            message = "this server stands by; ask another one"
        elif self._sharing is not None and not self._sharing.leads and REMOTE not in (scope.get("extensions") or {}):
            message = "this server has a share of the accounts alone; ask a gateway"
        else:
            return False
        await send_problem(cast("Any", send), 503, "UNAVAILABLE", message, {"retry-after": "1"})
        return True

    async def passes_on(self, scope: Scope, receive: Receive, send: Send) -> bool:
        """Have another process answer a request, if it has the account that this is for; return whether it was so."""
        return self._sharing is not None and await self._sharing.passes_on(scope, receive, send)

    @property
    def remote_streams(self) -> Counter[str]:
        """How many streams of each endpoint gateways hold."""
        return self._hub.remote_streams

    def metrics(self) -> dict[str, tuple[str, float]]:
        """Return what is counted, and what it is, by the names of metrics."""
        counters = self._bus.counters
        return {
            "pricewire_bus_frames_written_total": ("Frames that the bus has taken.", counters.frames_written),
            "pricewire_bus_records_total": ("Events and notices in frames.", counters.records),
            "pricewire_bus_lost_total": ("Times that something could not be carried.", counters.lost),
            "pricewire_bus_takeovers_total": ("Times that this process has become the server.", counters.takeovers),
            "pricewire_bus_lease_held": ("Whether this process may publish and decide: 1 or 0.", float(self._bus.is_writer)),
            "pricewire_bus_silent_seconds": ("How long ago the bus has taken the newest frame.", self._bus.silent_s),
            "pricewire_bus_lag_frames": ("Frames that the bus has and this process has not read.", self._bus.lag),
            "pricewire_gateways": ("Gateways that are there.", len(self._hub.gateways)),
            "pricewire_gateway_streams": ("Open streams on gateways.", self._hub.remote_streams.total()),
        }

    @contextlib.asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        publisher = self._services.publisher
        async with contextlib.AsyncExitStack() as standing_by:
            journal = self._services.open_journal()
            if journal is not None:
                try:
                    await self._fill_up(journal)
                except BaseException:
                    journal.close()
                    raise
                standby = StandbyJournal(journal, publisher.market.instruments())
                await standing_by.enter_async_context(standby.open())
                self._bus.on_read = standby.take
            async with self._bus.open():
                # Nothing is read between the two: what the journal has not got comes by the feeds.
                self._bus.on_read = publisher.take if isinstance(publisher, TradingPublisher) else None
                await standing_by.aclose()
                client = self._bus.client
                assert client is not None, "the bus is open"  # noqa: S101
                async with contextlib.AsyncExitStack() as stack:
                    if self._sharing is not None:
                        await stack.enter_async_context(self._services.open())
                        await stack.enter_async_context(self._sharing.open(client))
                        yield
                        return
                    await stack.enter_async_context(self._services.open())
                    # Not before: trading looks there for what of it was published, also what is older than what streams can resume from.
                    self._hub.restored(RESTORED_S)
                    for answering in self._answering:
                        await stack.enter_async_context(answering(client))
                    yield
