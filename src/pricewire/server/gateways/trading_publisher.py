"""The publisher of a process with trading alone: prices come from another process, and so do the topics of the market."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from pricewire.bus.frames import Record
from pricewire.bus.nats import NatsBus
from pricewire.errors import BusError, PricewireError
from pricewire.market.feed import PastTicks
from pricewire.protocol.free_topics import is_from_outside
from pricewire.protocol.messages import Candle, Tick
from pricewire.protocol.topics import AccountTopic, AdminTopic, CandlesTopic, ContractListTopic, MarketTopic, QuoteTopic, parse_topic
from pricewire.server.gateways.bus_feed import BusFeed
from pricewire.server.gateways.market_source import Interest
from pricewire.server.gateways.remote_desks import RemoteDesk
from pricewire.server.publisher import Publisher
from pricewire.trading.partitions import Share

logger = logging.getLogger(__name__)


class TradingPublisher(Publisher):
    """
    Publishes what the desk has to say; the market publishes ticks and candles, told which candles have streams.

    Of several processes with trading, the one that leads has all streams. It tells the others which topics of their accounts have some.

    Attributes:
        feeds: the market of the other process.
        interest: what that is told by.
        has_led: whether this process has led already.
        check_contract: checks that an account has a contract, by their ids; raises what the desk would.

    Args:
        feeds: the market of the other process.
        interest: what that is told by.
        options: what `Publisher` takes.
    """

    def __init__(self, feeds: Sequence[BusFeed], interest: Interest, **options: Any) -> None:
        super().__init__(feeds, **options)
        self.feeds = feeds
        self.interest = interest
        self.has_led = False
        self.check_contract: Callable[[str, str], Awaitable[None]] | None = None
        # The topics of trading that have streams here.
        self._streamed: dict[str, None] = {}
        self._share: Share | None = None
        self._others: Mapping[int, RemoteDesk] = {}

    def take(self, records: Sequence[Record]) -> None:
        """Have the desk get the ticks among what was published."""
        for feed in self.feeds:
            feed.take(records)

    async def catch_up(self) -> None:
        """
        Return when the desk has had every tick that any client may have.

        Raises:
            BusError: the bus does not answer.
        """
        assert isinstance(self.bus, NatsBus), "prices come by it"  # noqa: S101
        await self.bus.catch_up()
        for feed in self.feeds:
            await feed.taken()

    async def first_values(self) -> int:
        """Return the position up to which a hub has to have everything to have the first values of all topics that others publish."""
        position = await self.interest.first_values()
        for other in self._others.values():
            await other.told()
            position = max(position, other.position)
        return position

    async def share(self, share: Share, others: Mapping[int, RemoteDesk]) -> None:
        """
        Lead: have a new desk, or other processes, publish the topics that have streams.

        Args:
            share: of this process.
            others: the other processes by their places.
        """
        self._share, self._others = share, others
        for name in list(self._streamed):
            topic = parse_topic(name)
            if (other := self._other(topic)) is not None:
                other.want(name, True)
                continue
            try:
                await self.prepare(topic)  # type: ignore[arg-type]
            except PricewireError as error:
                logger.warning("%s is no longer published: %s", name, error)
                continue
            if name in self._streamed:
                super()._first_stream(name)

    def end_trading(self) -> None:
        """Trade no more, until `begin_trading`."""
        self.desk, self._share, self._others = None, None, {}
        # The next desk has not been told of them.
        self._wanted.difference_update(self._streamed)

    async def prepare(self, topic: QuoteTopic | AccountTopic) -> str:
        """
        Return the name of a topic of trading in canonical form.

        Raises:
            BusError: it is not known which process has it.
        """
        if self.desk is None:
            raise BusError("the accounts are being shared anew; try again in a moment")
        if self._other(topic) is None:
            return str(await self.desk.prepare(topic))
        if isinstance(topic, ContractListTopic) and topic.contract_id and self.check_contract is not None:
            await self.check_contract(topic.contract_id, topic.account_uuid)
        return str(topic)

    def go_on(self, past: Mapping[str, PastTicks]) -> None:
        """Publish nothing: the market does."""

    def _show(self, topic: str, message: Tick | Candle, event: str) -> None:
        """Publish nothing: the market has."""

    def _stale(self, instrument_id: str, since_epoch_ms: int) -> None:
        """Say nothing: the market does."""

    def _first_stream(self, name: str) -> None:
        if is_from_outside(name):
            return
        topic = parse_topic(name)
        if isinstance(topic, CandlesTopic):
            self.interest.add(name)
        elif not isinstance(topic, MarketTopic | AdminTopic):
            self._streamed[name] = None
            if (other := self._other(topic)) is not None:
                other.want(name, True)
                return
        if not isinstance(topic, MarketTopic):
            super()._first_stream(name)

    def _last_stream(self, name: str) -> None:
        if is_from_outside(name):
            return
        topic = parse_topic(name)
        if isinstance(topic, CandlesTopic):
            self.interest.discard(name)
        self._streamed.pop(name, None)
        if (other := self._other(topic)) is not None:
            other.want(name, False)
        elif not isinstance(topic, MarketTopic):
            super()._last_stream(name)

    def _other(self, topic: object) -> RemoteDesk | None:
        """Return the other process that publishes a topic; None where this one does."""
        if self._share is None or not isinstance(topic, AccountTopic):
            return None
        return self._others.get(self._share.place_of(topic.account_uuid))
