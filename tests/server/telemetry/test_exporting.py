"""`pricewire serve` with a collector of OpenTelemetry: what it gets, and that nobody waits for it."""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
import uvicorn
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status
from prometheus_client.parser import text_string_to_metric_families

import pricewire
from pricewire.errors import PricewireError
from pricewire.hub.hub import Hub
from pricewire.server.app import create_app
from pricewire.server.telemetry.exporting import resource_of
from pricewire.server.telemetry.signals import begin_telemetry, check_telemetry
from pricewire.server.transport.fallback import FallbackStream
from pricewire.server.transport.handover import HandoverStream
from pricewire.server.transport.serve import Server
from support.collector import Collector, attributes, collector
from support.command import served
from support.feeds import HandFeed
from support.metrics import wait_until
from support.serving import PATIENCE, EventReader, Serving

SECRET = secrets.token_hex(16)

VARIABLES = {
    "OTEL_RESOURCE_ATTRIBUTES": "deployment.environment.name=test",
    "OTEL_EXPORTER_OTLP_HEADERS": "api-key=abc",
    # Often, for the tests.
    "OTEL_BSP_SCHEDULE_DELAY": "50",
    "OTEL_METRIC_EXPORT_INTERVAL": "200",
}


@dataclass
class Place:
    """
    A server, and where its spans and metrics go.

    Attributes:
        url: the server.
        collector: the collector.
    """

    url: str
    collector: Collector

    def ask(self, path: str, method: str = "GET", **options: Any) -> httpx2.Response:
        return httpx2.request(method, self.url + path, timeout=PATIENCE, **options)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("exporting")
    options = ("--port", "0", "--rate", "10", "--drain-seconds", "0.5", "--data-dir", str(folder / "data"))
    with collector() as collected:
        variables = {**VARIABLES, "OTEL_EXPORTER_OTLP_ENDPOINT": collected.url}
        with served(*options, cwd=folder, **variables) as (url, _):
            yield Place(url, collected)


def test_a_request_is_a_span_within_the_trace_that_it_comes_with(place: Place) -> None:
    trace_id, parent_id = secrets.token_hex(16), secrets.token_hex(8)
    place.ask("/v1/market/instruments", headers={"traceparent": f"00-{trace_id}-{parent_id}-01"})
    whose, span = place.collector.span("GET /v1/market/instruments")
    assert (span.trace_id.hex(), span.parent_span_id.hex()) == (trace_id, parent_id)
    assert span.kind == Span.SpanKind.SPAN_KIND_SERVER
    assert attributes(span.attributes) == {
        "http.request.method": "GET",
        "http.response.status_code": 200,
        "http.route": "/v1/market/instruments",
        "url.path": "/v1/market/instruments",
        "url.scheme": "http",
    }
    assert span.status.code == Status.StatusCode.STATUS_CODE_UNSET
    assert span.end_time_unix_nano > span.start_time_unix_nano
    assert {name: whose[name] for name in ("service.name", "deployment.environment.name", "pricewire.role")} == {
        "service.name": "pricewire",
        "deployment.environment.name": "test",
        "pricewire.role": "all",
    }
    assert place.collector.headers["api-key"] == "abc"
    # A trace that is not sampled where it begins is not exported here.
    unsampled = secrets.token_hex(16)
    place.ask("/v1/market/instruments", headers={"traceparent": f"00-{unsampled}-{parent_id}-00"})
    place.ask("/v1/market/instruments", headers={"traceparent": f"00-{trace_id}-{'ab' * 8}-01"})
    place.collector.wait_for(lambda: next((True for _, each in place.collector.spans if each.parent_span_id.hex() == "ab" * 8), None))
    assert unsampled not in {each.trace_id.hex() for _, each in place.collector.spans}


def test_a_stream_is_a_span_until_it_is_open(place: Place) -> None:
    with EventReader(place.url, "/sse?topic=ticks:1HZ100V") as reader:
        reader.next()
        _, span = place.collector.span("GET /sse")
        assert attributes(span.attributes)["http.response.status_code"] == 200
        reader.next()
    # Refused ones are spans as well.
    assert place.ask("/sse?topic=ticks:NONE").status_code == 404
    place.collector.span("GET /sse", http__response__status_code=404)


