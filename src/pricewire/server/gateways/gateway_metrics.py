"""The metrics of a gateway, in the text form of Prometheus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from typing import Protocol

from prometheus_client import CollectorRegistry, Histogram, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from pricewire.bus.nats import NatsBus
from pricewire.hub.hub import Hub
from pricewire.server.metrics import DELAY_BUCKETS, ENDPOINTS, LoopDelay


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

    Args:
        gateway: the gateway.
    """

    def __init__(self, gateway: Counting) -> None:
        self._gateway = gateway
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        delays = Histogram(
            "pricewire_loop_delay_seconds",
            "How late the event loop comes to a callback, measured ten times a second.",
            registry=self._registry,
            buckets=DELAY_BUCKETS,
        )
        self.loop_delay = LoopDelay(delays.observe)

    def text(self) -> bytes:
        """Return the metrics."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        hub, counters, bus = self._gateway.hub, self._gateway.hub.counters, self._gateway.bus
        yield InfoMetricFamily("pricewire_build", "The version of Pricewire.", {"version": version("pricewire")})
        streams, open_now = GaugeMetricFamily("pricewire_streams", "Open streams.", labels=["endpoint"]), Counter(self._gateway.endpoints)
        for endpoint in ENDPOINTS:
            streams.add_metric([endpoint], open_now[endpoint])
        yield streams
        yield GaugeMetricFamily("pricewire_streams_lagging", "Open streams that cannot be written to at the moment.", hub.lagging)
        yield GaugeMetricFamily("pricewire_topics", "Topics that have streams or events.", len(hub.topics))
        started = CounterMetricFamily("pricewire_streams_started", "Streams, by how they started.", labels=["outcome"])
        started.add_metric(["snapshot"], counters.streams_opened - counters.resumed - counters.reset)
        started.add_metric(["resumed"], counters.resumed)
        started.add_metric(["reset"], counters.reset)
        yield started
        yield CounterMetricFamily("pricewire_streams_lagged", "Times that a stream fell behind.", counters.streams_lagged)
        yield CounterMetricFamily("pricewire_streams_dropped", "Streams ended as the log did not reach back.", counters.streams_dropped)
        yield CounterMetricFamily("pricewire_events_published", "Events that came over the bus.", counters.events_published)
        yield CounterMetricFamily("pricewire_events_delivered", "Events written, once for each stream.", counters.events_delivered)
        yield CounterMetricFamily("pricewire_events_merged", "Events left out for lagging and paced streams.", counters.events_merged)
        yield CounterMetricFamily("pricewire_written_bytes", "Bytes written to streams.", counters.bytes_written)
        yield CounterMetricFamily("pricewire_flushes", "Times that a group's pending events were written.", counters.flushes)
        yield CounterMetricFamily("pricewire_flushed_events", "Events in flushes, once for each group.", counters.flushed_events)
        yield CounterMetricFamily("pricewire_flushed_bytes", "Bytes in flushes, once for each group.", counters.flushed_bytes)
        yield CounterMetricFamily("pricewire_bus_frames_read", "Frames read from the bus.", bus.counters.frames_read)
        yield CounterMetricFamily("pricewire_bus_lost", "Times that the bus no longer had something.", bus.counters.lost)
        yield GaugeMetricFamily("pricewire_bus_lag_frames", "Frames that the bus has and this process has not read.", bus.lag)
        yield GaugeMetricFamily("pricewire_bus_silent_seconds", "How long ago the newest frame came.", bus.silent_s)
        calls = CounterMetricFamily("pricewire_calls", "Requests passed on.", labels=["outcome"])
        for outcome, count in self._gateway.calls.items():
            calls.add_metric([outcome], count)
        yield calls
