"""
Edge: whether anybody beats the house but by luck. Strategies trade with the real desk, on a clock and prices of their own.

The prices are a geometric Brownian motion that is looked at at the ticks, as the simulated feed's are; only the ledger is one in memory.
In a round each strategy buys, and the round ends when all contracts have; what a strategy got for its stake is its return. What is held to
its end is also settled on very many other futures of the same purchase, by a rule of this file: so little is left to luck. Where the desk
refuses a purchase there is none: what it never sells has no row.
"""

from __future__ import annotations

import asyncio
import itertools
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

import numpy as np
from scipy.stats import norm

from bench.machine import Placement
from bench.report import Progress, Report, Table
from pricewire.errors import PricewireError
from pricewire.market.feeds.simulated.feed import SimulatedFeed
from pricewire.protocol.messages import Instrument, Tick, TicksHistoryRequest
from pricewire.protocol.trading_messages import DurationUnit, ProductId, PurchaseDetails, PurchaseRequest, Variant
from pricewire.trading.contracts import Contract
from pricewire.trading.desk import Desk
from pricewire.trading.interfaces import Bought, Closed, ClosedPage, Purchase
from pricewire.trading.pricing import Floats
from pricewire.trading.volatility import YEAR_MS

START_MS = 1_700_000_000_000
START_PIPS = 125_000.0
INSTRUMENT = Instrument("R_100", "Volatility 100 Index", ["Synthetic Index", "Volatility"], 2)
VOLATILITY = 1.0
QUANTUM = Decimal("0.01")
STAKE = Decimal(100)
WARM_UP = 700
"""How many ticks come before the first purchase: estimates rest on them."""

LONGEST_ROUND = 400
"""After so many ticks a round is over; nothing here lasts as long."""

CONFIDENCE = 0.99

PURCHASES = 4
"""How many purchases of each strategy are settled on many futures."""

JUDGED = 1000
"""A strategy with fewer purchases is not judged: where a loss is seldom, some have none among their first."""

CHUNK = 10_000
"""How many futures are made at a time."""

LARGE = 1.5
"""How many deviations a large move of the price has."""


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

    def instrument(self, instrument_id: str) -> Instrument:
        """Return the instrument."""
        return INSTRUMENT

    def feed(self, instrument_id: str) -> object:
        """Return what brings its prices."""
        return self._feed

    def ticks(self, request: TicksHistoryRequest) -> list[Tick]:
        """Return what was before: nothing."""
        return []


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
    What is bought in each round, and what becomes of it.

    Attributes:
        product: which product.
        variant: which side.
        duration: how long it lasts, in units.
        unit: the unit.
        deviations: how far away the barrier is, in deviations of the price's change until the end; 0 for one pip.
        is_price: whether the barrier is named as a price, or else as an offset.
        allow_equals: whether an equal price wins.
        moment: when it is bought: this part of an interval after a tick.
        sells: when it is sold: `never`, at `once`, with a `gain` of a tenth of the stake, or with the `last` tick before its end.
        after: what the last tick has done: `any`, a move of more than `LARGE` `up` or `down`.
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
        sells = "" if self.sells == "never" else f", sold {self.sells}"
        after = "" if self.after == "any" else f", after a move {self.after}"
        return f"`{self.variant}` {self.duration} {self.unit}{barrier}{equals}{moment}{sells}{after}"


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
            for duration, unit in spans:
                if product == "rise_fall":
                    yield Strategy(product, variant, duration, unit)
                    yield Strategy(product, variant, duration, unit, allow_equals=True)
                    continue
                for deviations in (0.0, 0.5, 1.0, 2.0):
                    yield Strategy(product, variant, duration, unit, deviations)
                yield Strategy(product, variant, duration, unit, 2.0, is_price=True)
                yield Strategy(product, variant, duration, unit, -1.0, is_price=True)
            for moment in (0.02, 0.5, 0.98):
                yield Strategy(product, variant, 15, "seconds", None if product == "rise_fall" else 1.0, moment=moment, is_price=True)
            for sells in ("once", "gain", "last"):
                for duration, unit in ((5, "ticks"), (15, "seconds")):
                    yield Strategy(product, variant, duration, unit, None if product == "rise_fall" else 1.0, sells=sells)
            for after in ("up", "down"):
                yield Strategy(product, variant, 1, "ticks", None if product == "rise_fall" else 1.0, after=after)