def test_a_purchase_is_a_step_of_its_request(place: Place) -> None:
    token = place.ask("/login", "POST", json={"account_id": "demo", "password": "demo"}).json()["token"]
    with pricewire.sync.connect(place.url, token=token) as wire, wire.ticks("1HZ100V") as ticks:
        next(iter(ticks))
    details = {"instrument_id": "1HZ100V", "duration": 5, "duration_unit": "minutes", "stake": "1", "variant": "rise"}
    order = {"idempotency_key": "one", "product_id": "rise_fall", "proposal_details": details}
    answer = place.ask("/v1/trading/contracts/buy", "POST", json=order, headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    _, request = place.collector.span("POST /v1/trading/contracts/buy")
    _, step = place.collector.span("purchase")
    assert (step.trace_id, step.parent_span_id) == (request.trace_id, request.span_id)
    assert attributes(step.attributes) == {"pricewire.instrument": "1HZ100V", "pricewire.product": "rise_fall"}


def test_no_token_no_id_and_no_query_is_in_a_span(place: Place) -> None:
    for path in (
        f"/sse?topic=ticks:1HZ100V&access_token={SECRET}",
        f"/sse%3Faccess_token={SECRET}",
        f"/{SECRET}",
        f"/v1/streams/{SECRET}",
        f"/v1/streams/{SECRET}/more",
        f"/assets/{SECRET}",
        f"/nothing?token={SECRET}",
    ):
        place.ask(path, headers={"authorization": f"Bearer {SECRET}", "user-agent": SECRET, "referer": SECRET})
    place.ask(f"/v1/streams/{SECRET}", "PATCH", json={"add": [SECRET]})
    place.ask("/login", "POST", json={"account_id": SECRET, "password": SECRET})
    place.collector.span("PATCH /v1/streams/{stream_id}")
    place.collector.span("POST /login")
    place.collector.span("GET", url__path="/nothing")
    place.collector.span("GET", url__path="/v1/streams/*/more")
    everything = "".join(str(span) for _, span in place.collector.spans)
    assert SECRET not in everything
    assert "127.0.0.1" not in everything


def test_probes_are_no_spans(place: Place) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        assert place.ask(path).status_code == 200
    place.ask("/v1/market/products/config")
    place.collector.span("GET /v1/market/products/config")
    assert not {attributes(span.attributes)["url.path"] for _, span in place.collector.spans if span.kind == Span.SPAN_KIND_SERVER} & {
        "/healthz",
        "/readyz",
        "/metrics",
    }


def test_the_metrics_are_those_that_are_shown(place: Place) -> None:
    assert place.ask("/sse?" + "x" * 9000).status_code == 414
    shown = {sample.name: family for family in text_string_to_metric_families(place.ask("/metrics").text) for sample in family.samples}
    place.collector.metric("pricewire_build_info")
    place.collector.wait_for(lambda: True if refused(place.collector, "request_too_large") == 1 else None)
    whose, metrics = next(iter(place.collector.metrics.values()))
    assert whose["pricewire.role"] == "all"
    sent = {metric.name: metric for metric in metrics}
    histograms = {name for name, metric in sent.items() if metric.HasField("histogram")}
    assert histograms == {"pricewire_loop_delay_seconds"}
    assert set(sent) - histograms == {name for name in shown if not re.search(r"loop_delay_seconds|_created$", name)}
    assert all(metric.description == shown[name].documentation for name, metric in sent.items() if name not in histograms)
    for name in set(sent) - histograms:
        assert sent[name].HasField("sum") == (shown[name].type == "counter"), name
    assert sent["pricewire_ticks_total"].sum.is_monotonic
    delays = sent["pricewire_loop_delay_seconds"].histogram.data_points[0]
    assert sum(delays.bucket_counts) == delays.count > 0
    assert len(delays.bucket_counts) == len(delays.explicit_bounds) + 1
    assert not delays.HasField("min")


def refused(collected: Collector, reason: str) -> float | None:
    for _, metrics in collected.metrics.values():
        for metric in metrics:
            for point in metric.sum.data_points:
                if metric.name == "pricewire_refusals_total" and attributes(point.attributes) == {"reason": reason}:
                    return float(point.as_double)
    return None


def until_threads_end() -> None:
    for thread in threading.enumerate():
        if thread.name.startswith(("OpenTelemetry", "Otel")):
            thread.join(PATIENCE)
            assert not thread.is_alive(), thread.name


def test_what_is_left_is_sent_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as collected:
        # Not before, in any case.
        for name in ("OTEL_BSP_SCHEDULE_DELAY", "OTEL_METRIC_EXPORT_INTERVAL"):
            monkeypatch.setenv(name, "3600000")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.url)
        with Serving(create_app([HandFeed()], telemetry=begin_telemetry("all", None, PATIENCE))) as server:
            assert httpx2.get(f"{server.url}/v1/market/instruments", timeout=PATIENCE).status_code == 200
            assert not collected.is_asked.is_set()
        collected.span("GET /v1/market/instruments")
        collected.metric("pricewire_ticks_total")
        until_threads_end()


