"""
What a contract has to become, computed from the journal's files by the rules of `docs/trading.md`: no code of the server's is used.

Each contract is followed through the ticks one by one.
"""

from __future__ import annotations

import json
import struct
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

PATIENCE_MS = 120_000
"""After how long without a tick a contract that needs one is given back, in milliseconds."""

UNIT_MS = {"seconds": 1000, "minutes": 60_000, "hours": 3_600_000, "days": 86_400_000}

RECORD = struct.Struct("<qqqqII")


class JournalTick(NamedTuple):
    """A tick in the journal: its time in milliseconds since 1970, its prices in pips."""

    epoch_ms: int
    price: int
    ask: int
    bid: int


class Recorded(NamedTuple):
    """
    The ticks of an instrument.

    Attributes:
        pip_size: the decimals of its prices.
        ticks: in the order in which they came.
    """

    pip_size: int
    ticks: list[JournalTick]


class Outcome(NamedTuple):
    """
    What has become of a contract.

    Attributes:
        status: `open`, `settled` or `refunded`.
        entry: the time and the price of the entry; None without one.
        barrier: the barrier as a price, known with the entry.
        exit: the time and the price of the tick that it was settled by; None where it was not.
        wins: whether it pays.
    """

    status: str
    entry: tuple[int, Decimal] | None = None
    barrier: Decimal | None = None
    exit: tuple[int, Decimal] | None = None
    wins: bool = False


def read_journal(folder: Path) -> dict[str, Recorded]:
    """Return the ticks of a journal by their instruments; a record at a file's end that is not whole was never a tick."""
    found: dict[str, Recorded] = {}
    for path in sorted(folder.glob("*.ticks")):
        data = path.read_bytes()
        begin = data.index(b"\n") + 1
        instruments = json.loads(data[:begin])["instruments"]
        names = list(instruments)
        for name, pip_size in instruments.items():
            assert found.setdefault(name, Recorded(pip_size, [])).pip_size == pip_size, f"{name} has other decimals than before"
        whole = begin + (len(data) - begin) // RECORD.size * RECORD.size
        for epoch_ms, price, ask, bid, instrument, _ in RECORD.iter_unpack(data[begin:whole]):
            found[names[instrument]].ticks.append(JournalTick(epoch_ms, price, ask, bid))
    return found


def outcome(contract: Mapping[str, Any], recorded: Recorded, until_ms: int | None = None) -> Outcome:
    """
    Return what a contract has to become.

    Args:
        contract: its row in the database: what was bought, and when.
        recorded: the ticks of its instrument.
        until_ms: the time of the last tick that counts, the first of that millisecond; by default all do.
    """
    one = Decimal(1).scaleb(-recorded.pip_size)
    ticks = recorded.ticks
    # A tick that was on its way at the purchase counts where the barrier is a price.
    after = contract["buy_tick_time"] if is_price(contract["barrier"]) else contract["buy_time"]
    followed = Followed(contract)
    for tick in ticks[bisect_right(ticks, after, key=attrgetter("epoch_ms")) :]:
        if until_ms is not None and tick.epoch_ms > until_ms:
            break
        followed.take(tick.epoch_ms, tick.price * one)
        if followed.now.status != "open" or tick.epoch_ms == until_ms:
            break
    return followed.now


