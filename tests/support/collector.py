"""A collector of OpenTelemetry: it takes OTLP over HTTP, decodes it, and keeps it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from support.serving import PATIENCE

Found = TypeVar("Found")

Attributes = dict[str, str | int | float | bool]


def attributes(pairs: Any) -> Attributes:
    """Return attributes as OTLP has them."""
    found: list[KeyValue] = list(pairs)
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value") or "string_value") for pair in found}


class Collector:
    """
    What has come, each with the attributes of the process that it is of.

    Attributes:
        url: where it is.
        spans: those of traces.
        metrics: the newest of each process, by its `service.instance.id`.
        headers: those of the last request.
        is_open: cleared while it answers nothing.
        is_asked: set when something has come, answered or not.
    """

    def __init__(self) -> None:
        self.url = ""
        self.spans: list[tuple[Attributes, Span]] = []
        self.metrics: dict[str, tuple[Attributes, list[Metric]]] = {}
        self.headers: dict[str, str] = {}
        self.is_open = threading.Event()
        self.is_open.set()
        self.is_asked = threading.Event()
        self._changed = threading.Condition()

    def take(self, path: str, body: bytes, headers: dict[str, str]) -> int:
        """Take a request; return the status of its answer."""
        self.is_asked.set()
        if not self.is_open.wait(PATIENCE):
            return 503
        with self._changed:
            self.headers = headers
            if path == "/v1/traces":
                for each in ExportTraceServiceRequest.FromString(body).resource_spans:
                    whose = attributes(each.resource.attributes)
                    self.spans += [(whose, span) for scope in each.scope_spans for span in scope.spans]
            elif path == "/v1/metrics":
                for of in ExportMetricsServiceRequest.FromString(body).resource_metrics:
                    whose = attributes(of.resource.attributes)
                    self.metrics[str(whose["service.instance.id"])] = (
                        whose,
                        [metric for scope in of.scope_metrics for metric in scope.metrics],
                    )
            else:
                return 404
            self._changed.notify_all()
        return 200

    def wait_for(self, find: Callable[[], Found | None]) -> Found:
        """Return what is found, as soon as it has come."""
        with self._changed:
            found: list[Found] = []

            def look() -> bool:
                if (each := find()) is not None:
                    found.append(each)
                return bool(found)

            assert self._changed.wait_for(look, PATIENCE), f"it has not come; spans are {[span.name for _, span in self.spans]}"
            return found[0]

    def span(self, name: str, **wanted: str | int) -> tuple[Attributes, Span]:
        """Return the first span of a name with some attributes, and whose it is; `_` stands for `.` in their names."""

        def find() -> tuple[Attributes, Span] | None:
            for whose, span in self.spans:
                own = attributes(span.attributes)
                if span.name == name and all(own.get(key.replace("__", ".")) == value for key, value in wanted.items()):
                    return whose, span
            return None

        return self.wait_for(find)

    def trace(self, trace_id: str) -> list[tuple[Attributes, Span]]:
        """Return the spans of a trace."""
        return [(whose, span) for whose, span in self.spans if span.trace_id.hex() == trace_id]

    def metric(self, name: str) -> Metric:
        """Return a metric of any process."""

        def find() -> Metric | None:
            return next((metric for _, metrics in self.metrics.values() for metric in metrics if metric.name == name), None)

        return self.wait_for(find)


@contextmanager
def collector() -> Iterator[Collector]:
    """Run a collector."""
    collected = Collector()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            status = collected.take(self.path, body, {name.lower(): value for name, value in self.headers.items()})
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        collected.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield collected
        finally:
            collected.is_open.set()
            server.shutdown()
            thread.join()
