"""The simulated instruments: volatility indices, each a random walk of the constant annual volatility in its name."""

from __future__ import annotations

import msgspec

from pricewire.protocol.messages import Instrument


class SimulatedInstrument(msgspec.Struct, frozen=True):
    """
    An instrument whose prices are made here.

    Attributes:
        instrument: what the market says of it.
        interval_ms: the time between two ticks, in milliseconds.
        start_price: the price at the beginning of 2026.
        volatility: the standard deviation of the logarithm of the price after a year of 365 days; 1.0 is 100 %.
    """

    instrument: Instrument
    interval_ms: int
    start_price: float
    volatility: float


def volatility_index(percent: int, *, interval_ms: int, start_price: float, pip_size: int) -> SimulatedInstrument:
    """
    Return the volatility index with a tick every two seconds, `R_100`, or every second, `1HZ100V`.

    Args:
        percent: the annual volatility, in percent.
        interval_ms: the time between two ticks, in milliseconds: 2000 or 1000.
        start_price: its price at the beginning of 2026.
        pip_size: the decimals of its prices.
    """
    fast = interval_ms == 1000
    instrument = Instrument(
        id=f"1HZ{percent}V" if fast else f"R_{percent}",
        display_name=f"Volatility {percent} (1s) Index" if fast else f"Volatility {percent} Index",
        categories=["Synthetic Index", "Volatility"],
        pip_size=pip_size,
    )
    return SimulatedInstrument(instrument, interval_ms, start_price, percent / 100)


SIMULATED = (
    volatility_index(10, interval_ms=2000, start_price=6200.0, pip_size=3),
    volatility_index(25, interval_ms=2000, start_price=2900.0, pip_size=3),
    volatility_index(50, interval_ms=2000, start_price=240.0, pip_size=4),
    volatility_index(75, interval_ms=2000, start_price=880.0, pip_size=4),
    volatility_index(100, interval_ms=2000, start_price=1250.0, pip_size=2),
    volatility_index(10, interval_ms=1000, start_price=9400.0, pip_size=2),
    volatility_index(25, interval_ms=1000, start_price=3300.0, pip_size=2),
    volatility_index(50, interval_ms=1000, start_price=1900.0, pip_size=2),
    volatility_index(75, interval_ms=1000, start_price=5100.0, pip_size=2),
    volatility_index(100, interval_ms=1000, start_price=1480.0, pip_size=2),
)
"""The instruments of the simulated feed."""
