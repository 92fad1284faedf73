"""What readers that never read cost stays the same, however much is published; and an application that is over costs nothing."""

from __future__ import annotations

import gc
import re
import resource
import weakref
from pathlib import Path

import httpx2
from litestar.handlers import BaseRouteHandler

from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.server.app import create_app
from pricewire.server.services import TradingSetup
from support.app_server import KEY
from support.command import served
from support.metrics import metric, wait_until
from support.serving import Reader, Serving

READERS = 1000
TOPICS = "&".join(f"topic=ticks:{name}" for name in ("R_10", "R_25", "R_50", "R_75", "R_100", "1HZ10V", "1HZ100V"))


def kernel_memory() -> int:
    """Return what the sockets of the whole machine hold in the kernel, in bytes."""
    match = re.search(r"^TCP: .* mem (\d+)", Path("/proc/net/sockstat").read_text(), re.MULTILINE)
    assert match is not None
    return int(match[1]) * resource.getpagesize()


def test_an_application_that_is_over_is_freed(tmp_path: Path) -> None:
    def serve() -> weakref.ref[object]:
        setup = TradingSetup(tmp_path / "pricewire.db", tmp_path / "journal", KEY)
        app = create_app([SimulatedFeed(seed=1)], trading=setup)
        with Serving(app) as server, Reader(server.url, "/sse?topic=ticks:R_100") as reader:
            reader.read_until(b"\n\n")
            assert httpx2.get(f"{server.url}/v1/market/products/config?product_id=touch&instrument_id=R_100").status_code == 200
        return weakref.ref(app)

    apps = [serve() for _ in range(2)]
    gc.collect()
    # The last one may still be held by what its server's thread has left.
    assert apps[0]() is None


def test_requests_with_a_query_leave_nothing_behind(tmp_path: Path) -> None:
    def handlers() -> int:
        gc.collect()
        return sum(isinstance(each, BaseRouteHandler) for each in gc.get_objects())

    with Serving(create_app([SimulatedFeed(seed=1)])) as server, httpx2.Client(base_url=server.url) as client:
        assert client.get("/v1/market/instruments?product_id=touch").status_code == 200
        before = handlers()
        for _ in range(20):
            assert client.get("/v1/market/instruments?product_id=touch").status_code == 200
        assert handlers() == before


def test_a_thousand_readers_that_never_read_cost_a_bounded_amount(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    readers: list[Reader] = []
    limits = ["--max-streams-per-address", str(READERS), "--new-streams-per-second", str(READERS)]
    try:
        with served("--port", "0", "--seed", "1", "--rate", "200", *limits) as (url, _):
            # The logs reach back to a thousand events each; once they are full, they take no more.
            wait_until(lambda: metric(url, "pricewire_events_published_total") >= 12_000)
            kernel = kernel_memory()
            readers += [Reader(url, f"/sse?{TOPICS}", buffer=2048) for _ in range(READERS)]
            wait_until(lambda: metric(url, "pricewire_streams_lagging") == READERS)
            before = metric(url, "process_resident_memory_bytes")
            published = metric(url, "pricewire_events_published_total")
            wait_until(lambda: metric(url, "pricewire_events_published_total") >= published + 10_000)
            # Some 140 bytes for each event and reader would be 1 GB by now.
            assert metric(url, "process_resident_memory_bytes") - before < 20_000_000
            assert kernel_memory() - kernel < READERS * 100_000
            assert httpx2.get(f"{url}/readyz", timeout=60).status_code == 200
    finally:
        for reader in readers:
            reader.socket.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
