"""The metrics of several processes as one text."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from pricewire.server.gateways import gathered_metrics
from pricewire.server.gateways.gathered_metrics import GatheredMetrics, merged
from support.serving import PATIENCE

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


class Worker:
    """
    A process at a Unix socket.

    Attributes:
        place: the socket.
        asked: how often it was asked for its metrics.
    """

    def __init__(self, place: Path) -> None:
        self.place = place
        self.asked = 0

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with await asyncio.start_unix_server(self._answer, self.place):
            yield

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.asked += 1
        writer.write(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%s" % (len(ONE), ONE.encode()))
        await writer.drain()
        writer.close()


async def test_all_who_ask_at_the_same_time_get_what_was_gathered_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gathered_metrics, "KEPT_S", PATIENCE)
    one, two = workers = [Worker(tmp_path / name) for name in ("one", "two")]
    app = GatheredMetrics(None, {each.place.name: each.place for each in workers})
    async with one.open(), two.open(), httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test") as client:

        async def ask(path: str) -> str:
            return (await client.get(path)).text

        # The router of a process passes over these slashes, too.
        texts = await asyncio.gather(*(ask(path) for path in ["/metrics", "http://test//metrics", "/metrics/"] * 10))
        texts.append(await ask("/metrics"))
        assert len(set(texts)) == 1
        assert 'pricewire_calls_total{outcome="answered",worker="two"} 5.0' in texts[0]
        assert (one.asked, two.asked) == (1, 1)
        monkeypatch.setattr(gathered_metrics, "KEPT_S", 0.0)
        await ask("/metrics")
        assert (one.asked, two.asked) == (2, 2)


async def test_nothing_is_prepared_for_tls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What would take 40 ms of the loop for each worker.
    monkeypatch.setattr("httpcore2.default_ssl_context", None)
    worker = Worker(tmp_path / "one")
    async with worker.open():
        assert await gathered_metrics.gather({"one": worker.place}) == {"one": ONE}
