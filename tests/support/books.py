"""Books of an instrument whose ticks come at equal intervals, and how its price moves."""

from __future__ import annotations

from pricewire.trading.instrument_books import InstrumentBook
from pricewire.trading.volatility import Moves
from support.contract_maker import tick
from support.feeds import GOLD

MOVES = Moves(volatility=0.5, interval_ms=1000.0, is_regular=True, margin=0.0)
"""Of GOLD in these books."""


def steady_book(price: str = "100.00", *, interval_ms: int = 1000) -> InstrumentBook:
    """Return a book with a few ticks at equal intervals, the newest at the time of `BUY_TIME`, and a known volatility."""
    book = InstrumentBook(GOLD, MOVES.volatility)
    book.load(tick(-interval_ms * number, price) for number in range(30, -1, -1))
    return book
