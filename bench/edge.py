"""
Edge: whether anybody beats the house but by luck. Strategies trade with the real desk, on a clock and prices of their own.

The prices are a geometric Brownian motion that is looked at at the ticks, as the simulated feed's are; only the ledger is one in memory.
Each strategy buys from the desk, many times; each of its contracts is held or sold on very many futures of that purchase, by a rule of this
file, which a test compares with what the desk does: so little is left to luck. What a contract brings for its stake is its return. Where
the desk refuses a purchase there is none: what it never sells has no row. An expectation is linear, so a pair of mirrored contracts gains
what its two cells do together.
"""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any

import numpy as np
from scipy.special import ndtr
from scipy.stats import norm

from bench.machine import Placement
from bench.report import Progress, Report, Table
from pricewire.errors import PricewireError
from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.market.pips import Integers
from pricewire.protocol.messages import Instrument, Tick, TicksHistoryRequest
from pricewire.protocol.trading_messages import DurationUnit, ProductId, PurchaseDetails, PurchaseRequest, Variant
from pricewire.trading.contracts import PATIENCE_MS, Contract, entry_after, entry_deadline
from pricewire.trading.desk import Desk
from pricewire.trading.interfaces import Bought, Closed, ClosedPage, PendingEvent, Purchase
from pricewire.trading.positions import Positions, ticks_left
from pricewire.trading.pricing import Bools, Floats, bid_units, place_margin, win_probability
from pricewire.trading.trades import LEAST_TICKS_LEFT
from pricewire.trading.volatility import YEAR_MS, Moves

START_MS = 1_700_000_000_000
START_PIPS = 125_000.0
INSTRUMENT = Instrument("R_100", "Volatility 100 Index", ["Synthetic Index", "Volatility"], 2)
VOLATILITY = 1.0
QUANTUM = Decimal("0.01")
STAKE = Decimal(100)
WARM_UP = 700
"""How many ticks come before the first purchase: estimates rest on them."""

REMEMBERED = 2000
"""How many ticks a desk finds that is started again."""

BETWEEN = 40
"""How many ticks come between two purchases of a strategy at least: what is estimated changes meanwhile."""

LONGEST_WAIT = 2000
"""How many ticks a strategy waits for its moment at most."""

LIFE_MS = 60_000
"""The longest life of a contract here, of those that last a time."""

LIFE_TICKS = 10
"""The longest life of the others."""

CONFIDENCE = 0.99

JUDGED = 1000
"""A strategy with fewer contracts is not judged: where a loss is seldom, some have none among their first."""

LARGE = 1.5
"""How many deviations a large move of the price has."""

SILENCE = 3
"""How many intervals make a silence."""

PLACES = 64
"""So many places within a pip are told apart."""

CALM = 60
"""How many intervals a feed was regular in, for who waits for that."""


class SimulatedClock:
    """A clock that stands still until it is set; nothing that sleeps by it wakes."""

    def __init__(self) -> None:
        self.now_ms = float(START_MS)

    def now_ns(self) -> int:
        """Return the time, in nanoseconds since 1970."""
        return int(self.now_ms * 1e6)

    def monotonic_ns(self) -> int:
        """Return the same time: nobody sets this clock back."""
        return self.now_ns()

    async def sleep(self, seconds: float) -> None:
        """Wait for ever."""
        await asyncio.Event().wait()


class OneInstrument:
    """What the desk asks of a market, of a market with one instrument."""

    journal_failure = ""

    def __init__(self, feed: object) -> None:
        self._feed = feed
        self.past: deque[Tick] = deque(maxlen=REMEMBERED)

    def instrument(self, instrument_id: str) -> Instrument:
        """Return the instrument."""
        return INSTRUMENT

    def feed(self, instrument_id: str) -> object:
        """Return what brings its prices."""
        return self._feed

    def hours(self, instrument_id: str) -> None:
        """Return that it is open around the clock."""

    def unrecorded(self, instrument_id: str) -> int:
        """Return that no tick waits for a journal."""
        return 0

    def ticks(self, request: TicksHistoryRequest) -> list[Tick]:
        """Return what was before."""
        return list(self.past)


@dataclass
class Trader:
    """An account that has enough."""

    currency: str = "USD"
    balance: Decimal = Decimal(10**12)


class Traders:
    """The accounts: everybody is one."""

    async def find_uuid(self, account_uuid: str) -> Trader:
        """Return an account."""
        return Trader()


