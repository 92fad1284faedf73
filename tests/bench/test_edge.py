"""Nobody beats the house but by luck: a few futures of the benchmark `edge`, and that its rules are the desk's."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from bench.edge import (
    FEEDS,
    QUANTUM,
    STAKE,
    WARM_UP,
    Feed,
    Futures,
    Settings,
    Strategy,
    World,
    results,
    sample,
    strategies,
    turns,
    wanted,
)

from pricewire.errors import PricewireError
from pricewire.trading.contracts import Contract


@pytest.mark.parametrize("feed", FEEDS, ids=lambda feed: feed.name)
async def test_no_strategy_has_an_expectation_above_zero(feed: Feed) -> None:
    chosen = list(strategies())
    returns = await sample(feed, chosen, Settings(purchases=3, futures=800, seed=4), lambda _: None)
    assert len(returns) > 90
    for strategy, each in returns.items():
        # With so few futures some of hundreds of intervals lie above zero by chance: here they are wider, so that none of a million does.
        assert each.interval(0.999999)[0] < 0, f"{strategy}: {each}"
    # The house earns about its commission, or more: of a chance p it is c / (p + c).
    assert np.mean([each.mean for each in returns.values()]) < -0.01


async def test_who_sells_at_once_pays_the_commission_twice() -> None:
    chosen = [strategy for strategy in strategies() if strategy.sells == "once"]
    returns = await sample(FEEDS[0], chosen, Settings(purchases=2, futures=3000, seed=3), lambda _: None)
    assert len(returns) == len(chosen)
    for strategy, each in returns.items():
        if strategy.product == "rise_fall":
            assert each.mean == pytest.approx(-2 * 0.012 / 0.512, abs=0.002)
        assert each.mean < 0, strategy


OUTAGES = Feed("every 2 s, outages", 2000.0, outage=0.04, outage_ticks=(1, 90))

EXPLOITS = [
    Strategy("touch", "no_touch", 1, "ticks", 0.0),
    Strategy("touch", "touch", 5, "ticks", 1.0),
    Strategy("touch", "touch", 15, "seconds", -1.0, is_price=True),
    Strategy("high_low", "higher", 1, "ticks", 2.0, is_price=True),
    Strategy("high_low", "lower", 15, "seconds", 1.0, moment=0.02, is_price=True),
    Strategy("rise_fall", "rise", 15, "seconds", allow_equals=True),
    Strategy("rise_fall", "fall", 10, "ticks"),
]


async def lives(feed: Feed, strategy: Strategy, sells: str, count: int) -> list[tuple[float, float]]:
    """Return what contracts bring at the desk, and by the benchmark's rules, on the same prices."""
    world = World(feed, seed=8)
    running = asyncio.create_task(world.desk.run())
    for _ in range(WARM_UP):
        await world.tick()
    found = []
    for number in range(count):
        while not world.is_moment(strategy):
            await world.tick()
        contracts = await world.buy([strategy], str(number))
        moves = world.moves
        assert moves is not None
        if not contracts:
            await world.tick()
            continue
        contract = contracts[strategy]
        spot, spot_ms = float(world.pips), world.newest_ms
        ticks: list[tuple[float, float, float]] = []
        while len(ticks) < feed.ticks() or contract.contract_id not in world.ledger.ended:
            await world.tick()
            ticks.append((world.newest_ms, float(world.pips), world.change))
            if contract.contract_id in world.positions.contracts and sells != "never":
                await sell(world, contract, sells)
        times, pips, changes = np.array(ticks).T[:, None, :]
        (expected,) = results(contract, Futures(spot, spot_ms, times, pips, changes, np.full_like(times, feed.delay_ms), moves), [sells])[
            sells
        ]
        proceeds = world.ledger.ended[contract.contract_id].proceeds
        assert proceeds is not None
        found.append((float(proceeds / STAKE) - 1, float(expected)))
    running.cancel()
    return found


async def sell(world: World, contract: Contract, sells: str) -> None:
    """Sell a contract at the desk, if its strategy says so now."""
    moves, book = world.moves, world.desk._books.find(contract.instrument_id)
    assert moves is not None
    assert book.tick is not None
    left = np.array([world.positions.ticks_left(book.tick, moves, 0.0, contract.contract_id)])
    bid = book.bids(contract.contract_id) / float(STAKE * 100)
    if (
        world.positions.contracts[contract.contract_id].entry_tick_time is not None
        and wanted(sells, bid, left, np.array([world.change]))[0]
    ):
        try:
            await world.desk.sell("trader", contract.contract_id)
        except PricewireError:
            assert bid[0] == 0
        await turns()


@pytest.mark.parametrize("strategy", EXPLOITS, ids=str)
async def test_the_desk_settles_by_the_rule_that_the_futures_are_settled_by(strategy: Strategy) -> None:
    found = await lives(OUTAGES, strategy, "never", 60)
    assert [each for each, _ in found] == pytest.approx([expected for _, expected in found])
    assert {each > 0 for each, _ in found} == {True, False}
    if strategy.duration == 10:
        assert any(each == 0 for each, _ in found), "some are given back"


LATE = [
    Feed("every 2 s, half a second late", 2000.0, delay_ms=500.0),
    Feed("irregular, 0.5 s on the average, a second late", 500.0, spread=1.0, delay_ms=1000.0),
]


@pytest.mark.parametrize("feed", LATE, ids=lambda feed: feed.name)
@pytest.mark.parametrize(
    "strategy",
    [
        Strategy("touch", "no_touch", 15, "seconds", 0.0, moment=0.98, is_price=True),
        Strategy("high_low", "higher", 15, "seconds", 1.0, moment=0.98, is_price=True),
        Strategy("touch", "touch", 15, "seconds", 0.5, moment=0.98),
        Strategy("rise_fall", "rise", 15, "seconds", moment=0.98),
    ],
    ids=str,
)
async def test_a_tick_that_is_on_its_way_at_a_purchase_is_settled_by_the_same_rule(feed: Feed, strategy: Strategy) -> None:
    found = await lives(feed, strategy, "never", 25)
    assert [each for each, _ in found] == pytest.approx([expected for _, expected in found])
    assert {each > 0 for each, _ in found} == {True, False}


@pytest.mark.parametrize("sells", ["once", "gain", "loss", "move", "last"])
@pytest.mark.parametrize("strategy", EXPLOITS[1:4:2] + EXPLOITS[-1:], ids=str)
async def test_the_desk_buys_back_at_what_the_futures_are_sold_for(strategy: Strategy, sells: str) -> None:
    found = await lives(FEEDS[0], strategy, sells, 12)
    assert [each for each, _ in found] == pytest.approx([expected for _, expected in found], abs=0.002)


def test_a_barrier_is_named_in_pips() -> None:
    world = World(FEEDS[0], seed=1)
    world.pips = 125_000
    strategy = Strategy("high_low", "higher", 15, "seconds", 0.0, is_price=True)
    assert world.barrier(strategy) == f"{125_001 * QUANTUM}"
