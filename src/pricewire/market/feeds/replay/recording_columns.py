"""Which column of a recording means what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pricewire.errors import FeedError

NAMES = {
    "time": ("timestamp", "time", "datetime", "date_time", "timestamp_ms", "epoch_ms", "epoch", "ts", "gmt_time", "utc_time"),
    "date": ("date", "day"),
    "bid": ("bid", "bid_price", "bidprice"),
    "ask": ("ask", "ask_price", "askprice", "offer"),
    "price": ("price", "last", "mid", "last_price", "close"),
    "symbol": ("symbol", "instrument", "instrument_id", "pair", "ticker"),
}
"""The names of columns, the most specific first, in lower case and with `_` for spaces, `-` and `.`."""


@dataclass(frozen=True, slots=True)
class Columns:
    """
    The places of the columns that matter, from 0.

    Attributes:
        time: the time, or the time of day where there is a `date`.
        bid: what one gets for selling; where only one price is recorded, that one.
        ask: what one pays to buy; where only one price is recorded, that one.
        date: the day, where it stands apart from the time.
        symbol: whose price it is, where the file says so.
    """

    time: int
    bid: int
    ask: int
    date: int | None = None
    symbol: int | None = None


def normalized(name: str) -> str:
    """Return a column's name as `NAMES` has it."""
    name = name.strip().strip("<>").lower()
    return name.replace(" ", "_").replace("-", "_").replace(".", "_")


def is_header(cells: Sequence[str]) -> bool:
    """Return whether a line names columns, instead of having a time and prices."""
    known = {name for names in NAMES.values() for name in names}
    return any(normalized(cell) in known for cell in cells)


def find_columns(names: Sequence[str]) -> Columns:
    """
    Return the columns by their names; case does not matter.

    Raises:
        FeedError: there is no time or no price among them.
    """
    by_name = {normalized(name): place for place, name in reversed(list(enumerate(names)))}
    found = {role: next((by_name[name] for name in known if name in by_name), None) for role, known in NAMES.items()}
    time, date = found["time"], found["date"]
    shown = ", ".join(repr(name) for name in names)
    if time is None:
        # A lone `date` has the time of day in it.
        time, date = date, None
    elif normalized(names[time]) != "time":
        # Only a column `time` can be a mere time of day: a `timestamp` beside a `date` is the whole.
        date = None
    if time is None:
        raise FeedError(f"no column is a time, such as 'timestamp' or 'date' and 'time'; there are {shown}")
    bid, ask, price = found["bid"], found["ask"], found["price"]
    if bid is None or ask is None:
        bid = ask = next((place for place in (price, bid, ask) if place is not None), None)
    if bid is None or ask is None:
        raise FeedError(f"no column is a price: 'bid' and 'ask', or 'price'; there are {shown}")
    return Columns(time, bid, ask, date, found["symbol"])


def columns_without_header(width: int) -> Columns:
    """
    Return the columns of a file that does not name them: time, bid, ask and more; or time and price.

    Raises:
        FeedError: there are fewer than two.
    """
    if width < 2:
        raise FeedError("a recording needs at least two columns, a time and a price")
    return Columns(time=0, bid=1, ask=1 if width == 2 else 2)