class MemoryLedger:
    """A ledger that keeps nothing but the ends of contracts."""

    def __init__(self) -> None:
        self.ended: dict[str, Contract] = {}

    async def buy(self, purchase: Purchase) -> Bought:
        """Let it be bought."""
        return Bought(purchase.contract, Decimal(10**12), is_repeated=False)

    async def bought(self, account_uuid: str, idempotency_key: str, digest: str) -> Bought | None:
        """Return that no key was used before."""
        return None

    async def enter(self, entered: Sequence[Contract]) -> None:
        """Let it be entered."""

    async def sell(self, sold: Contract) -> Closed:
        """Keep the end."""
        return (await self.settle([sold]))[0]

    async def settle(self, settled: Sequence[Contract]) -> list[Closed]:
        """Keep the ends."""
        self.ended |= {contract.contract_id: contract for contract in settled}
        return [Closed(contract, Decimal(10**12), Decimal(0)) for contract in settled]

    async def pending_events(self) -> list[PendingEvent]:
        """Return none: everything is published."""
        return []

    async def remove_events(self, numbers: Sequence[int]) -> None:
        """Forget nothing: nothing is kept."""

    async def open_contracts(self) -> list[Contract]:
        """Return none: nothing was before."""
        return []

    async def closed_contracts(self, account_uuid: str, limit: int) -> ClosedPage:
        """Return none: nobody looks."""
        return ClosedPage([], 0)

    async def find(self, contract_id: str, account_uuid: str) -> Contract:
        """Return a contract that has ended."""
        return self.ended[contract_id]


@dataclass(frozen=True, slots=True)
class Strategy:
    """
    What is bought, when, and what becomes of it.

    Attributes:
        product: which product.
        variant: which side.
        duration: how long it lasts, in units.
        unit: the unit.
        deviations: how far away the barrier is, in deviations of the price's change until the end; 0 for one pip.
        is_price: whether the barrier is named as a price, or else as an offset.
        allow_equals: whether an equal price wins.
        moment: when it is bought: this part of an interval after a tick; above 1 where the next tick is overdue.
        sells: when it is sold: `never`, at `once`, with a `gain` or a `loss` of a tenth of the stake, after a `move` of more than `LARGE`,
            with the `last` tick before its end, or in a `silence` of `SILENCE` intervals, or with the first tick after it.
        after: what the ticks have done before: `any`, a move of more than `LARGE` `up` or `down`, a `gap` of more than one and a half
            intervals, `calm` for `CALM` regular intervals.
    """

    product: ProductId
    variant: Variant
    duration: int
    unit: DurationUnit
    deviations: float | None = None
    is_price: bool = False
    allow_equals: bool = False
    moment: float = 0.0
    sells: str = "never"
    after: str = "any"

    def __str__(self) -> str:
        barrier = ""
        if self.deviations is not None:
            distance = f"{self.deviations:+g} dev" if self.deviations else "+1 pip"
            barrier = f", {distance}{' as a price' if self.is_price else ''}"
        equals = ", equals" if self.allow_equals else ""
        moment = f", {self.moment:.0%} after a tick" if self.moment else ""
        sells = "" if self.sells == "never" else f", sold {SALES[self.sells]}"
        after = "" if self.after == "any" else f", after {OCCASIONS[self.after]}"
        return f"`{self.variant}` {self.duration} {self.unit}{barrier}{equals}{moment}{after}{sells}"


SALES = {
    "once": "at once",
    "gain": "with a gain",
    "loss": "with a loss",
    "move": "after a large move",
    "last": "before the last tick",
    "silence": "in a silence",
}

OCCASIONS = {
    "up": "a move up",
    "down": "a move down",
    "pip up": "a pip up",
    "pip down": "a pip down",
    "gap": "a gap",
    "calm": "calm",
}


