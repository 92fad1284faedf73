"""A feed of several: each instrument from a primary with fall-backs, or from the median or the best prices of all."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Literal

import msgspec

from pricewire.errors import FeedError, TickRejectedError
from pricewire.market.clock import Clock, SystemClock
from pricewire.market.counters import FeedCounters
from pricewire.market.feed import Feed, FeedThatHoldsBack, FeedWithBackfill, FeedWithCounters, PastTicks
from pricewire.market.feeds.guard import Guard
from pricewire.market.feeds.options import Table
from pricewire.market.supervisor import Supervisor
from pricewire.protocol.messages import Instrument, Tick

logger = logging.getLogger(__name__)

WAITING = 4096
"""How many ticks of the sources wait to be taken; a source whose ticks do not fit waits."""


class MixedInstrument(Table, frozen=True, kw_only=True):
    """
    How an instrument is made of those of the sources.

    Attributes:
        sources: the names of the sources that bring it, the primary first.
        choose: `first` is the first of the sources that is not silent; `median` of bids and of asks; `best` the highest bid and the lowest
            ask.
        takeover_s: after so many seconds without a tick a source is silent: its prices count no more.
        max_jump: a price that is further from the one before than this part of it is held back until it has proved true.
    """

    sources: list[str]
    choose: Literal["first", "median", "best"] = "first"
    takeover_s: float = 5.0
    max_jump: float | None = None


class MixOptions(Table, frozen=True, kw_only=True):
    """
    The file of a mix.

    Attributes:
        sources: the feeds, as for `--feed`, by names of one's own.
        instruments: by their ids, which are those of the sources.
    """

    sources: dict[str, str]
    instruments: dict[str, MixedInstrument]


@dataclass(slots=True)
class Mixed:
    """
    An instrument of a mix.

    Attributes:
        instrument: as the first of its sources announces it.
        options: how it is made.
        guard: judges what is made.
        guards: judge the ticks of each source.
        newest: of each source that has brought one, the newest tick and when it came, in nanoseconds of a monotonic clock.
        source: whose tick was taken last; empty before the first.
    """

    instrument: Instrument
    options: MixedInstrument
    guard: Guard
    guards: dict[str, Guard]
    newest: dict[str, tuple[Tick, int]] = field(default_factory=dict)
    source: str = ""


class MixFeed:
    """
    Several feeds as one.

    Attributes:
        name: what operators know it by.
        instruments: that it makes.
    """

    def __init__(self, where: Path, options: MixOptions, feeds: Mapping[str, Feed], clock: Clock | None = None) -> None:
        """
        Put feeds together.

        Args:
            where: the file of the options, for errors.
            options: what is made.
            feeds: the sources, by their names.
            clock: the time; by default the system's.

        Raises:
            FeedError: a source lacks an instrument, or an option cannot be used.
        """
        self.name = f"mix:{where}"
        self._clock = clock or SystemClock()
        self._feeds = dict(feeds)
        self._counters = FeedCounters(self.name)
        self._mixed: dict[str, Mixed] = {}
        for each, chosen in options.instruments.items():
            if not chosen.sources:
                raise FeedError(f"{where}: instruments.{each}: name its sources, the primary first")
            if not (math.isfinite(chosen.takeover_s) and chosen.takeover_s > 0):
                raise FeedError(f"{where}: instruments.{each}: takeover_s {chosen.takeover_s} is not a positive number of seconds")
            found = [announced(each, source, self._feeds, where) for source in chosen.sources]
            if len({instrument.pip_size for instrument in found}) > 1:
                raise FeedError(f"{where}: instruments.{each}: its sources have it with different decimals; give them one pip_size")
            guards = {source: Guard(instrument, chosen.max_jump) for source, instrument in zip(chosen.sources, found, strict=True)}
            self._mixed[each] = Mixed(found[0], chosen, Guard(found[0], chosen.max_jump), guards)
        if not self._mixed:
            raise FeedError(f"{where}: no instrument is named; add a table such as [instruments.EURUSD] with sources = [...]")
        self.instruments = [mixed.instrument for mixed in self._mixed.values()]

    @property
    def counters(self) -> Sequence[FeedCounters]:
        """What it has made, and what its sources have brought."""
        return [self._counters, *(each for feed in self._feeds.values() if isinstance(feed, FeedWithCounters) for each in feed.counters)]

    def sources(self) -> Mapping[str, str]:
        """Return whose tick was taken last, by instrument; those that had none are left out."""
        return {each: mixed.source for each, mixed in self._mixed.items() if mixed.source}

    def is_holding(self, instrument_id: str) -> bool:
        """
        Return whether the newest price of an instrument is held back: what is made of the sources, or that of the one which counts, here or
        in its own feed.
        """
        mixed = self._mixed[instrument_id]
        if mixed.options.choose != "first":
            return mixed.guard.is_holding
        alive = living(mixed, self._clock.monotonic_ns())[:1]
        feeds = [self._feeds[source] for source in alive]
        return any(mixed.guards[source].is_holding for source in alive) or any(
            feed.is_holding(instrument_id) for feed in feeds if isinstance(feed, FeedThatHoldsBack)
        )

    def backfill(self, newest: Sequence[Tick]) -> Iterable[PastTicks]:
        """Yield the ticks after the newest ones in the journal, as far as the primary of each instrument knows them."""
        for name, feed in self._feeds.items():
            own = [tick for tick in newest if self._mixed[tick.instrument_id].options.sources[0] == name]
            if own and isinstance(feed, FeedWithBackfill):
                yield from feed.backfill(own)

    async def __aiter__(self) -> AsyncIterator[Tick]:
        """Run the sources, each with a supervisor of its own, and yield what is made of their ticks."""
        queue = asyncio.Queue[tuple[str, Tick]]()
        room = asyncio.Semaphore(WAITING)
        tasks = [
            asyncio.create_task(self._supervised(name, feed, queue, room).run(), name=f"source {name}")
            for name, feed in self._feeds.items()
        ]
        self._counters.connections += 1
        try:
            while True:
                source, tick = await queue.get()
                room.release()
                made = self._take(source, tick, self._clock.monotonic_ns())
                if made is not None:
                    yield made
        finally:
            for task in tasks:
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait(tasks)

    def _supervised(self, name: str, feed: Feed, queue: asyncio.Queue[tuple[str, Tick]], room: asyncio.Semaphore) -> Supervisor:
        def down() -> None:
            # What it has brought is not its price any more.
            for mixed in self._mixed.values():
                mixed.newest.pop(name, None)

        return Supervisor(
            Bounded(feed, room),
            on_tick=lambda tick: queue.put_nowait((name, tick)),
            on_down=down,
            clock=self._clock,
            name=f"{self.name} {name}",
        )

    def _take(self, source: str, tick: Tick, now_ns: int) -> Tick | None:
        """Take the tick of a source; return what is made of it, None where it changes nothing or is held back."""
        counters = self._counters
        counters.messages += 1
        counters.newest_ns = now_ns
        mixed = self._mixed.get(tick.instrument_id)
        if mixed is None or source not in mixed.options.sources:
            counters.pass_over()
            return None
        received_ms = self._clock.now_ns() // 1_000_000
        try:
            checked = mixed.guards[source].check(tick.bid, tick.ask, tick.epoch_ms, received_ms)
            mixed.newest[source] = (checked, now_ns)
            alive = living(mixed, now_ns)
            if mixed.options.choose == "first" and source != alive[0]:
                counters.pass_over()
                return None
            made = made_of(mixed, alive, checked, received_ms)
        except TickRejectedError as error:
            counters.reject(error, f"{source}: {tick.instrument_id} {tick.bid} {tick.ask} at {tick.epoch_ms}")
            return None
        named = source if mixed.options.choose == "first" else f"{mixed.options.choose} of {', '.join(alive)}"
        if named != mixed.source:
            logger.log(logging.INFO if not mixed.source else logging.WARNING, "%s comes from %s now", tick.instrument_id, named)
            mixed.source = named
        counters.ticks += 1
        return msgspec.structs.replace(made, source=named)


class Bounded:
    """A feed that waits where nobody takes its ticks."""

    def __init__(self, feed: Feed, room: asyncio.Semaphore) -> None:
        """Pass on the ticks of a feed, as far as there is room."""
        self._feed = feed
        self._room = room
        self.instruments = feed.instruments

    async def __aiter__(self) -> AsyncIterator[Tick]:
        """Yield the ticks; the iteration of the feed ends with this one."""
        ticks = aiter(self._feed)
        try:
            async for tick in ticks:
                await self._room.acquire()
                yield tick
        finally:
            if hasattr(ticks, "aclose"):
                await ticks.aclose()


def living(mixed: Mixed, now_ns: int) -> list[str]:
    """Return the sources of an instrument that are not silent, the primary first."""
    oldest = now_ns - mixed.options.takeover_s * 1e9
    return [source for source in mixed.options.sources if source in mixed.newest and mixed.newest[source][1] >= oldest]


def announced(instrument_id: str, source: str, feeds: Mapping[str, Feed], where: Path) -> Instrument:
    """
    Return an instrument as a source announces it.

    Raises:
        FeedError: there is no such source, or it does not.
    """
    if source not in feeds:
        raise FeedError(f"{where}: instruments.{instrument_id}: there is no source {source!r}; there are {', '.join(feeds)}")
    for instrument in feeds[source].instruments:
        if instrument.id == instrument_id:
            return instrument
    raise FeedError(f"{where}: instruments.{instrument_id}: the source {source!r} does not bring it")


def made_of(mixed: Mixed, alive: Sequence[str], tick: Tick, received_ms: int) -> Tick:
    """
    Return the tick that is made of the newest ones.

    Args:
        mixed: the instrument.
        alive: its sources that are not silent.
        tick: the newest tick of all.
        received_ms: when that came, in milliseconds since 1970.

    Raises:
        TickRejectedError: it is held back.
    """
    bid, ask, epoch_ms = tick.bid, tick.ask, tick.epoch_ms
    if mixed.options.choose != "first":
        ticks = [mixed.newest[source][0] for source in alive]
        choose = (median, median) if mixed.options.choose == "median" else (max, min)
        bid, ask = Decimal(choose[0](each.bid for each in ticks)), Decimal(choose[1](each.ask for each in ticks))
        # The newest of the times: one source's clock may be behind that of another.
        epoch_ms = max(each.epoch_ms for each in ticks)
    return mixed.guard.check(bid, ask, epoch_ms, received_ms)
