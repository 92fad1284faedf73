"""The market: runs the feeds, keeps and publishes their ticks, and answers requests for history."""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from pricewire.errors import FeedError, UnknownInstrumentError
from pricewire.market.archived_days import overlapping
from pricewire.market.candles import MINUTE_MS, START
from pricewire.market.clock import SUSPENSION_NS, Clock, SystemClock
from pricewire.market.counters import FeedCounters
from pricewire.market.feed import (
    EARLIEST_MS,
    LATEST_MS,
    Feed,
    FeedOfSources,
    FeedThatHoldsBack,
    FeedWithBackfill,
    FeedWithCounters,
    FeedWithHistory,
    FeedWithHours,
    FeedWithIntervals,
    FeedWithVolatility,
    PastTicks,
    check_past,
)
from pricewire.market.history import SelectedTicks, put_in
from pricewire.market.hours import TradingHours
from pricewire.market.instrument_state import InstrumentState, SelectedCandles
from pricewire.market.journal import Journal
from pricewire.market.journal_writer import JournalWriter
from pricewire.market.markets import MARKETS
from pricewire.market.older import Older
from pricewire.market.pips import MAX_PIP_SIZE, Integers
from pricewire.market.supervisor import Supervisor, feed_name
from pricewire.protocol.messages import Candle, CandlesHistoryRequest, Instrument, Tick, TicksHistoryRequest
from pricewire.protocol.topics import INSTRUMENT_ID, CandlesTopic, MarketTopic, parse_granularity

logger = logging.getLogger(__name__)

Publish = Callable[[str, Tick | Candle, str], None]
"""Is called with a topic, a message of it, and the kind of event: `tick` or `candle`."""

OnRecorded = Callable[[Tick], None]
"""Is called with each tick that is in the journal, after it was published."""

OnStale = Callable[[str, int], None]
"""Is called with an instrument's id and since when no tick has come, in milliseconds since 1970."""

WATCH_S = 1.0
"""How often silence is looked for, in seconds."""