class Followed:
    """
    A contract and what the ticks after its purchase have made of it so far.

    Attributes:
        now: what that is.
    """

    def __init__(self, contract: Mapping[str, Any]) -> None:
        """Begin with a contract's row."""
        self.now = Outcome("open")
        self._contract = contract
        self._newest: tuple[int, Decimal] | None = None
        self._later = 0
        unit = contract["duration_unit"]
        self._ticks = contract["duration"] if unit == "ticks" else None
        self._end_ms = None if unit == "ticks" else contract["buy_time"] + contract["duration"] * UNIT_MS[unit]

    def take(self, epoch_ms: int, price: Decimal) -> None:
        """Let a tick happen to it."""
        if self._newest is None:
            self._enter(epoch_ms, price)
            return
        newest, self._newest = self._newest, (epoch_ms, price)
        pause_ms = epoch_ms - newest[0]
        if self._end_ms is not None and epoch_ms > self._end_ms:
            if self._later == 0 or pause_ms > PATIENCE_MS:
                self.now = self.now._replace(status="refunded")
            else:
                self._settle(newest, is_touched=False)
            return
        if self._ticks is not None and pause_ms > PATIENCE_MS:
            self.now = self.now._replace(status="refunded")
            return
        self._later += 1
        if self._contract["product_id"] == "touch" and self._is_reached(price):
            self._settle((epoch_ms, price), is_touched=True)
        elif self._later == self._ticks:
            self._settle((epoch_ms, price), is_touched=False)

    def _enter(self, epoch_ms: int, price: Decimal) -> None:
        latest_ms = self._contract["buy_time"] + PATIENCE_MS
        if epoch_ms > (latest_ms if self._end_ms is None else min(latest_ms, self._end_ms)):
            self.now = Outcome("refunded")
            return
        self._newest = (epoch_ms, price)
        barrier = self._contract["barrier"]
        level = price if barrier is None else Decimal(barrier) + (0 if is_price(barrier) else price)
        self.now = Outcome("open", (epoch_ms, price), level)
        # From the price that it was bought at, which is not the barrier.
        is_crossed = is_price(barrier) and (Decimal(self._contract["buy_spot"]) - level) * (price - level) <= 0
        if self._contract["product_id"] == "touch" and is_crossed:
            self._settle(self._newest, is_touched=True)

    def _is_reached(self, price: Decimal) -> bool:
        assert self.now.entry is not None, "it was entered before"
        entry, level = self.now.entry[1], self.now.barrier
        assert level is not None, "it is known with the entry"
        return price >= level if entry <= level else price <= level

    def _settle(self, at: tuple[int, Decimal], *, is_touched: bool) -> None:
        product, variant, level = (self._contract["product_id"], self._contract["variant"], self.now.barrier)
        assert level is not None, "it is known with the entry"
        price = at[1]
        if product == "touch":
            wins = is_touched == (variant == "touch")
        elif price == level:
            wins = bool(self._contract["allow_equals"])
        else:
            wins = (price > level) == (variant in ("rise", "higher"))
        self.now = self.now._replace(status="settled", exit=at, wins=wins)


def is_price(barrier: str | None) -> bool:
    """Return whether a barrier is a price, and no offset from the entry."""
    return barrier is not None and not barrier.startswith(("+", "-"))


def wrong_ends(contracts: Sequence[Mapping[str, Any]], journal: Mapping[str, Recorded]) -> Iterator[str]:
    """
    Yield in words what is wrong with contracts, by the journal.

    Args:
        contracts: their rows in the database, with money in the currency's smallest unit and prices as text.
        journal: the ticks.
    """
    for contract in contracts:
        if contract["instrument_id"] not in journal:
            yield f"{contract['contract_id']}: there is no tick of {contract['instrument_id']}"
            continue
        recorded = journal[contract["instrument_id"]]
        is_sold = contract["status"] == "sold"
        right = outcome(contract, recorded, contract["exit_tick_time"] if is_sold else None)
        found = {
            "status": contract["status"],
            "entry": point(contract, "entry"),
            "barrier": None if contract["barrier_price"] is None else Decimal(contract["barrier_price"]),
            "exit": point(contract, "exit"),
            "proceeds": contract["proceeds"],
        }
        wanted: dict[str, Any] = {"status": right.status, "entry": right.entry, "barrier": right.barrier, "exit": right.exit}
        if right.status == "settled":
            wanted["proceeds"] = contract["payout"] if right.wins else 0
        elif right.status == "refunded":
            wanted["proceeds"] = contract["stake"]
            # Where ticks stayed away, whether the entry was written first says nothing.
            wanted["entry"], wanted["barrier"] = found["entry"], found["barrier"]
        if is_sold and right.status == "open":
            # It was worth something at a tick that had decided nothing.
            exit_tick = point(contract, "exit")
            wanted |= {"status": "sold", "exit": exit_tick, "proceeds": contract["proceeds"]}
            if not 0 < contract["proceeds"] < contract["payout"] or exit_tick not in of_time(recorded, contract["exit_tick_time"]):
                yield f"{contract['contract_id']} was sold at no price: {dict(contract)}"
        if any(found[name] != wanted.get(name) for name in found):
            yield f"{contract['contract_id']} is {found} instead of {wanted}: {dict(contract)}"


def point(contract: Mapping[str, Any], name: str) -> tuple[int, Decimal] | None:
    """Return the time and the price of a contract's `entry` or `exit`; None where it has none."""
    epoch_ms, spot = contract[f"{name}_tick_time"], contract[f"{name}_spot"]
    return None if epoch_ms is None else (epoch_ms, Decimal(spot))


def of_time(recorded: Recorded, epoch_ms: int) -> list[tuple[int, Decimal]]:
    """Return the ticks of a millisecond."""
    one = Decimal(1).scaleb(-recorded.pip_size)
    stop = bisect_right(recorded.ticks, epoch_ms, key=attrgetter("epoch_ms"))
    start = bisect_right(recorded.ticks, epoch_ms - 1, key=attrgetter("epoch_ms"))
    return [(tick.epoch_ms, tick.price * one) for tick in recorded.ticks[start:stop]]
