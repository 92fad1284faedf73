from __future__ import annotations

from pricewire.market.feeds.simulated.instruments import SIMULATED
from pricewire.market.market import checked


def test_they_are_the_volatility_indices() -> None:
    ids = [each.instrument.id for each in SIMULATED]
    assert ids == [f"R_{n}" for n in (10, 25, 50, 75, 100)] + [f"1HZ{n}V" for n in (10, 25, 50, 75, 100)]


def test_the_name_says_the_volatility_and_the_interval() -> None:
    for each in SIMULATED:
        percent = round(each.volatility * 100)
        if each.instrument.id.startswith("R_"):
            assert (each.instrument.id, each.interval_ms) == (f"R_{percent}", 2000)
            assert each.instrument.display_name == f"Volatility {percent} Index"
        else:
            assert (each.instrument.id, each.interval_ms) == (f"1HZ{percent}V", 1000)
            assert each.instrument.display_name == f"Volatility {percent} (1s) Index"


def test_they_can_be_used() -> None:
    for each in SIMULATED:
        assert checked(each.instrument).pip_size in (2, 3, 4)
        assert each.instrument.is_market_open
