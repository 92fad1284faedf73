"""Nobody beats the house but by luck: a few futures of the benchmark `edge`, and that its rule of settlement is the desk's."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from bench.edge import FEEDS, INSTRUMENT, WARM_UP, Feed, Strategy, World, _buy, play, sample, settle, strategies

TO_THE_END = [strategy for strategy in strategies() if strategy.sells == "never"]


def silent(_: str) -> None:
    pass


@pytest.mark.parametrize("feed", [feed for feed in FEEDS if not feed.outage], ids=lambda feed: feed.name)
async def test_no_strategy_has_an_expectation_above_zero(feed: Feed) -> None:
    returns = await sample(feed, TO_THE_END, purchases=2, futures=3000, seed=4)
    assert len(returns) > 60
    for strategy, each in returns.items():
        assert each.interval()[0] < 0, f"{strategy}: {each}"
    # The house earns about its commission, or more: of a chance p it is c / (p + c).
    assert np.mean([each.mean for each in returns.values()]) < -0.01


async def test_who_sells_at_once_pays_the_commission_twice() -> None:
    chosen = [strategy for strategy in strategies() if strategy.sells == "once"]
    returns = await play(FEEDS[0], chosen, 12, 3, silent)
    assert len(returns) == len(chosen)
    for strategy, each in returns.items():
        if strategy.product == "rise_fall":
            assert each.mean == pytest.approx(-2 * 0.012 / 0.512, abs=0.002)
        assert each.mean < 0, strategy


EXPLOITS = [
    Strategy("touch", "no_touch", 1, "ticks", 0.0),
    Strategy("touch", "touch", 5, "ticks", 0.0),
    Strategy("high_low", "higher", 1, "ticks", 2.0, is_price=True),
    Strategy("high_low", "lower", 15, "seconds", 1.0, moment=0.02, is_price=True),
    Strategy("rise_fall", "rise", 15, "seconds", allow_equals=True),
]


@pytest.mark.parametrize("strategy", EXPLOITS, ids=str)
async def test_the_desk_settles_by_the_rule_that_the_futures_are_settled_by(strategy: Strategy) -> None:
    world = World(FEEDS[0], seed=8)
    running = asyncio.create_task(world.desk.run())
    for _ in range(WARM_UP):
        await world.tick()
    positions = world.desk._books.find(INSTRUMENT.id).positions
    wins = 0
    for number in range(40):
        world.wait(strategy.moment)
        spot = world.pips
        contract_id = await _buy(world, strategy, str(number))
        assert contract_id is not None
        contract = positions.contracts[contract_id]
        ticks: list[tuple[float, float]] = []
        while len(ticks) < 12:
            await world.tick()
            ticks.append((float(world.newest_ms), float(world.pips)))
        times, pips = np.array(ticks).T[:, None, :]
        (expected,) = settle(contract, spot, times, pips)
        ended = world.ledger.ended[contract_id]
        assert ended.proceeds is not None
        assert float(ended.proceeds / ended.stake) - 1 == pytest.approx(expected)
        wins += expected > 0
    assert 0 < wins < 40
    running.cancel()
