"""The metrics of a hub, which every process with streams has, in the form of Prometheus."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.metadata import version

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, InfoMetricFamily, Metric

from pricewire.hub.hub import Hub

ENDPOINTS = ("ticks", "candles", "sse", "protected_sse", "proposal", "open_contracts", "closed_contracts", "balance")
"""What streams are counted by. All are there from the beginning, so that a graph begins at 0."""


def hub_metrics(hub: Hub, open_streams: Mapping[str, int]) -> Iterator[Metric]:
    """
    Yield what a hub has counted.

    Args:
        hub: the hub.
        open_streams: how many streams of each endpoint are open.
    """
    counters = hub.counters
    yield InfoMetricFamily("pricewire_build", "The version of Pricewire.", {"version": version("pricewire")})
    streams = GaugeMetricFamily("pricewire_streams", "Open streams.", labels=["endpoint"])
    for endpoint, count in open_streams.items():
        streams.add_metric([endpoint], count)
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
    yield CounterMetricFamily("pricewire_events_published", "Events published, on a gateway those that came.", counters.events_published)
    yield CounterMetricFamily("pricewire_events_delivered", "Events written, once for each stream.", counters.events_delivered)
    yield CounterMetricFamily("pricewire_events_merged", "Events left out for lagging and paced streams.", counters.events_merged)
    yield CounterMetricFamily("pricewire_written_bytes", "Bytes written to streams.", counters.bytes_written)
    yield CounterMetricFamily("pricewire_flushes", "Times that a group's pending events were written.", counters.flushes)
    yield CounterMetricFamily("pricewire_flushed_events", "Events in flushes, once for each group.", counters.flushed_events)
    yield CounterMetricFamily("pricewire_flushed_bytes", "Bytes in flushes, once for each group.", counters.flushed_bytes)