def strategies() -> Iterator[Strategy]:
    """Yield what is tried: the exploits that have been found, and those that look for one."""
    sides: list[tuple[ProductId, Variant, Variant]] = [
        ("rise_fall", "rise", "fall"),
        ("high_low", "higher", "lower"),
        ("touch", "touch", "no_touch"),
    ]
    spans: list[tuple[int, DurationUnit]] = [(1, "ticks"), (5, "ticks"), (10, "ticks"), (15, "seconds"), (60, "seconds")]
    for product, *variants in sides:
        for variant in variants:
            usual = None if product == "rise_fall" else 1.0
            for duration, unit in spans:
                if product == "rise_fall":
                    yield Strategy(product, variant, duration, unit)
                    yield Strategy(product, variant, duration, unit, allow_equals=True)
                    continue
                for deviations in (0.0, 0.5, 1.0, 2.0):
                    yield Strategy(product, variant, duration, unit, deviations)
                yield Strategy(product, variant, duration, unit, 2.0, is_price=True)
                yield Strategy(product, variant, duration, unit, -1.0, is_price=True)
            for moment in (0.02, 0.5, 0.98, 1.05, 1.5, 4.0):
                yield Strategy(product, variant, 15, "seconds", usual, moment=moment, is_price=usual is not None)
                yield Strategy(product, variant, 5, "ticks", usual, moment=moment, is_price=usual is not None)
                if usual is not None:
                    yield Strategy(product, variant, 15, "seconds", usual, moment=moment)
                    yield Strategy(product, variant, 15, "seconds", 0.0, moment=moment, is_price=True)
                    yield Strategy(product, variant, 1, "ticks", 0.0, moment=moment, is_price=True)
                else:
                    yield Strategy(product, variant, 15, "seconds", moment=moment, allow_equals=True)
            for after in OCCASIONS:
                yield Strategy(product, variant, 1, "ticks", usual, after=after)
                yield Strategy(product, variant, 10, "ticks", usual, after=after)
                yield Strategy(product, variant, 15, "seconds", usual, after=after)
                if usual is not None and "pip" in after:
                    yield Strategy(product, variant, 1, "ticks", 0.0, is_price=True, after=after)
                    yield Strategy(product, variant, 15, "seconds", 0.0, is_price=True, after=after)
                    yield Strategy(product, variant, 15, "seconds", -1.0, is_price=True, after=after)
            for sells in SALES:
                for duration, unit in ((5, "ticks"), (15, "seconds"), (60, "seconds")):
                    yield Strategy(product, variant, duration, unit, usual, sells=sells)
                if usual is not None:
                    yield Strategy(product, variant, 15, "seconds", 0.0, sells=sells)


@dataclass(frozen=True, slots=True)
class Feed:
    """
    How ticks come.

    Attributes:
        name: what it is called.
        interval_ms: the usual time between two ticks, in milliseconds: exactly, or the mean.
        spread: how much that varies: 0 for not at all, and the volatility is known; else the deviation of its logarithm, or 1 for one that
            is distributed exponentially; then the volatility is not known.
        lost: how likely it is of each tick that it is lost.
        outage: how likely it is that ticks are missing after one.
        outage_ticks: how many are missing then, at least and at most.
        restart_ms: how long the server is down before each purchase, in milliseconds: no ticks are known of that time. 0 for not at all.
        delay_ms: how long after its time a tick comes, in milliseconds.
        rounded_ms: what times are rounded down to, in milliseconds.
        start_pips: the price to begin with, in pips.
        is_estimated: whether the volatility is not known, although ticks are regular.
    """

    name: str
    interval_ms: float
    spread: float = 0.0
    lost: float = 0.0
    outage: float = 0.0
    outage_ticks: tuple[int, int] = (0, 0)
    restart_ms: float = 0.0
    delay_ms: float = 0.0
    rounded_ms: float = 1.0
    start_pips: float = START_PIPS
    is_estimated: bool = False

    @property
    def is_regular(self) -> bool:
        """Whether ticks come at equal intervals, as far as they come."""
        return self.spread == 0

    def told(self, times: Floats) -> Floats:
        """Return the times, in milliseconds since 1970, that ticks say they have."""
        return times // self.rounded_ms * self.rounded_ms

    def gaps(self, random: np.random.Generator, shape: tuple[int, int], waited_ms: float = 0.0) -> Floats:
        """
        Return times between ticks, in milliseconds.

        Args:
            random: where they are drawn from.
            shape: how many futures, and ticks of each.
            waited_ms: how long the first tick has not come already.
        """
        gaps = self._gaps(random, shape)
        while (late := gaps[:, 0] <= waited_ms).any():
            gaps[late, 0] = self._gaps(random, (int(late.sum()), 1))[:, 0]
        return gaps

    def ticks(self) -> int:
        """Return how many ticks a contract may see here at most, and a few more; of irregular ones hardly ever more."""
        within = LIFE_MS / self.interval_ms
        return max(LIFE_TICKS, math.ceil(within if self.is_regular else within + 12 * math.sqrt(within))) + 4 + self._on_their_way()

    def _on_their_way(self) -> int:
        """Return how many ticks may be on their way at most, hardly ever more."""
        usual = self.delay_ms / self.interval_ms
        return math.ceil(usual + 8 * math.sqrt(usual))

    def _gaps(self, random: np.random.Generator, shape: tuple[int, int]) -> Floats:
        if self.spread:
            drawn = random.exponential(1.0, shape) if self.spread == 1 else random.lognormal(-(self.spread**2) / 2, self.spread, shape)
            rounded: Floats = np.maximum(np.rint(drawn * self.interval_ms), 1.0)
            return rounded
        steps = random.geometric(1 - self.lost, shape).astype(np.float64)
        if self.outage:
            least, most = self.outage_ticks
            steps = steps + (random.random(shape) < self.outage) * random.integers(least, most + 1, shape)
        return steps * self.interval_ms


