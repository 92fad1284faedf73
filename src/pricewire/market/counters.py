"""What a feed has brought and what it has held back, for metrics and for `pricewire feed test`."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass, field

from pricewire.errors import TickRejectedError

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class FeedCounters:
    """
    What a feed has done.

    Attributes:
        name: what operators know it by.
        messages: how many have come.
        ticks: how many were made of them.
        passed_over: how many messages and ticks were of something else: other instruments, by `where` no ticks.
        gaps: how often ticks were missed, or may have been.
        connections: how often it was connected.
        rejected: how many messages and ticks could not be used, by why.
        newest_ns: when the newest message came, in nanoseconds of a monotonic clock; None before the first.
        examples: the last message that was rejected, and what was wrong with it, by why.
        symbols: how many ticks came of symbols that no instrument has; of a thousand symbols at most.
    """

    name: str
    messages: int = 0
    ticks: int = 0
    passed_over: int = 0
    gaps: int = 0
    connections: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    newest_ns: int | None = None
    examples: dict[str, tuple[str, str]] = field(default_factory=dict)
    symbols: Counter[str] = field(default_factory=Counter)

    def reject(self, error: TickRejectedError, example: str) -> None:
        """Count a message or tick that cannot be used; the first ones are logged, then fewer and fewer."""
        text, example = printable(str(error)), printable(example)
        count = self.rejected[error.reason] = self.rejected[error.reason] + 1
        self.examples[error.reason] = (text, example)
        if count <= 3 or str(count).strip("0") == "1":
            logger.warning("feed %s: tick held back (%s, %d so far): %s; in %s", self.name, error.reason, count, text, example)

    def miss(self, why: str) -> None:
        """Count a gap."""
        self.gaps += 1
        if self.gaps <= 3 or str(self.gaps).strip("0") == "1":
            logger.warning("feed %s: gap (%d so far): %s", self.name, self.gaps, why)

    def pass_over(self, symbol: str | None = None) -> None:
        """Count what is of something else."""
        self.passed_over += 1
        if symbol is not None and (symbol in self.symbols or len(self.symbols) < 1000):
            self.symbols[symbol] += 1


def printable(text: str) -> str:
    """Return a text of a source without what would break a line of a log, or move the cursor of a terminal."""
    return "".join(each if each.isprintable() else repr(each)[1:-1] for each in text)
