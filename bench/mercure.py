"""
The Mercure protocol: its streams beside those of `/sse`, and what patterns of topics cost.

For the patterns, two hubs have 10,000 topics and 1,000 streams that get the updates of ten topics each: by the names of these topics on
one, by a pattern on the other. Half of the patterns begin with a text that few topics have, and half with a wildcard, so that each has to
be compared with each new topic.
"""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field
from urllib.parse import urlencode

from bench import fanout
from bench.machine import Placement, raise_file_limit
from bench.process import CLOCK_TICK, tree_seconds
from bench.readers.pool import Readers
from bench.report import Progress, Report, Table
from bench.servers.mercure import Mercure
from bench.servers.peer import Peer, PeerError
from bench.servers.pricewire_mercure import HUB, ITEMS, MercureStreams, Shops, SseStreams, items
from bench.tls import measure

KINDS: tuple[type[Peer], ...] = (MercureStreams, SseStreams, Mercure)

PER_FLUSH = 100
"""How many updates of different topics are published at once."""

EXPECTED_RATIO = 1.05
"""What an update costs with patterns, as a multiple of what it costs with names."""

EXPECTED_NEW = 1e-3
"""What the first update of a topic costs more than the next, in seconds of CPU."""


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is measured.

    Attributes:
        fanout: how much of the fan-out.
        shops: how many streams the hubs of many topics have.
        rounds: how often each of them publishes an update of each topic; the median counts.
        times: how often in each round.
        judge: whether to say which expectations were met.
    """

    fanout: fanout.Settings = field(default_factory=fanout.Settings)
    shops: int = 1000
    rounds: int = 9
    times: int = 4
    judge: bool = True


QUICK = Settings(fanout.QUICK, shops=20, rounds=1, times=1, judge=False)
"""Whether the pieces work; the figures say nothing."""


@dataclass(slots=True)
class Hub:
    """
    A hub of many topics, with its streams open.

    Attributes:
        label: how the streams say which topics they are for.
        server: the hub.
        cost: what one took in each turn, in seconds of CPU; in the first, all topics were new.
    """

    label: str
    server: Shops
    cost: list[float] = field(default_factory=list)

    def take_turn(self, updates: int) -> None:
        """Publish so many updates, and note what that took."""
        before = tree_seconds(self.server.pid)
        self.server.publish(updates // PER_FLUSH, PER_FLUSH)
        self.cost.append(max(tree_seconds(self.server.pid) - before, 1 / CLOCK_TICK) / updates)

    @property
    def usual(self) -> float:
        """What an update of a known topic takes, in seconds of CPU."""
        return statistics.median(self.cost[1:])


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    report = measure("mercure", KINDS, SseStreams, placement, settings.fanout, progress)
    hubs = compare(placement, settings, progress)
    by_name, by_pattern = hubs
    ratio = statistics.median(cost / usual for cost, usual in zip(by_pattern.cost[1:], by_name.cost[1:], strict=True))
    new = by_pattern.cost[0] - by_pattern.usual
    topics = f"{settings.shops * ITEMS:,} topics, {settings.shops:,} streams of {ITEMS} each"
    table = Table(f"Microseconds of CPU for an update: {topics}", ["the streams have", "a known topic", "a new topic"])
    table.rows += [[hub.label, f"{hub.usual * 1e6:.1f}", f"{hub.cost[0] * 1e6:.1f}"] for hub in hubs]
    report.tables.append(table)
    report.figures["topics"] = {"ratio": ratio, "new": new, "cost": {hub.label: hub.cost for hub in hubs}}
    if settings.judge:
        for what, reached, expected in (("with patterns", ratio, EXPECTED_RATIO), ("a new topic, in seconds", new, EXPECTED_NEW)):
            verdict = "reached" if reached <= expected else "MISSED"
            report.notes.append(f"{what}: at most {expected:g} expected; {reached:.3g}, {verdict}")
    return report


def compare(placement: Placement, settings: Settings, progress: Progress) -> list[Hub]:
    """Have a hub whose streams have names and one whose streams have patterns publish in turns."""
    raise_file_limit(2 * settings.shops)
    updates = settings.shops * ITEMS
    with Shops(placement, settings.shops) as first, Shops(placement, settings.shops) as second, Readers() as readers:
        hubs = [Hub("names", first), Hub("patterns", second)]
        for hub, query in zip(hubs, (names, pattern), strict=True):
            progress(f"opening {settings.shops} streams with {hub.label}")
            for shop in range(settings.shops):
                readers.open(hub.label, hub.server.port, f"{HUB}?{query(shop)}", 1)
        due = 0
        for number in range(1 + settings.rounds):
            times = settings.times if number else 1
            due += ITEMS * times
            for hub in hubs:
                progress(f"round {number} of {settings.rounds}: {hub.label}")
                hub.take_turn(updates * times)
                counts = readers.wait(hub.label, due)
                if not counts.least == counts.most == due:
                    raise PeerError(f"{hub.label}: streams have {counts.least} to {counts.most} updates of {due}")
        return hubs


def names(shop: int) -> str:
    """Return a query for the topics of a shop."""
    return urlencode([("match", topic) for topic in items(shop)])


def pattern(shop: int) -> str:
    """Return a query for the same topics by a pattern."""
    kind = ":kind" if shop % 2 else "shops"
    return urlencode({"match_urlpattern": f"https://example.com/{kind}/{shop}/items/:item"})
