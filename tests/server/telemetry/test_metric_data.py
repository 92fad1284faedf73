"""Metrics of Prometheus as OpenTelemetry has them."""

from __future__ import annotations

from opentelemetry.sdk.metrics.export import Gauge, HistogramDataPoint, Metric, Sum
from opentelemetry.sdk.metrics.export import Histogram as HistogramData
from opentelemetry.sdk.resources import Resource
from prometheus_client import CollectorRegistry, Counter, Histogram, Info
from prometheus_client import Gauge as PrometheusGauge

from pricewire.server.telemetry.metric_data import metric_data


def read(registry: CollectorRegistry) -> dict[str, Metric]:
    (resource,) = metric_data(registry, Resource({}), 7).resource_metrics
    (scope,) = resource.scope_metrics
    return {metric.name: metric for metric in scope.metrics}


def test_counters_gauges_and_what_is_only_told() -> None:
    registry = CollectorRegistry()
    counter = Counter("orders", "Orders.", ["side"], registry=registry)
    counter.labels("buy").inc(2)
    counter.labels("sell").inc()
    PrometheusGauge("age", "Age.", registry=registry).set(1.5)
    Info("build", "Build.", registry=registry).info({"version": "1"})
    found = read(registry)
    assert list(found) == ["orders_total", "age", "build_info"]
    orders, age, build = (found[name].data for name in found)
    assert isinstance(orders, Sum)
    assert orders.is_monotonic
    assert [(dict(point.attributes or {}), point.value) for point in orders.data_points] == [({"side": "buy"}, 2), ({"side": "sell"}, 1)]
    assert orders.data_points[0].start_time_unix_nano == 7
    assert isinstance(age, Gauge)
    assert age.data_points[0].value == 1.5
    assert isinstance(build, Gauge)
    assert build.data_points[0].attributes == {"version": "1"}


def test_the_buckets_of_a_histogram_count_what_is_in_each() -> None:
    registry = CollectorRegistry()
    histogram = Histogram("delay", "Delay.", ["place"], registry=registry, buckets=(1, 2, 4))
    for delay in (0.5, 0.5, 3, 100):
        histogram.labels("here").observe(delay)
    histogram.labels("there").observe(2)
    (metric,) = read(registry).values()
    assert isinstance(metric.data, HistogramData)
    here, there = metric.data.data_points
    assert isinstance(here, HistogramDataPoint)
    assert (here.attributes, here.count, here.sum) == ({"place": "here"}, 4, 104)
    assert (list(here.explicit_bounds), list(here.bucket_counts)) == ([1, 2, 4], [2, 0, 1, 1])
    assert (there.attributes, list(there.bucket_counts)) == ({"place": "there"}, [0, 1, 0, 0])
