"""What a feed is, and how one is found by its name."""

from __future__ import annotations

import importlib
import sys
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from pricewire.errors import FeedError
from pricewire.market.counters import FeedCounters
from pricewire.market.hours import TradingHours
from pricewire.market.pips import Integers, Number, middle, quantum_of, rounded
from pricewire.protocol.messages import Instrument, Tick

EARLIEST_MS = 100_000_000_000
"""The earliest time of a tick, in milliseconds since 1970: in 1973. What is below was given in seconds."""

LATEST_MS = 100_000_000_000_000
"""The latest time of a tick, in milliseconds since 1970: in 5138. What is above was given in micro- or nanoseconds."""


class Feed(Protocol):
    """
    Where ticks come from: an object that names its instruments and is an asynchronous iterable of their ticks.

    The iteration may fail: then the market begins a new one after a while, so `__aiter__` is where to connect. It may end: then the
    instruments' market is closed.

    Attributes:
        instruments: the instruments that it has prices of; always the same.
    """

    @property
    def instruments(self) -> Sequence[Instrument]:
        """The instruments that it has prices of."""

    def __aiter__(self) -> AsyncIterator[Tick]:
        """Yield ticks as they come; an `async def` with `yield` is the simplest way."""


@dataclass(frozen=True, eq=False, slots=True)
class PastTicks:
    """
    Ticks of one instrument from before the start, as columns, oldest first.

    Attributes:
        instrument_id: whose ticks these are.
        epoch_ms: their times, in milliseconds since 1970 in UTC, in order.
        price: the middle prices, in pips: 114 is 1.14 with a `pip_size` of 2.
        ask: what one paid to buy, in pips.
        bid: what one got for selling, in pips.
    """

    instrument_id: str
    epoch_ms: Integers
    price: Integers
    ask: Integers
    bid: Integers


@runtime_checkable
class FeedWithHistory(Protocol):
    """A feed that also knows the ticks from before its iteration."""

    def history(self) -> Iterable[PastTicks]:
        """Return the past ticks of its instruments; called once, before the iteration begins."""


@runtime_checkable
class RecordedFeed(Protocol):
    """A feed whose ticks have been before, so that others may know what comes next."""

    @property
    def is_recording(self) -> bool:
        """Whether they have been; True."""


@runtime_checkable
class FeedWithVolatility(Protocol):
    """
    A feed that knows how much its prices move, as one whose prices are computed: contracts are priced by that from the first tick on.

    Attributes:
        volatilities: the annual volatility by instrument: the standard deviation of the logarithm of the price after a year of 365
            days; 1.0 is 100 %. It is estimated for those that are not named.
    """

    @property
    def volatilities(self) -> Mapping[str, float]:
        """The annual volatility by instrument."""


@runtime_checkable
class FeedWithIntervals(Protocol):
    """
    A feed that knows how often its ticks come, as one whose prices are computed: those of before may have come at another rate.

    Attributes:
        intervals_ms: the time between two ticks by instrument, in milliseconds. It is taken from the ticks of those that are not named.
    """

    @property
    def intervals_ms(self) -> Mapping[str, float]:
        """The time between two ticks by instrument."""


@runtime_checkable
class FeedWithHours(Protocol):
    """
    A feed that knows when the markets of its instruments are open.

    Attributes:
        hours: by instrument; those that are not named are open whenever ticks come.
    """

    @property
    def hours(self) -> Mapping[str, TradingHours]:
        """The trading hours by instrument."""


@runtime_checkable
class FeedWithBackfill(Protocol):
    """A feed that knows the ticks of the time when the server was down."""

    def backfill(self, newest: Sequence[Tick]) -> Iterable[PastTicks]:
        """
        Return the ticks after the newest ones in the journal, up to now; the iteration and the history continue from there.

        Called once, before `history` and the iteration, if there is a journal. The ticks that it returns are written to it, and contracts
        are settled with them. Those of the time when the server was down are in the history only if they are returned here. The
        iteration over them runs in a thread, so it may wait for an answer.

        Args:
            newest: the newest tick in the journal of each of its instruments that has one.
        """


