"""
What is to be exported, by the standard variables of OpenTelemetry; nothing of OpenTelemetry is imported where nothing is.

Source: https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/, and the one of the OTLP exporter beside it.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol

from prometheus_client import CollectorRegistry

from pricewire.errors import PricewireError
from pricewire.extras import missing_extra

Signal = Literal["traces", "metrics"]

SIGNALS: tuple[Signal, ...] = ("traces", "metrics")

EXPORTING = "pricewire.server.telemetry.exporting"
"""What imports OpenTelemetry: only where something is exported, as its packages need not be there."""

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"


class Telemetry(Protocol):
    """What is exported of a process."""

    def traced(self, app: Any) -> Any:
        """Return an ASGI application that answers as another one does, with a span for each request."""

    def exporting(self, registry: CollectorRegistry) -> AbstractAsyncContextManager[None]:
        """Export the metrics of a registry within the block; whoever leaves it has sent what was left, or has waited long enough."""


def wanted_signals() -> Sequence[Signal]:
    """Return what the environment asks for."""
    if value("OTEL_SDK_DISABLED").lower() == "true":
        return ()
    return [signal for signal in SIGNALS if is_wanted(signal)]


def is_wanted(signal: Signal) -> bool:
    """Return whether a signal has an exporter, or an endpoint for the usual one."""
    if exporter := value(f"OTEL_{signal.upper()}_EXPORTER"):
        return exporter.lower() != "none"
    return bool(value(endpoint_of(signal)) or value(ENDPOINT))


def endpoint_of(signal: Signal) -> str:
    """Return the name of the variable with a signal's own endpoint."""
    return f"OTEL_EXPORTER_OTLP_{signal.upper()}_ENDPOINT"


def value(name: str) -> str:
    """Return what a variable says; one that is empty says nothing."""
    return os.environ.get(name, "").strip()


def begin_telemetry(role: str, worker: str | None, within_s: float) -> Telemetry | None:
    """
    Return what exports what the environment asks for; None where that is nothing.

    Args:
        role: of this process: `all`, `gateway`, ….
        worker: which of the processes of `--workers` it is; None where there are none.
        within_s: how long the end of the process may wait for what is left to be sent, in seconds.

    Raises:
        PricewireError: a package is missing, or a variable cannot be used.
    """
    if not (signals := wanted_signals()):
        return None
    with explained():
        telemetry: Telemetry = importlib.import_module(EXPORTING).Exporting(signals, role, worker, within_s)
    return telemetry


def check_telemetry() -> str:
    """
    Return what is exported, and where to, once an empty export was taken there.

    Raises:
        PricewireError: a package is missing, a variable cannot be used, or something was not taken.
    """
    if not (signals := wanted_signals()):
        return "none"
    with explained():
        importlib.import_module(EXPORTING).check_exporters(signals)
    return ", ".join(f"{signal} to {destination(signal)}" for signal in signals)


def destination(signal: Signal) -> str:
    """Return where a signal goes: an endpoint without its user and password, or the name of an exporter."""
    endpoint = value(endpoint_of(signal)) or value(ENDPOINT)
    return re.sub(r"//[^/]*@", "//", endpoint) or value(f"OTEL_{signal.upper()}_EXPORTER")


@contextlib.contextmanager
def explained() -> Iterator[None]:
    """
    Have whatever is raised in a block say what to do.

    Raises:
        PricewireError: a package is missing, or a variable cannot be used.
    """
    try:
        yield
    except PricewireError:
        raise
    except ImportError as error:
        missing = missing_extra(error, "OpenTelemetry, which the environment asks for,")
        raise missing if isinstance(missing, PricewireError) else PricewireError(f"OpenTelemetry cannot be imported: {error}") from error
    except Exception as error:
        # A variable has a value that the SDK or an exporter does not take. Whatever it raises, prices are to be served.
        raise PricewireError(f"OpenTelemetry cannot begin with the variables OTEL_… as they are: {error}") from error
