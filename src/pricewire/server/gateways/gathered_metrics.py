"""The metrics of all processes that share a port, as one: whichever of them is asked answers for all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
from litestar.utils.path import normalize_path
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from pricewire.server.transport.asgi_types import Receive, Scope, Send

ANSWER_S = 2.0
"""How long a process may take to answer, in seconds: what collects the metrics waits for it."""

KEPT_S = 1.0
"""How long what was gathered is answered with, in seconds: to make and merge it takes all processes some time of their loops."""

LABEL = "worker"
"""The label that says which process a metric is of."""

PATH = "/metrics"


class GatheredMetrics:
    """
    An ASGI application that answers `/metrics` for all processes, which are asked once for all who ask at the same time.

    Args:
        app: answers everything else.
        workers: the Unix sockets of all processes, by their names.
    """

    def __init__(self, app: Any, workers: Mapping[str, Path]) -> None:
        self._app = app
        self._workers = workers
        self._gathering: asyncio.Task[bytes] | None = None
        self._gathered_at = float("-inf")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http" or normalize_path(scope["path"]) != PATH or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        if self._gathering is None or (self._gathering.done() and time.monotonic() - self._gathered_at >= KEPT_S):
            self._gathering = asyncio.create_task(self._gather())
        # Who goes away takes it from nobody else.
        body = await asyncio.shield(self._gathering)
        headers = [(b"content-type", CONTENT_TYPE_LATEST.encode()), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    async def _gather(self) -> bytes:
        body = merged(await gather(self._workers))
        self._gathered_at = time.monotonic()
        return body


async def gather(workers: Mapping[str, Path]) -> dict[str, str | None]:
    """Return the metrics of processes by their names; None for those that do not answer."""
    texts = await asyncio.gather(*(metrics_of(place) for place in workers.values()))
    return dict(zip(workers, texts, strict=True))


async def metrics_of(place: Path) -> str | None:
    """Return the metrics of the process at a Unix socket; None where it does not answer."""
    try:
        # Without TLS: to read the certificates that the system trusts takes 40 ms.
        transport = httpx2.AsyncHTTPTransport(uds=str(place), verify=False)
        async with httpx2.AsyncClient(transport=transport, timeout=ANSWER_S, trust_env=False) as client:
            answer = await client.get(f"http://localhost{PATH}")
            return answer.text if answer.status_code == 200 else None
    except (httpx2.HTTPError, OSError):
        return None


def merged(texts: Mapping[str, str | None]) -> bytes:
    """Return metrics of several processes as one text, each with the label of its process, and which have answered."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(Merged(texts))
    return generate_latest(registry)


class Merged(Collector):
    """Metrics of several processes; the argument is that of `merged`."""

    def __init__(self, texts: Mapping[str, str | None]) -> None:
        self._texts = texts

    def describe(self) -> Iterable[Metric]:
        """Return nothing: the names are not known before they are collected."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        up = GaugeMetricFamily("pricewire_worker_up", "Whether a process of --workers answers: 1 or 0.", labels=[LABEL])
        families: dict[str, Metric] = {}
        for worker, text in self._texts.items():
            up.add_metric([worker], text is not None)
            for family in text_string_to_metric_families(text or ""):
                into = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
                into.samples += [each._replace(labels={**each.labels, LABEL: worker}) for each in family.samples]
        yield up
        yield from families.values()
