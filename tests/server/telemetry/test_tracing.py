"""The span of a request, where the application fails or the method is none that is known."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from pricewire.server.telemetry.tracing import Tracing, shown


async def span_of(app: Any, **request: Any) -> ReadableSpan:
    """Return the span of a request to an application."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    scope = {"type": "http", "method": "GET", "path": "/x", "headers": [], "scheme": "https", **request}

    async def send(message: Any) -> None:
        pass

    with contextlib.suppress(ValueError):
        await Tracing(app, provider.get_tracer("test"))(scope, None, send)  # type: ignore[arg-type]
    (span,) = exporter.get_finished_spans()
    return span


async def test_an_answer_of_the_server_s_fault_is_an_error() -> None:
    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 503, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    span = await span_of(answer, method="BREW")
    assert span.name == "_OTHER"
    assert span.attributes == {
        "http.request.method": "_OTHER",
        "url.scheme": "https",
        "url.path": "/x",
        "http.response.status_code": 503,
        "error.type": "503",
    }
    assert span.status.status_code == StatusCode.ERROR


async def test_an_exception_is_an_error_without_its_text() -> None:
    async def fail(scope: Any, receive: Any, send: Any) -> None:
        raise ValueError("the password of alice")

    span = await span_of(fail)
    assert span.attributes is not None
    assert span.attributes["error.type"] == "ValueError"
    assert span.status.status_code == StatusCode.ERROR
    assert "alice" not in span.to_json()


async def test_what_comes_behind_goes_on_with_the_span() -> None:
    seen: list[tuple[bytes, bytes]] = []

    async def look(scope: Any, receive: Any, send: Any) -> None:
        seen.extend(scope["headers"])

    trace_id = "0123456789abcdef" * 2
    sent = [(b"traceparent", f"00-{trace_id}-{'ab' * 8}-01".encode()), (b"tracestate", b"a=b"), (b"accept", b"*/*")]
    span = await span_of(look, headers=sent)
    context = span.get_span_context()
    assert context is not None
    own = f"00-{trace_id}-{context.span_id:016x}-01".encode()
    assert sorted(seen) == [(b"accept", b"*/*"), (b"traceparent", own), (b"tracestate", b"a=b")]


@pytest.mark.parametrize("header", [b"", b"00", b"\xff\xfe", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01", b"x" * 5000])
async def test_a_header_that_is_none_begins_a_trace(header: bytes) -> None:
    async def look(scope: Any, receive: Any, send: Any) -> None:
        pass

    span = await span_of(look, headers=[(b"traceparent", header), (b"tracestate", b"\xff" * 600), (b"baggage", b"=;,=\xff" * 100)])
    assert span.parent is None


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "/"),
        ("/v1/market/instruments", "/v1/market/instruments"),
        ("/v1/streams/0123456789abcdef/x", "/v1/streams/*/x"),
        ("/sse?token=secret", "/*"),
        ("//metrics", "//metrics"),
        ("/wp-admin/index.php", "/wp-admin/*"),
        ("/" + "a/" * 300, ("/" + "a/" * 300)[:200]),
    ],
)
def test_what_is_shown_of_a_path(path: str, expected: str) -> None:
    assert shown(path) == expected
