"""What the variables of OpenTelemetry ask for, and what is said where it cannot be done."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pricewire.errors import MissingExtraError, PricewireError
from pricewire.server.telemetry.signals import EXPORTING, begin_telemetry, check_telemetry, destination, wanted_signals
from support.command import served

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


@pytest.mark.parametrize(
    ("variables", "wanted"),
    [
        ({}, []),
        ({ENDPOINT: ""}, []),
        ({ENDPOINT: "http://collector:4318"}, ["traces", "metrics"]),
        ({ENDPOINT: "http://collector:4318", "OTEL_SDK_DISABLED": "True"}, []),
        ({ENDPOINT: "http://collector:4318", "OTEL_SDK_DISABLED": "false"}, ["traces", "metrics"]),
        ({ENDPOINT: "http://collector:4318", "OTEL_TRACES_EXPORTER": "none"}, ["metrics"]),
        ({ENDPOINT: "http://collector:4318", "OTEL_METRICS_EXPORTER": "none"}, ["traces"]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4318/v1/traces"}, ["traces"]),
        ({"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": "http://collector:4318/v1/metrics"}, ["metrics"]),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, ["traces"]),
        ({"OTEL_SERVICE_NAME": "prices"}, []),
    ],
)
def test_what_is_wanted(variables: dict[str, str], wanted: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert list(wanted_signals()) == wanted
    if not wanted:
        assert begin_telemetry("all", None, 1) is None
        assert check_telemetry() == "none"


def test_no_password_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "https://user:pass@word@collector:4318")
    assert destination("traces") == "https://collector:4318"


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "'http/json' is none of http/protobuf, grpc"),
        ("OTEL_TRACES_EXPORTER", "zipkin", "no package that is installed brings an exporter 'zipkin' of traces"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "often", "'often' is no number of milliseconds above 0"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "0", "'0' is no number of milliseconds above 0"),
        ("OTEL_BSP_MAX_QUEUE_SIZE", "0", "cannot begin with the variables OTEL_… as they are: max_queue_size must be a positive integer"),
    ],
)
def test_a_variable_that_cannot_be_used(name: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:1")
    monkeypatch.setenv(name, value)
    with pytest.raises(PricewireError, match=said):
        begin_telemetry("all", None, 1)


def test_the_packages_are_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:1")
    for name in [name for name in sys.modules if name.partition(".")[0] == "opentelemetry" or name == EXPORTING]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(MissingExtraError, match=r"which is not installed: pip install 'pricewire\[otel\]'"):
        begin_telemetry("all", None, 1)
    with pytest.raises(MissingExtraError, match=r"pip install 'pricewire\[otel\]'"):
        check_telemetry()


def test_a_server_without_the_packages_says_so_and_serves(tmp_path: Path) -> None:
    hidden = tmp_path / "opentelemetry.py"
    hidden.write_text('raise ModuleNotFoundError("No module named \'opentelemetry\'", name="opentelemetry")\n')
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    variables = {ENDPOINT: "http://127.0.0.1:1", "PYTHONPATH": path}
    said = "OpenTelemetry, which the environment asks for, needs opentelemetry, which is not installed: pip install 'pricewire[otel]'"
    options = ("--port", "0", "--data-dir", str(tmp_path / "data"))
    with served(*options, cwd=tmp_path, **variables) as (_, before):
        assert before.count("OpenTelemetry") == 1
        assert f"{said}; nothing is exported" in before