FEEDS = (
    Feed("every 2 s", 2000.0),
    Feed("every 2 s, 3 % lost", 2000.0, lost=0.03),
    Feed("every 2 s, 15 % lost", 2000.0, lost=0.15),
    Feed("every 2 s, outages of up to 80 s", 2000.0, outage=0.02, outage_ticks=(1, 40)),
    Feed("every 2 s, outages of up to 4 min", 2000.0, outage=0.005, outage_ticks=(30, 120)),
    Feed("every 2 s, a restart of 30 s before", 2000.0, restart_ms=30_000.0),
    Feed("every 20 s", 20_000.0),
    Feed("irregular, 1 s on the average", 1000.0, spread=1.0),
    Feed("irregular, 1 s on the average, in bursts", 1000.0, spread=1.5),
    Feed("every 2 s, 150 ms late", 2000.0, delay_ms=150.0),
    Feed("irregular, 0.2 s on the average, 300 ms late", 200.0, spread=1.0, delay_ms=300.0),
    Feed("irregular, 1 s on the average, 3 s late", 1000.0, spread=1.0, delay_ms=3000.0),
    Feed("every 0.25 s, in whole seconds", 250.0, rounded_ms=1000.0, is_estimated=True),
    Feed("every 2 s, of two pips", 2000.0, start_pips=8000.0, is_estimated=True),
    Feed("every 2 s, of half a pip", 2000.0, start_pips=2000.0, is_estimated=True),
)


