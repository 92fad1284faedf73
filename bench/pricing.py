"""
Pricing: contracts priced per second of CPU, all of a batch in one call, beside loops over one contract after the other.

The batches are mixed as a book holds them: digital contracts and touches, in time and in ticks. The loops price as programs do that have no
batches: N(d2) with SciPy's normal distribution, and `vollib`'s price of a plain option, the nearest that it has.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import scipy.stats
from scipy.special import ndtr
from vollib.black_scholes import black_scholes  # type: ignore[import-untyped]

from bench.machine import Placement
from bench.report import Progress, Report, Table, ratio_of, thousands
from pricewire.trading.columns import Columns
from pricewire.trading.pricing import QUOTE_COLUMNS, Floats, make_quote, price_quotes, win_probability
from pricewire.trading.volatility import YEAR_MS, Moves

BATCH = 10_000
"""How many contracts a batch has."""

EXPECTED = 5_000_000
"""How many contracts per second of CPU are expected."""

SPOT = 125_000.0
MOVES = Moves(volatility=1.0, interval_ms=1000.0, is_regular=True, margin=0.0)


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is measured.

    Attributes:
        batches: how many batches a round prices in one call each.
        loop: how many contracts a round prices one after the other.
        rounds: how often each way has its turn; the best counts.
        judge: whether to say which expectations were met.
    """

    batches: int = 100
    loop: int = 2000
    rounds: int = 5
    judge: bool = True


QUICK = Settings(batches=1, loop=20, rounds=1, judge=False)
"""Whether the pieces work; the figures say nothing."""


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    random = np.random.default_rng(20)
    years = random.uniform(1000, 3_600_000, BATCH) / YEAR_MS
    ticks = np.ceil(years * YEAR_MS / MOVES.interval_ms)
    barriers = np.rint(SPOT * np.exp(random.standard_normal(BATCH) * MOVES.volatility * np.sqrt(years)))
    edges = barriers + 0.5
    signs = np.where(random.random(BATCH) < 0.5, 1.0, -1.0)
    is_touch = np.arange(BATCH) % 3 == 0
    quotes = _quotes()
    ways: dict[str, tuple[int, Callable[[], object]]] = {
        "open contracts, a third of them touches": (
            BATCH,
            lambda: win_probability(SPOT, barriers, 0.5, MOVES.tick_deviation, ticks, signs, is_touch),
        ),
        "open contracts, digital alone": (
            BATCH,
            lambda: win_probability(SPOT, barriers, 0.5, MOVES.tick_deviation, ticks, signs, np.zeros(BATCH, bool)),
        ),
        "proposals, both sides": (BATCH, lambda: price_quotes(quotes, SPOT, MOVES)),
        "loop over SciPy's norm.cdf": (1, _loop(edges, years, settings.loop, lambda x: float(scipy.stats.norm.cdf(x)))),
        "loop over SciPy's ndtr": (1, _loop(edges, years, settings.loop, lambda x: float(ndtr(x)))),
        "loop over vollib's black_scholes": (1, _vollib(edges, years, settings.loop)),
    }
    rates = dict.fromkeys(ways, 0.0)
    for number in range(settings.rounds):
        for name, (batch, price) in ways.items():
            progress(f"round {number + 1} of {settings.rounds}: {name}")
            calls = settings.batches if batch == BATCH else 1
            contracts = batch * calls if batch == BATCH else settings.loop
            begin = time.process_time()
            for _ in range(calls):
                price()
            rates[name] = max(rates[name], contracts / max(time.process_time() - begin, 1e-9))
    table = Table(f"Pricing, in batches of {BATCH:,}", ["way", "contracts per CPU second", "of the fastest loop"])
    fastest = max(rate for name, rate in rates.items() if name.startswith("loop"))
    for name, rate in rates.items():
        table.rows.append([name, thousands(rate), ratio_of(rate, fastest)])
    report = Report("pricing", [table], {"batch": BATCH, "contracts_per_cpu_second": rates}, [])
    if settings.judge:
        slowest = min(rate for name, rate in rates.items() if not name.startswith("loop"))
        reached = "reached" if slowest >= EXPECTED else "MISSED"
        report.notes.append(f"at least {EXPECTED:,} contracts per CPU second expected in batches: {thousands(slowest)}, {reached}")
    return report


def _quotes() -> Columns[int]:
    quotes = Columns[int](QUOTE_COLUMNS)
    for number in range(BATCH):
        quote = make_quote(
            duration=1 + number % 10,
            unit="ticks" if number % 4 == 0 else "minutes",
            barrier=None if number % 2 else f"+{0.01 * (1 + number % 50):.2f}",
            allow_equals=number % 5 == 0,
            pip_size=2,
            has_barrier=True,
            is_touch=number % 3 == 0,
        )
        quotes.add(number, quote._asdict())
    return quotes


def _loop(edges: Floats, years: Floats, count: int, normal: Callable[[float], float]) -> Callable[[], object]:
    pairs = list(zip(edges.tolist(), years.tolist(), strict=True))[:count]

    def price() -> list[float]:
        prices = []
        for edge, time_left in pairs:
            deviation = MOVES.volatility * math.sqrt(time_left)
            prices.append(normal(math.log(SPOT / edge) / deviation - deviation / 2))
        return prices

    return price


def _vollib(edges: Floats, years: Floats, count: int) -> Callable[[], object]:
    pairs = list(zip(edges.tolist(), years.tolist(), strict=True))[:count]
    return lambda: [black_scholes("c", SPOT, edge, time_left, 0.0, MOVES.volatility) for edge, time_left in pairs]
