"""The metrics, in the text form of Prometheus."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator

from litestar import Response, get
from litestar.di import NamedDependency
from prometheus_client import CollectorRegistry, Histogram, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from pricewire.bus.bus import Bus
from pricewire.bus.memory import MemoryBus
from pricewire.hub.hub import Hub
from pricewire.market.market import Market
from pricewire.server.hub_metrics import ENDPOINTS, hub_metrics
from pricewire.server.leading import Leader
from pricewire.server.limits import Admission
from pricewire.trading.desk import Desk

REASONS = ("account", "address", "process", "rate", "requests", "quotes", "topics", "history", "parameters", "request_too_large")
"""Why requests are refused."""

DELAY_INTERVAL = 0.1
"""How often the delay of the loop is measured, in seconds: it finds what people would notice, and costs some 5 ms of a minute."""

RECENT_DELAYS = 50
"""How many delays operators are shown the mean and the longest of: those of five seconds."""

DELAY_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)
"""The bounds of the loop's delays, in seconds: from what a timer is late on an idle machine to what readers take for a dead server."""


class Metrics(Collector):
    """
    What `/metrics` shows. What the server counts is read when it is asked for, so that counting costs the streams nothing.

    Attributes:
        loop_delay: measures how late the event loop is, between `start` and `stop`.
        recent_delays: how late it was in the last five seconds, in seconds.
        leader: whose bus is shown; None where there is none.
        registry: has them, and those of the process.
        requests_too_large: returns how many requests the HTTP server has refused for their length.
    """

    def __init__(self, market: Market, hub: Hub, bus: Bus, admission: Admission, desk: Callable[[], Desk | None]) -> None:
        self._market = market
        self._desk = desk
        self._hub = hub
        self._bus = bus
        self._admission = admission
        self.leader: Leader | None = None
        self.requests_too_large: Callable[[], int] = lambda: 0
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        delays = Histogram(
            "pricewire_loop_delay_seconds",
            "How late the event loop comes to a callback, measured ten times a second.",
            registry=self.registry,
            buckets=DELAY_BUCKETS,
        )
        self.recent_delays: deque[float] = deque(maxlen=RECENT_DELAYS)

        def observe(delay: float) -> None:
            delays.observe(delay)
            self.recent_delays.append(delay)

        self.loop_delay = LoopDelay(observe)

    def text(self) -> bytes:
        """Return the metrics."""
        return generate_latest(self.registry)

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        yield from self._feeds()
        yield from self._sources()
        desk = self._desk()
        if desk is not None:
            yield CounterMetricFamily("pricewire_purchases", "Contracts bought.", desk.purchases)
            yield CounterMetricFamily("pricewire_sales", "Contracts sold back.", desk.sales)
            yield GaugeMetricFamily("pricewire_contracts", "Open contracts.", desk.open_contracts)
            yield GaugeMetricFamily("pricewire_contracts_unsettled", "Contracts that ended and are not written.", desk.unsettled_contracts)
        yield CounterMetricFamily("pricewire_ticks_refused", "Ticks of feeds that could not be used.", self._market.refused)
        failing = bool(self._market.journal_failure)
        yield GaugeMetricFamily("pricewire_journal_failing", "Whether ticks cannot be written to the journal: 1 or 0.", failing)
        ahead = self._market.clock_ahead_s
        yield GaugeMetricFamily("pricewire_clock_ahead_seconds", "How far the time is ahead of a clock that was set back.", ahead)
        lost = bool(self._bus.failure)
        yield GaugeMetricFamily("pricewire_ring_failing", "Whether the last events are not kept for the next process: 1 or 0.", lost)
        size = self._bus.size if isinstance(self._bus, MemoryBus) else 0
        yield GaugeMetricFamily("pricewire_ring_bytes", "The last events on the disk, for the next process.", size)
        # A gateway shows its own ones, or the sum over all processes would count them twice.
        remote = Counter[str]() if self.leader is None else self.leader.remote_streams
        yield from hub_metrics(self._hub, {endpoint: self._admission.open[endpoint] - remote[endpoint] for endpoint in ENDPOINTS})
        yield GaugeMetricFamily("pricewire_quotes", "Distinct proposals and contract prices with streams.", len(self._admission.quotes))
        for name, (text, value) in {} if self.leader is None else self.leader.metrics().items():
            yield (CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily)(name, text, value)
        refusals = CounterMetricFamily("pricewire_refusals", "Requests refused.", labels=["reason"])
        for reason in REASONS:
            count = self.requests_too_large() if reason == "request_too_large" else self._admission.refusals[reason]
            refusals.add_metric([reason], count)
        yield refusals

    def _feeds(self) -> Iterator[Metric]:
        ticks = CounterMetricFamily("pricewire_ticks", "Ticks of feeds.", labels=["instrument"])
        ages = GaugeMetricFamily("pricewire_tick_age_seconds", "How old the newest tick is, by its source's clock.", labels=["instrument"])
        markets = GaugeMetricFamily("pricewire_market_open", "Whether prices are coming: 1 or 0.", labels=["instrument"])
        now = time.time()
        for instrument in self._market.instruments():
            ticks.add_metric([instrument.id], self._market.taken[instrument.id])
            markets.add_metric([instrument.id], instrument.is_market_open)
            tick = self._market.tick(instrument.id)
            if tick is not None:
                ages.add_metric([instrument.id], now - tick.epoch_ms / 1000)
        yield ticks
        yield ages
        yield markets

    def _sources(self) -> Iterator[Metric]:
        """Yield what the feeds count of their sources, by the address of each."""
        messages = CounterMetricFamily("pricewire_feed_messages", "Messages of a source.", labels=["feed"])
        ticks = CounterMetricFamily("pricewire_feed_ticks", "Ticks made of them.", labels=["feed"])
        rejected = CounterMetricFamily("pricewire_feed_rejected", "Messages and ticks held back.", labels=["feed", "reason"])
        gaps = CounterMetricFamily("pricewire_feed_gaps", "How often ticks were missed, or may have been.", labels=["feed"])
        connections = CounterMetricFamily("pricewire_feed_connections", "How often a source was connected.", labels=["feed"])
        ages = GaugeMetricFamily("pricewire_feed_age_seconds", "How long ago the newest message came.", labels=["feed"])
        origins = GaugeMetricFamily(
            "pricewire_feed_source", "Where an instrument's newest tick comes from.", labels=["instrument", "source"]
        )
        now_ns = time.monotonic_ns()
        for counters in self._market.counters():
            messages.add_metric([counters.name], counters.messages)
            ticks.add_metric([counters.name], counters.ticks)
            gaps.add_metric([counters.name], counters.gaps)
            connections.add_metric([counters.name], counters.connections)
            for reason, count in counters.rejected.items():
                rejected.add_metric([counters.name, reason], count)
            if counters.newest_ns is not None:
                ages.add_metric([counters.name], (now_ns - counters.newest_ns) / 1e9)
        for instrument_id, source in self._market.sources().items():
            origins.add_metric([instrument_id, source], 1)
        yield from (messages, ticks, rejected, gaps, connections, ages, origins)


@get("/metrics", media_type="text/plain")
async def show_metrics(metrics: NamedDependency[Metrics]) -> Response[bytes]:
    """Return the metrics in the text form of Prometheus."""
    return Response(metrics.text(), headers={"content-type": CONTENT_TYPE_LATEST})


class LoopDelay:
    """
    Measures how late the event loop comes to its callbacks: what everything that happens on it waits for.

    Args:
        observe: called with each delay, in seconds.
        clock: returns the time in seconds. The loop's own will not do: uvloop's stands still within a turn, and knows milliseconds only.
    """

    def __init__(self, observe: Callable[[float], None], clock: Callable[[], float] = time.perf_counter) -> None:
        self._observe = observe
        self._clock = clock
        self._due = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Measure from now on."""
        self._due = self._clock() + DELAY_INTERVAL
        self._timer = asyncio.get_running_loop().call_later(DELAY_INTERVAL, self._measure)

    def stop(self) -> None:
        """Measure no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _measure(self) -> None:
        # A timer may come a little early: its clock is a coarser one.
        self._observe(max(0.0, self._clock() - self._due))
        self.start()