class Market:
    """
    All instruments of some feeds.

    Ticks are written to the journal, then published, in the order in which they arrive; one that is older than its instrument's newest is
    refused. A candle is published with every tick in it, where somebody wants it. Whatever names an instrument that no feed has raises an
    `UnknownInstrumentError`.

    Attributes:
        refused: how many ticks could not be used.
        taken: how many could, of each instrument.
        recorded: how many of those are in the journal, if there is one.
    """

    def __init__(
        self,
        feeds: Sequence[Feed],
        publish: Publish,
        *,
        on_recorded: OnRecorded = lambda tick: None,
        on_stale: OnStale | None = None,
        hours: Mapping[str, TradingHours] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """
        Prepare to run feeds.

        Args:
            feeds: where ticks come from.
            publish: is called for every tick and every wanted candle. What it raises ends `run`.
            on_recorded: is called with every tick, in order, when it was published and is in the journal, if there is one; likewise.
            on_stale: is called once per silence, when an instrument's ticks have stopped for much longer than usual.
            hours: when the markets of some instruments are open, instead of what their feeds say.
            clock: the time to run by; by default the system's.

        Raises:
            FeedError: two feeds bring the same instrument, an instrument's id, `pip_size` or market cannot be used, or there are hours of
                an instrument that no feed brings.
        """
        self._feeds = list(feeds)
        self._publish = publish
        self._on_recorded = on_recorded
        self._on_stale = on_stale
        self._clock = clock or SystemClock()
        self.refused = 0
        self.taken: Counter[str] = Counter()
        self.recorded: Counter[str] = Counter()
        self._journal: Journal | None = None
        self._writer: JournalWriter | None = None
        self._states: dict[str, InstrumentState] = {}
        self._states_of_feeds: list[dict[str, InstrumentState]] = []
        now_ns = self._clock.monotonic_ns()
        self._feed_of: dict[str, Feed] = {}
        hours = hours or {}
        for feed in self._feeds:
            own: dict[str, InstrumentState] = {}
            check_known(feed)
            known = {**feed.hours, **hours} if isinstance(feed, FeedWithHours) else hours
            for instrument in feed.instruments:
                if instrument.id in self._states:
                    raise FeedError(f"instrument {instrument.id} is brought twice: by two feeds, or twice by one")
                state = InstrumentState(checked(instrument), now_ns, known.get(instrument.id))
                own[instrument.id] = self._states[instrument.id] = state
                self._feed_of[instrument.id] = feed
            self._states_of_feeds.append(own)
        for instrument_id in hours:
            if instrument_id not in self._states:
                raise FeedError(f"trading hours of {instrument_id!r}, which no feed brings; there are {', '.join(self._states)}")
        self._journaled: dict[str, PastTicks] = {}
        # A protocol is looked for once, and not for each tick.
        self._holding = {each: feed for each, feed in self._feed_of.items() if isinstance(feed, FeedThatHoldsBack)}

    def backfill(self, newest: Sequence[Tick]) -> Iterator[PastTicks]:
        """
        Return the ticks after the newest ones of the journal, as far as the feeds know them; called before `write_to`, to be written.

        The ticks of an instrument are in order; a feed that fails here brings no more.
        """
        for feed, own in zip(self._feeds, self._states_of_feeds, strict=True):
            if not isinstance(feed, FeedWithBackfill):
                continue
            reached = {tick.instrument_id: tick.epoch_ms for tick in newest if tick.instrument_id in own}
            try:
                for past in feed.backfill([tick for tick in newest if tick.instrument_id in own]):
                    if past.instrument_id not in reached:
                        raise FeedError(f"ticks to fill up {past.instrument_id!r}, of which the feed was given no tick")
                    check_past(past)
                    if len(past.epoch_ms) == 0:
                        continue
                    if past.epoch_ms[0] < reached[past.instrument_id]:
                        raise FeedError(f"ticks to fill up {past.instrument_id} that begin before the newest in the journal")
                    reached[past.instrument_id] = int(past.epoch_ms[-1])
                    yield past
            except Exception as error:
                logger.warning("feed %s cannot tell what came meanwhile: %r", type(feed).__name__, error, exc_info=error)

    def write_to(self, journal: Journal, past: Mapping[str, PastTicks]) -> None:
        """
        Write every tick to a journal from now on; called before `run`.

        Args:
            journal: of all instruments of the feeds.
            past: its recent ticks by instrument: histories show them, and before them what the feeds know.
        """
        self._journal = journal
        self._writer = JournalWriter(journal, "prices go on, trading does not")
        self._journaled = {instrument_id: ticks for instrument_id, ticks in past.items() if instrument_id in self._states}

    async def run(self) -> None:
        """Load the history of the feeds, then run them until cancelled, also when all have ended."""
        self._load_history()
        try:
            async with asyncio.TaskGroup() as tasks:
                for feed, own in zip(self._feeds, self._states_of_feeds, strict=True):
                    tasks.create_task(self._supervisor(feed, own).run(), name=f"feed {type(feed).__name__}")
                tasks.create_task(self._watch(), name="market watch")
        finally:
            if self._writer is not None:
                self._writer.finish()

    @property
    def journal_failure(self) -> str:
        """
        Why ticks cannot be written to the journal now; empty while they can.

        They are published all the same, but nothing may be decided by them before they are written: they wait for that.
        """
        return "" if self._writer is None else self._writer.failure

    def unrecorded(self, instrument_id: str) -> int:
        """Return how many of an instrument's newest ticks wait for the journal."""
        return 0 if self._writer is None else self._writer.waiting_of(instrument_id)

    def without_prices(self) -> Iterator[str]:
        """Yield the ids of the instruments of which nobody knows the price now: their feed is down, or holds it back."""
        return (each for each, state in self._states.items() if not state.is_up or not self._is_clear(each))

    def want(self, topic: MarketTopic) -> None:
        """Publish a topic from now on; again is the same as once. Ticks are always published."""
        state = self._of(topic.instrument_id)
        if isinstance(topic, CandlesTopic):
            state.want(topic.granularity)

    def unwant(self, topic: MarketTopic) -> None:
        """Stop publishing a topic's candles; without effect where it was not wanted."""
        state = self._of(topic.instrument_id)
        if isinstance(topic, CandlesTopic):
            state.unwant(topic.granularity)

    def instruments(self) -> list[Instrument]:
        """Return all instruments, with `is_market_open` as it is now."""
        now_ms = self._clock.now_ns() // 1_000_000
        return [shown(state, now_ms, is_clear=self._is_clear(each)) for each, state in self._states.items()]

    def instrument(self, instrument_id: str) -> Instrument:
        """Return an instrument, with `is_market_open` as it is now."""
        return shown(self._of(instrument_id), self._clock.now_ns() // 1_000_000, is_clear=self._is_clear(instrument_id))

    def hours(self, instrument_id: str) -> TradingHours | None:
        """Return when an instrument's market is open; None for whenever ticks come."""
        return self._of(instrument_id).hours

    def is_ready(self) -> bool:
        """Return whether prices come from a feed, or none are to come because all markets are closed by their hours."""
        now_ms = self._clock.now_ns() // 1_000_000
        return any(
            (state.is_up and not state.pace.is_stale) or (state.hours is not None and not state.hours.is_open(now_ms))
            for state in self._states.values()
        )

    def feed(self, instrument_id: str) -> Feed:
        """Return the feed that brings an instrument."""
        self._of(instrument_id)
        return self._feed_of[instrument_id]

    def feeds(self) -> list[tuple[str, list[str]]]:
        """Return the feeds, each by its name in the log, and the ids of the instruments that it brings."""
        return [(feed_name(feed), list(own)) for feed, own in zip(self._feeds, self._states_of_feeds, strict=True)]

    def counters(self) -> list[FeedCounters]:
        """Return what the feeds count, as far as they do."""
        return [each for feed in self._feeds if isinstance(feed, FeedWithCounters) for each in feed.counters]

    def sources(self) -> dict[str, str]:
        """Return where the newest ticks come from, by instrument, of those feeds that have several sources."""
        return {each: source for feed in self._feeds if isinstance(feed, FeedOfSources) for each, source in feed.sources().items()}

    def is_stale(self, instrument_id: str) -> bool:
        """Return whether an instrument has been silent for much longer than usual."""
        return self._of(instrument_id).pace.is_stale

    def tick(self, instrument_id: str) -> Tick | None:
        """Return the tick that came last, or None before the first."""
        return self._of(instrument_id).newest

    def candle(self, instrument_id: str, granularity: int) -> Candle | None:
        """
        Return the newest candle of an instrument, whose span is in seconds; None before the first tick.

        Raises:
            InvalidTopicError: the granularity is none of `GRANULARITIES`.
        """
        return self._of(instrument_id).candle(parse_granularity(str(granularity)))

    def ticks(self, request: TicksHistoryRequest) -> list[Tick]:
        """Return recent ticks, oldest first."""
        return self.select_ticks(request).ticks()

    def select_ticks(self, request: TicksHistoryRequest) -> SelectedTicks:
        """Select recent ticks; a thread may make ticks of them."""
        history = self._of(request.instrument_id).history
        return history.select(request.from_epoch_ms, request.to_epoch_ms, request.granularity, request.count)

    def older_ticks(self, request: TicksHistoryRequest, selected: SelectedTicks) -> Older | None:
        """Return what the journal may have before the ticks that were selected from memory; None where there is nothing more."""
        if len(selected.epoch_ms) >= request.count:
            return None
        state = self._of(request.instrument_id)
        return self._older(state, request.from_epoch_ms, request.to_epoch_ms, state.history.oldest_ms)

    def select_candles(self, request: CandlesHistoryRequest) -> SelectedCandles:
        """
        Select recent candles, with the one being built; a thread may make candles of them.

        Raises:
            InvalidTopicError: the granularity is none of `GRANULARITIES`.
        """
        state = self._of(request.instrument_id)
        granularity = parse_granularity(str(request.granularity))
        rows = state.candles.rows(granularity, request.from_epoch_ms, request.to_epoch_ms, request.count)
        return state.select_candles(rows.copy(), granularity)

    def older_candles(self, request: CandlesHistoryRequest, selected: SelectedCandles) -> Older | None:
        """Return the same for candles that were selected from memory."""
        state = self._of(request.instrument_id)
        minutes = state.candles.minutes(0)
        # The candle that memory begins within may lack its first ticks.
        if len(selected.rows) >= request.count and selected.rows[0, START] > minutes[0, START]:
            return None
        span_ms, from_ms, to_ms = request.granularity * 1000, request.from_epoch_ms, request.to_epoch_ms
        # Whole candles.
        from_ms = None if from_ms is None else from_ms - from_ms % span_ms
        to_ms = None if to_ms is None else to_ms - to_ms % span_ms + span_ms - 1
        return self._older(state, from_ms, to_ms, int(minutes[0, START]) + MINUTE_MS - 1 if len(minutes) else None)

    def minutes(self, request: CandlesHistoryRequest) -> Integers:
        """Return the minutes in memory that a request's candles are made of, as rows of their own."""
        from_ms = request.from_epoch_ms or 0
        return self._of(request.instrument_id).candles.minutes(from_ms - from_ms % (request.granularity * 1000)).copy()

    def _older(self, state: InstrumentState, from_ms: int | None, to_ms: int | None, known_ms: int | None) -> Older | None:
        """
        Return what the journal may have of a span; None where there is nothing.

        Args:
            state: the instrument's.
            from_ms: the first time of interest, in milliseconds since 1970.
            to_ms: the last one.
            known_ms: memory has all that is later than this; None where it has nothing.
        """
        until_ms = min(LATEST_MS if each is None else each for each in (to_ms, known_ms))
        if self._journal is None or (from_ms is not None and from_ms > until_ms):
            return None
        instrument, first_ms = state.instrument, from_ms or EARLIEST_MS
        every = self._journal.days_of(instrument.id)
        segments = self._journal.segments_of(instrument.id, first_ms, until_ms, every)
        days = overlapping(every, first_ms, until_ms)
        if not segments and not days:
            return None
        return Older(instrument.id, instrument.pip_size, segments, from_ms, until_ms, self._journal.archive, days)

    def _of(self, instrument_id: str) -> InstrumentState:
        state = self._states.get(instrument_id)
        if state is None:
            raise UnknownInstrumentError(instrument_id)
        return state

    def _is_clear(self, instrument_id: str) -> bool:
        """Return whether no price of an instrument is held back."""
        feed = self._holding.get(instrument_id)
        return feed is None or not feed.is_holding(instrument_id)

    def _supervisor(self, feed: Feed, own: dict[str, InstrumentState]) -> Supervisor:
        def on_tick(tick: Tick) -> None:
            self._take(tick, own)

        def on_down() -> None:
            for state in own.values():
                state.is_up = False

        return Supervisor(feed, on_tick=on_tick, on_down=on_down, clock=self._clock)

    def _take(self, tick: Tick, own: dict[str, InstrumentState]) -> None:
        """Keep and publish a tick of the feed that announced the instruments `own`."""
        try:
            if type(tick) is not Tick:
                raise FeedError(f"{tick!r} is not a pricewire Tick")
            state = own.get(tick.instrument_id)
            if state is None:
                raise FeedError(f"tick of {tick.instrument_id!r}, which its feed has not announced")
            tick, pips = state.check(tick)
        except FeedError as error:
            self._report(error)
            return
        recorded = [tick] if self._writer is None else self._writer.write(tick, pips)
        self.taken[tick.instrument_id] += 1
        candles = state.add(tick, pips, self._clock.monotonic_ns())
        self._publish(state.topic, tick, "tick")
        self._have_recorded(recorded)
        for topic, candle in candles:
            self._publish(topic, candle, "candle")

    def _have_recorded(self, ticks: Sequence[Tick]) -> None:
        for tick in ticks:
            self.recorded[tick.instrument_id] += 1
            self._on_recorded(tick)

    def _report(self, error: FeedError) -> None:
        """Log a tick that is not used: the first ones, then fewer and fewer, since a broken feed sends thousands per second."""
        self.refused += 1
        if self.refused <= 5 or str(self.refused).strip("0") == "1":
            logger.warning("tick not used (%d so far): %s", self.refused, error)

    def _load_history(self) -> None:
        for feed, own in zip(self._feeds, self._states_of_feeds, strict=True):
            try:
                for past in feed.history() if isinstance(feed, FeedWithHistory) else ():
                    if past.instrument_id not in own:
                        raise FeedError(f"past ticks of {past.instrument_id!r}, which the feed has not announced")
                    journaled = self._journaled.pop(past.instrument_id, None)
                    own[past.instrument_id].load(past if journaled is None else put_in(past, journaled))
            except Exception as error:
                # The prices to come matter more than the history: the feed runs without it.
                logger.warning("feed %s has no usable history: %r", type(feed).__name__, error, exc_info=error)
        for instrument_id, journaled in self._journaled.items():
            self._states[instrument_id].load(journaled)
        self._journaled.clear()

    @property
    def clock_ahead_s(self) -> float:
        """How far the time here is ahead of the system's clock, which was set back, in seconds."""
        return self._clock.ahead_ns / 1e9 if isinstance(self._clock, SystemClock) else 0.0

    async def _watch(self) -> None:
        is_ahead = False
        while True:
            await self._clock.sleep(WATCH_S)
            while self._writer is not None and self._writer.is_waiting and (written := self._writer.write_waiting()):
                self._have_recorded(written)
                await self._clock.sleep(0)
            was_ahead, is_ahead = is_ahead, self.clock_ahead_s * 1e9 > SUSPENSION_NS
            if is_ahead and not was_ahead:
                logger.warning(
                    "the clock was set back by %.0f s: the time goes on here, and simulated markets would be closed for so long after a "
                    "restart now",
                    self.clock_ahead_s,
                )
            now_ns = self._clock.monotonic_ns()
            for instrument_id, state in self._states.items():
                if state.pace.falls_silent(now_ns):
                    silent_ns = now_ns - state.pace.newest_ns
                    logger.warning("no tick of %s for %.0f s", instrument_id, silent_ns / 1e9)
                    if self._on_stale is not None:
                        self._on_stale(instrument_id, (self._clock.now_ns() - silent_ns) // 1_000_000)


def shown(state: InstrumentState, now_ms: int, *, is_clear: bool) -> Instrument:
    """
    Return an instrument as it is now: not open before its first tick, while it is silent or a price is held back, or outside of its hours.

    Args:
        state: the instrument's.
        now_ms: the time, in milliseconds since 1970.
        is_clear: whether no price of it is held back.
    """
    instrument, is_open = state.instrument, state.is_up and state.is_live and not state.pace.is_stale and is_clear
    if state.hours is not None:
        session = state.hours.session(now_ms)
        is_open = is_open and session is not None and session.opens_ms <= now_ms
        if session is not None:
            instrument = msgspec.structs.replace(instrument, opens_at=session.opens_at, closes_at=session.closes_at)
    if instrument.is_market_open == is_open:
        return instrument
    return msgspec.structs.replace(instrument, is_market_open=is_open)


def check_known(feed: Feed) -> None:
    """
    Check what a feed says of its prices: contracts are priced by it.

    Raises:
        FeedError: a volatility is not a positive number, or an interval is not one of at least a millisecond.
    """
    for instrument_id, volatility in feed.volatilities.items() if isinstance(feed, FeedWithVolatility) else ():
        if not (math.isfinite(volatility) and volatility > 0):
            raise FeedError(
                f"feed {feed_name(feed)}: volatility {volatility} of {instrument_id} is not a positive number; 0.2 is 20 % a year"
            )
    for instrument_id, interval_ms in feed.intervals_ms.items() if isinstance(feed, FeedWithIntervals) else ():
        if not (math.isfinite(interval_ms) and interval_ms >= 1):
            raise FeedError(
                f"feed {feed_name(feed)}: interval {interval_ms} of {instrument_id} is not a number of milliseconds, at least 1"
            )


def checked(instrument: Instrument) -> Instrument:
    """
    Return an instrument that can be used.

    Raises:
        FeedError: its id would break a topic, its `pip_size` is out of bounds, or its categories do not begin with a market.
    """
    if INSTRUMENT_ID.fullmatch(instrument.id) is None:
        raise FeedError(f"instrument id {instrument.id!r} is not 1 to 64 letters, digits, '_', '.' and '-'")
    if not 0 <= instrument.pip_size <= MAX_PIP_SIZE:
        raise FeedError(f"instrument {instrument.id}: pip_size {instrument.pip_size} is not 0 to {MAX_PIP_SIZE} decimals")
    if not instrument.categories or instrument.categories[0] not in MARKETS:
        begins = f"not with {instrument.categories[0]!r}" if instrument.categories else "and are empty"
        raise FeedError(f"instrument {instrument.id}: its categories have to begin with one of {', '.join(MARKETS)}, {begins}")
    return instrument
