"""Tells operators how the server is doing, by the topic `admin`, once a second while somebody listens to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from heapq import nlargest
from importlib.metadata import version

from pricewire.bus.tasks import report
from pricewire.errors import DatabaseError
from pricewire.hub.hub import Hub
from pricewire.market.market import Market
from pricewire.protocol.admin_messages import (
    AccountsState,
    AdminBody,
    FeedState,
    InstrumentExposure,
    LoopDelays,
    StreamFigures,
    TopicReaders,
    TradingFigures,
    Traffic,
)
from pricewire.protocol.topics import AdminTopic
from pricewire.protocol.trading_messages import Amount
from pricewire.server.auth.service import AuthService
from pricewire.server.limits import Admission
from pricewire.server.metrics import Metrics
from pricewire.server.publisher import Publisher
from pricewire.trading.desk import Desk
from pricewire.trading.money import to_text

TOPIC = str(AdminTopic())

INTERVAL_S = 1.0
"""The time between two reports, in seconds."""

ACCOUNTS_S = 10.0
"""The time between two looks at the accounts, in seconds: the database goes through all of them."""

TURN = 1000
"""After how many topics the event loop does something else: prices must not wait for this."""

SHOWN = 20
"""How many topics, instruments with exposure and silent instruments are named: as many as an operator looks through."""


class AdminReport:
    """
    Publishes an `AdminBody` once a second while the topic has streams.

    Args:
        publisher: of the market, the hub and the desk.
        admission: counts streams and refusals.
        metrics: measures how late the event loop is, and knows the gateways.
        auth: returns what has the accounts; None without trading and before it has begun.
        can_drain: whether operators can stop the server.
    """

    def __init__(
        self,
        publisher: Publisher,
        admission: Admission,
        metrics: Metrics,
        auth: Callable[[], AuthService | None],
        *,
        can_drain: bool,
    ) -> None:
        self._publisher = publisher
        self._admission = admission
        self._metrics = metrics
        self._auth = auth
        self._can_drain = can_drain
        self._started_epoch_ms = time.time_ns() // 1_000_000
        self._accounts: list[AccountsState[Amount]] = []
        self._database_failure = ""
        self._tasks: list[asyncio.Task[None]] = []

    def want(self, is_wanted: bool) -> None:
        """Begin to report, or end it."""
        for task in self._tasks:
            task.cancel()
        self._tasks = []
        for work in (self._report(), self._look_at_accounts()) if is_wanted else ():
            task = asyncio.create_task(work, name="admin report")
            task.add_done_callback(report)
            self._tasks.append(task)

    async def _report(self) -> None:
        while True:
            busiest = await busiest_topics(self._publisher.hub)
            self._publisher.bus.publish(TOPIC, self._body(busiest), key=TOPIC, event=TOPIC)
            await asyncio.sleep(INTERVAL_S)

    async def _look_at_accounts(self) -> None:
        while True:
            auth = self._auth()
            try:
                totals = [] if auth is None else await auth.accounts.totals()
            except DatabaseError as error:
                self._database_failure = str(error)
            else:
                self._database_failure = ""
                self._accounts = [
                    AccountsState(currency=each.currency, accounts=each.accounts, suspended=each.suspended, balance=to_text(each.balance))
                    for each in totals
                ]
            await asyncio.sleep(ACCOUNTS_S)

    def _body(self, busiest: list[TopicReaders]) -> AdminBody[Amount]:
        hub, counters, market, desk = self._publisher.hub, self._publisher.hub.counters, self._publisher.market, self._publisher.desk
        gateways = {} if self._metrics.leader is None else self._metrics.leader.metrics()
        return AdminBody(
            version=version("pricewire"),
            epoch_ms=time.time_ns() // 1_000_000,
            started_epoch_ms=self._started_epoch_ms,
            is_draining=hub.is_draining,
            can_drain=self._can_drain,
            problems=[each for each in (market.journal_failure, self._publisher.bus.failure, self._database_failure) if each],
            streams=StreamFigures(
                open={endpoint: count for endpoint, count in self._admission.open.items() if count},
                on_gateways=round(gateways["pricewire_gateway_streams"][1]) if gateways else 0,
                gateways=round(gateways["pricewire_gateways"][1]) if gateways else 0,
                lagging=hub.lagging,
                opened=counters.streams_opened,
                resumed=counters.resumed,
                reset=counters.reset,
                lagged=counters.streams_lagged,
                dropped=counters.streams_dropped,
            ),
            traffic=Traffic(
                published=counters.events_published,
                delivered=counters.events_delivered,
                merged=counters.events_merged,
                bytes=counters.bytes_written,
            ),
            loop_delay=loop_delays(self._metrics.recent_delays),
            refusals=dict(self._admission.refusals),
            topics=len(hub.topics),
            busiest_topics=busiest,
            feeds=list(feeds(market)),
            trading=self._trading(desk),
        )

    def _trading(self, desk: Desk | None) -> TradingFigures[Amount]:
        exposure = [] if desk is None else desk.exposure.of_instruments()
        return TradingFigures(
            open_contracts=0 if desk is None else desk.open_contracts,
            unsettled_contracts=0 if desk is None else desk.unsettled_contracts,
            purchases=0 if desk is None else desk.purchases,
            sales=0 if desk is None else desk.sales,
            accounts=self._accounts,
            exposure=[
                InstrumentExposure(
                    instrument_id=instrument_id,
                    currency=currency,
                    may_win=to_text(may_win),
                    limit=None if limit is None else to_text(limit),
                )
                for instrument_id, currency, may_win, limit in nlargest(SHOWN, exposure, key=lambda each: each[2])
            ],
        )


async def busiest_topics(hub: Hub) -> list[TopicReaders]:
    """Return the topics with the most streams, the most first."""
    names, most = hub.topics, list[tuple[int, str]]()
    for begin in range(0, len(names), TURN):
        readers = [(count, name) for name in names[begin : begin + TURN] if (count := hub.readers(name))]
        most = nlargest(SHOWN, most + readers)
        await asyncio.sleep(0)
    return [TopicReaders(topic=name, streams=count) for count, name in most]


def feeds(market: Market) -> Iterator[FeedState]:
    """Yield what there is to say of each feed."""
    is_open = {instrument.id: instrument.is_market_open for instrument in market.instruments()}
    for name, ids in market.feeds():
        newest = [tick.epoch_ms for each in ids if (tick := market.tick(each)) is not None]
        yield FeedState(
            name=name,
            instruments=len(ids),
            open=sum(is_open[each] for each in ids),
            silent=[each for each in ids if market.is_stale(each)][:SHOWN],
            ticks=sum(market.taken[each] for each in ids),
            newest_epoch_ms=max(newest, default=None),
        )


def loop_delays(delays_s: Sequence[float]) -> LoopDelays:
    """Return the mean and the longest of some delays, in seconds; 0 where there are none yet."""
    mean_s = sum(delays_s) / len(delays_s) if delays_s else 0.0
    return LoopDelays(mean_ms=round(1000 * mean_s, 2), longest_ms=round(1000 * max(delays_s, default=0.0), 2))
