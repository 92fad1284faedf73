"""
The metrics as OpenTelemetry has them, read from what `/metrics` shows: the same names, the same values, nothing counted twice.

Source: https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping

from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    MetricsData,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from prometheus_client import CollectorRegistry
from prometheus_client import Metric as Family
from prometheus_client.samples import Sample

OF_HISTOGRAM = ("_bucket", "_count", "_sum")

SCOPE = InstrumentationScope("pricewire")


def metric_data(registry: CollectorRegistry, resource: Resource, since_ns: int) -> MetricsData:
    """
    Return what a registry has now.

    Args:
        registry: the metrics; it reads what the event loop changes, so from there.
        resource: which process they are of.
        since_ns: since when the process counts, in nanoseconds since 1970.
    """
    now_ns = time.time_ns()
    metrics = [metric for family in registry.collect() for metric in metrics_of(family, since_ns, now_ns)]
    return MetricsData([ResourceMetrics(resource, [ScopeMetrics(SCOPE, metrics, "")], "")])


def metrics_of(family: Family, since_ns: int, now_ns: int) -> Iterator[Metric]:
    """Yield the metrics of a family: one, for what Pricewire has."""
    if family.type == "histogram":
        points = [histogram(samples, since_ns, now_ns) for samples in by_labels(family.samples).values()]
        yield Metric(family.name, family.documentation, "", Histogram(points, AggregationTemporality.CUMULATIVE))
        return
    numbers: dict[str, list[NumberDataPoint]] = {}
    for sample in family.samples:
        if not sample.name.endswith("_created"):
            numbers.setdefault(sample.name, []).append(NumberDataPoint(sample.labels, since_ns, now_ns, float(sample.value)))
    for name, each in numbers.items():
        is_counter = family.type == "counter"
        data = Sum(each, AggregationTemporality.CUMULATIVE, is_monotonic=True) if is_counter else Gauge(each)
        yield Metric(name, family.documentation, "", data)


def by_labels(samples: Iterable[Sample]) -> Mapping[tuple[tuple[str, str], ...], list[Sample]]:
    """Return the samples of each histogram of a family, by its labels."""
    found: dict[tuple[tuple[str, str], ...], list[Sample]] = {}
    for sample in samples:
        if sample.name.endswith(OF_HISTOGRAM):
            found.setdefault(tuple((name, value) for name, value in sample.labels.items() if name != "le"), []).append(sample)
    return found


def histogram(samples: Iterable[Sample], since_ns: int, now_ns: int) -> HistogramDataPoint:
    """Return a histogram, of the samples with the same labels: there a bucket has what is in all before it, too."""
    total = 0.0
    bounds, counts, labels = list[float](), list[int](), dict[str, str]()
    for sample in samples:
        if sample.name.endswith("_sum"):
            total = sample.value
        elif sample.name.endswith("_bucket"):
            labels = {name: value for name, value in sample.labels.items() if name != "le"}
            bounds.append(float(sample.labels["le"]))
            counts.append(int(sample.value))
    each = [count - before for count, before in zip(counts, [0, *counts], strict=False)]
    unknown: float = None  # type: ignore[assignment] # what the SDK's encoder leaves out
    # The last bound is infinite, which goes without saying.
    return HistogramDataPoint(labels, since_ns, now_ns, counts[-1], total, each, bounds[:-1], unknown, unknown)