class World:
    """
    A desk with one instrument, and the prices that it gets.

    Attributes:
        clock: the desk's.
        ledger: the desk's.
        desk: the desk.
        pips: the newest price.
        before: the one before.
        newest_ms: its time, in milliseconds since 1970.
        step_ms: how long before it the last one came.
        gap_ms: how long after it the next one comes.
        change: by how many deviations the price has changed with the newest tick.
    """

    def __init__(self, feed: Feed, seed: int) -> None:
        self._feed = feed
        self._random = np.random.default_rng(seed)
        self._log = math.log(feed.start_pips)
        self._gaps: deque[float] = deque(maxlen=CALM)
        is_known = feed.is_regular and not feed.is_estimated
        source: object = SimulatedFeed(1, clock=SimulatedClock(), history_s=0) if is_known else object()
        self._market = OneInstrument(source)
        self.clock = SimulatedClock()
        self.ledger = MemoryLedger()
        self.pips = self.before = 0
        self.newest_ms = float(START_MS)
        self.step_ms = self.gap_ms = feed.interval_ms
        self.change = 0.0
        self.desk = self._open()

    def _open(self) -> Desk:
        return Desk(self._market, self.ledger, Traders(), self._publish, clock=self.clock)  # type: ignore[arg-type]  # no more of a market

    @property
    def positions(self) -> Positions:
        """The desk's open contracts."""
        return self.desk._books.find(INSTRUMENT.id).positions

    @property
    def moves(self) -> Moves | None:
        """What the desk knows of how the price moves."""
        return self.desk._books.find(INSTRUMENT.id).moves

    @property
    def told_ms(self) -> int:
        """The time that the newest price says it has, in milliseconds since 1970."""
        return int(self._feed.told(np.array(self.newest_ms)))

    async def tick(self) -> None:
        """Let the next tick come."""
        self.newest_ms += self.gap_ms
        self.step_ms = self.gap_ms
        deviation = VOLATILITY * math.sqrt(self.gap_ms / YEAR_MS)
        self.change = float(self._random.standard_normal())
        self._log += deviation * self.change - deviation**2 / 2
        self._gaps.append(self.gap_ms)
        self.before, self.pips = self.pips, round(math.exp(self._log))
        self.clock.now_ms = self.newest_ms + self._feed.delay_ms
        price = self.pips * QUANTUM
        tick = Tick(INSTRUMENT.id, self.told_ms, price, price, price)
        self.gap_ms = float(self._feed.gaps(self._random, (1, 1))[0, 0])
        self._market.past.append(tick)
        self.desk.on_tick(tick)
        await turns()

    async def restart(self) -> None:
        """Have the desk start again, if the feed says so, and its first tick come."""
        if self._feed.restart_ms:
            self.gap_ms += self._feed.restart_ms
            self.clock.now_ms += self._feed.restart_ms
            self.desk = self._open()
            await self.tick()

    def is_moment(self, strategy: Strategy) -> bool:
        """Return whether a strategy's moment may come before the next tick."""
        usual_ms = 1.5 * self._feed.interval_ms
        if strategy.moment * self._feed.interval_ms >= self.gap_ms:
            return False
        match strategy.after:
            case "up":
                return self.change > LARGE
            case "down":
                return self.change < -LARGE
            case "pip up":
                return self.pips > self.before
            case "pip down":
                return self.pips < self.before
            case "gap":
                return self._gaps[-1] > usual_ms
            case "calm":
                return all(gap_ms < usual_ms for gap_ms in self._gaps)
            case _:
                return True

    async def buy(self, chosen: Sequence[Strategy], key: str) -> dict[Strategy, Contract]:
        """Return what strategies buy that have one moment, which is now; the next tick comes if the desk waits for it."""
        self.clock.now_ms = self.newest_ms + self._feed.delay_ms + chosen[0].moment * self._feed.interval_ms
        buying = [asyncio.create_task(self._buy(strategy, f"{key}-{number}")) for number, strategy in enumerate(chosen)]
        await turns()
        if chosen[0].moment > 1 and not all(each.done() for each in buying):
            await self.tick()
        ids = await asyncio.gather(*buying)
        return {strategy: self.positions.contracts[each] for strategy, each in zip(chosen, ids, strict=True) if each is not None}

    async def _buy(self, strategy: Strategy, key: str) -> str | None:
        details = PurchaseDetails(
            instrument_id=INSTRUMENT.id,
            duration=strategy.duration,
            duration_unit=strategy.unit,
            allow_equals=strategy.allow_equals,
            stake=str(STAKE),
            variant=strategy.variant,
            barrier=self.barrier(strategy),
        )
        request = PurchaseRequest(idempotency_key=key, product_id=strategy.product, proposal_details=details)
        try:
            return (await self.desk.buy("trader", request)).contract_id
        except PricewireError:
            return None

    def barrier(self, strategy: Strategy) -> str | None:
        """Return the barrier that a strategy names now."""
        if strategy.deviations is None:
            return None
        life_ms = strategy.duration * (self._feed.interval_ms if strategy.unit == "ticks" else 1000)
        offset = strategy.deviations * self.pips * VOLATILITY * math.sqrt(life_ms / YEAR_MS)
        pips = round(offset) or (1 if strategy.deviations >= 0 else -1)
        return f"{(self.pips + pips) * QUANTUM}" if strategy.is_price else f"{pips * QUANTUM:+}"

    def _publish(self, *_: object, **__: object) -> None:
        pass


async def turns() -> None:
    """Let the desk's own tasks run: what ended is settled in one, and each purchase is one."""
    for _ in range(12):
        await asyncio.sleep(0)


@dataclass(slots=True)
class Returns:
    """
    What a strategy got for its stakes: -1 for one that is lost.

    Attributes:
        count: how many there were.
        total: their sum.
        squares: the sum of their squares.
    """

    count: int = 0
    total: float = 0.0
    squares: float = 0.0

    def add(self, returns: Floats) -> None:
        """Count more of them."""
        self.count += len(returns)
        self.total += float(returns.sum())
        self.squares += float((returns * returns).sum())

    @property
    def mean(self) -> float:
        """Their mean."""
        return self.total / self.count

    def interval(self, confidence: float = CONFIDENCE) -> tuple[float, float]:
        """Return the interval that their expectation lies in, with this confidence; it takes two of them at least."""
        variance = max(0.0, self.squares / self.count - self.mean**2) * self.count / (self.count - 1)
        half = float(norm.ppf((1 + confidence) / 2)) * math.sqrt(variance / self.count)
        return self.mean - half, self.mean + half