@dataclass(frozen=True, slots=True)
class Feed:
    """
    How ticks come.

    Attributes:
        name: what it is called.
        interval_ms: the mean time between two ticks, in milliseconds.
        is_regular: whether it is always that; else it is distributed exponentially, and the volatility is not known.
        outage: how likely it is that ticks are missing after one.
        outage_ticks: how many are missing then, at most.
    """

    name: str
    interval_ms: float
    is_regular: bool = True
    outage: float = 0.0
    outage_ticks: int = 0


FEEDS = (
    Feed("every 2 s", 2000.0),
    Feed("every 2 s, with outages", 2000.0, outage=0.02, outage_ticks=40),
    Feed("irregular, every 1 s on the average", 1000.0, is_regular=False),
    Feed("slow, every 20 s", 20_000.0),
)


class World:
    """A desk with one instrument, and the prices that it gets."""

    def __init__(self, feed: Feed, seed: int) -> None:
        self._feed = feed
        self._random = np.random.default_rng(seed)
        self._log = math.log(START_PIPS)
        self._next_ms = float(START_MS)
        self.clock = SimulatedClock()
        self.ledger = MemoryLedger()
        source: object = SimulatedFeed(1, clock=self.clock, history_s=0) if feed.is_regular else object()
        self.desk = Desk(OneInstrument(source), self.ledger, Traders(), self._publish, clock=self.clock)  # type: ignore[arg-type]  # the desk asks no more of a market
        self.pips = 0
        self.move = 0.0

    @property
    def newest_ms(self) -> int:
        """The time of the newest tick, in milliseconds since 1970."""
        return int(self._next_ms)

    async def tick(self) -> None:
        """Let the next tick come."""
        steps = 1
        if self._random.random() < self._feed.outage:
            steps += int(self._random.integers(1, self._feed.outage_ticks + 1))
        elapsed_ms = self._feed.interval_ms * steps
        if not self._feed.is_regular:
            elapsed_ms = max(1.0, round(self._random.exponential(self._feed.interval_ms)))
        self._next_ms += elapsed_ms
        deviation = VOLATILITY * math.sqrt(elapsed_ms / YEAR_MS)
        change = float(self._random.standard_normal())
        self._log += deviation * change - deviation**2 / 2
        self.move = change
        self.pips = round(math.exp(self._log))
        self.clock.now_ms = self._next_ms
        price = self.pips * QUANTUM
        self.desk.on_tick(Tick(INSTRUMENT.id, int(self._next_ms), price, price, price))
        # What ended is settled in the desk's own task.
        for _ in range(4):
            await asyncio.sleep(0)

    def has_moved(self, after: str) -> bool:
        """Return whether the newest tick has done what `Strategy.after` says."""
        return after == "any" or (self.move if after == "up" else -self.move) > LARGE

    def wait(self, part: float) -> None:
        """Let a part of an interval pass after the newest tick."""
        self.clock.now_ms = self._next_ms + part * self._feed.interval_ms

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

    def interval(self) -> tuple[float, float]:
        """Return the interval of `CONFIDENCE` that their expectation lies in; it takes two of them at least."""
        variance = max(0.0, self.squares / self.count - self.mean**2) * self.count / (self.count - 1)
        half = float(norm.ppf((1 + CONFIDENCE) / 2)) * math.sqrt(variance / self.count)
        return self.mean - half, self.mean + half


