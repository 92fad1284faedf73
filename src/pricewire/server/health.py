"""What operators ask for: liveness, readiness and metrics."""

from __future__ import annotations

from collections.abc import Iterator

from litestar import Response, get
from litestar.di import NamedDependency
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from pricewire.hub.hub import Hub
from pricewire.protocol.messages import ErrorBody
from pricewire.server.prices import Prices
from pricewire.server.problems import problem


@get("/healthz", media_type="text/plain")
async def liveness() -> str:
    """Answer, which shows that the process lives."""
    return "ok\n"


@get("/readyz", media_type="text/plain")
async def readiness(prices: NamedDependency[Prices]) -> Response[str] | Response[ErrorBody]:
    """Answer 200 where prices are coming, 503 where none are or the server is stopping."""
    if prices.hub.is_draining:
        return problem(503, "the server is stopping", "SERVER_DRAINING")
    if any(instrument.is_market_open for instrument in prices.market.instruments()):
        return Response("ok\n", media_type="text/plain")
    return problem(503, "no feed brings prices at the moment", "NOT_READY")


@get("/metrics", media_type="text/plain")
async def metrics(prices: NamedDependency[Prices]) -> Response[bytes]:
    """Return the metrics in the text form of Prometheus."""
    registry = CollectorRegistry()
    registry.register(HubCollector(prices.hub))
    return Response(generate_latest(registry), headers={"content-type": CONTENT_TYPE_LATEST})


class HubCollector(Collector):
    """Reads a hub's counters when they are asked for, so that counting costs the streams nothing."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        hub, counters = self._hub, self._hub.counters
        yield GaugeMetricFamily("pricewire_streams", "Open streams.", hub.streams)
        yield GaugeMetricFamily("pricewire_streams_lagging", "Open streams that cannot be written to at the moment.", hub.lagging)
        yield GaugeMetricFamily("pricewire_topics", "Topics that have streams or events.", len(hub.topics))
        yield CounterMetricFamily("pricewire_streams_opened", "Streams opened.", counters.streams_opened)
        yield CounterMetricFamily("pricewire_streams_lagged", "Times that a stream fell behind.", counters.streams_lagged)
        yield CounterMetricFamily("pricewire_streams_dropped", "Streams ended as the log did not reach back.", counters.streams_dropped)
        yield CounterMetricFamily("pricewire_streams_resumed", "Streams that started with the events after their last.", counters.resumed)
        yield CounterMetricFamily("pricewire_streams_reset", "Streams that could not resume.", counters.reset)
        yield CounterMetricFamily("pricewire_events_published", "Events published.", counters.events_published)
        yield CounterMetricFamily("pricewire_events_delivered", "Events written, once for each stream.", counters.events_delivered)
        yield CounterMetricFamily("pricewire_written_bytes", "Bytes written to streams.", counters.bytes_written)
        yield CounterMetricFamily("pricewire_flushes", "Times that a group's pending events were written.", counters.flushes)
