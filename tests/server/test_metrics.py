"""The metrics of a server, as Prometheus reads them, and the dashboard that shows them."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from pricewire.market.counters import FeedCounters
from pricewire.server.app import create_app
from pricewire.server.limits import Limits
from pricewire.server.metrics import DELAY_INTERVAL, LoopDelay
from support.clocks import HandLoop
from support.feeds import HandFeed
from support.serving import Reader, Serving

DEPLOY = Path(__file__).parents[2] / "deploy"
NOON = 1_800_014_400_000


def read(server: Serving) -> dict[str, float]:
    """Return the metrics by name and labels, as `name` or `name{label}`."""
    response = httpx2.get(server.url + "/metrics")
    assert response.headers["content-type"].startswith("text/plain; version=")
    return {
        f"{sample.name}{{{','.join(sample.labels.values())}}}" if sample.labels else sample.name: sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


@pytest.fixture
def still(feed: HandFeed) -> Iterator[Serving]:
    """A server on which nothing happens but what the test does."""
    with Serving(create_app([feed])) as serving:
        yield serving


def test_streams_events_and_bytes_are_counted_once_for_each_stream_and_each_group(still: Serving, feed: HandFeed) -> None:
    before = read(still)
    assert before["pricewire_streams{sse}"] == before["pricewire_streams{ticks}"] == before["pricewire_streams{candles}"] == 0
    with Reader(still.url, "/sse?topic=ticks:GOLD") as one, Reader(still.url, "/sse?topic=ticks:GOLD") as other:
        for reader in (one, other):
            reader.read_head()
        still.call(feed.give, 1, 1, NOON)
        received = one.read_until(b"\n\n")
        other.read_until(b"\n\n")
        during = read(still)
    size = len(received) + len(b"\r\n")
    expected = {
        "pricewire_streams{sse}": 2,
        "pricewire_streams_lagging": 0,
        "pricewire_topics": 1,
        "pricewire_streams_started_total{snapshot}": 2,
        "pricewire_events_published_total": before["pricewire_events_published_total"] + 1,
        "pricewire_events_delivered_total": 2,
        "pricewire_flushes_total": 1,
        "pricewire_flushed_events_total": 1,
        "pricewire_flushed_bytes_total": size,
        "pricewire_written_bytes_total": 2 * size,
    }
    assert {name: during[name] for name in expected} == expected


def test_what_feeds_count_is_shown() -> None:
    class Counting(HandFeed):
        counters = (FeedCounters("nats://host/x#x.toml", messages=5, ticks=3, gaps=1, connections=2, newest_ns=0),)

        def sources(self) -> dict[str, str]:
            return {"GOLD": "primary"}

    Counting.counters[0].rejected["crossed"] = 2
    with Serving(create_app([Counting()])) as serving:
        metrics = read(serving)
    feed = "{nats://host/x#x.toml}"
    assert {name: metrics[f"pricewire_feed_{name}_total{feed}"] for name in ("messages", "ticks", "gaps", "connections")} == {
        "messages": 5,
        "ticks": 3,
        "gaps": 1,
        "connections": 2,
    }
    assert metrics["pricewire_feed_rejected_total{nats://host/x#x.toml,crossed}"] == 2
    assert metrics[f"pricewire_feed_age_seconds{feed}"] > 0
    assert metrics["pricewire_feed_source{GOLD,primary}"] == 1


def test_ticks_that_cannot_be_used_are_counted(still: Serving, feed: HandFeed) -> None:
    with Reader(still.url, "/sse?topic=ticks:GOLD") as reader:
        reader.read_head()
        for epoch_ms in (NOON, NOON - 1, NOON + 1):
            still.call(feed.give, 1, 1, epoch_ms)
        for _ in range(2):
            reader.read_until(b"\n\n")
    assert read(still)["pricewire_ticks_refused_total"] == 1


def test_how_streams_start(still: Serving, feed: HandFeed) -> None:
    with Reader(still.url, "/sse?topic=ticks:GOLD") as reader:
        reader.read_head()
        still.call(feed.give, 1, 1, NOON)
        last = reader.read_until(b"\n\n").partition(b"id: ")[2].partition(b"\n")[0].decode()
    for identifier in (last, "none", "none"):
        with Reader(still.url, "/sse?topic=ticks:GOLD", headers={"Last-Event-ID": identifier}) as reader:
            reader.read_head()
            still.call(int)
    found = read(still)
    assert [found[f"pricewire_streams_started_total{{{outcome}}}"] for outcome in ("snapshot", "resumed", "reset")] == [1, 1, 2]


def test_refusals() -> None:
    with Serving(create_app([HandFeed()], limits=Limits(streams=1))) as server:
        with Reader(server.url, "/sse?topic=ticks:GOLD") as reader:
            reader.read_head()
            assert httpx2.get(server.url + "/sse?topic=ticks:GOLD").status_code == 429
        for path in ("/sse?topic=x", "/sse?topic=ticks:NONE", "/sse?topic=ticks:GOLD&interval_ms=x", "/sse"):
            assert httpx2.get(server.url + path).status_code in (400, 404)
        assert httpx2.post(server.url + "/v1/market/instruments/ticks/history", content=b"{").status_code == 400
        assert httpx2.get(server.url + "/nothing").status_code == 404
        assert httpx2.get(server.url + "/sse?" + "x" * 9000).status_code == 414
        found = read(server)
    assert [
        found[f"pricewire_refusals_total{{{reason}}}"] for reason in ("address", "process", "rate", "parameters", "request_too_large")
    ] == [
        0,
        1,
        0,
        5,
        1,
    ]


def test_the_delay_of_the_loop_is_measured_while_the_server_runs(still: Serving) -> None:
    while read(still)["pricewire_loop_delay_seconds_count"] < 3:
        pass
    found = read(still)
    assert found["process_open_fds"] > 0
    assert found["process_resident_memory_bytes"] > 0
    assert any(name.startswith("python_info{") for name in found)


def test_the_delay_is_how_late_a_callback_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    loop, delays = HandLoop(), list[float]()
    monkeypatch.setattr(asyncio, "get_running_loop", lambda: loop)
    measure = LoopDelay(delays.append, lambda: loop.now)
    measure.start()
    assert [delay for delay, _ in loop.timers] == [DELAY_INTERVAL]
    loop.run_after(DELAY_INTERVAL + 0.25)
    loop.run_after(DELAY_INTERVAL - 0.001)
    loop.run_after(DELAY_INTERVAL)
    assert delays == pytest.approx([0.25, 0.0, 0.0], abs=1e-9)
    assert min(delays) >= 0
    measure.stop()
    assert loop.timers == []


def expressions(node: Any) -> Iterator[str]:
    """Yield every PromQL expression of a dashboard."""
    if isinstance(node, dict):
        if isinstance(node.get("expr"), str):
            yield node["expr"]
        if node.get("type") == "query" and isinstance(node.get("query"), str):
            yield node["query"]
        for child in node.values():
            yield from expressions(child)
    elif isinstance(node, list):
        for child in node:
            yield from expressions(child)


def dashboard(name: str = "pricewire") -> Any:
    return json.loads((DEPLOY / "grafana" / f"{name}.json").read_text())


def test_the_dashboard_shows_metrics_that_there_are() -> None:
    class Counting(HandFeed):
        counters = (FeedCounters("nats://host/x#x.toml", rejected=Counter(price=1), newest_ns=0),)

    with Serving(create_app([Counting()])) as serving:
        exposed = {re.sub(r"\{.*", "", name) for name in read(serving)}
        text = httpx2.get(serving.url + "/metrics").text
    labels = {name: set[str]() for name in exposed}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels[sample.name] |= set(sample.labels)
    queries = list(expressions(dashboard()))
    assert len(queries) > 10
    named = set[str]()
    for query in queries:
        names = set(re.findall(r"\b(?:pricewire|process|python)_\w+", query))
        assert names, query
        assert names <= exposed, f"{query}: {names - exposed}"
        named |= names
        for grouping in re.findall(r"\bby \(([^)]*)\)", query):
            known = {"instance", "job", "__name__"}.union(*(labels[name] for name in names))
            assert {each.strip() for each in grouping.split(",")} <= known, query
    missing = {name for name in exposed if name.startswith("pricewire_") and not name.endswith(("_created", "_sum", "_count"))} - named
    assert not missing, "the dashboard shows everything that the server counts"


@pytest.mark.parametrize(
    ("name", "title", "uid"), [("pricewire", "Pricewire", "pricewire"), ("gateways", "Pricewire: gateways and bus", "pricewire-gateways")]
)
def test_the_dashboards_are_ones_that_grafana_loads(name: str, title: str, uid: str) -> None:
    board = dashboard(name)
    assert (board["title"], board["uid"]) == (title, uid)
    panels = [panel for panel in board["panels"] if panel["type"] != "row"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in panels:
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}, panel["title"]
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24, panel["title"]
    cells = [
        (x, y)
        for panel in board["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(cells) == len(set(cells)), "no panel covers another"