@dataclass(frozen=True, slots=True)
class Futures:
    """
    What may come after a purchase; arrays have a row for each future and a column for each tick.

    Attributes:
        spot: the newest price at the purchase, in pips.
        spot_ms: its time, in milliseconds since 1970.
        times: of the ticks, none before that one, likewise.
        pips: their prices.
        changes: how much the price has changed with each, in deviations.
        ages: how long after its time each one comes, in milliseconds.
        moves: what the desk knew of how the price moves.
    """

    spot: float
    spot_ms: float
    times: Floats
    pips: Floats
    changes: Floats
    ages: Floats
    moves: Moves

    @property
    def gaps(self) -> Floats:
        """How long before each tick the last one came, in milliseconds."""
        return np.diff(self.times, axis=1, prepend=self.spot_ms)


def futures_of(world: World, feed: Feed, moves: Moves, count: int, random: np.random.Generator) -> Futures:
    """Return what may come from now on."""
    gaps = feed.gaps(random, (count, feed.ticks()), world.clock.now_ms - world.newest_ms - feed.delay_ms)
    changes = random.standard_normal(gaps.shape)
    deviations = VOLATILITY * np.sqrt(gaps / YEAR_MS)
    logs = np.log(places(world, count, random)) + np.cumsum(deviations * changes - deviations**2 / 2, axis=1)
    times = world.newest_ms + np.cumsum(gaps, axis=1)
    told = feed.told(times)
    ages = times + feed.delay_ms - told
    return Futures(float(world.pips), float(world.told_ms), told, np.rint(np.exp(logs)), changes, ages, moves)


def places(world: World, count: int, random: np.random.Generator) -> Floats:
    """Return where the price may be, in pips: within half a pip of the newest, and rather on the side that it has come from."""
    nodes = world.pips + (np.arange(PLACES) + 0.5) / PLACES - 0.5
    step = world.pips * VOLATILITY * math.sqrt(world.step_ms / YEAR_MS)
    way = nodes - world.before
    density = ndtr((way + 0.5) / step) - ndtr((way - 0.5) / step)
    # Of a move so large that no density is left any place is as likely.
    chances = density / density.sum() if density.sum() > 0 else np.full(PLACES, 1 / PLACES)
    return random.choice(nodes, (count, 1), p=chances)


def from_entry(contract: Contract, futures: Futures) -> Futures:
    """Return the same futures without what comes before a contract's entry: what was on its way when it was bought."""
    before = (futures.times <= entry_after(contract)).sum(axis=1)
    columns = before[:, None] + np.arange(futures.times.shape[1] - int(before.max()))
    whole = (futures.times, futures.pips, futures.changes, futures.ages)
    times, pips, changes, ages = (np.take_along_axis(each, columns, axis=1) for each in whole)
    return replace(futures, times=times, pips=pips, changes=changes, ages=ages)


def first(is_it: Bools, never: int) -> Integers:
    """Return the first column of each row in which something is so, or `never`."""
    columns: Integers = np.where(is_it.any(axis=1), is_it.argmax(axis=1), never)
    return columns


class Outcome:
    """
    What becomes of a contract on many futures, which begin with its entry.

    Attributes:
        barrier: of each future, in pips.
        last: the column of the last tick that is looked at.
        returns: what it brings for its stake if it is held, less the stake.
        end: the column of the tick that it is settled with, or that cannot settle it any more: from then on it cannot be sold.
    """

    def __init__(self, contract: Contract, futures: Futures) -> None:
        times, pips, gaps = futures.times, futures.pips, futures.gaps
        rows = np.arange(len(times))
        in_ticks = contract.duration_unit == "ticks"
        is_price = contract.barrier is not None and contract.barrier[0] not in "+-"
        offset = float(Decimal(contract.barrier or 0) / QUANTUM)
        entered = pips[:, 0]
        self.barrier = np.full(len(rows), offset) if is_price else entered + offset
        self.last = np.full(len(rows), contract.duration) if in_ticks else (times <= contract.expiry_time).sum(axis=1) - 1
        if int(self.last.max()) + 2 > times.shape[1]:
            raise ValueError(f"futures of {times.shape[1]} ticks are too short for {contract.duration} {contract.duration_unit}")
        columns = np.arange(int(self.last.max()) + 2)
        times, pips, gaps = times[:, : len(columns)], pips[:, : len(columns)], gaps[:, : len(columns)]
        # Where ticks stay away for too long after the entry, a duration in ticks has no end; in time it has none if that is over its end.
        last, never = self.last[:, None], len(columns)
        is_paused = (gaps > PATIENCE_MS) & ((columns > 0) & (columns <= last) if in_ticks else columns == last + 1)
        pause = first(is_paused, never)
        self.end = np.minimum(pause, self.last if in_ticks else self.last + 1)
        is_back = (pause < never) | (self.last <= 0)
        if contract.product_id == "touch":
            # A barrier that is a price may be touched by the entry itself.
            above = offset > (futures.spot if is_price else 0)
            is_beyond = pips >= self.barrier[:, None] if above else pips <= self.barrier[:, None]
            is_seen = (columns >= (0 if is_price else 1)) & (columns <= last) & (columns < pause[:, None])
            reached = first(is_beyond & is_seen, never)
            won = (reached < never) == (contract.variant == "touch")
            is_back &= reached == never
            self.end = np.minimum(self.end, reached)
        else:
            ended = pips[rows, np.maximum(self.last, 0)]
            above = ended > self.barrier if contract.variant in ("rise", "higher") else ended < self.barrier
            won = np.where(ended == self.barrier, contract.allow_equals, above)
        is_missed = times[:, 0] > entry_deadline(contract)
        self.end = np.where(is_missed, 0, self.end)
        gain = np.where(won, float(contract.payout / contract.stake) - 1, -1.0)
        self.returns = np.where(is_back | is_missed, 0.0, gain)


