"""Spans within that of a request, for what takes its time."""

from __future__ import annotations

import contextlib
import sys
from contextlib import AbstractContextManager
from typing import Any


def step(name: str, **attributes: str) -> AbstractContextManager[Any]:
    """
    Have a block be a span within the one of its request; without OpenTelemetry it is nothing.

    Args:
        name: what is done.
        attributes: with what; they get `pricewire.` before their names.
    """
    # Imported where traces are exported, and only there.
    trace = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return contextlib.nullcontext()
    return trace.get_tracer("pricewire").start_as_current_span(  # type: ignore[no-any-return]
        name,
        attributes={f"pricewire.{key}": value for key, value in attributes.items()},
        # An exception's text may say whose account it is, and how much there is on it.
        record_exception=False,
        set_status_on_exception=False,
    )
