"""The ticks of the time when the server was down, as a source has kept them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from pricewire.market.feed import PastTicks
from pricewire.protocol.messages import Instrument, Tick

BEFORE_MS = 60_000
"""So much earlier than the newest tick a source is asked from, in milliseconds: a tick's time may be so much later than its arrival."""


class After:
    """Takes of a row of ticks those after the newest ones of the journal."""

    def __init__(self, newest: Sequence[Tick]) -> None:
        """Begin with the newest tick of each instrument; those of others are left out."""
        self._newest = {tick.instrument_id: tick for tick in newest}
        # Those at the very time of the newest one; known to be after it once it has come itself.
        self._same: dict[str, list[Tick]] = {}
        self._seen = set[str]()

    def take(self, tick: Tick) -> list[Tick]:
        """Take the next tick; return those that are after the newest ones, as far as it is known."""
        newest = self._newest.get(tick.instrument_id)
        if newest is None or tick.epoch_ms < newest.epoch_ms:
            return []
        if tick.epoch_ms > newest.epoch_ms:
            return [*self._same.pop(tick.instrument_id, []), tick]
        if (tick.bid, tick.ask) == (newest.bid, newest.ask):
            self._seen.add(tick.instrument_id)
            self._same[tick.instrument_id] = []
        elif tick.instrument_id in self._seen:
            self._same[tick.instrument_id].append(tick)
        return []

    @property
    def begin_ms(self) -> int:
        """From when on a source is asked, in milliseconds since 1970 by the time of arrival."""
        return min(tick.epoch_ms for tick in self._newest.values()) - BEFORE_MS

    def rest(self) -> list[Tick]:
        """Return what was kept back, after the last tick."""
        return [tick for ticks in self._same.values() for tick in ticks]


def columns(ticks: Iterable[Tick], instruments: Sequence[Instrument]) -> Iterator[PastTicks]:
    """Yield ticks as columns, those of each instrument in their order."""
    rows: dict[str, list[Tick]] = {}
    for tick in ticks:
        rows.setdefault(tick.instrument_id, []).append(tick)
    for instrument in instruments:
        if own := rows.get(instrument.id):
            scale = 10**instrument.pip_size
            epoch_ms = np.array([tick.epoch_ms for tick in own], np.int64)
            prices = (np.array([int(getattr(tick, name) * scale) for tick in own], np.int64) for name in ("price", "ask", "bid"))
            yield PastTicks(instrument.id, epoch_ms, *prices)