def bids(
    contract: Contract, futures: Futures, outcome: Outcome, rows: Integers, column: int, silence_ms: float = 0.0
) -> tuple[Floats, Floats]:
    """
    Return what a contract can be sold for, in parts of the stake, 0 where not at all; and how many ticks are to come then.

    Args:
        contract: the contract.
        futures: what comes.
        outcome: what becomes of it.
        rows: on which futures; it has not ended there.
        column: after which tick; 0 is the entry.
        silence_ms: how long after it has come.
    """
    elapsed_ms = futures.ages[rows, column] + silence_ms
    moves, times, pips = futures.moves, futures.times[rows, column], futures.pips[rows, column]
    one, is_touch, in_ticks = np.ones(len(times)), contract.product_id == "touch", contract.duration_unit == "ticks"
    positions = Positions(INSTRUMENT.pip_size)
    positions.add(contract, column)
    row = {name: positions.table[name] for name in ("sign", "shift", "commission", "payout")}
    life: dict[str, Any] = {"duration": contract.duration * one, "seen": column * one, "is_entered": one > 0, "of_spot": 0 * one}
    life |= {"expiry_time": contract.expiry_time * one, "in_ticks": in_ticks * one > 0}
    now: Any = times
    to_come = ticks_left(life, now, moves)
    if not moves.is_regular and not in_ticks:
        to_come = to_come - elapsed_ms / moves.interval_ms
    # A probability depends on how far away the barrier is in parts of the price: as if the price had not changed.
    barrier = np.maximum(outcome.barrier[rows], 1.0) * futures.spot / pips
    terms = futures.spot, barrier, row["shift"], moves.tick_deviation
    probability = win_probability(*terms, ticks_left(life, now, moves), row["sign"], is_touch * one > 0)
    if not moves.is_regular and elapsed_ms.any():
        left, waited = ticks_left(life, now, moves, elapsed_ms), elapsed_ms / moves.interval_ms
        probability = np.minimum(probability, win_probability(*terms, left, row["sign"], is_touch * one > 0, waited))
    margin = place_margin(moves.tick_deviation * futures.spot, ticks_left(life, now, moves))
    units = bid_units(row["payout"] * one, probability - margin, row["commission"])
    is_left = in_ticks | (times + elapsed_ms < contract.expiry_time)
    if not moves.is_regular:
        is_left &= to_come >= LEAST_TICKS_LEFT * max(1.0, moves.wait)
    return np.where(is_left, units / float(contract.stake * 100), 0.0), to_come


def wanted(sells: str, bid: Floats, left: Floats, change: Floats) -> Bools:
    """Return on which futures a strategy sells at a tick: for its bid, with so many ticks to come, after that change of the price."""
    is_wanted: Bools = {"once": bid > 0, "gain": bid > 1.1, "loss": bid < 0.9, "move": np.abs(change) > LARGE, "last": left <= 1}[sells]
    return is_wanted & (bid > 0)


