from __future__ import annotations

import pytest

from pricewire.market.feeds.simulated.instruments import SIMULATED
from pricewire.market.markets import market_of_pair


@pytest.mark.parametrize(
    ("name", "market"),
    [
        ("EURUSD", "Forex"),
        ("eurusd", "Forex"),
        ("EUR/USD", "Forex"),
        ("usd-jpy", "Forex"),
        ("EURUSD_202001", "Forex"),
        ("btcusdt", "Cryptocurrency"),
        ("BTC/USD", "Cryptocurrency"),
        ("ETHBTC", "Cryptocurrency"),
        ("DOGE-USDT", "Cryptocurrency"),
        ("OPUSDT", "Cryptocurrency"),
        ("MATICEUR", "Cryptocurrency"),
        ("XAUUSD", "Commodities"),
        ("EURUSDX", None),
        ("EUREUX", None),
        ("AAPL", None),
        ("GOLD", None),
        ("EUR", None),
        ("", None),
        ("R_100", None),
    ],
)
def test_a_pair_says_its_market(name: str, market: str | None) -> None:
    assert market_of_pair(name) == market


def test_the_simulated_indices_are_synthetic() -> None:
    assert all(each.instrument.categories == ["Synthetic Index", "Volatility"] for each in SIMULATED)
