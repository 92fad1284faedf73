"""After a restart: what has become of the open contracts meanwhile, from the recorded ticks."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from operator import attrgetter

import msgspec

from pricewire.market.feed import LATEST_MS
from pricewire.protocol.messages import Tick
from pricewire.trading.contracts import PATIENCE_MS, Contract, enter, entry_after, is_entry, reaches, refund, settle, touch
from pricewire.trading.interfaces import Ledger, TickHistory

BATCH = 1000
"""How many contracts are written in one transaction."""

EPOCH = attrgetter("epoch_ms")


class Recovered(msgspec.Struct, frozen=True):
    """
    What the recorded ticks say of a contract that was open.

    Attributes:
        contract: the contract now: open as it was, entered or touched, settled, or refunded.
        ticks_seen: how many ticks have come after the entry; one of a duration in ticks ends when they are its duration.
    """

    contract: Contract
    ticks_seen: int


def decide(contract: Contract, ticks: Sequence[Tick]) -> Recovered:
    """
    Say what has become of an open contract: what the same ticks would have made of it one by one, as `Positions.on_tick` says.

    Time alone decides nothing: what waits for a tick goes on waiting.

    Args:
        contract: open, with or without entry.
        ticks: the recorded ticks of its instrument after `entry_after`, or more, oldest first.
    """
    if contract.entry_tick_time is None:
        first = bisect_right(ticks, entry_after(contract), key=EPOCH)
        if first == len(ticks):
            return Recovered(contract, 0)
        entry = ticks[first]
        if not is_entry(contract, entry):
            return Recovered(refund(contract, entry.epoch_ms), 0)
        usual_ms = (contract.expiry_time - contract.buy_time) // contract.duration
        contract = enter(contract, entry, usual_ms)
        if contract.touch_time is not None:
            return Recovered(settle(contract, entry), 0)
        start = first + 1
    else:
        start = bisect_left(ticks, contract.entry_tick_time, key=EPOCH)
        # It is the first of its millisecond; those after it count.
        start += start < len(ticks) and ticks[start].epoch_ms == contract.entry_tick_time
    is_timed = contract.duration_unit != "ticks"
    end = bisect_right(ticks, contract.expiry_time, key=EPOCH) if is_timed else min(start + contract.duration, len(ticks))
    touching = None
    if contract.product_id == "touch":
        touching = next((place for place in range(start, end) if reaches(contract, ticks[place])), None)
    if not is_timed:
        before = contract.entry_tick_time
        for place in range(start, end if touching is None else touching + 1):
            if before is not None and ticks[place].epoch_ms - before > PATIENCE_MS:
                return Recovered(refund(contract, ticks[place].epoch_ms), place - start)
            before = ticks[place].epoch_ms
    if touching is not None:
        return Recovered(settle(touch(contract, ticks[touching]), ticks[touching]), touching - start + 1)
    seen = end - start
    if not is_timed:
        return Recovered(settle(contract, ticks[end - 1]) if seen == contract.duration else contract, seen)
    if end < len(ticks):
        is_missed = seen <= 0 or ticks[end].epoch_ms - ticks[end - 1].epoch_ms > PATIENCE_MS
        return Recovered(refund(contract, ticks[end].epoch_ms) if is_missed else settle(contract, ticks[end - 1]), max(seen, 0))
    return Recovered(contract, max(seen, 0))


async def recover(ledger: Ledger, ticks: TickHistory) -> list[Recovered]:
    """
    Bring every open contract to where the recorded ticks say, and return those that are still open.

    If the process is killed in the middle, all is simply done again: each contract is written at most once, and decided by the same ticks.

    Raises:
        DatabaseError: the database does not answer.
    """
    by_instrument = defaultdict(list)
    for contract in await ledger.open_contracts():
        by_instrument[contract.instrument_id].append(contract)
    still_open = []
    for instrument_id, contracts in by_instrument.items():
        # One instrument at a time: a day of its ticks is some tens of megabytes.
        recorded = await ticks.between(instrument_id, min(map(entry_after, contracts)), LATEST_MS)
        for start in range(0, len(contracts), BATCH):
            batch = contracts[start : start + BATCH]
            decided = [decide(contract, recorded) for contract in batch]
            await ledger.settle([each.contract for each in decided if each.contract.status != "open"])
            going_on = [each for each in decided if each.contract.status == "open"]
            known = set(batch)
            await ledger.enter([each.contract for each in going_on if each.contract not in known])
            still_open += going_on
    return still_open