@pytest.mark.parametrize(("server_class", "kind"), [(Server, HandoverStream), (uvicorn.Server, FallbackStream)])
def test_a_stream_is_served_as_without_spans(server_class: type[uvicorn.Server], kind: type, monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as collected:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", f"{collected.url}/v1/traces")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
        application = create_app([HandFeed()], telemetry=begin_telemetry("all", None, PATIENCE))
        hub: Hub = vars(application.metrics)["_hub"]
        with Serving(application, server_class=server_class) as server:
            with EventReader(server.url, "/sse?topic=ticks:GOLD") as reader:
                collected.span("GET /sse")
                stream, _ = server.call(hub.find, reader.head["pricewire-stream"]) or (None, None)
                assert isinstance(stream, kind)
            # It is told that its reader has gone.
            wait_until(lambda: server.call(lambda: hub.streams) == 0)
        until_threads_end()


def test_the_sdk_reads_its_variables(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as collected:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.url)
        monkeypatch.setenv("OTEL_TRACES_SAMPLER", "always_off")
        headers = {"baggage": f"{SECRET}=" + "x" * 9000 + f",{SECRET}", "tracestate": f"{SECRET}=;{SECRET}", "traceparent": SECRET * 40}
        with Serving(create_app([HandFeed()], telemetry=begin_telemetry("all", None, PATIENCE))) as server:
            for _ in range(2):
                assert httpx2.get(f"{server.url}/v1/market/instruments", headers=headers, timeout=PATIENCE).status_code == 200
        collected.metric("pricewire_ticks_total")
        assert not collected.spans
        until_threads_end()
    # It warns of headers that it cannot read.
    assert "traceparent header exceeded the maximum length" in caplog.text
    assert SECRET not in caplog.text


def test_nobody_waits_for_a_collector_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as collected:
        collected.is_open.clear()
        for name, value in {**VARIABLES, "OTEL_EXPORTER_OTLP_ENDPOINT": collected.url, "OTEL_METRIC_EXPORT_INTERVAL": "10"}.items():
            monkeypatch.setenv(name, value)
        # The exporter itself would wait longer than this test.
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "600")
        telemetry = begin_telemetry("all", None, 0.1)
        with Serving(create_app([HandFeed()], telemetry=telemetry)) as server:
            assert collected.is_asked.wait(PATIENCE)
            for _ in range(10):
                assert httpx2.get(f"{server.url}/v1/market/instruments", timeout=PATIENCE).status_code == 200
        # It has stopped, and nothing has been answered yet.
        assert not collected.is_open.is_set()
        assert not collected.metrics
        collected.is_open.set()
        until_threads_end()


def test_a_collector_that_is_away_is_told_of_now_and_then(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as collected:
        gone = collected.url
    for name, value in {**VARIABLES, "OTEL_EXPORTER_OTLP_ENDPOINT": gone, "OTEL_EXPORTER_OTLP_TIMEOUT": "0.01"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("OTEL_METRIC_EXPORT_INTERVAL", "5")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"{SECRET}")
    telemetry = begin_telemetry("all", None, PATIENCE)
    tried = threading.Event()
    tries = 0

    def count(result: Any) -> Any:
        nonlocal tries
        tries += 1
        if tries >= 20:
            tried.set()
        return result

    (exporter,) = vars(telemetry)["_metric_exporters"]
    export = exporter.export
    monkeypatch.setattr(exporter, "export", lambda data: count(export(data)))
    with Serving(create_app([HandFeed()], telemetry=telemetry)):
        assert tried.wait(PATIENCE)
    until_threads_end()
    ours = [record for record in caplog.records if record.getMessage().startswith("OpenTelemetry")]
    assert ours
    assert {record.name for record in ours} == {"pricewire.server.telemetry.exporting"}
    templates = [record.msg for record in ours]
    assert len(templates) == len(set(templates)) <= 5
    assert SECRET not in caplog.text


def test_each_process_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = resource_of("market", None).attributes, resource_of("market", None).attributes
    assert one["service.instance.id"] != other["service.instance.id"]
    assert (one["service.name"], one["pricewire.role"]) == ("pricewire", "market")
    monkeypatch.setenv("OTEL_RESOURCE_ATTRIBUTES", "service.instance.id=here,service.name=no,service.version=mine")
    monkeypatch.setenv("OTEL_SERVICE_NAME", "prices")
    first, second = (resource_of("gateway", f"gateway-{number}").attributes for number in (1, 2))
    assert [first[name] for name in ("service.instance.id", "pricewire.worker", "service.name", "service.version")] == [
        "here/gateway-1",
        "gateway-1",
        "prices",
        "mine",
    ]
    assert second["service.instance.id"] == "here/gateway-2"


def test_a_check_says_whether_the_collector_takes_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with collector() as collected:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collected.url)
        assert check_telemetry() == f"traces to {collected.url}, metrics to {collected.url}"
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", f"{collected.url}/wrong")
        with pytest.raises(PricewireError, match=r"/wrong takes no metrics: .*404"):
            check_telemetry()
        monkeypatch.setenv("OTEL_METRICS_EXPORTER", "none")
        assert check_telemetry() == f"traces to {collected.url}"
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.5")
    with pytest.raises(PricewireError, match=rf"{collected.url} takes no traces: "):
        check_telemetry()
