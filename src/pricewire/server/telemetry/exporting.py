"""
Exports traces and metrics by the SDK of OpenTelemetry, which reads its variables itself: endpoints, headers, sampling, batches.

All that waits for a collector is done in threads that no request and no end of the process waits for beyond a bound.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable, Sequence
from importlib.metadata import entry_points, version
from typing import Any

from opentelemetry import trace
from opentelemetry.sdk.metrics.export import MetricExporter, MetricsData
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter
from prometheus_client import CollectorRegistry

from pricewire.bus.tasks import running
from pricewire.errors import MissingExtraError, PricewireError
from pricewire.server.telemetry.metric_data import metric_data
from pricewire.server.telemetry.signals import Signal, destination, value
from pricewire.server.telemetry.tracing import Tracing
from pricewire.server.transport.throttled_log import ThrottledLogger

END_S = 2.0
"""How long the end of a process waits at most for what is left to be sent, in seconds: a collector that answers needs much less."""

INTERVAL_MS = 60_000.0
"""How often metrics are sent where `OTEL_METRIC_EXPORT_INTERVAL` says nothing, in milliseconds: the standard's default."""

TELLING = ("opentelemetry.exporter.", "opentelemetry.sdk.")
"""What tells of collectors in its log, and of nothing that a request says."""

PROTOCOLS = {"http/protobuf": "otlp_proto_http", "grpc": "otlp_proto_grpc"}
"""The exporters for OTLP, by the protocols of the standard."""

logger = logging.getLogger(__name__)


class Exporting:
    """
    Exports what is wanted of this process; `signals.begin_telemetry` says what the arguments are.

    Raises:
        PricewireError: there is no such exporter, or a variable is no number.
    """

    def __init__(self, signals: Sequence[Signal], role: str, worker: str | None, within_s: float) -> None:
        listen_to_sdk()
        self._since_ns = time.time_ns()
        self._within_s = min(END_S, within_s)
        self._interval_s = interval_s()
        self._resource = resource_of(role, worker)
        span_exporters: list[SpanExporter] = exporters_of("traces", SpanExporter) if "traces" in signals else []
        self._metric_exporters: list[MetricExporter] = exporters_of("metrics", MetricExporter) if "metrics" in signals else []
        self._is_sending = threading.Lock()
        self._provider: TracerProvider | None = None
        if span_exporters:
            # Its own end would be that of the interpreter, without a bound.
            self._provider = TracerProvider(resource=self._resource, shutdown_on_exit=False)
            for exporter in span_exporters:
                self._provider.add_span_processor(BatchSpanProcessor(exporter))
            # So that feeds and libraries of the operator's have their spans there, too.
            trace.set_tracer_provider(self._provider)

    def traced(self, app: Any) -> Any:
        """Return an ASGI application that answers as another one does, with a span for each request."""
        return app if self._provider is None else Tracing(app, self._provider.get_tracer("pricewire", version("pricewire")))

    @contextlib.asynccontextmanager
    async def exporting(self, registry: CollectorRegistry) -> AsyncIterator[None]:
        """Export within the block; whoever leaves it has sent what was left, or has waited long enough."""
        async with running(self._export_metrics(registry), "metrics export"):
            try:
                yield
            finally:
                last = metric_data(registry, self._resource, self._since_ns) if self._metric_exporters else None
                ends = [in_thread(lambda: self._end_metrics(last))]
                if self._provider is not None:
                    ends.append(in_thread(self._provider.shutdown))
                await asyncio.wait(ends, timeout=self._within_s)

    async def _export_metrics(self, registry: CollectorRegistry) -> None:
        while self._metric_exporters:
            await asyncio.sleep(self._interval_s)
            data = metric_data(registry, self._resource, self._since_ns)
            await in_thread(lambda data=data: self._send(data))  # type: ignore[misc]

    def _send(self, data: MetricsData) -> None:
        with self._is_sending:
            for exporter in self._metric_exporters:
                exporter.export(data)

    def _end_metrics(self, last: MetricsData | None) -> None:
        if last is not None:
            self._send(last)
        for exporter in self._metric_exporters:
            exporter.shutdown()


def check_exporters(signals: Sequence[Signal]) -> None:
    """
    Export nothing, to see whether it is taken.

    Raises:
        PricewireError: it is not.
    """
    said = SDKErrors()
    theirs = logging.getLogger("opentelemetry")
    theirs.propagate, theirs.handlers = False, [said]
    for signal in signals:
        kind, nothing = (SpanExporter, ()) if signal == "traces" else (MetricExporter, MetricsData([]))
        for exporter in exporters_of(signal, kind):
            result = exporter.export(nothing)
            exporter.shutdown()
            if result.name != "SUCCESS":
                raise PricewireError(f"{destination(signal)} takes no {signal}: {said.last}")