def results(contract: Contract, futures: Futures, sells: Sequence[str]) -> dict[str, Floats]:
    """Return what a contract brings for its stake, less the stake, on each future, for each way to sell it."""
    futures = from_entry(contract, futures)
    outcome, silence_ms = Outcome(contract, futures), SILENCE * futures.moves.interval_ms
    # How long it is quiet after each tick; before it, the desk waits for the tick that is due.
    is_quiet = (futures.gaps if futures.moves.is_regular else np.diff(futures.times + futures.ages, axis=1)) > silence_ms
    found = {each: outcome.returns.copy() for each in sells}
    held = {each: np.ones(len(futures.times), bool) for each in sells if each != "never"}
    for column in range(int(outcome.end.max()) if held else 0):
        # Only of contracts that somebody still holds a bid is asked for.
        rows = np.flatnonzero((column < outcome.end) & np.any(list(held.values()), axis=0))
        bid, left = bids(contract, futures, outcome, rows, column)
        for each, is_held in held.items():
            at, offered = rows, bid
            if each != "silence":
                is_wanted = wanted(each, bid, left, futures.changes[rows, column])
            elif futures.moves.is_regular:
                is_wanted = is_quiet[rows, column] & (bid > 0)
            else:
                at = rows[is_quiet[rows, column] & is_held[rows]]
                offered, _ = bids(contract, futures, outcome, at, column, silence_ms)
                is_wanted = offered > 0
            is_sold = is_held[at] & is_wanted
            found[each][at[is_sold]] = offered[is_sold] - 1
            is_held[at[is_sold]] = False
    return found


async def sample(feed: Feed, chosen: Sequence[Strategy], settings: Settings, progress: Progress) -> dict[Strategy, Returns]:
    """Return what strategies get on a feed, over many futures of each of many purchases."""
    world = World(feed, settings.seed)
    random = np.random.default_rng(settings.seed + 1)
    returns: dict[Strategy, Returns] = defaultdict(Returns)
    together: dict[tuple[float, str], list[Strategy]] = defaultdict(list)
    for strategy in chosen:
        together[strategy.moment, strategy.after].append(strategy)
    for _ in range(WARM_UP):
        await world.tick()
    for number in range(settings.purchases):
        progress(f"{feed.name}: purchase {number + 1} of {settings.purchases}")
        for moment, each in list(together.items()):
            # What is held and what is sold is bought once.
            held = list(dict.fromkeys(replace(strategy, sells="never") for strategy in each))
            await world.restart()
            if not await reach(world, each[0]):
                del together[moment]
                continue
            contracts = await world.buy(held, f"{number}")
            moves = world.moves
            if contracts and moves is not None:
                futures = futures_of(world, feed, moves, settings.futures, random)
                for kept, contract in contracts.items():
                    sold = {strategy.sells: strategy for strategy in each if replace(strategy, sells="never") == kept}
                    for sells, result in results(contract, futures, list(sold)).items():
                        returns[sold[sells]].add(result)
                for contract in contracts.values():
                    world.positions.remove(contract.contract_id)
            for _ in range(BETWEEN):
                await world.tick()
    return returns


async def reach(world: World, strategy: Strategy) -> bool:
    """Let ticks come until a strategy's moment is next; return whether it came."""
    for _ in range(LONGEST_WAIT):
        if world.is_moment(strategy):
            return True
        await world.tick()
    return False


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is tried.

    Attributes:
        purchases: how many contracts of each strategy are bought on each feed.
        futures: on how many futures each of them is held, or sold.
        seed: of the prices.
    """

    purchases: int = 40
    futures: int = 5000
    seed: int = 1


QUICK = Settings(purchases=2, futures=500)
"""Whether the pieces work; the figures say nothing."""


def run(placement: Placement, settings: Settings, progress: Progress, feeds: Sequence[Feed] = FEEDS) -> Report:
    """Let all strategies trade on feeds, and return the report."""
    columns = ["strategy", "contracts", "expected return", "99 % interval"]
    figures: dict[str, Any] = {"settings": asdict(settings)}
    tables, notes = [], []
    for feed in feeds:
        returns = asyncio.run(sample(feed, list(strategies()), settings, progress))
        table = Table(f"What a buyer gains: ticks {feed.name}", columns)
        beaten = []
        for strategy, each in sorted(returns.items(), key=lambda item: -item[1].mean):
            low, high = each.interval()
            table.rows.append([str(strategy), f"{each.count:,}", f"{each.mean:+.2%}", f"{low:+.2%} to {high:+.2%}"])
            figures[f"{feed.name}: {strategy}"] = (each.count, each.mean, low, high)
            if low > 0 and each.count >= JUDGED:
                beaten.append(str(strategy))
        tables.append(table)
        kept = -sum(each.total for each in returns.values()) / sum(each.count for each in returns.values())
        notes.append(
            f"{feed.name}: {len(returns)} strategies; the house keeps {kept:.2%} of all stakes; beaten by {', '.join(beaten) or 'nobody'}"
        )
    return Report("edge", tables, figures, notes)