async def play(feed: Feed, chosen: Sequence[Strategy], rounds: int, seed: int, progress: Callable[[str], None]) -> dict[Strategy, Returns]:
    """Return the returns of strategies, a number for each purchase: -1 where the stake is lost."""
    world = World(feed, seed)
    returns: dict[Strategy, Returns] = defaultdict(Returns)
    by_moment = sorted(chosen, key=lambda strategy: strategy.moment)
    running = asyncio.create_task(world.desk.run())
    for _ in range(WARM_UP):
        await world.tick()
    for number in range(rounds):
        progress(f"{feed.name}: round {number + 1} of {rounds}")
        held: dict[str, Strategy] = {}
        for strategy in by_moment:
            if not world.has_moved(strategy.after):
                continue
            world.wait(strategy.moment)
            contract_id = await _buy(world, strategy, f"{number}")
            if contract_id is not None:
                held[contract_id] = strategy
        bought = dict(held)
        for _ in range(LONGEST_ROUND):
            await world.tick()
            for contract_id in [each for each in held if each in world.ledger.ended]:
                del held[contract_id]
            for contract_id, strategy in list(held.items()):
                if strategy.sells != "never" and await _sell(world, strategy, contract_id):
                    del held[contract_id]
            if not held:
                break
        for contract_id, strategy in bought.items():
            ended = world.ledger.ended.pop(contract_id, None)
            if ended is not None and ended.proceeds is not None:
                returns[strategy].add(np.array([float(ended.proceeds / STAKE) - 1]))
    running.cancel()
    return returns


async def _buy(world: World, strategy: Strategy, key: str) -> str | None:
    details = PurchaseDetails(
        instrument_id=INSTRUMENT.id,
        duration=strategy.duration,
        duration_unit=strategy.unit,
        allow_equals=strategy.allow_equals,
        stake=str(STAKE),
        variant=strategy.variant,
        barrier=world.barrier(strategy),
    )
    try:
        bought = await world.desk.buy("trader", PurchaseRequest(idempotency_key=key, product_id=strategy.product, proposal_details=details))
    except PricewireError:
        return None
    return bought.contract_id


async def _sell(world: World, strategy: Strategy, contract_id: str) -> bool:
    """Sell a contract if its strategy says so now; return whether it was sold."""
    book = world.desk._books.find(INSTRUMENT.id)
    contract = book.positions.contracts.get(contract_id)
    if contract is None or contract.entry_tick_time is None:
        return False
    moves = book.moves
    if moves is None or book.tick is None:
        return False
    left = book.positions.ticks_left(book.tick, moves, 0.0, contract_id)
    bid = book.bids(contract_id)[0] / 100
    is_wanted = {"once": True, "gain": bid > 1.1 * float(STAKE), "last": left <= 1}[strategy.sells]
    if not is_wanted:
        return False
    try:
        await world.desk.sell("trader", contract_id)
    except PricewireError:
        return False
    return True


def settle(contract: Contract, spot: float, times: Floats, pips: Floats) -> Floats:
    """
    Return what a contract brings for its stake on many futures, less the stake.

    Args:
        contract: as it was bought.
        spot: the price that it was bought at, in pips.
        times: of the ticks of each future, in milliseconds since 1970, in order: an array of futures and ticks.
        pips: their prices.
    """
    rows = np.arange(len(times))
    entry = (times <= contract.buy_time).sum(axis=1)
    last = entry + contract.duration if contract.duration_unit == "ticks" else (times <= contract.expiry_time).sum(axis=1) - 1
    entered = pips[rows, np.minimum(entry, pips.shape[1] - 1)]
    is_price = contract.barrier is not None and contract.barrier[0] not in "+-"
    offset = float(Decimal(contract.barrier or 0) / QUANTUM)
    barrier = np.full(len(rows), offset) if is_price else entered + offset
    if contract.product_id == "touch":
        # A barrier that is a price may be touched by the entry itself.
        places = np.arange(pips.shape[1])
        is_seen = (places >= (entry if is_price else entry + 1)[:, None]) & (places <= last[:, None])
        is_beyond = pips >= barrier[:, None] if offset > (spot if is_price else 0) else pips <= barrier[:, None]
        won = (is_seen & is_beyond).any(axis=1) == (contract.variant == "touch")
        is_back = (last <= entry) & ~(is_seen & is_beyond).any(axis=1)
    else:
        ended = pips[rows, np.maximum(last, 0)]
        above = ended > barrier if contract.variant in ("rise", "higher") else ended < barrier
        won = np.where(ended == barrier, contract.allow_equals, above)
        is_back = last <= entry
    gain = np.where(won, float(contract.payout / contract.stake) - 1, -1.0)
    return np.where(is_back, 0.0, gain)


