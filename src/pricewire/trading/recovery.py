"""After a restart: what has become of the open contracts meanwhile, from the recorded ticks."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Sequence
from operator import attrgetter

import msgspec

from pricewire.market.feed import LATEST_MS
from pricewire.protocol.messages import Tick
from pricewire.trading.contracts import Contract, enter, entry_tick, is_entry, reaches, refund, settle, touch
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


def decide(contract: Contract, ticks: Sequence[Tick], now_ms: int) -> Recovered:
    """
    Say what has become of an open contract.

    One of a duration in time is settled by the last recorded tick at or before its expiry. One of a duration in ticks goes on with those
    that come after the restart. Where no tick came before the (expected) expiry, the stake is given back.

    Args:
        contract: open, with or without entry.
        ticks: the recorded ticks of its instrument after its purchase, or more, oldest first.
        now_ms: the time, in milliseconds since 1970.
    """
    is_timed = contract.duration_unit != "ticks"
    if contract.entry_tick_time is None:
        first = bisect_right(ticks, contract.buy_time, key=EPOCH)
        if first == len(ticks) or not is_entry(contract, ticks[first]):
            return Recovered(refund(contract) if now_ms > contract.expiry_time else contract, 0)
        contract = enter(contract, ticks[first], (contract.expiry_time - contract.buy_time) // contract.duration)
        rest = first + 1
    else:
        rest = bisect_left(ticks, contract.entry_tick_time, key=EPOCH)
        # It is the first of its millisecond; those after it count.
        rest += rest < len(ticks) and ticks[rest].epoch_ms == contract.entry_tick_time
    if is_timed:
        end = bisect_right(ticks, contract.expiry_time, key=EPOCH)
        is_over = now_ms > contract.expiry_time
    else:
        end = min(len(ticks), rest + contract.duration)
        is_over = end - rest == contract.duration
    life = ticks[rest:end]
    if contract.product_id == "touch" and contract.touch_time is None:
        touching = next((tick for tick in life if reaches(contract, tick)), None)
        if touching is not None:
            contract = touch(contract, touching)
    return Recovered(settle(contract, life[-1] if life else entry_tick(contract)) if is_over else contract, len(life))


async def recover(ledger: Ledger, ticks: TickHistory, now_ms: int) -> list[Recovered]:
    """
    Bring every open contract to where the recorded ticks say, and return those that are still open.

    If the process is killed in the middle, all is simply done again: each contract is written at most once, and decided by the same ticks.

    Args:
        ledger: where the contracts are.
        ticks: those recorded until the process ended.
        now_ms: the time, in milliseconds since 1970.

    Raises:
        DatabaseError: the database does not answer.
    """
    by_instrument = defaultdict(list)
    for contract in await ledger.open_contracts():
        by_instrument[contract.instrument_id].append(contract)
    still_open = []
    for instrument_id, contracts in by_instrument.items():
        # One instrument at a time: a day of its ticks is some tens of megabytes.
        recorded = await ticks.between(instrument_id, min(contract.buy_time for contract in contracts), LATEST_MS)
        for start in range(0, len(contracts), BATCH):
            batch = contracts[start : start + BATCH]
            decided = [decide(contract, recorded, now_ms) for contract in batch]
            await ledger.settle([each.contract for each in decided if each.contract.status != "open"])
            going_on = [each for each in decided if each.contract.status == "open"]
            known = set(batch)
            await ledger.enter([each.contract for each in going_on if each.contract not in known])
            still_open += going_on
    return still_open
