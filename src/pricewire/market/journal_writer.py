"""Writes ticks to a journal, one after the other; those that it cannot take now wait in memory until it can."""

from __future__ import annotations

import logging
from collections import deque

from pricewire.errors import JournalError
from pricewire.market.instrument_state import Pips
from pricewire.market.journal import Journal
from pricewire.protocol.messages import Tick

logger = logging.getLogger(__name__)

MOST_WAITING = 100_000
"""How many ticks wait at most; the oldest are lost then."""

AT_ONCE = 1000
"""How many of those that have waited are written at once: prices are not to wait for them."""


class JournalWriter:
    """
    Writes ticks in the order in which they come.

    Attributes:
        failure: why ticks cannot be written now; empty while they can, and none waits.

    Args:
        journal: where they are written to.
        consequence: what follows from a failure, for the log.
    """

    def __init__(self, journal: Journal, consequence: str) -> None:
        self.failure = ""
        self._journal = journal
        self._consequence = consequence
        self._waiting: deque[tuple[Tick, Pips]] = deque()
        self._lost = 0

    @property
    def is_waiting(self) -> bool:
        """Whether ticks wait."""
        return bool(self._waiting)

    def waiting_of(self, instrument_id: str) -> int:
        """Return how many ticks of an instrument wait."""
        return sum(tick.instrument_id == instrument_id for tick, _ in self._waiting)

    def write(self, tick: Tick, pips: Pips) -> list[Tick]:
        """Write a tick, with its prices in pips, after those that wait; return which have been written."""
        if not self._waiting:
            try:
                self._journal.add(tick.instrument_id, tick.epoch_ms, *pips)
            except JournalError as error:
                self._fail(error)
            else:
                return [tick]
        self._waiting.append((tick, pips))
        if len(self._waiting) > MOST_WAITING:
            self._waiting.popleft()
            self._lost += 1
        return self.write_waiting() if len(self._waiting) > 1 else []

    def write_waiting(self) -> list[Tick]:
        """Write some of the ticks that wait, if that is possible now; return them."""
        written = list[Tick]()
        try:
            while self._waiting and len(written) < AT_ONCE:
                tick, pips = self._waiting[0]
                self._journal.add(tick.instrument_id, tick.epoch_ms, *pips)
                self._waiting.popleft()
                written.append(tick)
        except JournalError as error:
            self._fail(error)
        if written and not self._waiting:
            if self._lost:
                logger.error("the journal is written again, but lacks %d ticks that were too many to wait for it", self._lost)
            else:
                logger.info("the journal is written again, and has all that came meanwhile")
            self.failure, self._lost = "", 0
        return written

    def finish(self) -> None:
        """Write what waits; before the journal is closed."""
        while self.write_waiting():
            pass
        if self._waiting:
            logger.error("the journal never gets %d ticks that have come, and contracts are settled without them", len(self._waiting))

    def _fail(self, error: JournalError) -> None:
        if not self.failure:
            logger.error("%s; %s", error, self._consequence)
        self.failure = str(error)
