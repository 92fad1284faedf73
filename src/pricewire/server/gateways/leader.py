"""The server behind gateways: it stands by until no other one writes to the bus, then runs the market and trading, and answers gateways."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, cast

from pricewire.bus.nats import NatsBus, NatsPlan
from pricewire.bus.nats_connection import NatsAddress
from pricewire.server.gateways.background import Background, end_process
from pricewire.server.gateways.calls import Calls
from pricewire.server.gateways.remote_streams import HubOfGateways
from pricewire.server.gateways.standby_journal import StandbyJournal
from pricewire.server.http_errors import send_problem
from pricewire.server.limits import Admission
from pricewire.server.publisher import Publisher
from pricewire.server.services import Services
from pricewire.server.stream_opener import StreamOpener
from pricewire.server.transport.asgi_types import Send

RESTORED_S = 60.0
"""How long topics of the process before wait for their streams to be registered, in seconds."""

ALWAYS = frozenset({"/healthz", "/readyz", "/metrics"})
"""What a process answers that stands by."""


class NatsSetup:
    """
    The bus over NATS, for a server with gateways; see `BusSetup`.

    Args:
        address: where NATS is.
        plan: the stream of JetStream with the frames.
    """

    def __init__(self, address: NatsAddress, plan: NatsPlan | None = None) -> None:
        self._address = address
        self._plan = plan or NatsPlan()

    def make_hub(self, **options: Any) -> HubOfGateways:
        """Return a hub that also knows the streams of gateways; the options are those of `Hub`."""
        return HubOfGateways(**options)

    def lead(
        self, application: Any, publisher: Publisher, services: Services, admission: Admission, opener: Callable[[], StreamOpener]
    ) -> Leader:
        """Have an application answer gateways, and its publisher publish to the bus, as `BusSetup.lead` says."""
        hub = publisher.hub
        if not isinstance(hub, HubOfGateways):
            raise TypeError("the hub was not made by make_hub")
        bus = publisher.bus = NatsBus(hub, self._address, writes=True, plan=self._plan, on_fenced=end_process)
        calls = Calls(application, bus, self._plan.stream, hub, admission, opener, lambda: services.auth)
        return Leader(services, bus, hub, calls)


class Leader:
    """
    Runs the services while this process writes to the bus.

    Args:
        services: the market, and trading.
        bus: the bus.
        hub: the hub.
        calls: answers gateways.
    """

    def __init__(self, services: Services, bus: NatsBus, hub: HubOfGateways, calls: Calls) -> None:
        self._services = services
        self._bus = bus
        self._hub = hub
        self._calls = calls
        self._background: Background | None = None

    @property
    def failure(self) -> str:
        """Why this process does not serve now; empty while it does."""
        if self._background is None or not self._background.is_open:
            return "this server stands by: another one has the market and trading, or the bus is away"
        return self._bus.failure

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Stand by, then serve, within the block."""
        self._background = Background(self._serving)
        self._background.start()
        try:
            yield
        finally:
            await self._background.stop()

    async def refuses(self, path: str, send: Send) -> bool:
        """Refuse a request while this process stands by; return whether it was refused."""
        is_open = self._background is not None and self._background.is_open
        if is_open or path in ALWAYS:
            return False
        await send_problem(cast("Any", send), 503, "UNAVAILABLE", "this server stands by; ask another one", {"retry-after": "1"})
        return True

    def metrics(self) -> dict[str, tuple[str, float]]:
        """Return what is counted, and what it is, by the names of metrics."""
        counters = self._bus.counters
        return {
            "pricewire_bus_frames_written_total": ("Frames that the bus has taken.", counters.frames_written),
            "pricewire_bus_records_total": ("Events and notices in frames.", counters.records),
            "pricewire_bus_lost_total": ("Times that something could not be carried.", counters.lost),
            "pricewire_bus_takeovers_total": ("Times that this process has become the server.", counters.takeovers),
            "pricewire_bus_lease_held": ("Whether this process has the lease: 1 or 0.", float(self._bus.is_writer)),
            "pricewire_bus_silent_seconds": ("How long ago the bus has taken the newest frame.", self._bus.silent_s),
            "pricewire_gateways": ("Gateways that are there.", len(self._hub.gateways)),
            "pricewire_gateway_streams": ("Open streams on gateways.", self._hub.remote_streams),
        }

    @contextlib.asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as standing_by:
            journal = self._services.open_journal()
            if journal is not None:
                standby = StandbyJournal(journal, self._services.publisher.market.instruments())
                await standing_by.enter_async_context(standby.open())
                self._bus.on_read = standby.take
            async with self._bus.open():
                self._bus.on_read = None
                await standing_by.aclose()
                client = self._bus.client
                assert client is not None, "the bus is open"  # noqa: S101
                self._hub.restored(RESTORED_S)
                async with self._services.open(), self._calls.answering(client):
                    yield