@runtime_checkable
class FeedWithCounters(Protocol):
    """A feed that counts what it has brought and held back, of each of its sources."""

    @property
    def counters(self) -> Sequence[FeedCounters]:
        """What the sources have brought."""


@runtime_checkable
class FeedThatHoldsBack(Protocol):
    """A feed that holds back prices that are too far from the one before, until more of them come."""

    def is_holding(self, instrument_id: str) -> bool:
        """Return whether the newest price of an instrument is held back: its market is closed meanwhile, as others may know that price."""


@runtime_checkable
class FeedOfSources(Protocol):
    """A feed that has its prices of several sources."""

    def sources(self) -> Mapping[str, str]:
        """Return where the newest tick comes from, by instrument; those without a tick are left out."""


def make_tick(instrument: Instrument, *, bid: Number, ask: Number, epoch_ms: int) -> Tick:
    """
    Return a tick with its prices rounded half even to the instrument's decimals, and the middle of these for price, half a pip rounded up.

    Args:
        instrument: whose price this is.
        bid: what one gets for selling.
        ask: what one pays to buy.
        epoch_ms: the price's time at its source, in milliseconds since 1970 in UTC.

    Raises:
        FeedError: bid or ask is not a number.
    """
    quantum = quantum_of(instrument.pip_size)
    bid, ask = rounded(bid, quantum), rounded(ask, quantum)
    return Tick(instrument.id, epoch_ms, middle(bid, ask, quantum), ask, bid)


def check_past(past: PastTicks) -> None:
    """
    Check that past ticks can be used.

    Raises:
        FeedError: the columns differ in length, or the times are not in order.
    """
    if not len(past.epoch_ms) == len(past.price) == len(past.ask) == len(past.bid):
        raise FeedError(f"the past ticks of {past.instrument_id} have columns of different lengths")
    if (past.epoch_ms[1:] < past.epoch_ms[:-1]).any():
        raise FeedError(f"the past ticks of {past.instrument_id} are not in the order of their times")


def load_feed(name: str) -> Feed:
    """
    Import a feed by its name.

    Args:
        name: `module:Class`, of a class without arguments; or `module:object`, of a feed. Modules of the working directory are found
            as well.

    Raises:
        FeedError: there is no such module or name in it, it failed, or it is not a feed.
    """
    module_name, colon, attribute = name.partition(":")
    if not (module_name and colon and attribute):
        raise FeedError(f"feed {name!r} is not of the form 'module:Class'")
    here = str(Path.cwd())
    if here not in sys.path:
        # For good, and not only for this import: the module may import its neighbours later.
        sys.path.insert(0, here)
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and (module_name + ".").startswith(error.name + "."):
            raise FeedError(f"feed {name!r}: there is no module {error.name!r} here or among the installed ones") from error
        raise FeedError(f"feed {name!r}: module {module_name!r} needs {error.name!r}, which is not installed") from error
    except Exception as error:
        raise FeedError(f"feed {name!r}: importing {module_name!r} failed: {error!r}") from error
    found = getattr(module, attribute, None)
    if found is None:
        raise FeedError(f"feed {name!r}: module {module_name!r} has no {attribute!r}")
    try:
        feed = found() if isinstance(found, type) else found
    except Exception as error:
        raise FeedError(f"feed {name!r}: {attribute}() failed: {error!r}") from error
    return checked(feed, name)


def checked(feed: Feed, name: str) -> Feed:
    """
    Return a feed that has been found to look like one; `name` is how errors call it.

    Raises:
        FeedError: it lacks instruments or the iteration.
    """
    if not hasattr(feed, "__aiter__"):
        raise FeedError(f"feed {name!r} is not an asynchronous iterable: it needs 'async def __aiter__(self)' that yields ticks")
    instruments = getattr(feed, "instruments", None)
    if not isinstance(instruments, Sequence) or not all(isinstance(each, Instrument) for each in instruments):
        raise FeedError(f"feed {name!r} needs an attribute 'instruments', a list of pricewire.protocol.messages.Instrument")
    if not instruments:
        raise FeedError(f"feed {name!r} has no instrument")
    return feed
