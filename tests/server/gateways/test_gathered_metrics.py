"""The metrics of several processes as one text."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from pricewire.server.gateways.gathered_metrics import merged

ONE = """# HELP pricewire_streams Open streams.
# TYPE pricewire_streams gauge
pricewire_streams{endpoint="sse"} 1
# HELP pricewire_calls_total Requests passed on.
# TYPE pricewire_calls_total counter
pricewire_calls_total{outcome="answered"} 5
"""


def test_each_sample_has_its_worker_and_each_family_comes_once() -> None:
    text = merged({"one": ONE, "two": ONE, "three": None}).decode()
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert text.count("# TYPE") == len(families) == 3
    found = {(sample.name, sample.labels["worker"]): sample.value for family in families.values() for sample in family.samples}
    assert found == {
        ("pricewire_worker_up", "one"): 1,
        ("pricewire_worker_up", "two"): 1,
        ("pricewire_worker_up", "three"): 0,
        ("pricewire_streams", "one"): 1,
        ("pricewire_streams", "two"): 1,
        ("pricewire_calls_total", "one"): 5,
        ("pricewire_calls_total", "two"): 5,
    }
    assert families["pricewire_calls"].type == "counter"
