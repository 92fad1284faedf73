"""The metrics of a gateway, in the text form of Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Protocol

from prometheus_client import CollectorRegistry, Histogram, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from pricewire.bus.nats import NatsBus
from pricewire.hub.hub import Hub
from pricewire.server.hub_metrics import ENDPOINTS, hub_metrics
from pricewire.server.metrics import DELAY_BUCKETS, LoopDelay


class Counting(Protocol):
    """What is shown of a gateway."""

    hub: Hub
    bus: NatsBus
    calls: dict[str, int]

    @property
    def endpoints(self) -> Mapping[str, int]:
        """How many streams of each endpoint there are."""


class GatewayMetrics(Collector):
    """
    What `/metrics` of a gateway shows.

    Attributes:
        loop_delay: measures how late the event loop is, between `start` and `stop`.
        registry: has them, and those of the process.

    Args:
        gateway: the gateway.
    """

    def __init__(self, gateway: Counting) -> None:
        self._gateway = gateway
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        delays = Histogram(
            "pricewire_loop_delay_seconds",
            "How late the event loop comes to a callback, measured ten times a second.",
            registry=self.registry,
            buckets=DELAY_BUCKETS,
        )
        self.loop_delay = LoopDelay(delays.observe)

    def text(self) -> bytes:
        """Return the metrics."""
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        open_now, bus = Counter(self._gateway.endpoints), self._gateway.bus
        yield from hub_metrics(self._gateway.hub, {endpoint: open_now[endpoint] for endpoint in ENDPOINTS})
        yield CounterMetricFamily("pricewire_bus_frames_read", "Frames read from the bus.", bus.counters.frames_read)
        yield CounterMetricFamily("pricewire_bus_lost", "Times that the bus no longer had something.", bus.counters.lost)
        yield GaugeMetricFamily("pricewire_bus_lag_frames", "Frames that the bus has and this process has not read.", bus.lag)
        yield GaugeMetricFamily("pricewire_bus_silent_seconds", "How long ago the newest frame came.", bus.silent_s)
        calls = CounterMetricFamily("pricewire_calls", "Requests passed on.", labels=["outcome"])
        for outcome, count in self._gateway.calls.items():
            calls.add_metric([outcome], count)
        yield calls
