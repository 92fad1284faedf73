"""The open contracts of an instrument: what a tick does to them, and what they are worth then, computed for all together. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from pricewire.protocol.messages import Tick
from pricewire.trading.columns import Columns
from pricewire.trading.contracts import (
    PATIENCE_MS,
    UPWARD,
    Contract,
    enter,
    entry_after,
    entry_deadline,
    refund,
    settle,
    touch,
)
from pricewire.trading.money import to_units
from pricewire.trading.pricing import Floats, Numbers, bid_units, edge_shift, place_margin, win_probability
from pricewire.trading.volatility import Moves

COLUMNS = {
    "sign": float,
    "shift": float,
    "is_touch": bool,
    "base": float,
    "of_spot": float,
    "side": float,
    "commission": float,
    "payout": float,
    "entry_after": int,
    "expiry_time": int,
    "entry_deadline": int,
    "in_ticks": bool,
    "duration": int,
    "seen": int,
    "is_entered": bool,
}
"""
The numbers of each contract that prices and settlement are computed from.

`base` and `of_spot` give the barrier in pips, `base + of_spot * spot`, until the entry fixes it in `base`. `side` is 1 where the entry was
at or below the barrier, -1 above. `seen` counts the ticks after the entry; where `in_ticks`, the last one is the `duration`-th.
"""

PRICED = tuple(name for name in COLUMNS if name not in ("side", "entry_after", "entry_deadline"))
"""The columns that the price depends on."""


class Happened(NamedTuple):
    """
    What a tick, or the lack of ticks, has changed.

    Attributes:
        changed: contracts that were entered, and are open.
        ended: contracts that were settled or refunded. They are no longer among the positions.
    """

    changed: list[Contract]
    ended: list[Contract]


class Positions:
    """
    The open contracts of one instrument.

    Attributes:
        contracts: each by its id, as it is now.
        table: their numbers, by their ids.
        newest: the newest tick; to begin with the newest one that was recorded, if any was.
    """

    __slots__ = ("_scale", "contracts", "newest", "table")

    def __init__(self, pip_size: int) -> None:
        """Begin without contracts, for prices with `pip_size` decimals."""
        self.contracts: dict[str, Contract] = {}
        self.table: Columns[str] = Columns(COLUMNS)
        self.newest: Tick | None = None
        self._scale = 10**pip_size

    def add(self, contract: Contract, ticks_seen: int = 0) -> None:
        """Add an open contract, and how many ticks have come since its entry."""
        self.contracts[contract.contract_id] = contract
        wins_above = contract.variant in UPWARD
        is_touch = contract.product_id == "touch"
        values: dict[str, float] = {
            "sign": 1.0 if wins_above or contract.variant == "touch" else -1.0,
            "shift": 0.0 if is_touch else edge_shift(wins_above=wins_above, allow_equals=contract.allow_equals),
            "is_touch": is_touch,
            "commission": contract.commission,
            "payout": float(to_units(contract.payout, contract.currency)),
            "entry_after": entry_after(contract),
            "entry_deadline": entry_deadline(contract),
            "in_ticks": contract.duration_unit == "ticks",
            "duration": contract.duration,
            "seen": ticks_seen,
        }
        self.table.add(contract.contract_id, values | self._life(contract))

    def remove(self, contract_id: str) -> None:
        """Remove a contract that was sold; harmless if it has ended."""
        self.contracts.pop(contract_id, None)
        self.table.remove(contract_id)

    def on_tick(self, tick: Tick, moves: Moves) -> Happened:
        """
        Apply a tick, not older than the newest, to all contracts.

        A contract is settled with the tick that makes its outcome certain: that which touches its barrier, the last one of its duration, or
        the first one after its end.
        """
        before, self.newest = self.newest, tick
        table = self.table
        if not len(table):
            return Happened([], [])
        now, spot, interval_ms = tick.epoch_ms, self._pips(tick.price), round(moves.interval_ms)
        is_late = before is None or now - before.epoch_ms > PATIENCE_MS
        ended = self._give_back(self._is_missed(now, is_late=is_late), now)
        is_over = table["is_entered"] & ~table["in_ticks"] & (table["expiry_time"] < now)
        if before is not None:
            ended += [self._end(settle(contract, before)) for contract in self._chosen(is_over)]
        changed = []
        for contract in self._chosen(~table["is_entered"] & (table["entry_after"] < now)):
            entered = enter(contract, tick, interval_ms)
            if entered.touch_time is None:
                changed.append(entered)
                self.contracts[entered.contract_id] = entered
                # The entry itself is not counted.
                self.table.add(entered.contract_id, {**self._life(entered), "seen": -1})
            else:
                ended.append(self._end(settle(entered, tick)))
        table["seen"][:] += table["is_entered"]
        is_reached = table["is_entered"] & table["is_touch"] & (table["side"] * (spot - table["base"]) >= 0)
        ended += [self._end(settle(touch(contract, tick), tick)) for contract in self._chosen(is_reached)]
        is_last = table["in_ticks"] & table["is_entered"] & (table["seen"] >= table["duration"])
        ended += [self._end(settle(contract, tick)) for contract in self._chosen(is_last)]
        return Happened([contract for contract in changed if contract.contract_id in self.contracts], ended)

    def on_silence(self, now_ms: int) -> list[Contract]:
        """
        Give back the contracts whose ticks have stayed away for too long.

        Args:
            now_ms: the time of the newest tick and what has passed since it came, in milliseconds since 1970: more than `PATIENCE_MS`.
        """
        is_over = self.table["is_entered"] & ~self.table["in_ticks"] & (self.table["expiry_time"] < now_ms)
        return self._give_back(self._is_missed(now_ms, is_late=True) | is_over, now_ms)

    def bids(self, tick: Tick, moves: Moves, elapsed_ms: float = 0.0, contract_id: str | None = None) -> npt.NDArray[np.int64]:
        """
        Return what the contracts can be sold for, in the smallest unit of each one's currency, in the order of `table.items`.

        Args:
            tick: the newest.
            moves: how the price moves.
            elapsed_ms: how long ago its time was, in milliseconds. Where ticks are irregular, it is not known whether none came meanwhile
                or some are on their way: each contract is worth the less of both.
            contract_id: the only one to price; by default all.
        """
        table, pips = self.table, self._pips(tick.price)
        row = None if contract_id is None else table.row(contract_id)
        column = {name: table[name] if row is None else table[name][row : row + 1] for name in PRICED}
        barrier = np.maximum(column["base"] + column["of_spot"] * pips, 1.0)
        left = ticks_left(column, tick.epoch_ms, moves)
        terms = pips, barrier, column["shift"], moves.tick_deviation
        worth = win_probability(*terms, left, column["sign"], column["is_touch"])
        if elapsed_ms > 0 and not moves.is_regular:
            longer = ticks_left(column, tick.epoch_ms, moves, elapsed_ms)
            waited = np.full(len(left), elapsed_ms / moves.interval_ms)
            worth = np.minimum(worth, win_probability(*terms, longer, column["sign"], column["is_touch"], waited))
        worth -= place_margin(moves.tick_deviation * pips, left)
        return bid_units(column["payout"], worth, column["commission"])

    def ticks_left(self, tick: Tick, moves: Moves, elapsed_ms: float, contract_id: str) -> float:
        """Return how many ticks are to come that a contract looks at, an estimate where they are irregular; arguments as in `bids`."""
        row = self.table.row(contract_id)
        column = {name: self.table[name][row : row + 1] for name in PRICED}
        left = float(ticks_left(column, tick.epoch_ms, moves)[0])
        return left if moves.is_regular or column["in_ticks"][0] else max(left - elapsed_ms / moves.interval_ms, 0.0)

    def _is_missed(self, now: int, *, is_late: bool) -> npt.NDArray[np.bool_]:
        """
        Return which contracts get no ticks that they need, at a tick at the time `now` or without one.

        Args:
            now: in milliseconds since 1970.
            is_late: whether more than `PATIENCE_MS` have passed since the tick before.
        """
        table = self.table
        is_missed: npt.NDArray[np.bool_] = ~table["is_entered"] & (table["entry_deadline"] < now)
        is_missed |= table["is_entered"] & ~table["in_ticks"] & (table["expiry_time"] < now) & ((table["seen"] == 0) | is_late)
        is_missed |= table["is_entered"] & table["in_ticks"] & is_late
        return is_missed

    def _life(self, contract: Contract) -> dict[str, float]:
        """Return the numbers that a contract's entry changes."""
        barrier, entry = contract.barrier_price, contract.entry_spot
        if barrier is None or entry is None:
            of_spot = contract.barrier is None or contract.barrier[0] in "+-"
            base = self._pips(Decimal(contract.barrier or 0))
            side = 1.0
        else:
            of_spot, base, side = False, self._pips(barrier), 1.0 if entry <= barrier else -1.0
        return {"base": base, "of_spot": of_spot, "side": side, "expiry_time": contract.expiry_time, "is_entered": entry is not None}

    def _end(self, contract: Contract) -> Contract:
        self.remove(contract.contract_id)
        return contract

    def _give_back(self, mask: npt.NDArray[np.bool_], now: int) -> list[Contract]:
        return [self._end(refund(contract, now)) for contract in self._chosen(mask)]

    def _chosen(self, mask: npt.NDArray[np.bool_]) -> list[Contract]:
        items = self.table.items
        return [self.contracts[items[row]] for row in np.flatnonzero(mask)]

    def _pips(self, price: Decimal) -> float:
        return float(price * self._scale)


def ticks_left(column: dict[str, npt.NDArray[Any]], now: int, moves: Moves, elapsed_ms: Numbers = 0.0) -> Floats:
    """
    Return how many ticks contracts will still look at, as far as their price depends on them: the price moves also while none comes.

    Args:
        column: the columns `PRICED`.
        now: the time of the newest tick, in milliseconds since 1970.
        moves: how the price moves.
        elapsed_ms: how long ago it came, in milliseconds.
    """
    # The next tick is the entry of those that wait for one: an offset counts from it, a price is one tick more away.
    in_ticks = column["duration"] - column["seen"] + (~column["is_entered"] & (column["of_spot"] == 0))
    left_ms = column["expiry_time"] - now
    timed = left_ms // moves.interval_ms
    if not moves.is_regular:
        # The last tick comes some time before the end. A tick that is awaited has moved the price already.
        timed, in_ticks = left_ms / moves.interval_ms - moves.wait, in_ticks + elapsed_ms / moves.interval_ms
    left: Floats = np.maximum(np.where(column["in_ticks"], in_ticks, timed - column["of_spot"]), 0.0)
    return left