async def sample(feed: Feed, chosen: Sequence[Strategy], purchases: int, futures: int, seed: int) -> dict[Strategy, Returns]:
    """Return the returns of strategies that hold to the end, on many futures of each of a few purchases."""
    world = World(feed, seed)
    random = np.random.default_rng(seed + 1)
    returns: dict[Strategy, Returns] = defaultdict(Returns)
    for _ in range(WARM_UP):
        await world.tick()
    book = world.desk._books.find(INSTRUMENT.id)
    for number, after in itertools.product(range(purchases), ("any", "up", "down")):
        while not world.has_moved(after):
            await world.tick()
        contracts = []
        for strategy in sorted(chosen, key=lambda strategy: strategy.moment):
            if strategy.after != after:
                continue
            world.wait(strategy.moment)
            contract_id = await _buy(world, strategy, f"{number}")
            if contract_id is not None:
                contracts.append((strategy, book.positions.contracts[contract_id]))
        for start in range(0, futures, CHUNK):
            count = min(CHUNK, futures - start)
            ticks = math.ceil(62_000 / feed.interval_ms) + 12 if feed.is_regular else 130
            gaps = np.full((count, ticks), feed.interval_ms) if feed.is_regular else random.exponential(feed.interval_ms, (count, ticks))
            times = float(world.newest_ms) + np.cumsum(gaps, axis=1)
            deviations = VOLATILITY * np.sqrt(gaps / YEAR_MS)
            logs = np.log(world.pips + random.uniform(-0.5, 0.5, (count, 1)))
            logs = logs + np.cumsum(deviations * random.standard_normal((count, ticks)) - deviations**2 / 2, axis=1)
            pips = np.rint(np.exp(logs))
            for strategy, contract in contracts:
                returns[strategy].add(settle(contract, world.pips, times, pips))
        for _ in range(LONGEST_ROUND):
            await world.tick()
    return returns


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is tried.

    Attributes:
        rounds: how many purchases of each strategy on each feed.
        futures: on how many futures each of `PURCHASES` of what is held to its end is settled besides.
        seed: of the prices.
    """

    rounds: int = 1000
    futures: int = 25_000
    seed: int = 1


QUICK = Settings(rounds=3, futures=500)
"""Whether the pieces work; the figures say nothing."""


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Let all strategies trade on all feeds, and return the report."""
    columns = ["strategy", "purchases", "expected return", "99 % interval"]
    figures: dict[str, Any] = {"settings": asdict(settings)}
    tables, notes = [], []
    for feed in FEEDS:
        chosen = list(strategies())
        held = [strategy for strategy in chosen if strategy.sells == "never"]
        if feed.outage:
            returns = asyncio.run(play(feed, chosen, settings.rounds, settings.seed, progress))
        else:
            others = [strategy for strategy in chosen if strategy not in set(held)]
            returns = asyncio.run(sample(feed, held, PURCHASES, settings.futures, settings.seed))
            returns |= asyncio.run(play(feed, others, settings.rounds, settings.seed, progress))
        table = Table(f"What a buyer gains: ticks {feed.name}", columns)
        beaten = []
        for strategy, each in returns.items():
            if each.count < 2:
                continue
            low, high = each.interval()
            table.rows.append([str(strategy), f"{each.count:,}", f"{each.mean:+.2%}", f"{low:+.2%} to {high:+.2%}"])
            figures[f"{feed.name}: {strategy}"] = (each.count, each.mean, low, high)
            if low > 0 and each.count >= JUDGED:
                beaten.append(str(strategy))
        tables.append(table)
        kept = -sum(each.total for each in returns.values()) / sum(each.count for each in returns.values())
        notes.append(f"{feed.name}: the house keeps {kept:.2%} of all stakes; beaten by {', '.join(beaten) or 'nobody'}")
    return Report("edge", tables, figures, notes)
