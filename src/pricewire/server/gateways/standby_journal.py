"""The journal of a server that stands by: it has the ticks that another one publishes, since contracts are settled by them afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence

import msgspec

from pricewire.bus.frames import Published, Record
from pricewire.bus.tasks import running
from pricewire.market.feed import LATEST_MS
from pricewire.market.journal import Journal
from pricewire.market.journal_writer import JournalWriter
from pricewire.market.pips import quantum_of
from pricewire.protocol.messages import Instrument, Tick, TickBody
from pricewire.protocol.topics import TicksTopic

TICK = msgspec.json.Decoder(TickBody)


class StandbyJournal:
    """
    Writes published ticks to a journal, but those that it has already.

    Args:
        journal: of this process.
        instruments: those of this process's feeds.
    """

    def __init__(self, journal: Journal, instruments: Sequence[Instrument]) -> None:
        self._journal = journal
        self._instruments = {str(TicksTopic(instrument.id)): instrument for instrument in instruments}
        # By topic the time of the newest tick, and how many of that time are there that may come once more, from before the start.
        self._newest: dict[str, tuple[int, int]] = {}
        self._writer = JournalWriter(journal, "ticks wait for it")

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """
        Keep the journal up to date within the block; it is closed afterwards.

        Raises:
            JournalError: it cannot be read.
        """
        try:
            for topic, instrument in self._instruments.items():
                for tick in await self._journal.between(instrument.id, 0, LATEST_MS, newest=1):
                    equal = await self._journal.between(instrument.id, tick.epoch_ms, tick.epoch_ms)
                    self._newest[topic] = tick.epoch_ms, len(equal)
            async with running(self._journal.run(), "journal"):
                yield
        finally:
            self._writer.finish()
            self._journal.close()

    def take(self, records: Sequence[Record]) -> None:
        """Write the ticks among what was published."""
        for record in records:
            if type(record) is Published and record.topic in self._instruments:
                self._add(record.topic, TICK.decode(record.json))

    def _add(self, topic: str, tick: TickBody) -> None:
        epoch_ms, instrument = int(tick.epoch_ms), self._instruments[topic]
        newest_ms, left = self._newest.get(topic, (0, 0))
        if epoch_ms < newest_ms:
            return
        if epoch_ms == newest_ms and left:
            self._newest[topic] = newest_ms, left - 1
            return
        one = quantum_of(instrument.pip_size)
        known = Tick(instrument.id, epoch_ms, tick.price, tick.ask, tick.bid)
        self._writer.write(known, (int(tick.price / one), int(tick.ask / one), int(tick.bid / one)))
        self._newest[topic] = epoch_ms, 0
