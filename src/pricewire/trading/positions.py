"""The open contracts of an instrument: what a tick does to them, and what they are worth then, computed for all together. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from pricewire.protocol.messages import Tick
from pricewire.trading.columns import Columns
from pricewire.trading.contracts import UPWARD, Contract, deadline, enter, entry_tick, is_entry, refund, settle, touch
from pricewire.trading.money import to_units
from pricewire.trading.pricing import YEAR_MS, bid_units, edge_shift, win_probability

COLUMNS = {
    "sign": float,
    "shift": float,
    "is_touch": bool,
    "base": float,
    "of_spot": float,
    "side": float,
    "volatility": float,
    "commission": float,
    "payout": float,
    "buy_time": int,
    "expiry_time": int,
    "deadline": int,
    "in_ticks": bool,
    "ticks_left": int,
    "is_entered": bool,
    "is_touched": bool,
}
"""
The numbers of each contract that prices and settlement are computed from.

`base` and `of_spot` give the barrier in pips, `base + of_spot * spot`, until the entry fixes it in `base`. `side` is 1 where the entry was
at or below the barrier, -1 above. `ticks_left` counts down where `in_ticks`.
"""

PRICED = tuple(name for name in COLUMNS if name not in ("side", "buy_time", "deadline", "is_entered"))
"""The columns that the price depends on."""


class Happened(NamedTuple):
    """
    What a tick, or the passing of time, has changed.

    Attributes:
        changed: contracts that were entered or touched, and are open.
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
        """
        Add an open contract.

        Args:
            contract: the contract, entered or not.
            ticks_seen: how many ticks have come since its entry.
        """
        self.contracts[contract.contract_id] = contract
        wins_above = contract.variant in UPWARD
        is_touch = contract.product_id == "touch"
        values: dict[str, float] = {
            "sign": 1.0 if wins_above or contract.variant == "touch" else -1.0,
            "shift": 0.0 if is_touch else edge_shift(wins_above=wins_above, allow_equals=contract.allow_equals),
            "is_touch": is_touch,
            "volatility": contract.volatility,
            "commission": contract.commission,
            "payout": float(to_units(contract.payout, contract.currency)),
            "buy_time": contract.buy_time,
            "in_ticks": contract.duration_unit == "ticks",
            "ticks_left": contract.duration - ticks_seen,
        }
        self.table.add(contract.contract_id, values | self._life(contract))

    def remove(self, contract_id: str) -> None:
        """Remove a contract that was sold; harmless if it has ended."""
        self.contracts.pop(contract_id, None)
        self.table.remove(contract_id)

    def on_tick(self, tick: Tick, interval_ms: int) -> Happened:
        """
        Apply a tick to all contracts.

        Args:
            tick: not older than the newest.
            interval_ms: the usual time between two ticks, in milliseconds.
        """
        before, self.newest = self.newest, tick
        table = self.table
        if not len(table):
            return Happened([], [])
        now, spot = tick.epoch_ms, self._pips(tick.price)
        ended = self._expire(table["deadline"] < now, before)
        is_entered = table["is_entered"].copy()
        first = [self.contracts[contract_id] for contract_id in self._chosen(~is_entered & (table["buy_time"] < now))]
        changed = [self._change(enter(contract, tick, interval_ms)) for contract in first if is_entry(contract, tick)]
        is_reached = table["is_touch"] & ~table["is_touched"] & (table["side"] * (spot - table["base"]) >= 0)
        changed += [self._change(touch(self.contracts[contract_id], tick)) for contract_id in self._chosen(is_entered & is_reached)]
        table["ticks_left"][:] -= is_entered
        is_last = is_entered & table["in_ticks"] & (table["ticks_left"] <= 0)
        ended += [self._end(settle(self.contracts[contract_id], tick)) for contract_id in self._chosen(is_last)]
        still_open = self.contracts
        return Happened([contract for contract in changed if contract.contract_id in still_open], ended)

    def on_time(self, now_ms: int) -> list[Contract]:
        """
        End the contracts whose deadline has passed without a later tick.

        Args:
            now_ms: all ticks up to this time have come, in milliseconds since 1970.
        """
        return self._expire(self.table["deadline"] < now_ms, self.newest)

    def bids(self, tick: Tick, interval_ms: int, contract_id: str | None = None) -> npt.NDArray[np.int64]:
        """
        Return what the contracts can be sold for, in the smallest unit of each one's currency, in the order of `table.items`.

        Args:
            tick: the newest.
            interval_ms: the usual time between two ticks, in milliseconds.
            contract_id: the only one to price; by default all.
        """
        table, pips = self.table, self._pips(tick.price)
        row = None if contract_id is None else table.row(contract_id)
        column = {name: table[name] if row is None else table[name][row : row + 1] for name in PRICED}
        left_ms = np.where(column["in_ticks"], column["ticks_left"] * interval_ms, column["expiry_time"] - tick.epoch_ms)
        years = np.maximum(left_ms, 0) / YEAR_MS
        edge = np.maximum(column["base"] + column["of_spot"] * pips + column["shift"], 0.5)
        probability = win_probability(pips, edge, column["volatility"], years, column["sign"], column["is_touch"])
        is_touched = column["is_touched"]
        probability[is_touched] = column["sign"][is_touched] > 0
        return bid_units(column["payout"], probability, column["commission"])

    def _life(self, contract: Contract) -> dict[str, float]:
        """Return the numbers that a contract's transitions change."""
        barrier, entry = contract.barrier_price, contract.entry_spot
        if barrier is None or entry is None:
            of_spot = contract.barrier is None or contract.barrier[0] in "+-"
            base = self._pips(Decimal(contract.barrier or 0))
            side = 1.0
        else:
            of_spot, base, side = False, self._pips(barrier), 1.0 if entry <= barrier else -1.0
        return {
            "base": base,
            "of_spot": of_spot,
            "side": side,
            "expiry_time": contract.expiry_time,
            "deadline": deadline(contract),
            "is_entered": entry is not None,
            "is_touched": contract.touch_time is not None,
        }

    def _change(self, contract: Contract) -> Contract:
        self.contracts[contract.contract_id] = contract
        self.table.add(contract.contract_id, self._life(contract))
        return contract

    def _end(self, contract: Contract) -> Contract:
        self.remove(contract.contract_id)
        return contract

    def _expire(self, is_over: npt.NDArray[np.bool_], last: Tick | None) -> list[Contract]:
        """End contracts whose deadline has passed: `last` is the newest tick before it."""
        return [self._end(self._outcome(self.contracts[contract_id], last)) for contract_id in self._chosen(is_over)]

    def _outcome(self, contract: Contract, last: Tick | None) -> Contract:
        if contract.entry_tick_time is None or contract.duration_unit == "ticks":
            return refund(contract)
        entry = entry_tick(contract)
        return settle(contract, entry if last is None or last.epoch_ms < entry.epoch_ms else last)

    def _chosen(self, mask: npt.NDArray[np.bool_]) -> list[str]:
        items = self.table.items
        return [items[row] for row in np.flatnonzero(mask)]

    def _pips(self, price: Decimal) -> float:
        return float(price * self._scale)
