"""What a server's metrics say, and waiting for what they will say."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx2
from prometheus_client.parser import text_string_to_metric_families

from support.serving import PATIENCE


def metric(url: str, name: str, **labels: str) -> float:
    """Return what a metric says: the sum of all its samples that have these labels."""
    text = httpx2.get(f"{url}/metrics", timeout=PATIENCE, trust_env=False).text
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples if sample.name == name]
    values = [sample.value for sample in samples if labels.items() <= sample.labels.items()]
    assert values, f"there is no metric {name} with the labels {labels}"
    return sum(values)


def wait_until(is_so: Callable[[], bool]) -> None:
    """Return once something is so."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.02)