def in_thread(work: Callable[[], object]) -> asyncio.Future[None]:
    """Do something in a thread that nobody has to wait for; return what is done when it is."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def finish() -> None:
        if not done.done():
            done.set_result(None)

    def run() -> None:
        try:
            work()
        except Exception:
            logger.exception("what OpenTelemetry was to send is lost")
        # The loop may be gone by now.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(finish)

    # As a daemon, for the interpreter waits for others, and the default executor's are such.
    threading.Thread(target=run, name="OpenTelemetry", daemon=True).start()
    return done


def exporters_of(signal: Signal, kind: type[Any]) -> list[Any]:
    """
    Return the exporters of a signal.

    Raises:
        PricewireError: there is none of that name.
    """
    names = value(f"OTEL_{signal.upper()}_EXPORTER") or "otlp"
    return [exporter_of(name.strip(), signal, kind) for name in names.split(",")]


def exporter_of(name: str, signal: Signal, kind: type[Any]) -> Any:
    """Return the exporter of a name; packages that bring one say so by entry points of that name."""
    if name == "otlp":
        protocol = value(f"OTEL_EXPORTER_OTLP_{signal.upper()}_PROTOCOL") or value("OTEL_EXPORTER_OTLP_PROTOCOL") or "http/protobuf"
        if protocol not in PROTOCOLS:
            raise PricewireError(f"OTEL_EXPORTER_OTLP_PROTOCOL: {protocol!r} is none of {', '.join(PROTOCOLS)}")
        name = PROTOCOLS[protocol]
    found = next(iter(entry_points(group=f"opentelemetry_{signal}_exporter", name=name)), None)
    if found is None and name == PROTOCOLS["http/protobuf"]:
        raise MissingExtraError("OpenTelemetry, which the environment asks for,", "opentelemetry-exporter-otlp-proto-http", "otel")
    if found is None:
        raise PricewireError(f"OpenTelemetry: no package that is installed brings an exporter {name!r} of {signal}")
    exporter = found.load()()
    if not isinstance(exporter, kind):
        raise PricewireError(f"OpenTelemetry: the exporter {name!r} sends no {signal}; give otlp")
    return exporter


def interval_s() -> float:
    """
    Return how often metrics are sent, in seconds.

    Raises:
        PricewireError: the variable for it is no number of milliseconds.
    """
    text = value("OTEL_METRIC_EXPORT_INTERVAL")
    try:
        milliseconds = float(text) if text else INTERVAL_MS
    except ValueError:
        milliseconds = 0.0
    if not 0 < milliseconds < float("inf"):
        raise PricewireError(f"OTEL_METRIC_EXPORT_INTERVAL: {text!r} is no number of milliseconds above 0")
    return milliseconds / 1000


def resource_of(role: str, worker: str | None) -> Resource:
    """Return what is said of this process; the variables for it have the last word."""
    ours = {"service.name": "pricewire", "service.version": version("pricewire"), "pricewire.role": role}
    given = dict(OTELResourceDetector().detect().attributes)
    given.setdefault("service.instance.id", str(uuid.uuid4()))
    if worker is not None:
        ours["pricewire.worker"] = worker
        # All processes of `--workers` have the same variables.
        given["service.instance.id"] = f"{given['service.instance.id']}/{worker}"
    return Resource.create({**ours, **given})


class SDKErrors(logging.Handler):
    """
    Keeps what the SDK warns of, instead of logging it.

    Attributes:
        last: the newest.
    """

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.last = "it has not said why"

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.last = record.getMessage()


class SDKLog(logging.Handler):
    """Logs what the SDK warns of: a collector that is away would be told of with every batch."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._throttled = ThrottledLogger(logger)

    def emit(self, record: logging.LogRecord) -> None:
        """Log a record, unless the same one was logged in the last minute."""
        # The rest warns of headers that it cannot read: those of requests, and that of a variable, which may well hold a password. So
        # what it warns of is said without them.
        arguments = record.args if isinstance(record.args, tuple) and record.name.startswith(TELLING) else ()
        self._throttled.warning(f"OpenTelemetry: {record.msg}", *arguments)


def listen_to_sdk() -> None:
    """Have what the SDK warns of logged with a bound, instead of as it comes."""
    theirs = logging.getLogger("opentelemetry")
    theirs.propagate = False
    theirs.handlers = [SDKLog()]
