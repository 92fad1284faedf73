"""
Simulated prices: what a tick costs that is computed from a key and its number, beside what the market does with it.

A walk of NumPy's generator, which remembers where it is and whose prices who sees enough of them can foresee, is what the day of history
is measured against.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bench.machine import Placement
from bench.report import Progress, Report, Table, ratio_of
from pricewire.market.feeds.simulated.brownian import quote
from pricewire.market.feeds.simulated.feed import Cursor
from pricewire.market.feeds.simulated.instruments import SIMULATED
from pricewire.market.instrument_state import InstrumentState

SECRET = bytes(range(32))
INSTRUMENT = SIMULATED[-1]
INTERVAL_NS = INSTRUMENT.interval_ms * 1_000_000
NOW_NS = 1_795_000_000_000_000_000

DAY = 86_400
"""A day of one tick per second."""

EXPECTED = 1.0
"""What computing a live tick may cost, of what the market does with it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """
    How much is measured.

    Attributes:
        live: how many live ticks a round has.
        rounds: how often each way has its turn; the best counts.
        judge: whether to say if the expectation was met.
    """

    live: int = 20_000
    rounds: int = 7
    judge: bool = True


QUICK = Settings(live=600, rounds=1, judge=False)
"""Whether the pieces work; the figures say nothing."""


def run(placement: Placement, settings: Settings, progress: Progress) -> Report:
    """Measure, and return the report."""
    ways: dict[str, tuple[int, Callable[[], Callable[[], object]]]] = {
        "live, computed": (settings.live, lambda: _live(settings.live)),
        "live, what the market does with it": (settings.live, lambda: _market(settings.live)),
        "a day of history, computed": (DAY, _history),
        "a day of a generator's walk": (DAY, _walk),
    }
    costs = dict.fromkeys(ways, float("inf"))
    for number in range(settings.rounds):
        for name, (ticks, prepare) in ways.items():
            progress(f"round {number + 1} of {settings.rounds}: {name}")
            work = prepare()
            begin = time.process_time()
            work()
            costs[name] = min(costs[name], (time.process_time() - begin) / ticks * 1e6)
    live, market, history, walk = costs.values()
    table = Table("Simulated prices", ["tick", "microseconds of CPU", "beside"])
    table.rows += [
        ["live, computed", f"{live:.3f}", f"{ratio_of(live, market)} the market's own work"],
        ["live, what the market does with it", f"{market:.3f}", ""],
        ["a day of history, computed", f"{history:.3f}", f"{ratio_of(history, walk)} the walk"],
        ["a day of a generator's walk", f"{walk:.3f}", ""],
    ]
    report = Report("simulated", [table], {"microseconds_per_tick": costs}, [])
    if settings.judge:
        reached = "reached" if live <= EXPECTED * market else "MISSED"
        report.notes.append(f"at most {EXPECTED:g} times the market's own work expected for a live tick: {live / market:.2f}, {reached}")
    return report


def _live(count: int) -> Callable[[], None]:
    cursor = Cursor(INSTRUMENT, SECRET, INTERVAL_NS)
    cursor.move_to(cursor.path.step_at(NOW_NS))
    cursor.next_tick()

    def work() -> None:
        for _ in range(count):
            cursor.next_tick()

    return work


def _market(count: int) -> Callable[[], None]:
    cursor = Cursor(INSTRUMENT, SECRET, INTERVAL_NS)
    cursor.move_to(cursor.path.step_at(NOW_NS))
    ticks = [cursor.next_tick() for _ in range(count)]

    def work() -> None:
        state = InstrumentState(INSTRUMENT.instrument, NOW_NS)
        for tick in ticks:
            state.add(*state.check(tick), NOW_NS)

    return work


def _history() -> Callable[[], object]:
    path = Cursor(INSTRUMENT, SECRET, INTERVAL_NS).path
    last = path.step_at(NOW_NS)
    # The spans' totals are computed once in the life of a process.
    path.ticks(last, last)
    return lambda: path.ticks(last - DAY + 1, last)


def _walk() -> Callable[[], object]:
    random = np.random.default_rng(1)

    def work() -> object:
        logs = np.cumsum(random.standard_normal(DAY) * 1e-4)
        return quote(np.exp(logs) * INSTRUMENT.start_price, INSTRUMENT.volatility, INSTRUMENT.instrument.pip_size)

    return work
